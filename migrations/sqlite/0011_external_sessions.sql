-- Sessions under the tokens of other authorization servers belong to grants that are not here: the same table without the
-- reference. Those of ours end with their grant as before, and none is bound to one that has ended.
CREATE TABLE sessions_anew (
  hash TEXT PRIMARY KEY NOT NULL,
  grant_id TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO sessions_anew SELECT hash, grant_id, expires_at FROM sessions
  WHERE grant_id IN (SELECT id FROM grants WHERE status <> 'revoked');
DROP TABLE sessions;
ALTER TABLE sessions_anew RENAME TO sessions;
CREATE INDEX sessions_grant_id ON sessions (grant_id, expires_at);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
