"""The web action ``http``: a request that stands in the payload."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import Any

from pydantic_core import to_json

from rez_agent.actions.addresses import AllowList
from rez_agent.actions.base import Payload, invalid_payload
from rez_agent.actions.late_sender import Performer
from rez_agent.actions.references import Keyring
from rez_agent.actions.request import HttpRequest, read_request
from rez_agent.actions.signing import signing_key
from rez_agent.actions.urls import address_problem
from rez_agent.domain.action import Outcome, Work
from rez_agent.domain.errors import Problem

_CACHED = 24_576
"""Requests remembered, at about 2 KiB each."""

_CACHED_TEXT_MAX = 4_096


class HttpAction:
    """Sends the request that the payload describes."""

    def __init__(self, sender: Performer, allowed: AllowList) -> None:
        self._sender = sender
        self._allowed = allowed
        self._recent: dict[str, HttpRequest | list[Problem]] = {}
        self._older: dict[str, HttpRequest | list[Problem]] = {}

    def check(self, payload: Payload) -> list[Problem]:
        """All that is wrong with the payload; secrets must exist and be bound to the request's host."""
        request = self._read(payload)
        if isinstance(request, list):
            return request
        return request_problems(request, self._allowed, self._sender.keyring)

    def target(self, payload: Payload) -> str:
        """``host:port``."""
        request = self._read(payload)
        return "http:invalid" if isinstance(request, list) else target_of(request)

    def run(self, work: Work) -> Coroutine[Any, Any, Outcome]:
        """One attempt. Raises only CancelledError.

        Not a coroutine function but one that hands the sender's on: this is the hottest path there is.
        """
        request = self._read(work.payload, work.payload_text)
        if isinstance(request, list):
            return _known(invalid_payload(request))
        return self._sender.perform(request, work)

    def _read(self, payload: Payload, text: str | None = None) -> HttpRequest | list[Problem]:
        """The request, from the cache where the same payload was read before; ``text`` is its JSON."""
        try:
            text = text or to_json(payload).decode()
        except (ValueError, RecursionError):
            return _read_odd(payload)
        request = self._recent.get(text) or self._older.get(text)
        if request is None:
            request = read_request(payload)
            self._keep(text, request)
        return request

    def _keep(self, text: str, request: HttpRequest | list[Problem]) -> None:
        """Remember a request; when half of what may be remembered is new, the older half is forgotten. Safe
        from any thread: where two meet, something is forgotten early."""
        if len(text) > _CACHED_TEXT_MAX:
            return
        if len(self._recent) >= _CACHED // 2:
            self._older, self._recent = self._recent, {}
        self._recent[text] = request


def _read_odd(payload: Payload) -> HttpRequest | list[Problem]:
    """A payload that can't be written in UTF-8, or is no JSON at all."""
    try:
        json.dumps(payload)
    except (TypeError, ValueError, RecursionError):
        return [Problem("invalid_value", "The payload is not JSON.")]
    return read_request(payload)


def target_of(request: HttpRequest) -> str:
    """The lane that a request belongs to."""
    return f"[{request.host}]:{request.port}" if ":" in request.host else f"{request.host}:{request.port}"


def request_problems(request: HttpRequest, allowed: AllowList, keyring: Keyring) -> list[Problem]:
    """What forbids a well-formed request here and now: its address, or its secrets."""
    problem = address_problem(request.url, allowed, "/url")
    found = [problem] if problem else []
    places = [request.url]
    if request.token_url is not None:
        problem = address_problem(request.token_url, allowed, "/auth/token_url")
        found.extend([problem] if problem else [])
        places.append(request.token_url)
    for ref in request.references:
        faults = (
            keyring.problem(ref, url) for url in places if ref.pointer.startswith("/auth") or url is places[0]
        )
        found.extend([fault for fault in faults if fault][:1])
    return found or _signing_problems(request, keyring)


def _signing_problems(request: HttpRequest, keyring: Keyring) -> list[Problem]:
    found = []
    for ref in request.signing:
        try:
            signing_key(keyring.value(ref, request.url))
        except ValueError:
            text = "The signing secret is not base64, with or without whsec_ in front."
            found.append(Problem("invalid_secret", text, ref.pointer))
    return found


async def _known(outcome: Outcome) -> Outcome:
    return outcome
