// A server made with the TypeScript SDK 1.x: the authorization server of `mcpAuthRouter` and the MCP server that it
// protects, in one Express application. The SDK leaves codes and tokens to the application: `Grants` keeps them. People
// sign in and consent without a page: the cookie `account` names the person's account.

import { randomUUID } from "node:crypto";
import express from "express";
import * as z from "zod";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { InvalidGrantError, InvalidTokenError } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { getOAuthProtectedResourceMetadataUrl, mcpAuthRouter } from "@modelcontextprotocol/sdk/server/auth/router.js";
import { recorder } from "./recorder.mjs";

const ENDPOINTS = { "/authorize": "authorize", "/token": "token", "/register": "register", "/revoke": "revoke" };

/** An `OAuthServerProvider` whose refresh tokens are used once. */
class Grants {
  clients = new Map();
  codes = new Map();
  access = new Map();
  refresh = new Map();

  constructor(state) {
    this.state = state;
    this.clientsStore = {
      getClient: (id) => this.clients.get(id),
      registerClient: (client) => {
        this.clients.set(client.client_id, client);
        return client;
      },
    };
  }

  async authorize(client, { state, scopes, redirectUri, codeChallenge, resource }, response) {
    const subject = /(?:^|; )account=([^;]+)/.exec(response.req.headers.cookie ?? "")?.[1] ?? "somebody";
    const code = randomUUID();
    this.codes.set(code, { client: client.client_id, codeChallenge, redirectUri, resource, scopes, subject });
    const url = new URL(redirectUri);
    url.searchParams.set("code", code);
    if (state) url.searchParams.set("state", state);
    response.redirect(302, url.href);
  }

  async challengeForAuthorizationCode(client, code) {
    return this.take(this.codes, client, code).codeChallenge;
  }

  async exchangeAuthorizationCode(client, code, _verifier, redirectUri, resource) {
    const grant = this.take(this.codes, client, code);
    this.codes.delete(code);
    if (redirectUri !== grant.redirectUri) throw new InvalidGrantError("another redirect_uri");
    if (resource?.href !== grant.resource?.href) throw new InvalidGrantError("another resource");
    return this.issue(grant);
  }

  async exchangeRefreshToken(client, token) {
    const grant = this.take(this.refresh, client, token);
    this.refresh.delete(token);
    this.access.delete(grant.accessToken);
    return this.issue(grant);
  }

  async verifyAccessToken(token) {
    const grant = this.access.get(token);
    if (!grant) throw new InvalidTokenError("not a token of this server");
    const { client: clientId, scopes, resource, expiresAt, subject } = grant;
    return { token, clientId, scopes, resource, expiresAt, extra: { subject } };
  }

  async revokeToken(client, { token }) {
    const grant = this.refresh.get(token) ?? this.access.get(token);
    if (grant?.client !== client.client_id) return;
    this.refresh.delete(grant.refreshToken);
    this.access.delete(grant.accessToken);
  }

  take(kept, client, key) {
    const grant = kept.get(key);
    if (grant?.client !== client.client_id) throw new InvalidGrantError("unknown or used");
    return grant;
  }

  issue({ accessToken: _, refreshToken: __, ...grant }) {
    const [accessToken, refreshToken] = [randomUUID(), randomUUID()];
    const expiresAt = Math.floor(Date.now() / 1000) + this.state.accessTtl;
    const issued = { ...grant, accessToken, refreshToken, expiresAt };
    this.access.set(accessToken, issued);
    this.refresh.set(refreshToken, issued);
    return {
      access_token: accessToken,
      token_type: "Bearer",
      expires_in: this.state.accessTtl,
      refresh_token: refreshToken,
      scope: grant.scopes.join(" "),
    };
  }
}

function server() {
  const mcp = new McpServer({ name: "protected", version: "1.0.0" });
  const inputSchema = { nonce: z.string().optional() };
  mcp.registerTool("whoami", { description: "Who the token is for", inputSchema }, ({ nonce }, { authInfo }) => {
    const { clientId, scopes, extra } = authInfo;
    const text = JSON.stringify({ sub: extra.subject, client: clientId, scopes, nonce });
    return { content: [{ type: "text", text }] };
  });
  return mcp;
}

/** The handler of the whole application at `origin`. */
export function sdk(state, origin) {
  const grants = new Grants(state);
  state.forgetGrants = () => [grants.access, grants.refresh].forEach((kept) => kept.clear());
  const resourceServerUrl = new URL("/mcp", origin);
  const resourceMetadataUrl = getOAuthProtectedResourceMetadataUrl(resourceServerUrl);
  const app = express();
  app.use(recorder(state, ENDPOINTS));
  app.use(mcpAuthRouter({ provider: grants, issuerUrl: new URL(origin), resourceServerUrl }));
  app.all("/mcp", requireBearerAuth({ verifier: grants, resourceMetadataUrl }), async (request, response) => {
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    await server().connect(transport);
    await transport.handleRequest(request, response);
  });
  return app;
}
