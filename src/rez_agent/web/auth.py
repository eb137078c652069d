"""Who may come in: keys, scopes, the rate limit, and the guard of a server that is open.

A server without keys is open to whoever reaches it, which only a loopback address allows. A browser on the
same machine reaches it too, on behalf of any site, so an open server refuses requests that name another host
(DNS rebinding), come from another site, or were handed on by a proxy. A keyless server is open by its
operator's word, behind a gateway of some kind: it asks for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from rez_agent.domain.errors import Forbidden, RateLimited, Unauthenticated
from rez_agent.ports import Host, Ports
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.keys import LOCAL, Key, Scope, any_keys, is_token, key_of
from rez_agent.web.settings import WebSettings

KEY_TRUSTED = 1.0
"""Seconds for which a key that was found good is not looked up again: a revoked one works no longer."""

_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""What proxies add: one on this machine would bring anybody's requests to the loopback address."""

_REMEMBERED_AT_MOST = 4_096


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sent a request: on whose behalf, how far they reach, and the id by which they are limited."""

    caller: Caller
    scope: Scope
    key_id: str


LOCAL_VISITOR = Visitor(Caller(LOCAL, admin=True), Scope.ADMIN, LOCAL)


class Gate:
    """Lets requests in, or refuses them. One for each application; used from its event loop alone."""

    def __init__(self, host: Host, settings: WebSettings, monotonic: Callable[[], float]) -> None:
        self._host = host
        self._settings = settings
        self._monotonic = monotonic
        self._limiter = Limiter(settings.requests_per_second)
        self._trusted: dict[str, tuple[Visitor, float]] = {}
        self._open_until = 0.0

    async def admit(self, headers: Headers, scope: Scope) -> Caller:
        """The caller, if they may do what needs ``scope``. Raises Unauthenticated, Forbidden, RateLimited."""
        visitor = await self._visitor(headers)
        self.check(visitor, scope)
        return visitor.caller

    def check(self, visitor: Visitor, scope: Scope) -> None:
        """That the visitor may do what needs ``scope``, now. Raises Forbidden, RateLimited."""
        if not visitor.scope.includes(scope):
            raise Forbidden(f"This needs a key of scope '{scope}'; yours has '{visitor.scope}'.")
        if visitor is not LOCAL_VISITOR:
            self._limiter.take(visitor.key_id, self._monotonic())

    async def without_key(self, headers: Headers) -> Visitor | None:
        """Who comes without a key, where none is needed; None where one is. Raises Forbidden for what an
        open server refuses."""
        if self._settings.keyless:
            return LOCAL_VISITOR
        if self._settings.open_access and await self._is_open():
            self._guard(headers)
            return LOCAL_VISITOR
        return None

    async def remembered(self, name: str, find: Callable[[Ports], Key | None]) -> Visitor | None:
        """Whoever has the key that ``find`` finds, which holds under ``name`` for a second."""
        trusted = self._trusted.get(name)
        now = self._monotonic()
        if trusted is not None and trusted[1] > now:
            return trusted[0]
        key = await self._host.read(find)
        if key is None:
            return None
        visitor = Visitor(key.caller, key.scope, key.id)
        if len(self._trusted) >= _REMEMBERED_AT_MOST:
            self._trusted.clear()
        self._trusted[name] = (visitor, now + KEY_TRUSTED)
        return visitor

    def forget(self) -> None:
        """Look keys up anew: one was created or revoked."""
        self._trusted.clear()
        self._open_until = 0.0

    async def _visitor(self, headers: Headers) -> Visitor:
        token = _token(headers)
        if token is not None:
            return await self._known(token)
        open_to_all = await self.without_key(headers)
        if open_to_all is None:
            text = "This server needs a key: send 'Authorization: Bearer rez_...' or 'X-API-Key'."
            raise Unauthenticated(text)
        return open_to_all

    async def _known(self, token: str) -> Visitor:
        visitor = None
        if is_token(token):
            digest = sha256(token.encode()).hexdigest()
            visitor = await self.remembered(digest, lambda ports: key_of(ports, token))
        if visitor is None:
            raise Unauthenticated("There is no such key, or it was revoked, or it ran out.")
        return visitor

    async def _is_open(self) -> bool:
        """Whether there are no keys; a "yes" holds for a second."""
        now = self._monotonic()
        if now < self._open_until:
            return True
        if await self._host.read(any_keys):
            return False
        self._open_until = now + KEY_TRUSTED
        return True

    def _guard(self, headers: Headers) -> None:
        named = headers.getlist("host")
        host = named[0] if len(named) == 1 else ""  # two of them name nobody (RFC 9112, 3.2)
        if not self._is_own(_hostname(host)):
            text = (
                f"Without keys this server answers to this machine's own names only, not to '{host[:100]}'."
            )
            raise Forbidden(text, code="forbidden_host")
        if is_foreign(headers, host):
            text = "This server has no keys, so it refuses what a browser sends on behalf of another site."
            raise Forbidden(text, code="cross_site")
        if any(name in headers for name in _OF_PROXIES):
            text = (
                "Without keys this server serves this machine alone, and a proxy has handed this request on. "
                "Create a key first: rez-agent keys create NAME."
            )
            raise Forbidden(text, code="proxied")

    def _is_own(self, name: str) -> bool:
        return name in self._settings.hosts or is_loopback(name)


class Limiter:
    """A token bucket for each key: ``rate`` requests a second, and a burst of as many. 0: no limit."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key_id: str, now: float) -> None:
        """Count one request at ``now`` (monotonic seconds). Raises RateLimited when the bucket is empty."""
        if not self._rate:
            return
        left, since = self._buckets.get(key_id, (float(self._rate), now))
        left = min(float(self._rate), left + (now - since) * self._rate)
        if left < 1:
            self._buckets[key_id] = (left, now)
            text = f"This key may ask {self._rate} times a second. Ask again a little later."
            raise RateLimited(text, retry_after=(1 - left) / self._rate)
        self._buckets[key_id] = (left - 1, now)
        if len(self._buckets) > _REMEMBERED_AT_MOST:
            self._drop_full(now)

    def _drop_full(self, now: float) -> None:
        """A bucket that has filled up again is like none."""
        self._buckets = {
            key: (left, since)
            for key, (left, since) in self._buckets.items()
            if left + (now - since) * self._rate < self._rate
        }


def is_loopback(name: str) -> bool:
    """Whether ``name`` (a host, without port or brackets) means this machine and no other."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _hostname(host: str) -> str:
    """The name in a Host header, without port and brackets; empty when there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_foreign(headers: Headers, host: str) -> bool:
    """Whether a browser sent this on behalf of another site. Following a link from there is fine."""
    origin = headers.get("origin")
    if origin is not None:
        return origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower())
    return headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"


def _token(headers: Headers) -> str | None:
    """The token that the request carries, whatever it is worth."""
    authorization = headers.get("authorization")
    if authorization is None:
        return headers.get("x-api-key")
    kind, _, token = authorization.partition(" ")
    if kind.lower() != "bearer":
        raise Unauthenticated(
            "Send 'Authorization: Bearer rez_...'; other kinds of authorization are not known."
        )
    return token.strip()
