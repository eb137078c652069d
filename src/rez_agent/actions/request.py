"""A web action's payload, read once into what is needed to send it.

Reading is checking: :func:`read_request` either returns a request that can be sent, or every problem that
the payload has, with pointers relative to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from yarl import URL

from rez_agent.actions.addresses import plain_name
from rez_agent.actions.auth import ApiKey, Auth, OAuth2, read_auth, references_of
from rez_agent.actions.base import DEFAULT_TIMEOUT, Payload, read_timeout, unknown_fields
from rez_agent.actions.headers import USER_AGENT, read_headers
from rez_agent.actions.references import Ref, read_reference
from rez_agent.actions.urls import read_query, read_url
from rez_agent.domain.errors import Problem

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FIELDS = (
    "action",
    "method",
    "url",
    "headers",
    "query",
    "body",
    "timeout",
    "success",
    "follow_redirects",
    "auth",
    "signing_secret",
)
REDIRECTS_MAX = 5
BODY_MAX = 1_048_576
"""Bytes of a request's body."""

_RANGE = re.compile(r"\s*([1-5][0-9]{2})(?:\s*-\s*([1-5][0-9]{2}))?\s*")
_SUCCESS = ((200, 299),)
_NOWHERE = URL("http://invalid.invalid/")

StatusRanges = tuple[tuple[int, int], ...]


class HttpRequest(NamedTuple):
    """A request ready to be sent, secrets by reference. ``timeout`` is in seconds, for the whole attempt.

    A named tuple, since one is made for every payload of a burst: a frozen dataclass costs three times that.
    ``plain``: nothing secret is needed and no redirect is followed, so headers and body are as they stand.
    """

    method: str
    url: URL
    host: str
    port: int
    headers: dict[str, str]
    secret_headers: tuple[tuple[str, Ref], ...]
    body: bytes | None
    timeout: float
    success: StatusRanges
    redirects: int
    auth: Auth | None
    signing: tuple[Ref, ...]
    plain: bool

    @property
    def references(self) -> tuple[Ref, ...]:
        """All the secrets that are needed to send it."""
        return (*(ref for _, ref in self.secret_headers), *references_of(self.auth), *self.signing)

    @property
    def token_url(self) -> URL | None:
        """Where a token is fetched first, if one is."""
        return self.auth.token_url if isinstance(self.auth, OAuth2) else None


def read_request(payload: Payload) -> HttpRequest | list[Problem]:
    """The request that ``payload`` describes, or all that is wrong with it. Secrets aren't looked up."""
    problems = unknown_fields(payload, FIELDS)
    url = _url(payload, problems)
    headers, secret_headers = _headers(payload, problems)
    body, content_type = _body(payload, problems)
    timeout = read_timeout(payload, problems) if "timeout" in payload else DEFAULT_TIMEOUT
    success = _success(payload["success"], problems) if "success" in payload else _SUCCESS
    auth = read_auth(payload["auth"], problems) if "auth" in payload else None
    signing = _signing(payload["signing_secret"], problems) if "signing_secret" in payload else ()
    redirects = _redirects(payload.get("follow_redirects", False), problems)
    method = _method(payload, problems)
    _one_authorization(headers, secret_headers, auth, problems)
    if problems:
        return problems
    return HttpRequest(
        method=method,
        url=url,
        host=plain_name(url.raw_host or ""),
        port=url.port or 0,
        headers=_with_defaults(headers, secret_headers, content_type),
        secret_headers=secret_headers,
        body=body,
        timeout=timeout,
        success=success,
        redirects=redirects,
        auth=auth,
        signing=signing,
        plain=not (auth or signing or secret_headers or redirects),
    )


def _headers(payload: Payload, problems: list[Problem]) -> tuple[dict[str, str], tuple[tuple[str, Ref], ...]]:
    return read_headers(payload["headers"], "/headers", problems) if "headers" in payload else ({}, ())


def _url(payload: Payload, problems: list[Problem]) -> URL:
    if "url" not in payload:
        problems.append(Problem("missing_field", "'url' is required.", "/url"))
        return _NOWHERE
    url = read_url(payload["url"], "/url", problems) or _NOWHERE
    return read_query(payload["query"], url, "/query", problems) if "query" in payload else url


