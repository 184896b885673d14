-- A user's own token belongs to (identity, route) and serves all grants of that user there: such a credential belongs to
-- no grant, and the grants name it. Credentials that belong to one grant are found by credentials.grant_id as before.
ALTER TABLE grants ADD COLUMN shared_credential_id TEXT;
