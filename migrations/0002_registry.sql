-- The whole life of an integration: lifecycle, OAuth configuration, header templates, tool review.

-- Free text of the operator.
ALTER TABLE integrations ADD COLUMN description TEXT;
-- Catalogue id, URL or 'inline' that it was installed from, NULL when it was created.
ALTER TABLE integrations ADD COLUMN source TEXT;
-- When it was last started, NULL while stopped.
ALTER TABLE integrations ADD COLUMN started_at INTEGER;
-- How often it was started: Hoziron's pid.
ALTER TABLE integrations ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
-- JSON: provider, issuer, scopes, clientId, authorizationUrl, tokenUrl.
ALTER TABLE integrations ADD COLUMN oauth TEXT;
-- AES-256-GCM envelope, bound to (integrations, id, oauth_client_secret, organization).
ALTER TABLE integrations ADD COLUMN oauth_client_secret TEXT;
-- AES-256-GCM envelope of a JSON array of {name, value template}, bound to (integrations, id, headers, organization).
ALTER TABLE integrations ADD COLUMN headers TEXT;
-- Whether what a probe finds is offered at once or only once somebody approved it.
ALTER TABLE integrations ADD COLUMN tool_policy TEXT NOT NULL DEFAULT 'auto' CHECK (tool_policy IN ('auto', 'review'));
-- SHA-256 of the catalogue that the last successful probe found: an unchanged one is not written again.
ALTER TABLE integrations ADD COLUMN catalogue_hash TEXT;
-- A random number, another one after each write of an operator: writes name the one they saw.
ALTER TABLE integrations ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;

UPDATE integrations SET started_at = created_at WHERE state = 'running';

-- What `sealed` holds: one token, a JSON object of values by key, or an OAuth token set.
ALTER TABLE credentials ADD COLUMN kind TEXT NOT NULL DEFAULT 'token' CHECK (kind IN ('token', 'values', 'oauth'));
-- When the provider says that it ends, NULL when it does not say.
ALTER TABLE credentials ADD COLUMN expires_at INTEGER;

-- Only approved tools are offered. `definition`, `param_headers` and `hash` are the approved ones (of a tool that was
-- never approved: the ones found first).
ALTER TABLE tools ADD COLUMN status TEXT NOT NULL DEFAULT 'approved'
    CHECK (status IN ('approved', 'new', 'changed', 'removed', 'rejected'));
-- What the last probe found, where that is not what stands above.
ALTER TABLE tools ADD COLUMN found_definition TEXT;
ALTER TABLE tools ADD COLUMN found_param_headers TEXT;
ALTER TABLE tools ADD COLUMN found_hash TEXT;
-- The definition that somebody refused: it stays hidden until the upstream changes it again.
ALTER TABLE tools ADD COLUMN rejected_hash TEXT;
-- When the status last changed.
ALTER TABLE tools ADD COLUMN changed_at INTEGER;
-- When the definition above was approved, NULL: never.
ALTER TABLE tools ADD COLUMN approved_at INTEGER;

UPDATE tools SET approved_at = first_seen_at;

CREATE INDEX tools_offered ON tools (integration_id, status, name);

INSERT INTO schema_versions (version) VALUES (2);
