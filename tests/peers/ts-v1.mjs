// A TypeScript agent of the first SDK line (legacy revisions only): lists the tools, calls one with progress.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { allTools, progressLog, report, task } from "./report.mjs";

const { url, tool, args, requestInit } = task();

await report(async () => {
  const client = new Client({ name: "postern-test-ts-v1", version: "1.0.0" });
  const transport = new StreamableHTTPClientTransport(url, { requestInit });
  await client.connect(transport);
  const tools = await allTools((params) => client.listTools(params));
  const { events, onprogress } = progressLog();
  const result = await client.callTool({ name: tool, arguments: args }, undefined, { onprogress });
  const protocol = transport.protocolVersion;
  await transport.terminateSession();
  await client.close();
  return { protocol, server: client.getServerVersion()?.name, tools, result, progress: events };
});
