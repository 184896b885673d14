-- What is pending is counted for each authorization request: without this, by reading every row (C71).
CREATE INDEX interactions_version_expires_at ON interactions (version, expires_at);
