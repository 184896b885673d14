-- When somebody last signed in or refreshed with a client: many clients never register again, so one that was in use stays
-- for as long as one that was never used.
ALTER TABLE clients ADD COLUMN last_used_at INTEGER;
