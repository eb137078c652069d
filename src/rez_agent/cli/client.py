"""Speaking to a server over REST: the same for every host."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from rez_agent.domain.errors import Invalid, Problem, RezError, Unavailable

DEFAULT_URL = "http://127.0.0.1:8080"
"""Where `rez-agent serve` listens unless it is told otherwise."""

WAIT_SECONDS = 20
"""How long the server is asked to hold a change's answer until it is applied (``Prefer: wait``)."""

TIMEOUT_SECONDS = 15.0
"""How long an answer may take beyond what it was asked to wait for."""

ANSWER_AT_MOST = 256 * 1024 * 1024
"""Bytes of an answer that are read: more is not from a server of ours."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered: ``document`` is the decoded JSON, None where there is no body."""

    status: int
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str | None:
        """The revision's tag, for ``If-Match``."""
        return self.headers.get("etag")


class Refused(RezError):
    """The server refused the request. ``document`` is its problem (RFC 9457), exactly as it came."""

    code = "refused"

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        text = str(document.get("detail") or document.get("title") or f"The server answered {status}.")
        code = str(document.get("code") or f"http_{status}")
        super().__init__(text, code=code, problems=_problems(document))
        self.status = status
        self.document = dict(document)


class Unreachable(Unavailable):
    """No server of ours answers at the address."""

    code = "unreachable"


class Client:
    """A server at ``url``, asked with ``key`` if there is one.

    One connection a request: nothing to go stale, no state to share. Redirects are not followed (they would
    carry the key elsewhere). Proxies of the environment are used, except for this machine itself.
    """

    def __init__(self, url: str, key: str | None = None, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self.url = checked_url(url)
        self._key = checked_key(key)
        self._timeout = timeout
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if is_loopback(self.url):
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str, **query: Any) -> Answer:
        """Read. Raises Refused and Unreachable; so do the methods below."""
        return self.ask("GET", path, query=query)

    def change(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        wait: int = WAIT_SECONDS,
        etag: str | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """Ask for a change, and wait up to ``wait`` seconds until it is applied."""
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        headers["Content-Type"] = content_type
        if etag is not None:
            headers["If-Match"] = etag
        return self.ask(method, path, document=document, headers=headers, patience=wait)

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        document: Any = None,
        headers: Mapping[str, str] | None = None,
        patience: float = 0,
    ) -> Answer:
        """Make one request; ``patience`` is added to the time that the answer may take."""
        body = None if document is None else json.dumps(document, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", **(headers or {})}
        if body is None:
            del headers["Content-Type"]
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self.url + path + _query(query or {}), data=body, method=method, headers=self._headers(headers)
        )
        try:
            with self._opener.open(request, timeout=self._timeout + patience) as response:
                return self._answer(response.status, response.headers, response.read(ANSWER_AT_MOST))
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error.code, dict(error.headers), error.read(ANSWER_AT_MOST)) from None
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from None

    def page(self, path: str, **query: Any) -> dict[str, Any]:
        """One page of a list."""
        page = self.get(path, **query).document
        if not isinstance(page, dict) or not isinstance(page.get("items"), list):
            raise self._foreign()
        return page

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Every page of a list, following its cursors."""
        while True:
            page = self.page(path, **query)
            yield page
            if not page.get("next_cursor"):
                return
            query = {**query, "cursor": page["next_cursor"]}

    def _headers(self, more: Mapping[str, str] | None) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "rez-agent-cli", **(more or {})}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return headers

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        lower = {name.lower(): value for name, value in headers.items()}
        if not body:
            return Answer(status, None, lower)
        try:
            return Answer(status, json.loads(body), lower)
        except ValueError:
            raise self._foreign() from None

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> RezError:
        if 300 <= status < 400:
            place = headers.get("Location") or headers.get("location") or "another address"
            text = f"{self.url} redirects to {place}. Give the address where the API itself answers as --url."
            return Unreachable(text)
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            return self._foreign()
        return Refused(status, document)

    def _foreign(self) -> Unreachable:
        return Unreachable(
            f"What answers at {self.url} is not rez-agent. Give the server's address as --url."
        )

    def _unreachable(self, error: BaseException) -> Unreachable:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            text = f"The server at {self.url} did not answer in time. `rez-agent doctor` looks into it."
            return Unreachable(text, code="timeout")
        if isinstance(reason, ConnectionRefusedError):
            hint = "start one with `rez-agent serve`" if is_loopback(self.url) else "is the address right?"
            return Unreachable(f"No server answers at {self.url}: {hint}")
        told = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
        return Unreachable(f"No server could be reached at {self.url}: {told or type(reason).__name__}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        """A redirect is an answer like any other."""


def checked_url(url: str) -> str:
    """``url`` without a trailing slash. Raises Invalid unless it is http(s) with a host."""
    try:
        parts = urlsplit(url)
        fits = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        fits = False
    if not fits or any(character.isspace() for character in url):
        text = f"--url {url!r} is not a server's address: write http://127.0.0.1:8080 or https://HOST."
        raise Invalid(text, code="invalid_url")
    return url.rstrip("/")


def checked_key(key: str | None) -> str | None:
    """``key`` without blanks around it, None for none. Raises Invalid for what no header can carry."""
    if key is None or not key.strip():
        return None
    if not all("!" <= character <= "~" for character in key.strip()):
        raise Invalid("The key has characters that no key has: compare --key or REZ_KEY.", code="invalid_key")
    return key.strip()


def is_loopback(url: str) -> bool:
    """Whether ``url`` leads to this machine itself."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def segment(text: str) -> str:
    """``text`` as one segment of a path. Raises Invalid where there is none: another path would be meant."""
    if not text.strip():
        raise Invalid("A name or an id is empty: say which is meant.", code="invalid_argument")
    return quote(text, safe="")


def _query(query: Mapping[str, Any]) -> str:
    """The query string; what is None is left out, booleans are spelled as JSON does."""
    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in query.items()
        if value is not None
    }
    return "?" + urlencode(given, doseq=True) if given else ""


def _problems(document: Mapping[str, Any]) -> list[Problem]:
    errors = document.get("errors")
    return [
        Problem(
            str(error.get("code", "")),
            str(error.get("detail") or error.get("message") or ""),
            str(error.get("pointer") or ""),
            error.get("field"),
            error.get("position"),
        )
        for error in (errors if isinstance(errors, list) else [])
        if isinstance(error, dict)
    ]
