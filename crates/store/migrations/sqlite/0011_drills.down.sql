-- What drills found is in the signed reports beside the backups as well; the next one is due at once.
DROP TABLE drills;
