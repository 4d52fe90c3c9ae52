-- Only where every policy is active and has no calendar; the program looks before it runs this. The version before
-- would rotate what was suspended, and would not rotate what has a calendar.
ALTER TABLE policies DROP COLUMN schedule;
ALTER TABLE policies DROP COLUMN status;
DROP TYPE policy_status;
