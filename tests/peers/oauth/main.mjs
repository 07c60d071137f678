// An authorization server and MCP servers that it protects, on free ports of 127.0.0.1, for as long as the parent lives.
//
//   node main.mjs        the first line on stdin says what to start:
//
//   {"provider": "oidc",          oidc-provider; "mock": oauth2-mock-server, which only has OpenID Connect discovery
//    "postern": "http://…",       Postern's real origin
//    "publicUrl": "https://…",    Postern's public URL; redirect URIs and client metadata documents are below it
//    "accessTtl": 3600,           lifetime of access tokens in seconds
//    "registration": true,        dynamic client registration
//    "cimd": false,               client ID metadata documents
//    "pages": false,              oidc-provider shows pages to people without the cookie `account`
//    "clientSecret": "…"}         secret of the clients `confidential` and `machine` that are registered already
//
// Answer: {"ready":true,"issuer":"…","upstream":"…","lossy":"…","control":"…"}. `upstream` has two MCP servers, `/mcp` (both
// eras, stateless) and `/legacy` (sessions; not with "sdk"); `lossy` is a token endpoint, in front of the real one, that loses answers.
// GET `control` returns what the servers have recorded, POST changes how they behave from now on (see `State`).

import http from "node:http";
import { createInterface } from "node:readline";
import { lossy } from "./lossy.mjs";
import { mock } from "./mock.mjs";
import { nodeOauth } from "./node_oauth.mjs";
import { provider } from "./provider.mjs";
import { sdk } from "./sdk.mjs";
import { upstream } from "./upstream.mjs";

/** How the servers behave, and what they have recorded. */
class State {
  // Set by POST.
  accessTtl = 3600;
  failToken = null; // {"status", "body"}: what the token endpoint answers instead
  refuse = false; // the MCP servers answer 401 whatever the token
  lose = 0; // number of answers to refreshes that `lossy` loses from now on
  hold = 0; // milliseconds for which `lossy` holds back an answer to a refresh
  // Returned by GET.
  authorizations = []; // parameters of authorization requests
  tokens = []; // {grant, ok, error, client, auth, resource, scope} per token request
  registrations = []; // metadata of registered clients
  revocations = []; // {hint, client, ok}
  documents = 0; // client metadata documents that were fetched
  issued = []; // every secret that was issued or presented: tokens, codes, verifiers, client secrets
  lost = 0; // answers that `lossy` lost
  replayed = 0; // answers that `lossy` gave again
  passed = 0; // requests that reached `lossy`
  calls = {}; // subject → calls of tools
  refused = {}; // reason → requests that the MCP servers refused
  crossed = 0; // requests with one subject's session and another's token
}

/** Starts a server on a free port; `make` gets its origin and returns the handler. */
async function listen(make) {
  const server = http.createServer();
  server.keepAliveTimeout = 60_000;
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  server.on("request", await make(origin));
  return origin;
}

/** GET returns what was recorded; POST changes how the servers behave, `{"forget": true}` ends every grant. */
function control(state) {
  return async (request, response) => {
    if (request.method === "POST") {
      let body = "";
      for await (const chunk of request) body += chunk;
      const { forget, ...change } = JSON.parse(body);
      Object.assign(state, change);
      if (forget) state.forgetGrants();
    }
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(state));
  };
}

/** Starts an authorization server and the MCP servers that it protects. */
async function servers(state, start) {
  if (start.provider === "sdk") {
    const origin = await listen((origin) => sdk(state, origin));
    return { issuer: `${origin}/`, protectedOrigin: origin };
  }
  const resources = new Set();
  let check;
  const issuer = await listen(async (origin) => {
    if (start.provider === "mock") return mock(state, origin);
    if (start.provider !== "node-oauth") return provider(state, origin, start, resources);
    const { handler, verify } = nodeOauth(state, origin, start);
    check = verify;
    return handler;
  });
  const protectedOrigin = await listen((origin) => {
    for (const path of ["/mcp", "/legacy"]) resources.add(origin + path);
    return upstream(state, origin, issuer, check);
  });
  return { issuer, protectedOrigin };
}

const lines = createInterface({ input: process.stdin });
lines.once("line", async (line) => {
  const start = JSON.parse(line);
  const state = new State();
  state.accessTtl = start.accessTtl ?? 3600;
  const { issuer, protectedOrigin } = await servers(state, start);
  const proxy = await listen(() => lossy(state, `${issuer}/token`));
  const controls = await listen(() => control(state));
  const ready = { ready: true, issuer, upstream: protectedOrigin, lossy: proxy, control: controls };
  console.log(JSON.stringify(ready));
});
lines.on("close", () => process.exit(0));
