-- Where the registry went, in the database that it left: whoever opens that one is told.
ALTER TABLE feed ADD COLUMN moved_to TEXT;
