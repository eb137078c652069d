"""A caller of the ASGI application, over a real local host; every answer is held against the document."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator
from prometheus_client import CollectorRegistry

from rez_agent.local.build import build
from rez_agent.local.database import locked
from rez_agent.local.settings import LocalSettings
from rez_agent.web.app import RestApi, create_app
from rez_agent.web.settings import WebSettings

T = TypeVar("T")

Document = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: tuple[tuple[str, str], ...] = ()

    @property
    def document(self) -> Any:
        """The body's document; None without a body."""
        return json.loads(self.body) if self.body else None

    @property
    def code(self) -> str:
        """The code of a problem."""
        return str(self.document["code"])


class Server:
    """An application over a host, on an event loop of its own."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, host: Any, settings: WebSettings, registry: CollectorRegistry
    ) -> None:
        self._loop = loop
        self.host = host
        self.app = create_app(host, settings=settings, registry=registry)
        self.schema = self.app.openapi()

    def over(self, host: Any) -> Server:
        """An open server over another host, on the same loop."""
        return Server(self._loop, host, WebSettings(open_access=True), CollectorRegistry())

    def wait(self, awaitable: Awaitable[T]) -> T:
        """The awaitable's result, from the server's loop."""

        async def ask() -> T:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(30)

    def __call__(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """Ask, and check that the document foretold the answer. ``raw`` is sent as it is, without a type."""
        sent = {"host": "localhost:8080", **(headers or {})}
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        if raw is None and body is not None:
            sent.setdefault("content-type", "application/json")
        answer, route = self.wait(ask(self.app, method, target, data, sent))
        if route is not None and not _is_of_the_page(self.schema, route):
            check_documented(self.schema, method, route, answer)
        return answer

    def made(self, name: str, key: str | None = None, **changes: Any) -> Document:
        """A schedule, created and applied."""
        answer = self(
            "POST", "/api/schedules", definition(name, **changes), headers={"prefer": "wait=5"}, key=key
        )
        assert answer.status == 201, answer.document
        created: Document = answer.document
        return created


async def ask(
    app: RestApi, method: str, target: str, body: bytes, headers: Mapping[str, str]
) -> tuple[Answer, str | None]:
    """One request to an ASGI application, and the path of the route that had it."""
    parts = urlsplit(target)
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": parts.path,
        "query_string": parts.query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        "root_path": "",
        "http_version": "1.1",
        "scheme": "http",
    }
    requests = [{"type": "http.request", "body": body, "more_body": False}]
    messages: list[Any] = []

    async def receive() -> Any:
        return requests.pop(0) if requests else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        messages.append(message)

    await app(scope, receive, send)
    start, *rest = messages
    told = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    whole = b"".join(message.get("body", b"") for message in rest)
    kept = SimpleCookie()
    for name, value in start["headers"]:
        if name == b"set-cookie":
            kept.load(value.decode("latin-1"))
    cookies = tuple((name, one.value) for name, one in kept.items())
    return Answer(start["status"], told, whole, cookies), getattr(scope.get("route"), "path", None)


def _is_of_the_page(schema: Document, route: str) -> bool:
    """Whether a route is one of the page's, which the document leaves out."""
    return route not in schema["paths"] and not route.startswith("/api")


def check_documented(schema: Document, method: str, path: str, answer: Answer) -> None:
    """The document foretells the status, the type and the shape of the answer."""
    operation = schema["paths"][path].get("get" if method == "HEAD" else method.lower())
    if operation is None:
        assert answer.status == 405
        return
    told = operation["responses"][str(answer.status)]
    if not answer.body:
        assert "content" not in told or answer.status in {304, 204}
        return
    kind = answer.headers["content-type"].partition(";")[0]
    shape = told["content"][kind]["schema"]
    if kind.endswith("json"):
        validator = Draft202012Validator({**shape, "components": schema["components"]})
        problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(answer.document)]
        assert not problems, problems


def definition(name: str, **changes: Any) -> Document:
    """A schedule that writes to the log, once a day, from a time far away."""
    return {
        "name": name,
        "schedule_expression": "cron(30 6 * * ? *)",
        "timezone": "America/New_York",
        "target_type": "notification",
        "payload": {"message": "hello"},
        **changes,
    }


@contextmanager
def serving(data_dir: Path, **settings: Any) -> Iterator[Callable[[WebSettings], Server]]:
    """A local host that runs; gives applications over it."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    local = LocalSettings(data_dir=data_dir, **settings)

    def wait(awaitable: Any) -> None:
        asyncio.run_coroutine_threadsafe(awaitable, loop).result(30)

    with locked(data_dir):
        built = build(local)
        wait(built.actions.start())
        wait(built.host.start())
        try:
            yield lambda web: Server(loop, built.host, web, built.registry)
        finally:
            wait(built.host.stop(1.0))
            wait(built.actions.close())
            built.writer.close()
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()
