-- Since when something between gateway and provider has answered for the refresh token of the current version: the provider
-- may have exchanged it, and the next process must follow that up as well.
ALTER TABLE credentials ADD COLUMN relayed_at INTEGER;
CREATE INDEX credentials_relayed ON credentials (relayed_at) WHERE relayed_at IS NOT NULL;
