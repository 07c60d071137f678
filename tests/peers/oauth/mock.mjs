// oauth2-mock-server: an authorization server with OpenID Connect discovery only, as some identity providers are,
// which signs every browser in at once. Registration and resource indicators, which it lacks, are added through its
// hooks.

import { randomUUID } from "node:crypto";
import { Events, OAuth2Issuer, OAuth2Service } from "oauth2-mock-server";

/** The handler of an authorization server at `url`. */
export async function mock(state, url) {
  const issuer = new OAuth2Issuer();
  issuer.url = url;
  await issuer.keys.generate("RS256");
  const service = new OAuth2Service(issuer);
  service.addRoute("POST", "/register", (request, response) => {
    const client = { ...request.body, client_id: randomUUID(), token_endpoint_auth_method: "none" };
    state.registrations.push(client);
    response.writeHead(201, { "content-type": "application/json" });
    response.end(JSON.stringify(client));
  });
  service.on(Events.BeforeWellKnownOpenIdConfiguration, (response) => {
    response.body.registration_endpoint = `${url}/register`;
  });
  service.on(Events.BeforeAuthorizeRedirect, (redirect, request) => {
    const query = Object.fromEntries(new URL(request.url, url).searchParams);
    const { code_challenge: _, ...seen } = query;
    state.authorizations.push(seen);
  });
  service.on(Events.BeforeTokenSigning, ({ payload }, request) => {
    payload.aud = request.body.resource;
    payload.scope = "mcp:read";
    payload.client_id = request.body.client_id;
    payload.exp = payload.iat + state.accessTtl;
  });
  service.on(Events.BeforeResponse, (answer, request) => {
    const { grant_type: grant, resource, client_id: client } = request.body;
    answer.body.expires_in = state.accessTtl;
    state.tokens.push({ grant, resource, client, ok: answer.statusCode === 200, auth: "none" });
    state.issued.push(...[answer.body.access_token, answer.body.refresh_token].filter(Boolean));
  });
  // The server answers 200 and revokes nothing.
  service.on(Events.BeforeRevoke, ({ statusCode }) => {
    state.revocations.push({ ok: statusCode === 200 });
  });
  return service.requestHandler;
}
