-- All times are milliseconds since 1970. Tokens and codes are present as SHA-256 hashes only; `sealed` columns are
-- opened by the vault alone. src/storage/sqlite-schema.ts describes the same tables; a test compares the two.

CREATE TABLE clients (
  client_id TEXT PRIMARY KEY NOT NULL,
  origin TEXT NOT NULL,
  client_name TEXT,
  redirect_uris TEXT NOT NULL,
  token_endpoint_auth_method TEXT NOT NULL,
  secret_hash TEXT,
  grant_types TEXT NOT NULL,
  application_type TEXT NOT NULL,
  client_uri TEXT,
  scope TEXT,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE interactions (
  id TEXT PRIMARY KEY NOT NULL,
  version INTEGER NOT NULL,
  sealed TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX interactions_expires_at ON interactions (expires_at);

CREATE TABLE grants (
  id TEXT PRIMARY KEY NOT NULL,
  client_id TEXT NOT NULL,
  route_path TEXT NOT NULL,
  resource TEXT NOT NULL,
  scopes TEXT NOT NULL,
  sealed_identity TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'active', 'revoked')),
  generation INTEGER NOT NULL,
  rotated_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX grants_expires_at ON grants (expires_at);
CREATE INDEX grants_revoked ON grants (id) WHERE status = 'revoked';

-- Without rowid: the row lives in the index that finds it, one look-up instead of two.
CREATE TABLE codes (
  hash TEXT PRIMARY KEY NOT NULL,
  grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
  client_id TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  code_challenge TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  redeemed_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX codes_grant_id ON codes (grant_id);
CREATE INDEX codes_expires_at ON codes (expires_at);

CREATE TABLE access_tokens (
  hash TEXT PRIMARY KEY NOT NULL,
  grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
  scopes TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX access_tokens_grant_id ON access_tokens (grant_id);
CREATE INDEX access_tokens_expires_at ON access_tokens (expires_at);

CREATE TABLE credentials (
  id TEXT PRIMARY KEY NOT NULL,
  grant_id TEXT REFERENCES grants (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  sealed TEXT NOT NULL,
  expires_at INTEGER,
  state TEXT NOT NULL CHECK (state IN ('live', 'dead')),
  lease_until INTEGER
) STRICT;
CREATE UNIQUE INDEX credentials_grant_id ON credentials (grant_id);

CREATE TABLE remembered (
  name TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
