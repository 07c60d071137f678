-- Registry, catalogue, credentials, API keys and audit.
-- Times are milliseconds since the Unix epoch. Lists and objects are JSON text. Migrations are only ever added.

-- The newest version here is the schema's; `store::schema` compares it with what the code needs.
CREATE TABLE schema_versions (
    version INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,            -- public id: the 16 hex characters after pst_
    name TEXT NOT NULL UNIQUE,      -- principal: apikey:<name>
    hash TEXT NOT NULL,             -- SHA-256 of the whole key text, lowercase hex
    email TEXT,
    description TEXT,
    roles TEXT NOT NULL,            -- JSON array of strings
    created_at INTEGER NOT NULL,
    expires_at INTEGER              -- NULL: never
) STRICT;

CREATE TABLE integrations (
    id TEXT PRIMARY KEY,            -- UUID
    slug TEXT NOT NULL,             -- kebab-case, prefix of exposed tool names
    name TEXT NOT NULL,             -- display name
    url TEXT NOT NULL,
    category TEXT NOT NULL CHECK (category IN ('gateway_remote_mcp', 'internal_mcp_credentials')),
    auth_mode TEXT NOT NULL CHECK (auth_mode IN ('oauth', 'user_token', 'server_token', 'none')),
    capabilities TEXT,              -- JSON, as declared by the operator
    credential_schema TEXT,         -- JSON Schema of user credentials
    state TEXT NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'stopped')),
    era TEXT CHECK (era IN ('legacy', 'modern')),   -- NULL until a probe succeeded
    protocol_version TEXT,          -- what the last successful probe negotiated
    validation_status TEXT NOT NULL DEFAULT 'pending' CHECK (validation_status IN ('pending', 'valid', 'invalid')),
    validation_message TEXT,
    last_validated_at INTEGER,
    next_validation_at INTEGER NOT NULL,
    validation_lease_until INTEGER NOT NULL DEFAULT 0,  -- a tick is working on it until then
    consecutive_failures INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    archived_at INTEGER             -- NULL: live
) STRICT;

CREATE UNIQUE INDEX integrations_live_slug ON integrations (slug) WHERE archived_at IS NULL;
CREATE UNIQUE INDEX integrations_live_name ON integrations (name) WHERE archived_at IS NULL;
CREATE INDEX integrations_name ON integrations (name);
CREATE INDEX integrations_order ON integrations (created_at, id) WHERE archived_at IS NULL;
CREATE INDEX integrations_due ON integrations (next_validation_at) WHERE archived_at IS NULL;

CREATE TABLE credentials (
    id TEXT PRIMARY KEY,            -- UUID
    integration_id TEXT NOT NULL REFERENCES integrations (id) ON DELETE CASCADE,
    owner TEXT NOT NULL,            -- 'organization', or a caller's subject
    sealed TEXT NOT NULL,           -- AES-256-GCM envelope, bound to (credentials, id, sealed, owner)
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (integration_id, owner)
) STRICT;

CREATE TABLE tools (
    id TEXT PRIMARY KEY,            -- 24 hex characters, the same for the same (integration, name) for ever
    integration_id TEXT NOT NULL REFERENCES integrations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,             -- the upstream's own name
    definition TEXT NOT NULL,       -- JSON object as discovered, without its name member
    param_headers TEXT,             -- JSON array of {header, path}: arguments a modern upstream wants mirrored
    hash TEXT NOT NULL,             -- SHA-256 of the definition
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    UNIQUE (integration_id, name)
) STRICT;

CREATE TABLE audit_events (
    id TEXT PRIMARY KEY,            -- evt_ + 32 hex characters
    timestamp INTEGER NOT NULL,     -- when the call arrived
    duration_ms INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    user_id TEXT NOT NULL,          -- the caller's subject
    user_email TEXT,
    persona TEXT,
    tool_name TEXT NOT NULL,        -- exposed name, or the name asked for when there is no such tool
    toolkit_kind TEXT NOT NULL,
    connection TEXT,                -- slug
    parameters TEXT NOT NULL,       -- JSON object, secrets redacted, long values cut
    success INTEGER NOT NULL,
    error_message TEXT,
    request_chars INTEGER NOT NULL,
    response_chars INTEGER NOT NULL,
    content_blocks INTEGER NOT NULL,
    transport TEXT NOT NULL,
    source TEXT NOT NULL,
    authorized INTEGER NOT NULL
) STRICT;

CREATE INDEX audit_events_time ON audit_events (timestamp);

INSERT INTO schema_versions (version) VALUES (1);
