-- Connecting to upstreams by OAuth: authorizations under way, clients, the life of tokens, and what happened to them.

-- An authorization under way: one row from its start to its callback, which deletes it.
CREATE TABLE oauth_flows (
    state_hash TEXT PRIMARY KEY,    -- SHA-256 of the state parameter, lowercase hex
    integration_id TEXT NOT NULL REFERENCES integrations (id) ON DELETE CASCADE,
    owner TEXT NOT NULL,            -- whose credential it will be
    sealed TEXT NOT NULL,           -- AES-256-GCM envelope of the flow, bound to (oauth_flows, state_hash, sealed, owner)
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX oauth_flows_expiry ON oauth_flows (expires_at);

-- What Postern registered at an authorization server (RFC 7591), one row per issuer and set of redirect URIs.
CREATE TABLE oauth_clients (
    issuer TEXT NOT NULL,
    redirect_origin TEXT NOT NULL,
    sealed TEXT NOT NULL,           -- AES-256-GCM envelope of the client, bound to (oauth_clients, issuer, sealed, organization)
    created_at INTEGER NOT NULL,
    expires_at INTEGER,             -- when its secret ends, NULL: never
    PRIMARY KEY (issuer, redirect_origin)
) STRICT;

-- What happened to OAuth credentials.
CREATE TABLE auth_events (
    id TEXT PRIMARY KEY,            -- aev_ + 32 hex characters
    occurred_at INTEGER NOT NULL,
    integration_id TEXT NOT NULL,
    slug TEXT NOT NULL,
    owner TEXT NOT NULL,            -- whose credential
    event_type TEXT NOT NULL,
    actor TEXT NOT NULL,            -- a caller's subject, or system:<job>
    idp_host TEXT,                  -- host of the authorization server
    detail TEXT                     -- Postern's words, never a peer's
) STRICT;

CREATE INDEX auth_events_integration ON auth_events (integration_id, occurred_at);

ALTER TABLE credentials ADD COLUMN status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'needs_reauth'));
-- When the scheduled job renews it, NULL: it cannot.
ALTER TABLE credentials ADD COLUMN refresh_at INTEGER;
-- Somebody is renewing it until then. The value also tells who: a write names the lease that it holds.
ALTER TABLE credentials ADD COLUMN lease_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE credentials ADD COLUMN last_refreshed_at INTEGER;
-- Scopes that the upstream asked for beyond those that were granted, space separated.
ALTER TABLE credentials ADD COLUMN wanted_scope TEXT;
-- How often the user was sent to grant more without a call succeeding since.
ALTER TABLE credentials ADD COLUMN step_ups INTEGER NOT NULL DEFAULT 0;

-- How the upstream is spoken to: streamable HTTP, or HTTP+SSE (MCP 2024-11-05).
ALTER TABLE integrations ADD COLUMN transport TEXT NOT NULL DEFAULT 'http' CHECK (transport IN ('http', 'sse'));

CREATE INDEX credentials_refresh ON credentials (refresh_at) WHERE refresh_at IS NOT NULL;

INSERT INTO schema_versions (version) VALUES (3);
