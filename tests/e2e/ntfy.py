"""A server that takes messages as ntfy does, on loopback, and remembers them by topic.

It answers what ntfy answers to a publication ("Publish as JSON" and "Publishing" in ntfy's documentation).
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Published:
    """A message as it arrived."""

    topic: str
    title: str
    message: str
    priority: int
    tags: tuple[str, ...]


class Ntfy:
    """The server, for the length of a ``with`` block. ``refusing``: how many messages it refuses first."""

    def __init__(self, refusing: int = 0) -> None:
        self._published: list[Published] = []
        self._refusing = refusing
        self._lock = Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, answer = outer._take(self.path, json.loads(body))
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def on(self, topic: str) -> list[Published]:
        """What arrived on a topic, in order."""
        with self._lock:
            return [one for one in self._published if one.topic == topic]

    def channels(self, *topics: str) -> dict[str, Any]:
        """Channels of an actions file, each with the topic of its name."""
        return {topic: {"type": "ntfy", "server": self.url, "topic": topic} for topic in topics}

    def _take(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self._lock:
            if self._refusing:
                self._refusing -= 1
                return 503, {"code": 50301, "http": 503, "error": "not now"}
            topic = str(body.get("topic") or path.strip("/"))
            message = Published(
                topic,
                str(body.get("title", "")),
                str(body.get("message", "")),
                int(body.get("priority", 3)),
                tuple(body.get("tags", ())),
            )
            self._published.append(message)
            number = f"m{len(self._published)}"
        return 200, {"id": number, "time": int(time.time()), "event": "message", "topic": topic}
