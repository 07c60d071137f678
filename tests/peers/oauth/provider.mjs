// oidc-provider as a strict OAuth 2.1 authorization server: PKCE S256, resource indicators, refresh tokens that are
// rotated and whose family is revoked on reuse, registration, metadata documents, introspection, revocation, `iss`.
// People sign in and consent without a page: the cookie `account` names the person's account. With `pages`, people without
// that cookie sign in and consent on the pages that oidc-provider has for development.

import * as oidc from "oidc-provider";
import { exportJWK, generateKeyPair } from "jose";
import { createHash, randomUUID } from "node:crypto";

// The paths of Postern's redirect URIs that all servers share. Below each of them there is one for each server.
const CALLBACKS = ["/oauth/callback", "/v1/integrations/oauth/callback", "/api/v1/admin/oauth/callback"];
const SCOPES = ["mcp:read", "mcp:write"];

/** Keeps every entry: the adapter that oidc-provider brings forgets the oldest of a thousand entries. */
class Adapter {
  static entries = new Map();
  static grants = new Map();
  static uids = new Map();

  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload) {
    Adapter.entries.set(this.key(id), payload);
    if (payload.uid) Adapter.uids.set(payload.uid, this.key(id));
    if (payload.grantId) {
      const members = Adapter.grants.get(payload.grantId) ?? new Set();
      Adapter.grants.set(payload.grantId, members.add(this.key(id)));
    }
  }

  async find(id) {
    return Adapter.entries.get(this.key(id));
  }

  async findByUid(uid) {
    return Adapter.entries.get(Adapter.uids.get(uid));
  }

  /** Deletes every entry of a kind. */
  static forget(model) {
    for (const key of Adapter.entries.keys()) if (key.startsWith(`${model}:`)) Adapter.entries.delete(key);
  }

  async findByUserCode() {}

  async consume(id) {
    Adapter.entries.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    Adapter.entries.delete(this.key(id));
  }

  async revokeByGrantId(grant) {
    for (const key of Adapter.grants.get(grant) ?? []) Adapter.entries.delete(key);
    Adapter.grants.delete(grant);
  }
}

async function keys() {
  const generate = async (alg) => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    return { ...(await exportJWK(privateKey)), alg, use: "sig", kid: randomUUID() };
  };
  return { keys: [await generate("RS256"), await generate("ES256")] };
}

/** The redirect URIs of a client that was registered by hand: those that servers share, and this server's own. */
function redirectUris(start, issuer) {
  const own = createHash("sha256").update(issuer).digest("hex").slice(0, 32);
  return CALLBACKS.flatMap((path) => [start.publicUrl + path, `${start.publicUrl}${path}/${own}`]);
}

function clients(start, issuer) {
  const secret = { client_secret: start.clientSecret, token_endpoint_auth_method: "client_secret_basic" };
  const none = { redirect_uris: [], response_types: [] };
  return [
    {
      ...secret,
      client_id: "confidential",
      application_type: start.publicUrl.startsWith("http:") ? "native" : "web",
      redirect_uris: redirectUris(start, issuer),
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    },
    { ...secret, ...none, client_id: "machine", grant_types: ["client_credentials"] },
    // The client that asks whether tokens are active.
    { ...secret, ...none, client_id: "auditor", grant_types: ["client_credentials"] },
  ];
}

/** Fetches client metadata documents of Postern's public URL from Postern's real address. */
function fetchDocument(state, start) {
  return (url, options) => {
    const { origin, pathname } = new URL(url);
    if (origin !== start.publicUrl) throw new Error(`there is no document at ${url}`);
    state.documents += 1;
    // The real address is a loopback address, which the provider's own dispatcher refuses.
    const { dispatcher: _, ...rest } = options;
    return fetch(start.postern + pathname, rest);
  };
}

/** The account that the browser's cookie names. */
function account(ctx) {
  return /(?:^|; )account=([^;]+)/.exec(ctx.headers.cookie ?? "")?.[1];
}

