// MCP servers that accept the tokens that one issuer issued for them: signature, issuer, audience, end and scope of
// every token are checked (by the issuer's own check, where its tokens are not signed), and a session serves only the subject that opened it. `/mcp` speaks both eras without
// sessions, `/legacy` the older era with sessions. `whoami` returns the token's subject and the argument `nonce`;
// `write` needs the scope mcp:write.

import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { createRemoteJWKSet, jwtVerify } from "jose";
import {
  McpServer,
  OAuthError,
  OAuthErrorCode,
  WebStandardStreamableHTTPServerTransport,
  bearerAuthChallengeResponse,
  buildOAuthProtectedResourceMetadata,
  createMcpHandler,
  fromJsonSchema,
  getOAuthProtectedResourceMetadataUrl,
  verifyBearerToken,
} from "@modelcontextprotocol/server";

const SCOPES = ["mcp:read", "mcp:write"];

function server(state) {
  const mcp = new McpServer({ name: "protected", version: "1.0.0" });
  const text = (text) => ({ content: [{ type: "text", text }] });
  const called = ({ http }) => {
    const { subject } = http.authInfo.extra;
    state.calls[subject] = (state.calls[subject] ?? 0) + 1;
    return http.authInfo;
  };
  const inputSchema = fromJsonSchema({ type: "object", properties: { nonce: { type: "string" } } });
  mcp.registerTool("whoami", { description: "Who the token is for", inputSchema }, ({ nonce }, context) => {
    const { extra, scopes, clientId } = called(context);
    return text(JSON.stringify({ sub: extra.subject, jti: extra.id, scopes, client: clientId, nonce }));
  });
  mcp.registerTool("write", { description: "Wants mcp:write", inputSchema }, (_args, context) => {
    called(context);
    return text("written");
  });
  return mcp;
}

const invalid = (message) => new OAuthError(OAuthErrorCode.InvalidToken, message);

/** A check of signed tokens: returns what a token for `resource` says. */
function signed(issuer, jwks) {
  return async (token, resource) => {
    const options = { issuer, audience: resource, requiredClaims: ["exp", "sub"] };
    const { payload } = await jwtVerify(token, await jwks, options).catch((error) => {
      throw invalid(error.message);
    });
    return {
      clientId: payload.client_id,
      scopes: (payload.scope ?? "").split(" "),
      expiresAt: payload.exp,
      extra: { subject: payload.sub, id: payload.jti },
    };
  };
}

/** A check of requests for `resource`: returns what the token says, or the response that refuses the request. */
function guard(state, resource, verify) {
  const resourceMetadataUrl = getOAuthProtectedResourceMetadataUrl(new URL(resource));
  const verifyAccessToken = async (token) => {
    if (state.refuse) throw invalid("refused for a test");
    const said = await verify(token, resource);
    if (!said) throw invalid("not a token of this server");
    return { token, resource: new URL(resource), ...said };
  };
  return async (request, body) => {
    const writes = body?.method === "tools/call" && body.params?.name === "write";
    const requiredScopes = writes ? SCOPES : SCOPES.slice(0, 1);
    const options = { verifier: { verifyAccessToken }, requiredScopes, resourceMetadataUrl };
    const header = request.headers.get("authorization");
    try {
      return await verifyBearerToken(header, { ...options, expectedResource: new URL(resource) });
    } catch (error) {
      const reason = header ? error.message : "no token";
      state.refused[reason] = (state.refused[reason] ?? 0) + 1;
      return bearerAuthChallengeResponse(error, { requiredScopes, resourceMetadataUrl });
    }
  };
}

/** Serves the older era with sessions, each only for the subject that opened it. */
function withSessions(state) {
  const sessions = new Map();
  const open = async (subject) => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse: true,
      onsessioninitialized: (id) => sessions.set(id, { transport, subject }),
      onsessionclosed: (id) => sessions.delete(id),
    });
    await server(state).connect(transport);
    return transport;
  };
  return async (request, options) => {
    const { subject } = options.authInfo.extra;
    const id = request.headers.get("mcp-session-id");
    if (!id) return (await open(subject)).handleRequest(request, options);
    const session = sessions.get(id);
    if (session && session.subject !== subject) state.crossed += 1;
    if (session?.subject !== subject) return new Response(null, { status: 404 });
    return session.transport.handleRequest(request, options);
  };
}

async function toWeb(request, origin) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
  return new Request(origin + request.url, { method: request.method, headers: request.headers, body });
}

async function send(answer, response) {
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  if (answer.body) Readable.fromWeb(answer.body).pipe(response);
  else response.end();
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The handler of both servers at `origin`. `check` returns what an access token says; without it, tokens are signed by
 * the keys that the issuer publishes.
 */
export function upstream(state, origin, issuer, check) {
  const published = () => fetch(`${issuer}/.well-known/openid-configuration`).then((answer) => answer.json());
  const metadata = check ? Promise.resolve({ issuer }) : published();
  const jwks = () => metadata.then(({ jwks_uri: uri }) => createRemoteJWKSet(new URL(uri)));
  const verify = check ?? signed(issuer, jwks());
  const both = createMcpHandler(() => server(state));
  const serve = { "/mcp": both.fetch, "/legacy": withSessions(state) };
  const documents = {};
  for (const path of Object.keys(serve)) {
    const resource = origin + path;
    documents[new URL(getOAuthProtectedResourceMetadataUrl(new URL(resource))).pathname] = resource;
  }
  return async (incoming, response) => {
    const path = incoming.url.split("?")[0];
    const request = await toWeb(incoming, origin);
    if (documents[path]) {
      const oauthMetadata = await metadata;
      const resourceServerUrl = new URL(documents[path]);
      // The same scope as in the challenge: the scope for writing is announced only when a call needs it.
      const scopesSupported = SCOPES.slice(0, 1);
      const options = { oauthMetadata, resourceServerUrl, scopesSupported };
      return send(Response.json(buildOAuthProtectedResourceMetadata(options)), response);
    }
    if (!serve[path]) return send(new Response(null, { status: 404 }), response);
    const body = parsed(await request.clone().text());
    const authInfo = await guard(state, origin + path, verify)(request, body);
    if (authInfo instanceof Response) return send(authInfo, response);
    return send(await serve[path](request, { authInfo }), response);
  };
}
