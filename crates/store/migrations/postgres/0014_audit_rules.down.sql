-- Forgets retentions, and holds that were released. Only where none stands; the program looks before it runs this. The
-- version before lets go of nothing.
DROP TABLE audit_rules;
DROP TYPE audit_rule_kind;
