-- Credentials know the origin that they were given for, and catalogue entries their upstream's order and whose probe
-- found them.

-- Origin (RFC 6454) of the MCP endpoint that the credential was given for, which its envelope is bound to. It is
-- presented to no other one. NULL: stored by an older version.
ALTER TABLE credentials ADD COLUMN origin TEXT;

-- So far every credential was presented to its integration's URL. A stored URL has a path, so the first / after the
-- authority ends the origin.
UPDATE credentials SET origin = (
    SELECT substr(i.url, 1, instr(i.url, '//') + instr(substr(i.url, instr(i.url, '//') + 2), '/'))
    FROM integrations i WHERE i.id = credentials.integration_id);

-- The entry's place in its upstream's list.
ALTER TABLE catalogue_entries ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
-- 'shared': a probe with the organization's credential or without one has found the entry, 'user': only probes with
-- users' credentials have.
ALTER TABLE catalogue_entries ADD COLUMN found_by TEXT NOT NULL DEFAULT 'shared' CHECK (found_by IN ('shared', 'user'));

-- A later migration drops `catalogue_entries_offered`, which code of the former version uses.
CREATE INDEX catalogue_entries_ordered ON catalogue_entries (integration_id, kind, status, position, name);

-- Without a hash the next probe of each integration writes its whole catalogue, with positions.
UPDATE integrations SET catalogue_hash = NULL;

INSERT INTO schema_versions (version) VALUES (8);
