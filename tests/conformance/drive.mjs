// Drives Postern as the client under test of the official conformance suite: the suite appends the URL of its
// mock server, which is registered with Postern, validated, and then used through Postern's gateway.
//
//   conformance client --command 'node drive.mjs' …     (started by `cargo xtask conformance client`)
//
// From the environment: POSTERN_URL and POSTERN_KEY of the one gateway that all scenarios share, and what the
// suite sets: MCP_CONFORMANCE_SCENARIO, MCP_CONFORMANCE_PROTOCOL_VERSION, MCP_CONFORMANCE_CONTEXT (JSON).
//
// The agent here only makes requests; every check is about what Postern then sends to the mock server. Where a
// client library would itself repair something that is under test, the raw request is used instead.

import { createRequire } from "node:module";

const peers = createRequire(new URL("../peers/package.json", import.meta.url));
const { Client, StreamableHTTPClientTransport } = peers("@modelcontextprotocol/client");

const { POSTERN_URL, POSTERN_KEY, MCP_CONFORMANCE_SCENARIO, MCP_CONFORMANCE_PROTOCOL_VERSION } = process.env;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");
const upstream = process.argv[2];
const headers = { Authorization: `Bearer ${POSTERN_KEY}` };

async function admin(method, path, body) {
  const response = await fetch(`${POSTERN_URL}${path}`, {
    method,
    headers: { ...headers, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: HTTP ${response.status}: ${text}`);
  return JSON.parse(text);
}

/** Registers the mock server under a name of its own, since scenarios run in parallel. */
async function register(fields) {
  const name = `${MCP_CONFORMANCE_SCENARIO} ${MCP_CONFORMANCE_PROTOCOL_VERSION} ${process.pid}`.replace(/[^\w ]/g, " ");
  return (await admin("POST", "/api/v1/integrations", { name, url: upstream, ...fields })).integration;
}

/** Lets Postern probe the mock server with the caller's credential. Returns the message of the validation. */
async function validate({ id }) {
  const { integration } = await admin("POST", `/api/v1/integrations/${id}/validate`);
  if (integration.validationStatus !== "valid") {
    throw new Error(`Postern does not accept ${upstream}: ${integration.validationMessage}`);
  }
  return integration.validationMessage;
}

/** Connects as a person does: opens the authorization server, which consents by itself, returns and confirms. */
async function authorize({ id }) {
  const { authorizationUrl } = await admin("POST", `/mcp/integrations/${id}/oauth/init`);
  const consent = await fetch(authorizationUrl, { redirect: "manual" });
  const callback = consent.headers.get("Location");
  if (!callback?.startsWith(`${POSTERN_URL}/`)) {
    throw new Error(`the authorization server answered HTTP ${consent.status}, Location ${callback}`);
  }
  const page = await fetch(callback, { redirect: "manual" });
  const text = await page.text();
  const grant = /name="grant" value="([0-9a-f]+)"/.exec(text)?.[1];
  if (!grant) throw new Error(`the callback answered HTTP ${page.status}: ${text}`);
  const answer = await fetch(`${POSTERN_URL}/oauth/confirm`, {
    method: "POST",
    redirect: "manual",
    headers: { Cookie: page.headers.get("Set-Cookie").split(";")[0], Origin: new URL(POSTERN_URL).origin },
    body: new URLSearchParams({ grant }),
  });
  if (answer.status !== 302) throw new Error(`the confirmation answered HTTP ${answer.status}: ${await answer.text()}`);
}

/** Connects, and repeats that while Postern says that the upstream wants an authorization, a few times at most. */
async function authorized(integration) {
  for (let tries = 0; tries < 3; tries += 1) {
    await authorize(integration);
    const message = await validate(integration);
    console.error(message);
    if (!message.startsWith("reachable, authorization required")) return;
  }
}

/** An agent of the era that the scenario runs at, with every capability, as real agents have. */
async function connect(slug) {
  const modern = MCP_CONFORMANCE_PROTOCOL_VERSION >= "2026-07-28";
  const client = new Client(
    { name: "postern-conformance-agent", version: "1.0.0" },
    {
      versionNegotiation: { mode: modern ? { pin: MCP_CONFORMANCE_PROTOCOL_VERSION } : "legacy" },
      capabilities: { sampling: {}, roots: {}, elicitation: { form: { applyDefaults: true } } },
    },
  );
  client.setRequestHandler("sampling/createMessage", () => ({
    role: "assistant",
    content: { type: "text", text: "" },
    model: "none",
  }));
  client.setRequestHandler("roots/list", () => ({ roots: [] }));
  client.setRequestHandler("elicitation/create", ({ params }) => ({
    action: "accept",
    content: MCP_CONFORMANCE_SCENARIO.startsWith("sep-2322") ? { confirmed: true } : defaults(params.requestedSchema),
  }));
  const endpoint = new URL(`${POSTERN_URL}/integrations/${slug}/mcp`);
  await client.connect(new StreamableHTTPClientTransport(endpoint, { requestInit: { headers } }));
  return client;
}

/** The answers that a form suggests by its defaults. */
function defaults(schema) {
  const fields = Object.entries(schema?.properties ?? {}).filter(([, field]) => "default" in field);
  return Object.fromEntries(fields.map(([name, field]) => [name, field.default]));
}

/** The least arguments that a tool's schema asks for. */
function arguments_(tool) {
  const example = { string: "x", integer: 0, number: 0, boolean: false, object: {}, array: [], null: null };
  const required = tool.inputSchema.required ?? [];
  return Object.fromEntries(required.map((name) => [name, example[tool.inputSchema.properties?.[name]?.type] ?? "x"]));
}

/** tools/list as Postern answers it, before the library leaves out what it finds invalid. */
const rawTools = async (client) => (await client.request({ method: "tools/list", params: {} })).tools;

/** Does work that may fail as part of the scenario. */
async function attempt(what, work) {
  try {
    await work();
  } catch (error) {
    console.error(`${what}: ${error.message}`);
  }
}

const call = (client, name, args = {}) => client.callTool({ name, arguments: args });

/** Calls the first tool, and connects again for as long as the answer asks for that. */
async function callAuthorized(client, integration) {
  const { tools } = await client.listTools();
  if (tools.length === 0) throw new Error("Postern lists no tool");
  for (;;) {
    const result = await call(client, tools[0].name, arguments_(tools[0]));
    const text = result.content.map((block) => block.text ?? "").join("\n");
    if (!result.isError) return;
    console.error(text);
    if (!text.includes(`${POSTERN_URL}/oauth/connect?ticket=`)) throw new Error("the call failed");
    await authorized(integration);
  }
}

/** The default: calls the first tool. */
async function callFirst(client) {
  const { tools } = await client.listTools();
  if (tools.length > 0) await call(client, tools[0].name, arguments_(tools[0]));
}

const scenarios = {
  initialize: (client) => client.listTools(),
  "json-schema-ref-no-deref": (client) => client.listTools(),

  async tools_call(client) {
    await client.listTools();
    await call(client, "add_numbers", { a: 5, b: 3 });
  },
  async "request-metadata"(client) {
    await client.listTools();
    await call(client, "add_numbers", { a: 5, b: 3 });
  },
  async "sse-retry"(client) {
    await client.listTools();
    await call(client, "test_reconnection");
  },
  async "elicitation-sep1034-client-defaults"(client) {
    await client.listTools();
    await call(client, "test_client_elicitation_defaults");
  },
  async "sep-2322-client-request-state"(client) {
    await client.listTools();
    for (const tool of ["echo_state", "unrelated", "no_state", "no_result_type"]) {
      await call(client, `test_mrtr_${tool}`);
    }
  },
  async "json-schema-2020-12-preservation"(client) {
    const tools = await rawTools(client);
    const { inputSchema } = tools.find((tool) => tool.name === "json_schema_2020_12_tool");
    await call(client, "json_schema_echo", { schema: inputSchema });
  },
  async "http-standard-headers"(client) {
    await callFirst(client);
    await attempt("resources", async () => {
      const { resources } = await client.listResources();
      if (resources.length > 0) await client.readResource({ uri: resources[0].uri });
    });
    await attempt("prompts", async () => {
      const { prompts } = await client.listPrompts();
      if (prompts.length > 0) await client.getPrompt({ name: prompts[0].name });
    });
  },
  async "http-custom-headers"(client) {
    await client.listTools();
    const surfaced = new Set((await rawTools(client)).map((tool) => tool.name));
    for (const { name, arguments: args } of context.toolCalls ?? []) {
      if (surfaced.has(name)) await attempt(name, () => call(client, name, args));
    }
  },
  async "http-invalid-tool-headers"(client) {
    for (const tool of await rawTools(client)) {
      await attempt(tool.name, () => call(client, tool.name, arguments_(tool)));
    }
  },
};

/** The upstream wants OAuth: Postern is the client, and the person only opens the URLs that Postern hands out. */
async function driveAuthorized() {
  const { client_id: clientId, client_secret: clientSecret } = context;
  const isOwn = MCP_CONFORMANCE_SCENARIO.startsWith("auth/client-credentials");
  const oauth = clientId && { clientId, clientSecret, ...(isOwn && { grant: "client_credentials" }) };
  const integration = await register({ authMode: "oauth", ...(oauth && { oauth }) });
  await (isOwn ? validate : authorized)(integration);
  const client = await connect(integration.slug);
  await callAuthorized(client, integration);
  await client.close();
}

async function drive() {
  const integration = await register({ authMode: "none" });
  await validate(integration);
  const client = await connect(integration.slug);
  await (scenarios[MCP_CONFORMANCE_SCENARIO] ?? callFirst)(client);
  await client.close();
}

try {
  await (MCP_CONFORMANCE_SCENARIO.startsWith("auth/") ? driveAuthorized() : drive());
  process.exit(0);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
