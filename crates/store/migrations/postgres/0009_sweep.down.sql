-- Nothing is known any more of what was confirmed: it is asked for again.
DROP INDEX jobs_system;
ALTER TABLE stray_records DROP COLUMN deleting_at;
ALTER TABLE stray_records DROP COLUMN confirmed_at;
