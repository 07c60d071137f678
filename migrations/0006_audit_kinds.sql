-- Audit rows of further kinds than tool calls: refused endpoints and writes over the management APIs.

-- Beside mcp_tool_call: mcp_refusal, management_write.
ALTER TABLE audit_events ADD COLUMN event_kind TEXT NOT NULL DEFAULT 'mcp_tool_call';

-- The id of the written object, or the integration that was asked for.
ALTER TABLE audit_events ADD COLUMN target TEXT;

-- The HTTP status of the answer to a write.
ALTER TABLE audit_events ADD COLUMN status INTEGER;

INSERT INTO schema_versions (version) VALUES (6);
