-- Making a backup is a job.
ALTER TYPE job_kind ADD VALUE 'create_backup';
