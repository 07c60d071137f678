-- The catalogue holds whatever an upstream offers, not only tools.

-- An entry of an integration's catalogue.
CREATE TABLE catalogue_entries (
    id TEXT PRIMARY KEY,            -- 24 hex characters, the same for the same (integration, kind, name) for ever
    integration_id TEXT NOT NULL REFERENCES integrations (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('tool', 'resource', 'template', 'prompt')),
    name TEXT NOT NULL,             -- the upstream's own name: of a resource its URI, of a template its URI template
    definition TEXT NOT NULL,       -- JSON object without its name member: the approved one, or the one found first
    param_headers TEXT,             -- JSON array of {header, path}: arguments a modern upstream wants mirrored
    hash TEXT NOT NULL,             -- SHA-256 of the definition
    found_definition TEXT,          -- what the last probe found, where that is not what stands above
    found_param_headers TEXT,
    found_hash TEXT,
    rejected_hash TEXT,             -- definition that an operator refused: hidden until the upstream changes it again
    status TEXT NOT NULL CHECK (status IN ('approved', 'new', 'changed', 'removed', 'rejected')),
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    changed_at INTEGER,             -- when the status last changed
    approved_at INTEGER,            -- when the definition above was approved, NULL: never
    UNIQUE (integration_id, kind, name)
) STRICT;

CREATE INDEX catalogue_entries_offered ON catalogue_entries (integration_id, kind, status, name);

INSERT INTO catalogue_entries (id, integration_id, kind, name, definition, param_headers, hash, found_definition,
                               found_param_headers, found_hash, rejected_hash, status, first_seen_at, last_seen_at,
                               changed_at, approved_at)
SELECT id, integration_id, 'tool', name, definition, param_headers, hash, found_definition, found_param_headers,
       found_hash, rejected_hash, status, first_seen_at, last_seen_at, changed_at, approved_at
FROM tools;

-- `tools` stays until a later migration drops it: code of the former version may still write to it. The next probe
-- of each integration writes its catalogue anew, so that nothing that was written there meanwhile is missed.
UPDATE integrations SET catalogue_hash = NULL;

INSERT INTO schema_versions (version) VALUES (4);