/** Signs in the account that the browser's cookie names, and consents. */
async function interact(as, ctx) {
  const { prompt, params, session, grantId } = await as.interactionDetails(ctx.req, ctx.res);
  if (prompt.name === "login") {
    const accountId = account(ctx) ?? "somebody";
    if (accountId === "refuses") {
      const answer = { error: "access_denied", error_description: "<script>canary</script>" };
      return as.interactionFinished(ctx.req, ctx.res, answer, { mergeWithLastSubmission: false });
    }
    return as.interactionFinished(ctx.req, ctx.res, { login: { accountId } }, { mergeWithLastSubmission: false });
  }
  const grant = grantId
    ? await as.Grant.find(grantId)
    : new as.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope = [], missingResourceScopes = {} } = prompt.details;
  if (missingOIDCScope.length > 0) grant.addOIDCScope(missingOIDCScope.join(" "));
  for (const [resource, scopes] of Object.entries(missingResourceScopes)) {
    grant.addResourceScope(resource, scopes.join(" "));
  }
  const consent = { grantId: await grant.save() };
  return as.interactionFinished(ctx.req, ctx.res, { consent }, { mergeWithLastSubmission: true });
}

/** Records requests and answers. */
async function watch(state, ctx, next) {
  if (ctx.path === "/token" && state.failToken) {
    ctx.status = state.failToken.status;
    ctx.body = state.failToken.body;
    state.tokens.push({ ok: false, error: "injected" });
    return;
  }
  await next();
  const params = ctx.oidc?.params ?? {};
  if (ctx.path === "/auth") {
    // The parameters as they were sent: the provider drops those that it does not grant.
    const { code_challenge: _, ...seen } = ctx.query;
    state.authorizations.push(seen);
  } else if (ctx.path === "/token") {
    const { error, access_token, refresh_token } = ctx.body ?? {};
    const auth = ctx.headers.authorization ? "basic" : params.client_secret ? "post" : "none";
    const { grant_type: grant, resource, scope } = params;
    const client = ctx.oidc?.client?.clientId;
    state.tokens.push({ grant, ok: ctx.status === 200, error, client, auth, resource, scope });
    const secrets = [access_token, refresh_token, params.code, params.code_verifier, params.client_secret];
    state.issued.push(...secrets.filter(Boolean));
  } else if (ctx.path === "/reg" && ctx.status === 201) {
    state.registrations.push(ctx.body);
    state.issued.push(...[ctx.body.client_secret].filter(Boolean));
  } else if (ctx.path === "/token/revocation") {
    const client = ctx.oidc?.client?.clientId;
    state.revocations.push({ hint: params.token_type_hint, client, ok: ctx.status === 200 });
  }
}

/** The handler of an authorization server at `issuer`. */
export async function provider(state, issuer, start, resources) {
  const as = new oidc.Provider(issuer, {
    adapter: Adapter,
    clients: clients(start, issuer),
    jwks: await keys(),
    cookies: { keys: [randomUUID()] },
    scopes: ["openid", "offline_access", ...SCOPES],
    pkce: { required: () => true },
    clientAuthMethods: ["none", "client_secret_basic", "client_secret_post"],
    rotateRefreshToken: true,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed("refresh_token"),
    ttl: {
      AccessToken: () => state.accessTtl,
      AuthorizationCode: 60,
      ClientCredentials: () => state.accessTtl,
      Grant: 3600,
      Interaction: 600,
      RefreshToken: 3600,
      Session: 3600,
    },
    fetch: fetchDocument(state, start),
    findAccount: async (_ctx, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
    features: {
      devInteractions: { enabled: start.pages ?? false },
      registration: { enabled: start.registration ?? true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: async () => true },
      revocation: { enabled: true },
      clientIdMetadataDocument: { enabled: start.cimd ?? false, ack: "draft-02" },
      resourceIndicators: {
        enabled: true,
        defaultResource: async () => undefined,
        useGrantedResource: async () => true,
        getResourceServerInfo: async (_ctx, resource) => {
          if (!resources.has(resource)) throw new oidc.errors.InvalidTarget();
          return {
            scope: SCOPES.join(" "),
            audience: resource,
            accessTokenTTL: state.accessTtl,
            accessTokenFormat: "jwt",
            jwt: { sign: { alg: "ES256" } },
          };
        },
      },
    },
    ...(!start.pages && { interactions: { url: (_ctx, interaction) => `/auto/${interaction.uid}` } }),
  });
  state.forgetGrants = () => Adapter.forget("RefreshToken");
  as.use((ctx, next) => watch(state, ctx, next));
  as.use(async (ctx, next) => {
    const isAutomatic = ctx.path.startsWith("/auto/") || (ctx.path.startsWith("/interaction/") && account(ctx));
    if (!isAutomatic) return next();
    await interact(as, ctx);
    ctx.respond = false;
  });
  as.on("server_error", (_ctx, error) => console.error("the provider failed:", error));
  return as.callback();
}
