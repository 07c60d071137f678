-- A sign-in that was begun through an API ends with the confirmation of the person who signed in; and integrations show
-- the authorization server that was discovered for them.

-- The tokens of a sign-in that waits for its confirmation: one row from the callback to the answer of the person, which
-- deletes it.
CREATE TABLE unconfirmed_grants (
    secret_hash TEXT PRIMARY KEY,   -- SHA-256 of the secret in the cookie of the browser that came back, lowercase hex
    integration_id TEXT NOT NULL REFERENCES integrations (id) ON DELETE CASCADE,
    owner TEXT NOT NULL,            -- whose credential it will be
    url TEXT NOT NULL,              -- the integration's URL when the tokens were granted
    sealed TEXT NOT NULL,           -- AES-256-GCM envelope of the tokens, bound to (unconfirmed_grants, secret_hash, sealed, owner)
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX unconfirmed_grants_expiry ON unconfirmed_grants (expires_at);

-- The issuer that was last discovered for the integration's URL, NULL: none yet.
ALTER TABLE integrations ADD COLUMN discovered_issuer TEXT;

INSERT INTO schema_versions (version) VALUES (9);
