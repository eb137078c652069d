"""OAuth 2 tokens: fetched by a grant, kept until shortly before they expire, one fetch at a time for each."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus, urlencode

import aiohttp
from yarl import URL

from rez_agent.actions.answers import failure_of, retry_after
from rez_agent.actions.auth import OAuth2, basic, text_of
from rez_agent.actions.base import failed
from rez_agent.actions.guarded_http import Flight, GuardedHttp, flight_to
from rez_agent.actions.headers import USER_AGENT
from rez_agent.actions.references import AttemptFailed, Keyring
from rez_agent.domain.action import Outcome

LIFETIME = 300.0
"""Seconds that a token is kept if the server doesn't say how long it lives."""

FETCH_TIMEOUT = 30.0
"""Seconds that the token endpoint has to answer."""

MARGIN = 30.0
"""Seconds before its end (a tenth of its life, if that is less) at which a token is no longer used."""

_KEPT_MAX = 1_000
_ANSWER_MAX = 65_536
_TOKEN_MAX = 7_000


@dataclass(slots=True)
class _Kept:
    """The token of one grant, and the fetch under way if there is one."""

    token: str | None = None
    until: float = 0.0
    fetch: asyncio.Task[Outcome | None] | None = None


class Tokens:
    """The tokens of all grants. ``now`` is the wall clock (aware, UTC), for dates in answers; ``monotonic``
    gives seconds that never run back."""

    def __init__(
        self,
        http: GuardedHttp,
        keyring: Keyring,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._http = http
        self._keyring = keyring
        self._now = now
        self._monotonic = monotonic
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def token(self, plan: OAuth2, target: URL) -> str:
        """A token for ``target``. Raises AttemptFailed.

        The token stands for the secrets that it was fetched with: it is given out only for a target that
        each of them may be sent to.
        """
        form, headers, identity = self._grant(plan, target)
        kept = self._entry(identity)
        if kept.token is not None and self._monotonic() < kept.until:
            return kept.token
        if kept.fetch is None or kept.fetch.done():
            kept.fetch = asyncio.create_task(self._refresh(kept, plan.token_url, form, headers))
        failure = await asyncio.shield(kept.fetch)
        if failure is not None:
            raise AttemptFailed(failure)
        return kept.token or ""

    def reject(self, token: str) -> None:
        """The target did not accept ``token``: it isn't given out again."""
        for kept in self._kept.values():
            if kept.token == token:
                kept.token = None

    async def close(self) -> None:
        """Stop what is being fetched."""
        fetches = [kept.fetch for kept in self._kept.values() if kept.fetch and not kept.fetch.done()]
        for fetch in fetches:
            fetch.cancel()
        for fetch in fetches:
            with suppress(asyncio.CancelledError):
                await fetch

    def _entry(self, identity: str) -> _Kept:
        kept = self._kept.setdefault(identity, _Kept())
        self._kept.move_to_end(identity)
        if len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)
        return kept

    def _grant(self, plan: OAuth2, target: URL) -> tuple[dict[str, str], dict[str, str], str]:
        """The form to send, its headers, and what makes this grant's token different from another's."""
        for ref in (plan.client_id, plan.client_secret, plan.username, plan.password):
            text_of(ref, self._keyring, target)
        parts = {
            "client_id": text_of(plan.client_id, self._keyring, plan.token_url),
            "client_secret": text_of(plan.client_secret, self._keyring, plan.token_url),
            "username": text_of(plan.username, self._keyring, plan.token_url),
            "password": text_of(plan.password, self._keyring, plan.token_url),
            "scope": plan.scope or "",
            "audience": plan.audience or "",
        }
        known = json.dumps([str(plan.token_url), plan.grant, plan.in_body, parts], sort_keys=True)
        identity = hashlib.sha256(known.encode()).hexdigest()
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
        if not plan.in_body and parts["client_id"]:
            client, secret = parts.pop("client_id"), parts.pop("client_secret")
            # RFC 6749, 2.3.1: both are form-encoded first.
            headers["Authorization"] = f"Basic {basic(quote_plus(client), quote_plus(secret))}"
        form = {name: value for name, value in parts.items() if value}
        return {"grant_type": plan.grant, **form}, headers, identity

    async def _refresh(
        self, kept: _Kept, url: URL, form: dict[str, str], headers: dict[str, str]
    ) -> Outcome | None:
        """Fetch a token and keep it; the failure if there is none."""
        flight = flight_to(url)
        try:
            async with asyncio.timeout(FETCH_TIMEOUT):
                status, later, answer = await self._post(flight, url, form, headers)
        except TimeoutError:
            return failed(
                "auth", f"The token endpoint {flight.host} did not answer in {FETCH_TIMEOUT:.0f} s."
            )
        except (aiohttp.ClientError, OSError) as error:
            failure = failure_of(error, flight)
            if failure.code == "forbidden_target":
                return failure
            return failed("auth", f"No token: {failure.error}", permanent=failure.permanent)
        if status != 200:
            return _denied(flight, status, retry_after(later, self._now()), answer)
        token = answer.get("access_token")
        kind = str(answer.get("token_type", "bearer")).lower()
        if not isinstance(token, str) or not 0 < len(token) <= _TOKEN_MAX or kind != "bearer":
            return failed("auth", f"The token endpoint {flight.host} answered without a bearer token.")
        life = _lifetime(answer.get("expires_in"))
        kept.token, kept.until = token, self._monotonic() + life - min(MARGIN, life / 10)
        return None

    async def _post(
        self, flight: Flight, url: URL, form: dict[str, str], headers: dict[str, str]
    ) -> tuple[int, str | None, dict[str, Any]]:
        """The status, what ``Retry-After`` says, and the answer if it is an object."""
        headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        response = await self._http.send(flight, "POST", url, headers, urlencode(form).encode())
        try:
            data = b""
            while not response.content.at_eof() and len(data) <= _ANSWER_MAX:
                data += await response.content.read(_ANSWER_MAX)
        finally:
            response.release()
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            answer = {}
        later = response.headers.get("Retry-After")
        return response.status, later, answer if isinstance(answer, dict) else {}


def _lifetime(value: object) -> float:
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return LIFETIME
    return min(max(seconds, 0.0), 86_400.0) if seconds == seconds else LIFETIME  # noqa: PLR0124  # NaN


def _denied(flight: Flight, status: int, wait: float | None, answer: dict[str, Any]) -> Outcome:
    """RFC 6749, 5.2: a 4xx names an ``error``; only that word is told, never the answer."""
    word = answer.get("error")
    shown = f" ({word})" if isinstance(word, str) and word.isascii() and len(word) <= 64 else ""
    permanent = 400 <= status < 500 and status not in (408, 425, 429)
    text = f"The token endpoint {flight.host} answered {status}{shown}."
    return replace(failed("auth", text, permanent=permanent), retry_after=None if permanent else wait)
