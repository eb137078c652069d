"""Following a redirect: where it leads, with what method, and what may no longer be sent along."""

from __future__ import annotations

from dataclasses import dataclass

from yarl import URL

from rez_agent.actions.addresses import AllowList, plain_name
from rez_agent.actions.base import failed
from rez_agent.actions.exchange import Response
from rez_agent.actions.references import AttemptFailed
from rez_agent.actions.urls import address_problem, read_url
from rez_agent.domain.errors import Problem

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OF_THE_BODY = frozenset({"content-type", "content-encoding", "content-language"})
_OF_THE_HOST = frozenset({"authorization", "cookie"})


@dataclass(frozen=True, slots=True)
class Hop:
    """One request on the way. ``home``: it still goes to the host that was asked for, without a detour, so
    credentials go along. ``left``: how many more redirects are followed."""

    method: str
    url: URL
    headers: dict[str, str]
    body: bytes | None
    left: int
    followed: int = 0
    home: bool = True

    @property
    def host(self) -> str:
        """The host as it is compared."""
        return plain_name(self.url.raw_host or "")


def next_hop(hop: Hop, response: Response, allowed: AllowList, *, secrets: bool) -> Hop | None:
    """Where the response sends the request; None if it doesn't, or if redirects aren't to be followed.

    ``secrets``: the request uses some; then it is not led from https to http. Raises AttemptFailed when the
    redirect must not be followed.
    """
    location = response.headers.get("Location")
    if response.status not in _REDIRECTS or location is None or hop.left + hop.followed == 0:
        return None
    if hop.left == 0:
        raise _stopped("too_many_redirects", f"More than {hop.followed} redirects.")
    url = _target(hop, location, allowed)
    if secrets and hop.url.scheme == "https" and url.scheme == "http":
        text = (
            f"The redirect to http://{url.raw_host} was refused: a secret is used, and http is not encrypted."
        )
        raise _stopped("insecure_redirect", text)
    return _onward(hop, url, response.status)


def _target(hop: Hop, location: str, allowed: AllowList) -> URL:
    problems: list[Problem] = []
    try:
        joined = str(hop.url.join(URL(location)))
    except ValueError:
        joined = location
    url = read_url(joined, "", problems)
    if url is None:
        raise _stopped("redirect", f"The redirect of {hop.host} leads to what can't be called.")
    problem = address_problem(url, allowed, "")
    if problem:
        raise _stopped(problem.code, f"The redirect of {hop.host} was not followed. {problem.message}")
    return url


def _onward(hop: Hop, url: URL, status: int) -> Hop:
    """RFC 9110, 15.4: 303 becomes a GET; 301 and 302 do so for a POST; 307 and 308 keep method and body."""
    home = hop.home and _same_home(hop.url, url)
    becomes_get = (status == 303 and hop.method != "HEAD") or (status in (301, 302) and hop.method == "POST")
    dropped = (_OF_THE_BODY if becomes_get else frozenset()) | (frozenset() if home else _OF_THE_HOST)
    return Hop(
        method="GET" if becomes_get else hop.method,
        url=url,
        headers={name: value for name, value in hop.headers.items() if name.lower() not in dropped},
        body=None if becomes_get else hop.body,
        left=hop.left - 1,
        followed=hop.followed + 1,
        home=home,
    )


def _same_home(here: URL, there: URL) -> bool:
    """The same scheme, host and port, or the same host by https instead of http, both at their usual port."""
    if here.origin() == there.origin():
        return True
    upgraded = (here.scheme, there.scheme) == ("http", "https")
    return upgraded and here.raw_host == there.raw_host and (here.port, there.port) == (80, 443)


def _stopped(code: str, text: str) -> AttemptFailed:
    return AttemptFailed(failed(code, text, permanent=True))