def _method(payload: Payload, problems: list[Problem]) -> str:
    method = payload.get("method")
    if method is None:
        return "GET" if payload.get("body") is None else "POST"
    if not isinstance(method, str) or method.upper() not in METHODS:
        problems.append(Problem("invalid_value", f"'method' is one of {', '.join(METHODS)}.", "/method"))
        return "GET"
    return method.upper()


def _body(payload: Payload, problems: list[Problem]) -> tuple[bytes | None, str | None]:
    """The body's bytes and its content type: a text is sent as it is, anything else as JSON."""
    body = payload.get("body")
    if body is None:
        return None, None
    try:
        if isinstance(body, str):
            data, kind = body.encode(), "text/plain; charset=utf-8"
        else:
            data, kind = json.dumps(body, ensure_ascii=False, allow_nan=False).encode(), "application/json"
    except (ValueError, TypeError, RecursionError):
        problems.append(Problem("invalid_value", "'body' can't be written as JSON in UTF-8.", "/body"))
        return None, None
    if len(data) > BODY_MAX:
        problems.append(Problem("too_large", f"'body' has more than {BODY_MAX} bytes.", "/body"))
    return data, kind


def _success(value: Any, problems: list[Problem]) -> StatusRanges:
    """Status codes that count as success: ``200``, ``"200-299,304"``, ``[200, "300-399"]``."""
    parts: list[Any] = value if isinstance(value, list) else [value]
    texts = [part for item in parts for part in str(item).split(",")]
    matches = [_RANGE.fullmatch(text) for text in texts]
    ranges = [(int(m[1]), int(m[2] or m[1])) for m in matches if m]
    readable = bool(ranges) and len(ranges) == len(texts) and not isinstance(value, bool)
    if not readable or not all(low <= high for low, high in ranges):
        text = "'success' lists status codes or ranges of them, such as \"200-299,304\"."
        problems.append(Problem("invalid_value", text, "/success"))
        return _SUCCESS
    return tuple(ranges)


def _redirects(value: Any, problems: list[Problem]) -> int:
    if isinstance(value, bool):
        return REDIRECTS_MAX if value else 0
    if isinstance(value, int) and 0 <= value <= REDIRECTS_MAX:
        return value
    text = f"'follow_redirects' is true, false, or the most to follow, 0 to {REDIRECTS_MAX}."
    problems.append(Problem("invalid_value", text, "/follow_redirects"))
    return 0


def _signing(value: Any, problems: list[Problem]) -> tuple[Ref, ...]:
    """One signing secret, or two while one replaces the other."""
    if not isinstance(value, list):
        ref = read_reference(value, "/signing_secret", problems)
        return (ref,) if ref else ()
    if not 1 <= len(value) <= 2:
        text = "'signing_secret' is one secret, or a list of two while one replaces the other."
        problems.append(Problem("invalid_value", text, "/signing_secret"))
    refs = [read_reference(item, f"/signing_secret/{at}", problems) for at, item in enumerate(value)]
    return tuple(ref for ref in refs if ref)


def _one_authorization(
    headers: Mapping[str, str],
    secret_headers: tuple[tuple[str, Ref], ...],
    auth: Auth | None,
    problems: list[Problem],
) -> None:
    if auth is None:
        return
    own = "authorization"
    if isinstance(auth, ApiKey):
        if auth.in_query:
            return
        own = auth.name.lower()
    if any(name.lower() == own for name in (*headers, *(name for name, _ in secret_headers))):
        problems.append(Problem("invalid_header", f"Both 'auth' and 'headers' set '{own}'.", "/auth"))


def _with_defaults(
    headers: dict[str, str], secret_headers: tuple[tuple[str, Ref], ...], content_type: str | None
) -> dict[str, str]:
    defaults = {"User-Agent": USER_AGENT, "Accept": "*/*"}
    if content_type:
        defaults["Content-Type"] = content_type
    if not headers and not secret_headers:
        return defaults
    given = {name.lower() for name in (*headers, *(name for name, _ in secret_headers))}
    return {name: value for name, value in defaults.items() if name.lower() not in given} | headers
