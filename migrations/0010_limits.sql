-- Counters of rate limits, and what the retention job needs to find old rows without reading the others.

-- How often a caller or a client address made requests in its latest window, where the runtime has no such counter.
CREATE TABLE rate_limits (
    source TEXT PRIMARY KEY,        -- SHA-256 of the caller's or the address's name, lowercase hex
    window_start INTEGER NOT NULL,
    requests INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX rate_limits_window ON rate_limits (window_start);
CREATE INDEX auth_events_time ON auth_events (occurred_at);
-- An owner's flows by their age, which also finds all flows of an owner.
DROP INDEX oauth_flows_owner;
CREATE INDEX oauth_flows_owner_time ON oauth_flows (owner, created_at);
CREATE INDEX oauth_clients_expiry ON oauth_clients (expires_at) WHERE expires_at IS NOT NULL;

INSERT INTO schema_versions (version) VALUES (10);
