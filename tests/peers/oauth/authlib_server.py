"""Authlib's authorization server in a Flask application: authorization and token endpoint with PKCE, a client that the
operator registered by hand, no metadata document. A revocation endpoint exists; nothing says where.

The MCP server behind it checks the tokens and publishes no metadata either. People sign in and consent without a page:
the cookie `account` names the person's account.
"""

import json
import os
import secrets
import threading
import time

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # loopback without TLS

from authlib.integrations.flask_oauth2 import AuthorizationServer  # noqa: E402  (the variable is set above)
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin, grants  # noqa: E402
from authlib.oauth2.rfc7009 import RevocationEndpoint  # noqa: E402
from authlib.oauth2.rfc7636 import CodeChallenge  # noqa: E402
from fastmcp import FastMCP  # noqa: E402
from fastmcp.server.auth.auth import AccessToken, TokenVerifier  # noqa: E402
from fastmcp.server.dependencies import get_access_token  # noqa: E402
from flask import Flask, request  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

from recorder import State, listener, ready, serve, start  # noqa: E402

options, state = start(), State()
codes, tokens = {}, []


class Client(ClientMixin):
    client_id, secret, redirect_uris = "confidential", options["clientSecret"], options["redirectUris"]

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return self.redirect_uris[0]

    def get_allowed_scope(self, scope):
        return scope or ""

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret):
        return secrets.compare_digest(self.secret, client_secret)

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type in ("authorization_code", "refresh_token")


class Code(AuthorizationCodeMixin):
    def __init__(self, user, redirect_uri, scope, challenge, method):
        self.user, self.redirect_uri, self.scope = user, redirect_uri, scope
        self.code_challenge, self.code_challenge_method = challenge, method

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope


class Token(TokenMixin):
    def __init__(self, user, token):
        self.user, self.revoked, self.ends = user, False, time.time() + token["expires_in"]
        self.access_token, self.refresh_token = token["access_token"], token.get("refresh_token")
        self.scope, self.lifetime = token.get("scope", ""), token["expires_in"]

    def check_client(self, client):
        return client.client_id == Client.client_id

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        return self.lifetime

    def is_expired(self):
        return self.ends < time.time()

    def is_revoked(self):
        return self.revoked


def find(**wanted):
    """The token that is not revoked and has this member."""
    ((name, value),) = wanted.items()
    return next((token for token in tokens if getattr(token, name) == value and not token.revoked), None)


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]

    def save_authorization_code(self, code, request):
        data = request.payload.data
        challenge = data.get("code_challenge"), data.get("code_challenge_method")
        codes[code] = Code(request.user, request.payload.redirect_uri, request.scope, *challenge)

    def query_authorization_code(self, code, client):
        # A code is used once, also when its exchange fails.
        return codes.pop(code, None)

    def delete_authorization_code(self, authorization_code):
        pass

    def authenticate_user(self, authorization_code):
        return authorization_code.user


class RefreshGrant(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token):
        return find(refresh_token=refresh_token)

    def authenticate_user(self, refresh_token):
        return refresh_token.user

    def revoke_old_credential(self, refresh_token):
        refresh_token.revoked = True


class Revocation(RevocationEndpoint):
    def query_token(self, token_string, token_type_hint):
        return find(refresh_token=token_string) or find(access_token=token_string)

    def revoke_token(self, token, request):
        token.revoked = True


def forget_grants():
    tokens.clear()


state.forget_grants = forget_grants
app = Flask("authlib")
app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
client = Client()
server = AuthorizationServer(
    app,
    query_client=lambda client_id: client if client_id == client.client_id else None,
    save_token=lambda token, request: tokens.append(Token(request.user, token)),
)
server.register_grant(CodeGrant, [CodeChallenge(required=True)])
server.register_grant(RefreshGrant)
server.register_endpoint(Revocation)


@app.get("/authorize")
def authorize():
    account = request.cookies.get("account", "somebody")
    grant = server.get_consent_grant(end_user=account)
    return server.create_authorization_response(grant_user=account, grant=grant)


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/revoke")
def revoke():
    return server.create_endpoint_response(Revocation.ENDPOINT_NAME)


@app.after_request
def record(response):
    answer = response.get_json(silent=True) or {}
    state.record(request.path, request.values, request.headers.get("authorization"), response.status_code, answer)
    return response


class Verifier(TokenVerifier):
    async def verify_token(self, token):
        found = find(access_token=token)
        if not found or found.is_expired():
            return None
        claims, scopes = {"sub": found.user}, found.scope.split()
        return AccessToken(token=token, client_id=Client.client_id, scopes=scopes, claims=claims)


mcp = FastMCP("protected", auth=Verifier())


@mcp.tool
def whoami(nonce: str | None = None) -> str:
    """Who the token is for"""
    token = get_access_token()
    return json.dumps({"sub": token.claims["sub"], "client": token.client_id, "nonce": nonce})


authorization_server = make_server("127.0.0.1", 0, app, threaded=True)
threading.Thread(target=authorization_server.serve_forever, daemon=True).start()
listening, origin = listener()
ready(state, f"http://127.0.0.1:{authorization_server.server_port}", origin)
serve(mcp.http_app(path="/mcp", stateless_http=True), listening)
