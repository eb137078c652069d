"""Notifications: a message through a channel that the operator has named.

Callers name a channel, never an address: where a channel leads is the operator's to say, so its host is
trusted. ``log`` is always there and writes the message to the log. Everything else is sent by apprise, in a
thread, imported when the first message is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import structlog

from rez_agent.actions.base import (
    Payload,
    SecretSource,
    failed,
    invalid_payload,
    read_timeout,
    unknown_fields,
)
from rez_agent.actions.channels import LOG_CHANNEL, Channel
from rez_agent.actions.redact import Redactor
from rez_agent.actions.references import AttemptFailed
from rez_agent.actions.threads import Threads
from rez_agent.domain.action import Outcome, Work
from rez_agent.domain.errors import Problem
from rez_agent.domain.reading import did_you_mean

DEFAULT_CHANNEL = "default"
"""The channel of a message that names none; ``log`` if the operator has not configured it."""

PRIORITIES = ("min", "low", "default", "high", "max")
"""From lowest to highest; ``1`` to ``5`` say the same."""

FIELDS = ("action", "channel", "title", "message", "priority", "tags", "timeout")
TITLE_MAX, MESSAGE_MAX, TAGS_MAX, TAG_MAX = 200, 16_384, 20, 64
AT_ONCE = 8
"""Messages being sent through one channel at the same time."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A message as it is sent. ``timeout`` is in seconds."""

    channel: str
    title: str
    message: str
    priority: str
    tags: tuple[str, ...]
    timeout: float


class Transport(Protocol):
    """Sends a notification through a channel, blocking."""

    def __call__(self, channel: Channel, notification: Notification, secrets: SecretSource) -> Outcome:
        """What became of it. Raises AttemptFailed."""


class NotifyAction:
    """Sends what the payload says through the channel that it names."""

    def __init__(self, channels: Mapping[str, Channel], secrets: SecretSource, transport: Transport) -> None:
        self._channels = {LOG_CHANNEL: Channel(LOG_CHANNEL), **channels}
        self._secrets = secrets
        self._transport = transport
        self._redactor = Redactor(secrets)
        self._threads = {name: Threads(AT_ONCE, f"rez-notify-{name}") for name in self._channels}
        self._log = structlog.get_logger("rez_agent.notification")

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The channels that there are, ``log`` among them."""
        return tuple(sorted(self._channels))

    def check(self, payload: Payload) -> list[Problem]:
        """All that is wrong with the payload; its channel must be configured."""
        read = self._read(payload)
        return read if isinstance(read, list) else []

    def target(self, payload: Payload) -> str:
        """``notification:CHANNEL``."""
        return f"notification:{self._channel_name(payload)}"

    async def run(self, work: Work) -> Outcome:
        """One attempt. Raises only CancelledError. An attempt that timed out may still arrive."""
        notification = self._read(work.payload)
        if isinstance(notification, list):
            return invalid_payload(notification)
        channel = self._channels[notification.channel]
        if channel.name == LOG_CHANNEL:
            return self._logged(notification, work)
        outcome = await self._sent(channel, notification)
        return replace(
            outcome, error=self._redactor.clean(outcome.error) if outcome.error is not None else None
        )

    async def _sent(self, channel: Channel, notification: Notification) -> Outcome:
        try:
            async with asyncio.timeout(notification.timeout):
                return await self._threads[channel.name].run(
                    lambda: self._transport(channel, notification, self._secrets)
                )
        except TimeoutError:
            return failed("timeout", f"The channel did not answer within {notification.timeout:g} seconds.")
        except AttemptFailed as stopped:
            return stopped.outcome
        except Exception as error:  # noqa: BLE001  # an attempt always has an outcome
            return failed("internal_error", f"The channel '{channel.name}' failed ({type(error).__name__}).")

    def _logged(self, notification: Notification, work: Work) -> Outcome:
        self._log.info(
            "notification",
            title=self._redactor.clean(notification.title),
            message=self._redactor.clean(notification.message),
            priority=notification.priority,
            tags=list(notification.tags),
            execution_id=work.execution_id,
        )
        return Outcome(ok=True, response="Written to the log.")

    def _channel_name(self, payload: Payload) -> str:
        name = payload.get("channel")
        if name is None:
            return DEFAULT_CHANNEL if DEFAULT_CHANNEL in self._channels else LOG_CHANNEL
        return str(name)

    def _read(self, payload: Payload) -> Notification | list[Problem]:
        problems = unknown_fields(payload, FIELDS)
        if payload.get("action", "notify") != "notify":
            problems.append(Problem("unknown_action", "The action of a notification is 'notify'.", "/action"))
        name = self._channel_name(payload)
        if name not in self._channels:
            known = ", ".join(sorted(self._channels))
            text = f"There is no channel '{name}'.{did_you_mean(name, self._channels)} Configured: {known}."
            problems.append(Problem("unknown_channel", text, "/channel"))
        notification = Notification(
            channel=name,
            title=_text(payload, "title", TITLE_MAX, problems, required=False),
            message=_text(payload, "message", MESSAGE_MAX, problems, required=True),
            priority=_priority(payload.get("priority", "default"), problems),
            tags=_tags(payload.get("tags", ()), problems),
            timeout=read_timeout(payload, problems),
        )
        return problems or notification


def _text(payload: Payload, name: str, most: int, problems: list[Problem], *, required: bool) -> str:
    value = payload.get(name)
    if value is None:
        if required:
            problems.append(Problem("missing_field", f"'{name}' is required.", f"/{name}"))
        return ""
    if not isinstance(value, str) or len(value) > most or (required and not value.strip()):
        text = f"'{name}' is a text of {'1' if required else '0'} to {most} characters."
        problems.append(Problem("invalid_value", text, f"/{name}"))
        return ""
    return value


def _priority(value: Any, problems: list[Problem]) -> str:
    if value in PRIORITIES:
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= len(PRIORITIES):
        return PRIORITIES[value - 1]
    hint = did_you_mean(str(value), PRIORITIES)
    text = f"'priority' is one of {', '.join(PRIORITIES)}, or 1 to {len(PRIORITIES)}.{hint}"
    problems.append(Problem("invalid_value", text, "/priority"))
    return "default"


def _tags(value: Any, problems: list[Problem]) -> tuple[str, ...]:
    tags = tuple(value) if isinstance(value, list | tuple) else (None,)
    fit = all(isinstance(tag, str) and 0 < len(tag) <= TAG_MAX and _is_plain(tag) for tag in tags)
    if not fit or len(tags) > TAGS_MAX:
        text = (
            f"'tags' is a list of at most {TAGS_MAX} texts of 1 to {TAG_MAX} characters, "
            "without commas and line breaks."
        )
        problems.append(Problem("invalid_value", text, "/tags"))
        return ()
    return tags


def _is_plain(tag: str) -> bool:
    return tag.isprintable() and "," not in tag
