"""A browser without a screen: it follows redirects, keeps its cookies, and sends forms with their token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from urllib.parse import urlencode

from tests.web.client import Answer, Server, ask

FORM = {"content-type": "application/x-www-form-urlencoded"}
_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]+)"|"X-CSRF-Token": "([0-9a-f]+)"')


class Browser:
    """Looks at one server. ``shown`` is the text of the last page; ``at`` its address."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._cookies: dict[str, str] = {}
        self._token = ""
        self.shown = ""
        self.at = ""

    def open(self, path: str, *, fragment: bool = False) -> Answer:
        """Go to ``path``, and on to where it leads; ``fragment`` asks for a part of a page."""
        answer = self._ask("GET", path, b"", {"hx-request": "true"} if fragment else {})
        self.at = path
        return self._arrived(answer)

    def send(self, path: str, fields: Mapping[str, str] | None = None, *, fragment: bool = False) -> Answer:
        """Send a form to ``path`` with the last page's token; then as :meth:`open`."""
        body = urlencode({"csrf": self._token, **(fields or {})}).encode()
        headers = {**FORM, "origin": "http://localhost:8080"}
        answer = self._ask("POST", path, body, headers | ({"hx-request": "true"} if fragment else {}))
        return self._arrived(answer)

    def _arrived(self, answer: Answer) -> Answer:
        if answer.status == 303:
            return self.open(answer.headers["location"])
        self.shown = unescape(answer.body.decode())
        found = _TOKEN.search(self.shown)
        if found:
            self._token = found[1] or found[2]
        return answer

    def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        sent = {"host": "localhost:8080", **headers}
        if self._cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        answer, _ = self._server.wait(ask(self._server.app, method, path, body, sent))
        for name, value in answer.cookies:
            self._cookies[name] = value
        return answer
