// Express middleware that records what a client sent to an authorization server's endpoints and what it was answered.

import express from "express";

const form = express.urlencoded({ extended: false });

/** How the client authenticated in a request to the token or the revocation endpoint. */
function method(request) {
  if (request.headers.authorization) return "basic";
  return request.body?.client_secret === undefined ? "none" : "post";
}

const RECORD = {
  authorize(state, request) {
    const { code_challenge: _, ...seen } = request.query;
    state.authorizations.push(seen);
  },
  token(state, request, status, answer) {
    const { grant_type: grant, client_id: client, resource, scope } = request.body ?? {};
    const { error, access_token, refresh_token } = answer ?? {};
    state.tokens.push({ grant, ok: status === 200, error, client, auth: method(request), resource, scope });
    state.issued.push(...[access_token, refresh_token].filter(Boolean));
  },
  register(state, _request, status, answer) {
    if (status === 201) state.registrations.push(answer);
  },
  revoke(state, request, status, answer) {
    const { token_type_hint: hint, client_id: client } = request.body ?? {};
    state.revocations.push({ hint, client, auth: method(request), ok: status === 200, error: answer?.error });
  },
};

/** The middleware; `endpoints` maps paths to `authorize`, `token`, `register` and `revoke`. */
export function recorder(state, endpoints) {
  return (request, response, next) => {
    const record = RECORD[endpoints[request.path]];
    if (!record) return next();
    let answer;
    const { json } = response;
    response.json = function (body) {
      answer = body;
      return json.call(this, body);
    };
    // Recorded before the client has the whole answer, so that a test that asks afterwards finds the record.
    const { end } = response;
    response.end = function (...args) {
      record(state, request, response.statusCode, answer);
      return end.apply(this, args);
    };
    form(request, response, next);
  };
}
