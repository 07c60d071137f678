"""An MCP server on Python's own http.server, which reads as many bytes of a body as Content-Length announces: a request
without that header has no body for it, and it refuses one that is sent in chunks.

    python python_http_server.py PORT
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOOL = {"name": "echo", "description": "Answers with its message.", "inputSchema": {"type": "object"}}


def leave_with_stdin() -> None:
    while sys.stdin.buffer.read(1024):
        pass
    os._exit(0)


def result(message: dict) -> dict:
    method, params = message["method"], message.get("params", {})
    if method == "initialize":
        info = {"name": "http.server", "version": "1"}
        version = params.get("protocolVersion")
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": params["arguments"]["message"]}]}
    raise KeyError(method)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        if "Content-Length" not in self.headers:
            self.close_connection = True
            return self.answer(411, {})
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in message:
            return self.answer(202, None)
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        try:
            answer["result"] = result(message)
            # A modern peer's first question is an unknown method here, which says that this server is a legacy one.
        except KeyError:
            answer["error"] = {"code": -32601, "message": "Method not found"}
        self.answer(200, answer)

    def answer(self, status: int, body: dict | None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if body is not None:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


threading.Thread(target=leave_with_stdin, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
