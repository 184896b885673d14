-- Sessions that MCP servers opened (Mcp-Session-Id), each bound to the grant it was opened under. The hash is over the
-- route and the session id: two servers may choose the same id.
CREATE TABLE sessions (
  hash TEXT PRIMARY KEY NOT NULL,
  grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_grant_id ON sessions (grant_id, expires_at);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
