-- The version before rotates nothing by itself and has no role that only one node may have. What was rotated stays so;
-- the audit log keeps who did it.
DROP TABLE rotations;
DROP TABLE leases;
