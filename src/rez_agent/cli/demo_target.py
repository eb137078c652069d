"""A target for the demo: a real HTTP server on loopback that says what reaches it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

FAILURES = 2
"""How often each execution of ``/flaky`` is refused before it succeeds."""

Told = Callable[[str], None]


class _Target(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, tell: Told) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._tell = tell
        self._seen: Counter[str] = Counter()
        self._lock = Lock()

    def received(self, method: str, path: str, key: str) -> int:
        """Take note of a request, and say which status it is answered with."""
        with self._lock:
            self._seen[key] += 1
            failing = path.startswith("/flaky") and self._seen[key] <= FAILURES
        status = 503 if failing else 200
        self._tell(f"the target received {method} {path} and answers {status}")
        return status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    server: _Target

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer()

    def do_POST(self) -> None:
        """Read a POST's body, and answer."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer()

    def _answer(self) -> None:
        status = self.server.received(self.command, self.path, self.headers.get("Idempotency-Key", ""))
        body = b'{"thanks": true}\n' if status == 200 else b'{"sorry": "not now"}\n'
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Nothing: the demo tells of each request itself."""


@contextmanager
def target_server(tell: Told) -> Iterator[str]:
    """The target's address while the block runs; ``tell`` gets a sentence for each request."""
    with _Target(tell) as server:
        thread = Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="demo-target", daemon=True
        )
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(5)
