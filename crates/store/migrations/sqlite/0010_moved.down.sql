-- Only a database that nothing left goes back.
ALTER TABLE feed DROP COLUMN moved_to;
