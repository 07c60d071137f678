-- Principals: what credentials, authorizations under way, sessions and audit rows belong to. An id is never given to
-- another principal, also after its own was deleted, so that a new key with an old key's name inherits nothing.

CREATE TABLE principals (
    id TEXT PRIMARY KEY,            -- key:<public id of the first key>, or apikey:<name> where that was the owner before
    name TEXT NOT NULL,             -- what people call it: the key's name
    created_at INTEGER NOT NULL,
    deleted_at INTEGER,             -- NULL: live
    swept_at INTEGER                -- when its last credential was deleted, NULL: there may be some
) STRICT;

CREATE INDEX principals_ending ON principals (deleted_at) WHERE deleted_at IS NOT NULL AND swept_at IS NULL;

-- The principal that a key stands for; NULL means key:<id>.
ALTER TABLE api_keys ADD COLUMN principal TEXT;

CREATE INDEX api_keys_principal ON api_keys (principal);
CREATE INDEX credentials_owner ON credentials (owner);
CREATE INDEX oauth_flows_owner ON oauth_flows (owner);

-- Keys that exist keep the owner that their credentials are sealed for.
INSERT INTO principals (id, name, created_at) SELECT 'apikey:' || name, name, created_at FROM api_keys;
UPDATE api_keys SET principal = 'apikey:' || name;

-- The key in the setting BOOTSTRAP_ADMIN_KEY, whatever its value is.
INSERT INTO principals (id, name, created_at) VALUES ('apikey:bootstrap', 'bootstrap', unixepoch() * 1000)
ON CONFLICT (id) DO NOTHING;

-- Owners whose key was deleted: a job revokes and deletes what they left.
INSERT INTO principals (id, name, created_at, deleted_at)
SELECT DISTINCT owner, substr(owner, 8), unixepoch() * 1000, unixepoch() * 1000 FROM credentials
WHERE owner LIKE 'apikey:%' AND owner NOT IN (SELECT id FROM principals);

INSERT INTO schema_versions (version) VALUES (7);
