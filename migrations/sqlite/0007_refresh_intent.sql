-- When the refresh token of the current version was first on its way to the provider: written before the call, so that
-- whoever comes after a crash knows that the provider may have exchanged it.
ALTER TABLE credentials ADD COLUMN presented_at INTEGER;
CREATE INDEX credentials_presented ON credentials (id) WHERE presented_at IS NOT NULL;

-- A grant may also hold the tokens of its sign-in, to ask the provider about the user again.
ALTER TABLE credentials ADD COLUMN purpose TEXT NOT NULL DEFAULT 'server' CHECK (purpose IN ('server', 'sign-in'));
DROP INDEX credentials_grant_id;
CREATE UNIQUE INDEX credentials_grant_id ON credentials (grant_id, purpose);

-- When a user's own token was last given, taken over or refreshed with; unused ones are collected. Time starts now for those
-- that are here already.
ALTER TABLE credentials ADD COLUMN used_at INTEGER;
UPDATE credentials SET used_at = unixepoch() * 1000 WHERE grant_id IS NULL;
CREATE INDEX credentials_shared ON credentials (used_at) WHERE grant_id IS NULL;
CREATE INDEX grants_shared_credential ON grants (shared_credential_id) WHERE shared_credential_id IS NOT NULL;
