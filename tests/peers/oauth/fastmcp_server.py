"""An MCP server made with FastMCP, protected by FastMCP's own OAuth provider, whose endpoints are the Python SDK's.

`confidential` is a client that the operator registered by hand, for client_secret_basic. The provider consents without
a page and knows no accounts.
"""

import json

from fastmcp import FastMCP
from fastmcp.server.auth.auth import ClientRegistrationOptions, RevocationOptions
from fastmcp.server.auth.providers.in_memory import InMemoryOAuthProvider
from fastmcp.server.dependencies import get_access_token
from mcp.shared.auth import OAuthClientInformationFull

from recorder import Recorder, State, listener, ready, serve, start

options, state = start(), State()
listening, origin = listener()
provider = InMemoryOAuthProvider(
    base_url=origin,
    client_registration_options=ClientRegistrationOptions(enabled=True),
    revocation_options=RevocationOptions(enabled=True),
)
provider.clients["confidential"] = OAuthClientInformationFull(
    client_id="confidential",
    client_secret=options["clientSecret"],
    redirect_uris=options["redirectUris"],
    token_endpoint_auth_method="client_secret_basic",
)


def forget_grants():
    provider.access_tokens.clear()
    provider.refresh_tokens.clear()


state.forget_grants = forget_grants
mcp = FastMCP("protected", auth=provider)


@mcp.tool
def whoami(nonce: str | None = None) -> str:
    """Who the token is for"""
    token = get_access_token()
    return json.dumps({"client": token.client_id, "scopes": token.scopes, "nonce": nonce})


app = mcp.http_app(path="/mcp", stateless_http=True)
ready(state, f"{origin}/", origin)
serve(Recorder(app, state), listening)
