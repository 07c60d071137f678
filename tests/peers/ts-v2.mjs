// A TypeScript agent of the second SDK line, both eras: lists the tools, calls one with progress.
// MODE is legacy, auto (server/discover first, then initialize) or a revision to pin, such as 2026-07-28.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { allTools, progressLog, report, task } from "./report.mjs";

const { url, tool, args, mode = "auto", requestInit } = task();

await report(async () => {
  const negotiation = mode === "legacy" || mode === "auto" ? mode : { pin: mode };
  const client = new Client(
    { name: "postern-test-ts-v2", version: "1.0.0" },
    { versionNegotiation: { mode: negotiation } },
  );
  const transport = new StreamableHTTPClientTransport(url, { requestInit });
  await client.connect(transport);
  const tools = await allTools((params) => client.listTools(params));
  const { events, onprogress } = progressLog();
  const result = await client.callTool({ name: tool, arguments: args }, { onprogress });
  const protocol = client.getNegotiatedProtocolVersion();
  await client.close();
  return { protocol, server: client.getServerVersion()?.name, tools, result, progress: events };
});
