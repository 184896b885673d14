-- RFC 7592: the hash of the token with which a client manages its own registration.
ALTER TABLE clients ADD COLUMN registration_token_hash TEXT;

-- Clients nobody ever used are reclaimed oldest first; whether one was used is asked of its grants.
CREATE INDEX clients_created_at ON clients (created_at);
CREATE INDEX grants_client_id ON grants (client_id);
