-- The catalogue holds everything that upstreams offer: tools, resources, resource templates and prompts. Table
-- `catalogue_entries` takes the place of `tools`.

-- One tool, resource, resource template or prompt of an integration's upstream, and its review.
CREATE TABLE catalogue_entries (
    id TEXT PRIMARY KEY,            -- 24 hex characters, the same for ever for the same (integration, kind, name)
    integration_id TEXT NOT NULL REFERENCES integrations (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('tool', 'resource', 'template', 'prompt')),
    name TEXT NOT NULL,             -- the upstream's own name: of a resource its URI, of a template its URI template
    definition TEXT NOT NULL,       -- JSON object without its name member: the approved one, or the newest if none was
    param_headers TEXT,             -- JSON array of {header, path}: arguments that a modern upstream wants in headers
    hash TEXT NOT NULL,             -- SHA-256 of what an agent's model sees of the entry (RFC 8785 form)
    found_definition TEXT,          -- what the last probe found if it differs from `definition`, else NULL
    found_param_headers TEXT,       -- the same for `param_headers`
    found_hash TEXT,                -- the same for `hash`
    rejected_hash TEXT,             -- the rejected definition's hash: the entry stays hidden until that changes
    status TEXT NOT NULL CHECK (status IN ('approved', 'new', 'changed', 'removed', 'rejected')),
    first_seen_at INTEGER NOT NULL, -- when a probe first found the entry
    last_seen_at INTEGER NOT NULL,  -- when the last probe that found the entry was recorded
    changed_at INTEGER,             -- when `status` or `definition` last changed
    approved_at INTEGER,            -- when `definition` was approved, NULL: never
    UNIQUE (integration_id, kind, name)
) STRICT;

CREATE INDEX catalogue_entries_offered ON catalogue_entries (integration_id, kind, status, name);

INSERT INTO catalogue_entries (id, integration_id, kind, name, definition, param_headers, hash, found_definition,
                               found_param_headers, found_hash, rejected_hash, status, first_seen_at, last_seen_at,
                               changed_at, approved_at)
SELECT id, integration_id, 'tool', name, definition, param_headers, hash, found_definition, found_param_headers,
       found_hash, rejected_hash, status, first_seen_at, last_seen_at, changed_at, approved_at
FROM tools;

-- A later migration drops `tools`: during a deployment code of the former version still writes to that table. Without a
-- hash the next probe of each integration writes its whole catalogue, so that nothing that such code found is missed.
UPDATE integrations SET catalogue_hash = NULL;

INSERT INTO schema_versions (version) VALUES (4);
