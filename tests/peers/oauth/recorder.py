"""What the Python servers share: what they record, the control server that returns it, and the life of the process.

A server's program reads one line from standard input, starts, prints one line and leaves when standard input closes; the
lines are those of main.mjs.
"""

import json
import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl


class State:
    """What a server has recorded, with the names that main.mjs gives."""

    def __init__(self):
        self.authorizations = []
        self.tokens = []
        self.registrations = []
        self.revocations = []
        self.issued = []
        self.forget_grants = lambda: None

    def recorded(self):
        return {name: value for name, value in vars(self).items() if isinstance(value, list)}

    def record(self, endpoint, parameters, authorization, status, answer):
        """Records a request and its answer. `endpoint` is a path."""
        auth = "basic" if authorization else "post" if "client_secret" in parameters else "none"
        client, ok, error = parameters.get("client_id"), status == 200, answer.get("error")
        if endpoint == "/authorize":
            self.authorizations.append({k: v for k, v in parameters.items() if k != "code_challenge"})
        elif endpoint == "/token":
            asked = {name: parameters.get(name) for name in ("resource", "scope")}
            grant = parameters.get("grant_type")
            self.tokens.append({"grant": grant, "ok": ok, "error": error, "client": client, "auth": auth, **asked})
            self.issued += [answer[name] for name in ("access_token", "refresh_token") if name in answer]
        elif endpoint == "/register" and status == 201:
            self.registrations.append(answer)
        elif endpoint == "/revoke":
            hint = parameters.get("token_type_hint")
            self.revocations.append({"hint": hint, "client": client, "auth": auth, "ok": ok, "error": error})


class Recorder:
    """ASGI middleware that records requests to the endpoints of `state`."""

    def __init__(self, app, state):
        self.app, self.state = app, state

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"] not in ("/authorize", "/token", "/register", "/revoke"):
            return await self.app(scope, receive, send)
        sent, answer, status = b"", b"", 0

        async def reading():
            nonlocal sent
            message = await receive()
            sent += message.get("body", b"")
            return message

        async def writing(message):
            nonlocal answer, status
            status = message.get("status", status)
            answer += message.get("body", b"")
            if message["type"] == "http.response.body" and not message.get("more_body"):
                form = sent if scope["method"] == "POST" else scope["query_string"]
                parameters = {} if scope["path"] == "/register" else dict(parse_qsl(form.decode()))
                authorization = dict(scope["headers"]).get(b"authorization")
                self.state.record(scope["path"], parameters, authorization, status, parsed(answer))
            await send(message)

        await self.app(scope, reading, writing)


def parsed(text):
    """The JSON object that a text is, else an empty one."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def control(state):
    """Starts the control server and returns its origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(state.recorded()).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            change = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if change.get("forget"):
                state.forget_grants()
            self.do_GET()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def listener():
    """A socket that listens on a free port, and its origin."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


def start():
    """The first line of standard input. The process leaves when standard input closes."""
    line = sys.stdin.readline()

    def leave_with_stdin():
        while sys.stdin.buffer.read(1024):
            pass
        os._exit(0)

    threading.Thread(target=leave_with_stdin, daemon=True).start()
    return json.loads(line)


def ready(state, issuer, upstream):
    """Says where the servers are."""
    places = {"issuer": issuer, "upstream": upstream, "lossy": "", "control": control(state)}
    print(json.dumps({"ready": True, **places}), flush=True)


def serve(app, listening):
    """Serves an ASGI application for as long as the process lives."""
    import uvicorn

    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
