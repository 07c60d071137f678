-- The list of installed integrations is in the order of installation, also for what was removed and installed again; and
-- connections show when they were last used.

-- When it last became live again after it was archived, NULL: it never was.
ALTER TABLE integrations ADD COLUMN revived_at INTEGER;

CREATE INDEX integrations_installed ON integrations (coalesce(revived_at, created_at), id) WHERE archived_at IS NULL;

CREATE INDEX audit_events_connection ON audit_events (connection, timestamp);

INSERT INTO schema_versions (version) VALUES (5);
