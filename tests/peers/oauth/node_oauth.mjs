// @node-oauth/oauth2-server in an Express application: an authorization server whose clients the operator registers by
// hand. The library has the authorization and the token endpoint (PKCE included) and nothing else; the application adds
// RFC 8414 metadata, as others do, and no registration or revocation endpoint. People sign in and consent without a
// page: the cookie `account` names the person's account.

import OAuth2Server from "@node-oauth/oauth2-server";
import express from "express";
import { recorder } from "./recorder.mjs";

const { Request, Response } = OAuth2Server;

/** The model that the library asks the application for: everything is kept in memory. */
function model(start) {
  const client = {
    id: "confidential",
    secret: start.clientSecret,
    grants: ["authorization_code", "refresh_token"],
    redirectUris: start.redirectUris,
  };
  const codes = new Map();
  const access = new Map();
  const refresh = new Map();
  return {
    getClient: async (id, secret) =>
      id === client.id && (secret === null || secret === client.secret) ? client : undefined,
    saveAuthorizationCode: async (code, ofClient, user) => {
      const saved = { ...code, client: ofClient, user };
      codes.set(code.authorizationCode, saved);
      return saved;
    },
    getAuthorizationCode: async (code) => codes.get(code),
    revokeAuthorizationCode: async ({ authorizationCode }) => codes.delete(authorizationCode),
    validateScope: async (_user, _client, scope) => scope ?? [],
    saveToken: async (token, ofClient, user) => {
      const saved = { ...token, client: ofClient, user };
      access.set(token.accessToken, saved);
      refresh.set(token.refreshToken, saved);
      return saved;
    },
    getAccessToken: async (token) => access.get(token),
    getRefreshToken: async (token) => refresh.get(token),
    revokeToken: async ({ accessToken, refreshToken }) => {
      access.delete(accessToken);
      return refresh.delete(refreshToken);
    },
    forget: () => [access, refresh].forEach((kept) => kept.clear()),
  };
}

/** Signs in the account that the browser's cookie names. */
const authenticateHandler = {
  handle: async (request) => ({ id: /(?:^|; )account=([^;]+)/.exec(request.get("cookie") ?? "")?.[1] ?? "somebody" }),
};

/** The handler of an authorization server at `issuer`, and the check of its access tokens. */
export function nodeOauth(state, issuer, start) {
  const kept = model(start);
  state.forgetGrants = kept.forget;
  const as = new OAuth2Server({ model: kept });
  const app = express();
  app.use(recorder(state, { "/authorize": "authorize", "/token": "token" }));
  app.get("/.well-known/oauth-authorization-server", (_request, response) => {
    response.json({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      response_types_supported: ["code"],
      grant_types_supported: ["authorization_code", "refresh_token"],
      code_challenge_methods_supported: ["S256"],
      token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
    });
  });
  const serve = (handle) => async (request, response) => {
    const { headers, method, query, body } = request;
    const answer = new Response();
    try {
      await handle(new Request({ headers, method, query, body }), answer);
    } catch (error) {
      // The library throws what it has already written into the answer.
      if (!answer.body.error && !answer.headers.location) throw error;
    }
    response.set(answer.headers).status(answer.status);
    if (answer.headers.location) response.end();
    else response.json(answer.body);
  };
  app.get("/authorize", serve((request, answer) => as.authorize(request, answer, { authenticateHandler })));
  app.post("/token", serve((request, answer) => as.token(request, answer, { accessTokenLifetime: state.accessTtl })));
  const verify = async (token) => {
    const found = await kept.getAccessToken(token);
    if (!found || found.accessTokenExpiresAt < new Date()) return undefined;
    return {
      clientId: found.client.id,
      scopes: found.scope ?? [],
      expiresAt: Math.floor(found.accessTokenExpiresAt / 1000),
      extra: { subject: found.user.id },
    };
  };
  return { handler: app, verify };
}
