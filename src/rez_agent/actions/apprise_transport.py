"""Sending through apprise. Imported with apprise's own import delayed until the first message.

apprise answers only yes or no; what went wrong it writes to its log. So the lines that it logs in the
sending thread are read: they become the outcome's error, and the status in them decides whether another
attempt can help.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rez_agent.actions.addresses import AllowList
from rez_agent.actions.base import SecretSource, failed
from rez_agent.actions.channel_guard import GUARD, Leave
from rez_agent.actions.channels import Channel, Ntfy
from rez_agent.actions.notify import Notification
from rez_agent.actions.references import AttemptFailed, Ref
from rez_agent.domain.action import Outcome

_STATUS = re.compile(r"\berror=([1-5][0-9]{2})(?:[0-9]{2})?\b")
_RETRIED = frozenset({408, 425, 429})
_WORD_TO_TYPE = {"min": "info", "low": "info", "default": "info", "high": "warning", "max": "failure"}
_ERROR_MAX = 500


def send_by_apprise(
    channel: Channel, notification: Notification, secrets: SecretSource, allowed: AllowList
) -> Outcome:
    """Send ``notification``; blocks. Raises AttemptFailed when a secret is missing or not for this host.

    Title, message and kind reach every service; priority and tags those that know them (ntfy and others). It
    connects to the hosts that the channel names, to public addresses and to those of ``allowed``.
    """
    import apprise  # noqa: PLC0415  # heavy: loads over a hundred services

    address = _address(channel, secrets)
    leave = Leave(address, allowed)
    with _GATHERER.gathering() as lines, GUARD.holding(leave, notification.timeout):
        arguments = _arguments(channel, address, notification, secrets)
        service = apprise.Apprise.instantiate(arguments, asset=apprise.AppriseAsset(async_mode=False))
        if service is None:
            text = f"The address of the channel '{channel.name}' is not one that apprise understands."
            return failed("invalid_channel", text, permanent=True)
        sent = service.notify(
            body=notification.message,
            title=notification.title,
            notify_type=apprise.NotifyType(_WORD_TO_TYPE[notification.priority]),
            body_format=apprise.NotifyFormat.TEXT,
        )
    if sent:
        return Outcome(ok=True, response="Sent.")
    if leave.forbidden is not None:
        return failed("forbidden_target", leave.forbidden, permanent=True)
    return _failure(channel, lines)


def _arguments(
    channel: Channel, address: str, notification: Notification, secrets: SecretSource
) -> dict[str, Any]:
    """What apprise makes a service of: the channel's address, the message's priority, tags and time limit."""
    from apprise.plugins import N_MGR, url_to_dict  # noqa: PLC0415

    if channel.ntfy is not None:
        arguments = _ntfy_arguments(channel.ntfy, secrets)
    else:
        arguments = url_to_dict(address) or {}  # type: ignore[no-untyped-call]
    if not arguments:
        text = f"The address of the channel '{channel.name}' is not one that apprise understands."
        raise AttemptFailed(failed("invalid_channel", text, permanent=True))
    options = N_MGR[arguments["schema"]].template_args
    if "priority" in options and notification.priority != "default":
        arguments["priority"] = notification.priority
    if "xtags" in options and notification.tags:
        arguments["xtags"] = [*parse_tags(arguments.get("xtags")), *notification.tags]
    limit = notification.timeout
    return {**arguments, "cto": limit, "rto": limit, "redirect": False}


def parse_tags(value: object) -> list[str]:
    """The tags that a channel's own address gives to every message."""
    texts = value if isinstance(value, list | tuple) else str(value or "").split(",")
    return [str(text).strip() for text in texts if str(text).strip()]


def _address(channel: Channel, secrets: SecretSource) -> str:
    """Where the operator says that the channel leads."""
    if channel.ntfy is not None:
        return channel.ntfy.host
    url = channel.url
    return _value(url, secrets, f"channel:{channel.name}", None) if isinstance(url, Ref) else url or ""


def _ntfy_arguments(ntfy: Ntfy, secrets: SecretSource) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "schema": "ntfys" if ntfy.secure else "ntfy",
        "secure": ntfy.secure,
        "host": ntfy.host,
        "port": ntfy.port,
        "targets": [ntfy.topic],
        "mode": "private",
        "include_image": False,
    }
    port = ntfy.port or (443 if ntfy.secure else 80)
    if ntfy.token is not None:
        return arguments | {"auth": "token", "token": _value(ntfy.token, secrets, ntfy.host, port)}
    if ntfy.password is not None:
        password = _value(ntfy.password, secrets, ntfy.host, port)
        return arguments | {"auth": "basic", "user": ntfy.username, "password": password}
    return arguments


def _value(ref: Ref, secrets: SecretSource, host: str, port: int | None) -> str:
    secret = secrets.get(ref.name)
    if secret is None:
        text = (
            f"There is no secret '{ref.name}'. Keep one with: rez-agent secrets set {ref.name} --host {host}"
        )
        raise AttemptFailed(failed("unknown_secret", text, permanent=True))
    fits = host in secret.hosts if port is None else secret.goes_to(host, port)
    if not fits:
        text = f"The secret '{ref.name}' may not be sent to {host}: set it again with --host {host}."
        raise AttemptFailed(failed("secret_host", text, permanent=True))
    return secret.value.strip()


def _failure(channel: Channel, lines: list[str]) -> Outcome:
    told = " ".join(lines)[:_ERROR_MAX] or "apprise gave no reason."
    match = _STATUS.search(told)
    status = int(match[1]) if match else None
    permanent = status is not None and 300 <= status < 500 and status not in _RETRIED
    return Outcome(
        ok=False,
        code="status" if status else "not_sent",
        error=f"The channel '{channel.name}' did not take the message: {told}",
        permanent=permanent,
        response_status=status,
    )


class _Gatherer(logging.Filter):
    """Keeps what apprise logs to itself: it may repeat an address or a token, so no handler may see it.

    The warnings of a thread that gathers are handed to it instead; the outcome tells them, redacted.
    """

    def __init__(self) -> None:
        super().__init__()
        self._here = threading.local()

    @contextmanager
    def gathering(self) -> Iterator[list[str]]:
        """The warnings logged by this thread within the block."""
        logging.getLogger("apprise").addFilter(self)  # does nothing if it is there already
        logging.getLogger("urllib3").setLevel(logging.WARNING)  # at DEBUG it logs paths, which hold tokens
        lines: list[str] = []
        self._here.lines = lines
        try:
            yield lines
        finally:
            del self._here.lines

    def filter(self, record: logging.LogRecord) -> bool:
        """Swallows every record."""
        if record.levelno >= logging.WARNING and hasattr(self._here, "lines"):
            self._here.lines.append(record.getMessage())
        return False


_GATHERER = _Gatherer()  # one for the process, as the logger that it filters is
