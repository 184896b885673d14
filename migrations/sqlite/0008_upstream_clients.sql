-- Clients that the gateway has registered at a provider, one for each MCP client (RFC 7591): ids, secrets and the means to
-- take them back, sealed. One that nobody uses and whose MCP client is gone is taken back at the provider.
CREATE TABLE upstream_clients (
  provider TEXT NOT NULL,
  client_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  sealed TEXT NOT NULL,
  used_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX upstream_clients_owner ON upstream_clients (provider, client_id);
CREATE INDEX upstream_clients_client_id ON upstream_clients (client_id);
CREATE INDEX upstream_clients_used_at ON upstream_clients (used_at);
