-- What the assertions of a private_key_jwt client are verified with (RFC 7523): its public keys, or where it publishes them.
ALTER TABLE clients ADD COLUMN keys TEXT;

-- What may be presented once, such as the jti of a client assertion, until it has expired by itself.
CREATE TABLE consumed (
  key TEXT PRIMARY KEY NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX consumed_expires_at ON consumed (expires_at);
