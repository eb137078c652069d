"""What an answer, or the lack of one, means: success, failure for good, or worth another attempt."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from encodings.aliases import aliases

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError

from rez_agent.actions.base import failed
from rez_agent.actions.exchange import NotHttp, Response
from rez_agent.actions.guarded_http import Flight
from rez_agent.domain.action import Outcome

BODY_READ_MAX = 262_144
"""Bytes of a response that are read at most; then the connection is dropped."""

RETRY_AFTER_MAX = 7 * 86_400.0
"""Seconds: a longer wait asked for is cut to this."""

REASON_MAX = 100
"""Characters of a status line's text that are told."""

_CHUNK = 65_536
_DIGITS = 300
"""More of them are beyond what a float holds."""

_RETRIED = frozenset({408, 425, 429})
_SECONDS = re.compile(r"[0-9]+")
_NONE = frozenset({"mbcs", "rot_13", "utf_7"})
_CHARSETS = frozenset(
    name
    for alias, codec in aliases.items()
    if not codec.endswith("_codec") and codec not in _NONE
    for name in (alias, codec)
)


async def read_body(response: Response, keep: int) -> tuple[bytes, bool]:
    """The first ``keep`` bytes of the (decompressed) body, and whether there is more of it.

    Reads to the end, so that the connection can be used again, but never more than
    :data:`BODY_READ_MAX` bytes.
    """
    content = response.content
    if content.is_eof():  # the whole of it came with the head
        whole = content.read_nowait()
        return whole[:keep], len(whole) > keep
    kept, read = b"", 0
    try:
        while not content.at_eof() and read < BODY_READ_MAX:
            chunk = await content.read(_CHUNK)
            read += len(chunk)
            if len(kept) < keep:
                kept += chunk
            await asyncio.sleep(
                0
            )  # what is there already is read without waiting: let others have their turn
    except aiohttp.ClientPayloadError as error:
        if isinstance(error.__cause__, ContentEncodingError):
            raise NotHttp("its body can't be decompressed") from error
        if not response.flooded:
            raise
    return kept[:keep], read > keep or response.flooded or not content.at_eof()


def text_of(body: bytes, response: Response) -> str:
    """The body as text: in UTF-8, else in the charset it declares, else with what can't be read replaced."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        try:
            return body.decode(_charset(response), "replace")
        except (LookupError, ValueError):
            return body.decode("utf-8", "replace")


def _charset(response: Response) -> str:
    """The charset that a body declares, if it is one. Python's own codecs are none: they decode to what can't
    be stored, or take time that grows with the square of the text. Nor is any other name looked up: Python
    remembers each."""
    declared = (response.charset or "utf-8").replace("-", "_")
    return declared if declared in _CHARSETS else "utf-8"


def status_failure(response: Response, now: datetime) -> Outcome:
    """The failure that a status outside the range of success is; without the response's text."""
    status = response.status
    told = f"The target answered {f'{status} {_reason(response)}'.strip()}."
    if 300 <= status < 400 and "Location" in response.headers:
        text = f"{told} Redirects are followed only when 'follow_redirects' asks for it."
        return Outcome(ok=False, code="redirect", error=text, permanent=True, response_status=status)
    retried = status in _RETRIED or status >= 500
    wait = retry_after(response.headers.get("Retry-After"), now) if retried else None
    return Outcome(
        ok=False, code="status", error=told, permanent=not retried, retry_after=wait, response_status=status
    )


def _reason(response: Response) -> str:
    """The text of the status line, as much of it as can be told: it is whatever bytes the target sent."""
    reason = response.reason[:REASON_MAX]
    return "".join(char if char.isprintable() else "?" for char in reason)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that ``Retry-After`` (RFC 9110, 10.2.3) asks for: a number of seconds, or a date.

    None when it is absent, can't be read, or lies in the past; at most :data:`RETRY_AFTER_MAX`, which is
    longer than any execution waits: so much is asked for, and it is not tried again.
    """
    if value is None:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return RETRY_AFTER_MAX if len(value) > _DIGITS else min(float(value), RETRY_AFTER_MAX)
    try:
        date = parsedate_to_datetime(value)
        seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(seconds, RETRY_AFTER_MAX) if seconds >= 0 else None


def failure_of(error: Exception, flight: Flight) -> Outcome:
    """The failure that an exception of the HTTP client is."""
    if flight.forbidden:
        return failed("forbidden_target", flight.forbidden, permanent=True)
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, ConnectionRefusedError):
            return failed("refused", f"{flight.host}:{flight.port} refused the connection.")
        if isinstance(error.os_error, ConnectionError):  # while TLS was being agreed on
            error = error.os_error
    kind = next((kind for kind in _FAILURES if isinstance(error, kind)), Exception)
    code, text = _FAILURES[kind]
    told = text.format(where=f"{flight.host}:{flight.port}", host=flight.host, why=_why(error))
    return failed(code, told, permanent=kind in _FOR_GOOD)


_FAILURES: dict[type[Exception], tuple[str, str]] = {
    # The first that fits counts: a class stands before the classes it is derived from.
    aiohttp.ClientConnectorCertificateError: ("tls", "The certificate of {where} is not trusted: {why}."),
    aiohttp.ClientConnectorSSLError: ("tls", "No TLS connection with {where}: {why}."),
    aiohttp.ClientConnectorDNSError: ("dns", "The name {host} could not be resolved."),
    aiohttp.ClientConnectorError: ("unreachable", "No connection to {where}: {why}."),
    aiohttp.InvalidURL: ("invalid_url", "The URL can't be called."),
    aiohttp.ServerDisconnectedError: ("reset", "{where} closed the connection before it had answered."),
    aiohttp.ClientOSError: ("reset", "{where} closed the connection before it had answered."),
    aiohttp.ClientPayloadError: ("reset", "{where} broke off in the middle of its answer."),
    aiohttp.ClientError: ("bad_response", "{where} answered what is not valid HTTP ({why})."),
    ConnectionError: ("reset", "{where} closed the connection before it had answered."),
    Exception: ("internal_error", "The request failed ({why})."),
}
_FOR_GOOD = (aiohttp.ClientConnectorCertificateError, aiohttp.InvalidURL)


def _why(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return str(getattr(error.certificate_error, "verify_message", "")) or "it could not be verified"
        case aiohttp.ClientConnectorError():
            return error.strerror or type(error.os_error).__name__
        case NotHttp():
            return str(error)
        case _:
            return type(error).__name__
