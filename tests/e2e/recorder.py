"""A target that remembers what reached it: a process of its own, so cheap that it is never the bottleneck.

``python -m tests.e2e.recorder`` prints its port. The path decides the answer: ``/fail/N/...`` is 503 for the
first N requests with one ``Idempotency-Key``, ``/slow/S/...`` comes after S seconds, ``/free/...`` and
``/taken/...`` say in JSON whether something is free, all else is 200 at once.
``GET /_record?N`` answers what was received but for the first N, in order of arrival: ``[time, key, path]``,
the time being when the request had arrived whole, in seconds since 1970.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

import uvloop

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
_FREE, _TAKEN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    for body in (b'{"free": true}', b'{"free": false}')
)
_NOT_NOW = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 7\r\n\r\nnot now"
_END = b"\r\n\r\n"


class _Record:
    """What has arrived."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, bytes, bytes]] = []
        self.refused: Counter[bytes] = Counter()

    def since(self, number: int) -> bytes:
        """The rows but for the first ``number``, as an answer."""
        rows = [[at, key.decode(), path.decode()] for at, key, path in self.rows[number:]]
        body = json.dumps(rows).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class _Connection(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self, record: _Record) -> None:
        self._record = record
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request that has arrived whole."""
        data = self._buffer + data if self._buffer else data
        while (end := data.find(_END)) >= 0:
            whole = end + len(_END) + int(_header(data, b"\r\nContent-Length: ", end) or 0)
            if len(data) < whole:
                break
            self._answer(data[:end])
            data = data[whole:]
        self._buffer = data

    def _answer(self, head: bytes) -> None:
        at = time.time()
        path = head[head.find(b" ") + 1 : head.find(b" HTTP/")]
        if path.startswith(b"/_record"):
            self._write(self._record.since(int(path.partition(b"?")[2] or 0)))
            return
        key = _header(head, b"\r\nIdempotency-Key: ", len(head))
        self._record.rows.append((at, key, path))
        kind, _, rest = path[1:].partition(b"/")
        if kind == b"fail" and self._record.refused[key] < int(rest.partition(b"/")[0]):
            self._record.refused[key] += 1
            self._write(_NOT_NOW)
        elif kind in (b"free", b"taken"):
            self._write(_FREE if kind == b"free" else _TAKEN)
        elif kind == b"slow":
            asyncio.get_running_loop().call_later(float(rest.partition(b"/")[0]), self._write, _OK)
        else:
            self._write(_OK)

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


def _header(head: bytes, name: bytes, end: int) -> bytes:
    """A header's value, empty when it is not there. The name as our own clients spell it."""
    start = head.find(name, 0, end)
    if start < 0:
        return b""
    start += len(name)
    stop = head.find(b"\r\n", start)
    return head[start:stop] if stop >= 0 else head[start:]


async def _serve() -> None:
    record = _Record()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(record), "127.0.0.1", 0, backlog=1_024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@dataclass(frozen=True, slots=True)
class Received:
    """A request as the target saw it: its arrival in seconds since 1970, its key and its path."""

    at: float
    key: str
    path: str


class Recorder:
    """The target's process, for the length of a ``with`` block."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._seen: list[Received] = []
        self.port = 0

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", __spec__.name]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def url(self, path: str) -> str:
        """The address of ``path`` here."""
        return f"http://127.0.0.1:{self.port}{path}"

    def received(self) -> list[Received]:
        """All that has arrived so far, in order of arrival."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", f"/_record?{len(self._seen)}")
            rows = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        self._seen += [Received(*row) for row in rows]
        return list(self._seen)


if __name__ == "__main__":
    uvloop.run(_serve())
