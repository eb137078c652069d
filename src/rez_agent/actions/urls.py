"""Reading a URL from a payload, strictly: what can be read in two ways is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from yarl import URL

from rez_agent.actions.addresses import AllowList, forbidden_text, plain_name, read_address
from rez_agent.domain.errors import Problem
from rez_agent.domain.reading import pointer_to

URL_MAX = 8_000
"""Characters of a URL with its query."""

_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_NUMBER_LIKE = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?")


def read_url(value: Any, pointer: str, problems: list[Problem]) -> URL | None:
    """The absolute http or https URL that ``value`` is, without fragment; else None and a problem.

    Refused: white space and control characters, backslashes, a user or password, a host that is written as
    a number in any but the usual way (``0x7f.1``, ``2130706433``), port 0.
    """
    if not isinstance(value, str):
        problems.append(Problem("wrong_type", "'url' is a text such as https://example.org/path.", pointer))
        return None
    why = _text_fault(value)
    url = None
    if why is None:
        try:
            url = URL(value)
            why = _url_fault(url)
        except ValueError:
            why = "it can't be read"
    if url is None or why:
        # The text does not repeat the URL: it may hold a password.
        problems.append(Problem("invalid_url", f"This URL can't be called: {why}.", pointer))
        return None
    return url.with_fragment(None) if url.raw_fragment else url


def read_query(value: Any, url: URL, pointer: str, problems: list[Problem]) -> URL:
    """``url`` with the query parameters of ``value`` added to its own."""
    if not isinstance(value, Mapping):
        problems.append(Problem("wrong_type", "'query' is an object of names and values.", pointer))
        return url
    pairs: list[tuple[str, str]] = []
    for name, given in value.items():
        for item in given if isinstance(given, list | tuple) else (given,):
            text = _scalar(item)
            if text is None:
                kinds = "a text, a number, true, false, or a list of these"
                problems.append(Problem("wrong_type", f"'{name}' is {kinds}.", pointer + pointer_to([name])))
            else:
                pairs.append((str(name), text))
    extended = url.extend_query(pairs) if pairs else url
    if len(str(extended)) > URL_MAX:
        problems.append(Problem("invalid_url", f"The URL has more than {URL_MAX} characters.", pointer))
    return extended


def address_problem(url: URL, allowed: AllowList, pointer: str) -> Problem | None:
    """Why the address that ``url`` writes may not be called; a name is judged when it is connected to."""
    host, port = plain_name(url.raw_host or ""), url.port or 0
    if read_address(host) is None:
        return None
    why = allowed.refusal(host, host, port)
    return Problem("forbidden_target", forbidden_text(host, host, port, why), pointer) if why else None


def _text_fault(text: str) -> str | None:
    if len(text) > URL_MAX:
        return f"it has more than {URL_MAX} characters"
    if _UNSAFE.search(text):
        return "it holds white space, a control character or a backslash"
    if not _SCHEME.match(text):
        return "it does not begin with http:// or https://"
    return None


def _url_fault(url: URL) -> str | None:
    if "@" in url.raw_authority:
        return "it holds a user or password (use 'auth')"
    if not url.port:
        return "its port is not between 1 and 65535"
    return _host_fault(url.raw_host or "")


@lru_cache(maxsize=1_024)
def _host_fault(host: str) -> str | None:
    if not host:
        return "it has no host"
    if "%" in host:
        return "its host has a zone or an escape"
    if host.startswith(".") or ".." in host:
        return "its host has an empty part"
    if ":" in host and read_address(host) is None:
        return "its host is an IPv6 address in an unusual form (write one like 2001:db8::1)"
    if _NUMBER_LIKE.fullmatch(host) and read_address(host) is None:
        return "its host is a number in an unusual form (write an address like 192.0.2.1)"
    return None


def _scalar(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str) or _SURROGATE.search(value):
        return None
    return value
