"""The Python SDK's everything-server as an upstream: on 127.0.0.1, leaving when standard input closes.

    python python_upstream.py SDIST_FOLDER PORT
"""

import os
import sys
import threading


def leave_with_stdin() -> None:
    while sys.stdin.buffer.read(1024):
        pass
    os._exit(0)


sdist, port = sys.argv[1:]
sys.path.insert(0, os.path.join(sdist, "examples", "servers", "everything-server"))
threading.Thread(target=leave_with_stdin, daemon=True).start()

from mcp_everything_server.server import main  # noqa: E402  (the path is set above)

main(["--port", port, "--log-level", "WARNING"])
