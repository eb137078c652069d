"""What stands before ministack: a guard against other sites' pages, and the HTTP API at a root of its own.

Whoever reaches the emulated AWS may do anything in it, running code as a function included, and ministack
lets every site's scripts in (CORS ``*``). So a request that a browser sends for another site, or under
another host's name (DNS rebinding), is refused. Programs send neither ``Origin`` nor ``Sec-Fetch-Site``.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_HERE = ("127.0.0.1", "localhost")


def refusal(headers: dict[str, str]) -> str | None:
    """Why a request with these headers (lower-case names) is refused; None where it is let in."""
    host = headers.get("host", "")
    name = urlsplit(f"//{host}").hostname or ""
    if not any(name == here or name.endswith(f".{here}") for here in _HERE):
        return f"this AWS is called 127.0.0.1 or localhost, not {name!r}"
    if headers.get("origin", f"http://{host}") != f"http://{host}":
        return f"a page of {headers['origin']} has no business here"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "a page of another site has no business here"
    return None


def guarded(app: App) -> App:
    """``app``, for programs and for its own pages alone."""

    async def answered(scope: Message, receive: Receive, send: Send) -> None:
        reason = refusal(_headers(scope)) if scope["type"] in ("http", "websocket") else None
        if reason is None:
            await app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            head = [(b"content-type", b"application/json")]
            body = json.dumps({"__type": "Forbidden", "message": reason}).encode()
            await send({"type": "http.response.start", "status": 403, "headers": head})
            await send({"type": "http.response.body", "body": body})

    return answered


def api_at_root(app: App, port: int, find: Callable[[], str | None]) -> App:
    """``app``, with the default stage of the HTTP API that ``find`` names at the root of ``port``.

    Adds the headers that API Gateway adds, which ministack leaves out.
    """

    async def routed(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["server"][1] == port:
            prefix = f"/_aws/execute-api/{find() or 'none'}/$default"
            forwarded = {"for": scope["client"][0], "port": str(port), "proto": "http"}
            scope = {
                **scope,
                "path": prefix + scope["path"],
                "raw_path": prefix.encode() + scope["raw_path"],
                "headers": [
                    *(
                        (name, value)
                        for name, value in scope["headers"]
                        if not name.startswith(b"x-forwarded-")
                    ),
                    *((f"x-forwarded-{name}".encode(), value.encode()) for name, value in forwarded.items()),
                ],
            }
        await app(scope, receive, send)

    return routed


def _headers(scope: Message) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
