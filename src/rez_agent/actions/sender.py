"""Sending a web action's request: one attempt, from the first byte sent to an outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from yarl import URL

from rez_agent.actions.answers import failure_of, read_body, status_failure, text_of
from rez_agent.actions.auth import Credentials, OAuth2, bearer_credentials, fit_for_header, simple_credentials
from rez_agent.actions.base import SecretSource, failed, within_kept
from rez_agent.actions.deadlines import Deadlines
from rez_agent.actions.exchange import Response
from rez_agent.actions.guarded_http import Flight, GuardedHttp
from rez_agent.actions.headers import work_headers
from rez_agent.actions.redact import LONGEST_EDGE, Redactor
from rez_agent.actions.redirects import Hop, next_hop
from rez_agent.actions.references import AttemptFailed, Keyring
from rez_agent.actions.request import HttpRequest
from rez_agent.actions.signing import signature_headers, signing_key
from rez_agent.actions.tokens import Tokens
from rez_agent.domain.action import RESPONSE_KEPT, Outcome, Timings, Work
from rez_agent.domain.errors import Unavailable

_WINDOW = RESPONSE_KEPT + LONGEST_EDGE


class _Trip:
    """What is known of an attempt while it lasts: its clock's readings and what must not be repeated."""

    __slots__ = ("end", "flight", "head", "hidden", "sent")

    def __init__(self, host: str, port: int) -> None:
        self.flight = Flight(host, port)
        self.sent = 0.0
        self.head = 0.0
        self.end = 0.0
        self.hidden: tuple[str, ...] = ()


class Sender:
    """Sends requests, adds who asks and why, and tells what became of it.

    ``now`` is the wall clock (aware, UTC), for signatures and dates in answers; ``monotonic`` measures.
    """

    def __init__(
        self,
        http: GuardedHttp,
        secrets: SecretSource,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self.keyring = Keyring(secrets, http.allowed)
        self._http = http
        self._redactor = Redactor(secrets)
        self._tokens = Tokens(http, self.keyring, now=now, monotonic=monotonic)
        self._deadlines = Deadlines(monotonic)
        self._now = now
        self._monotonic = monotonic

    async def close(self) -> None:
        """Stop what goes on beside the attempts."""
        await self._tokens.close()
        self._deadlines.stop()

    async def perform(self, request: HttpRequest, work: Work) -> Outcome:
        """One attempt within the request's time limit. Raises only CancelledError."""
        trip = _Trip(request.host, request.port)
        try:
            with self._deadlines.within(request.timeout):
                if request.plain:
                    return await self._direct(request, work, trip)
                return await self._travel(request, work, trip)
        except TimeoutError:
            outcome = failed(
                "timeout", f"No whole answer within {request.timeout:g} seconds ({_phase(trip)})."
            )
        except AttemptFailed as stopped:
            outcome = stopped.outcome
        except Unavailable as error:
            outcome = failed(error.code, error.message)
        except Exception as error:  # noqa: BLE001  # an attempt always has an outcome
            outcome = failure_of(error, trip.flight)
        return self._told(outcome, trip)

    async def _direct(self, request: HttpRequest, work: Work, trip: _Trip) -> Outcome:
        headers = request.headers | work_headers(work)
        trip.sent = self._monotonic()
        response = await self._http.send(trip.flight, request.method, request.url, headers, request.body)
        trip.head = self._monotonic()
        try:
            return await self._outcome(request, response, trip)
        finally:
            response.release()

    async def _travel(self, request: HttpRequest, work: Work, trip: _Trip) -> Outcome:
        """The general way: with credentials, signature and redirects."""
        hop = Hop(request.method, request.url, request.headers, request.body, request.redirects)
        renewed = False
        while True:
            response = await self._send_hop(request, work, hop, trip)
            try:
                if response.status == 401 and hop.home and not renewed and isinstance(request.auth, OAuth2):
                    renewed = True
                    self._tokens.reject(trip.hidden[0])
                    continue
                onward = next_hop(hop, response, self._http.allowed, secrets=bool(request.references))
                if onward is None:
                    return await self._outcome(request, response, trip)
                hop = onward
            finally:
                response.release()

    async def _send_hop(self, request: HttpRequest, work: Work, hop: Hop, trip: _Trip) -> Response:
        headers = hop.headers | work_headers(work)
        url = hop.url
        if hop.home:
            credentials = await self._credentials(request, hop.url)
            headers |= credentials.headers
            headers |= {
                name: fit_for_header(self.keyring.value(ref, url)) for name, ref in request.secret_headers
            }
            headers |= self._signature(request, hop, work)
            trip.hidden = credentials.hidden
            if credentials.query:
                url = url.extend_query(credentials.query)
        trip.flight = Flight(hop.host, hop.url.port or 0)
        return await self._send(trip, hop.method, url, headers, hop.body)

    async def _credentials(self, request: HttpRequest, url: URL) -> Credentials:
        if request.auth is None:
            return Credentials({})
        if isinstance(request.auth, OAuth2):
            return bearer_credentials(await self._tokens.token(request.auth, url))
        return simple_credentials(request.auth, self.keyring, url)

    def _signature(self, request: HttpRequest, hop: Hop, work: Work) -> dict[str, str]:
        if not request.signing:
            return {}
        try:
            keys = [signing_key(self.keyring.value(ref, hop.url)) for ref in request.signing]
        except ValueError:
            text = "The signing secret is not base64, with or without whsec_ in front."
            raise AttemptFailed(failed("invalid_secret", text, permanent=True)) from None
        return signature_headers(keys, work.idempotency_key, int(self._now().timestamp()), hop.body or b"")

    async def _send(
        self, trip: _Trip, method: str, url: URL, headers: dict[str, str], body: bytes | None
    ) -> Response:
        trip.sent = self._monotonic()
        trip.head = trip.end = 0.0
        response = await self._http.send(trip.flight, method, url, headers, body)
        trip.head = self._monotonic()
        return response

    async def _outcome(self, request: HttpRequest, response: Response, trip: _Trip) -> Outcome:
        body, more = await read_body(response, _WINDOW)
        trip.end = self._monotonic()
        text = self._redactor.clean(text_of(body, response), trip.hidden, cut=more)
        kept, cut = within_kept(text)
        status = response.status
        timings = self._timings(trip)
        if any(low <= status <= high for low, high in request.success):
            return Outcome(
                ok=True,
                response_status=status,
                response=kept,
                response_truncated=cut or more,
                timings=timings,
            )
        failure = status_failure(response, self._now())
        failure = replace(failure, response=kept, response_truncated=cut or more, timings=timings)
        return self._clean(failure, trip)

    def _told(self, outcome: Outcome, trip: _Trip) -> Outcome:
        return self._clean(replace(outcome, timings=self._timings(trip)), trip)

    def _clean(self, outcome: Outcome, trip: _Trip) -> Outcome:
        return replace(outcome, error=self._redactor.clean(outcome.error or "", trip.hidden))

    def _timings(self, trip: _Trip) -> Timings:
        flight = trip.flight
        if not trip.head:
            return Timings(name=flight.name, connect=flight.connect)
        first = (trip.head - trip.sent) * 1000 - (flight.connect or 0.0) - (flight.name or 0.0)
        return Timings(
            flight.name, flight.connect, max(first, 0.0), ((trip.end or self._monotonic()) - trip.head) * 1000
        )


def _phase(trip: _Trip) -> str:
    if trip.head:
        return "while its body was read"
    if trip.flight.connect is not None:
        return "while waiting for its first byte"
    return "while connecting or waiting for its first byte"
