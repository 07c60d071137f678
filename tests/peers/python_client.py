"""A Python agent: lists the tools, calls one with progress, prints one JSON object.

    POSTERN_KEY=<key> python python_client.py URL TOOL [ARGUMENTS_JSON] [MODE]

MODE is legacy, auto (server/discover first, then initialize) or a revision to pin, such as 2026-07-28.
"""

import asyncio
import json
import os
import sys
import time

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def all_tools(client: Client) -> list[str]:
    names: list[str] = []
    seen: set[str] = set()
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        names += [tool.name for tool in page.tools]
        if page.next_cursor is None:
            return names
        if page.next_cursor in seen:
            raise RuntimeError(f"tools/list repeats the cursor {page.next_cursor}")
        seen.add(page.next_cursor)
        cursor = page.next_cursor


async def run(url: str, tool: str, arguments: dict, mode: str) -> dict:
    key = os.environ.get("POSTERN_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    progress: list[dict] = []
    async with httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30, read=300)) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            tools = await all_tools(client)
            start = time.monotonic()

            async def on_progress(done: float, total: float | None, message: str | None) -> None:
                at = round((time.monotonic() - start) * 1000)
                progress.append({"at_ms": at, "progress": done, "total": total, "message": message})

            result = await client.call_tool(tool, arguments, progress_callback=on_progress)
            return {
                "protocol": client.protocol_version,
                "server": client.server_info.name if client.server_info else None,
                "tools": tools,
                "result": result.model_dump(mode="json", by_alias=True, exclude_none=True),
                "progress": progress,
            }


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    url, tool, *rest = sys.argv[1:]
    arguments = json.loads(rest[0]) if rest else {}
    mode = rest[1] if len(rest) > 1 else "auto"
    print(json.dumps(asyncio.run(run(url, tool, arguments, mode))))


main()
