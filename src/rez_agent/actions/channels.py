"""The channels of notifications, as the operator configures them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from rez_agent.actions.base import unknown_fields
from rez_agent.actions.references import Ref, read_reference
from rez_agent.domain.errors import Problem
from rez_agent.domain.reading import pointer_to

LOG_CHANNEL = "log"
"""The channel that is always there: the server's log."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SCHEMA = re.compile(r"[a-z0-9]{2,20}://.", re.DOTALL)
_NTFY_FIELDS = ("type", "server", "topic", "token", "username", "password")


@dataclass(frozen=True, slots=True)
class Ntfy:
    """A topic of an ntfy server, with a token or a user's name and password if it asks for them."""

    secure: bool
    host: str
    port: int | None
    topic: str
    token: Ref | None = None
    username: str | None = None
    password: Ref | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """Where a channel's messages go: an apprise URL, as a text or as a whole by secret, or ntfy.

    An apprise URL often holds credentials, so ``repr`` does not show it. Neither: the log.
    """

    name: str
    url: str | Ref | None = field(default=None, repr=False)
    ntfy: Ntfy | None = None


def read_channels(document: Any, problems: list[Problem]) -> dict[str, Channel]:
    """The channels of a configuration's ``channels``; what is wrong is added to ``problems``."""
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        problems.append(Problem("wrong_type", "'channels' maps names to apprise URLs.", "/channels"))
        return {}
    found = {}
    for name, value in document.items():
        pointer = "/channels" + pointer_to([name])
        channel = _read_channel(name, value, pointer, problems)
        if channel:
            found[channel.name] = channel
    return found


def _read_channel(name: Any, value: Any, pointer: str, problems: list[Problem]) -> Channel | None:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == LOG_CHANNEL:
        text = f"A channel's name has letters, digits and _ . - and is not '{LOG_CHANNEL}'."
        problems.append(Problem("invalid_name", text, pointer))
        return None
    if isinstance(value, Mapping) and value.get("type") == "ntfy":
        ntfy = _read_ntfy(value, pointer, problems)
        return Channel(name, ntfy=ntfy) if ntfy else None
    if isinstance(value, Mapping) and "url" in value:
        problems.extend(unknown_fields(value, ("url",), pointer))
        value, pointer = value["url"], f"{pointer}/url"
    if isinstance(value, Mapping) and "secret" in value:
        ref = read_reference(value, pointer, problems)
        return Channel(name, ref) if ref else None
    if isinstance(value, str) and _SCHEMA.match(value):
        return Channel(name, value)
    text = (
        "A channel is an apprise URL (such as ntfys://ntfy.sh/my-topic), {url: {secret: NAME}}, "
        "or {type: ntfy, server: ..., topic: ...}."
    )
    problems.append(Problem("invalid_channel", text, pointer))
    return None


def _read_ntfy(value: Mapping[str, Any], pointer: str, problems: list[Problem]) -> Ntfy | None:
    before = len(problems)
    problems.extend(unknown_fields(value, _NTFY_FIELDS, pointer))
    server = value.get("server", "https://ntfy.sh")
    try:
        parts = urlsplit(str(server))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in ("http", "https") or not host or parts.path.strip("/") or parts.username:
        text = "'server' is the address of an ntfy server, such as https://ntfy.sh, without a path."
        problems.append(Problem("invalid_url", text, f"{pointer}/server"))
    topic = value.get("topic")
    if not isinstance(topic, str) or not _TOPIC.fullmatch(topic):
        text = "'topic' has 1 to 64 letters, digits, _ and -."
        problems.append(Problem("invalid_value", text, f"{pointer}/topic"))
    token = _secret(value, "token", pointer, problems)
    password = _secret(value, "password", pointer, problems)
    username = value.get("username")
    if (token and (username or password)) or (username is None) != (password is None):
        text = "ntfy takes either 'token', or 'username' and 'password'."
        problems.append(Problem("invalid_channel", text, pointer))
    if len(problems) > before:
        return None
    return Ntfy(
        parts.scheme == "https",
        host,
        port,
        str(topic),
        token,
        None if username is None else str(username),
        password,
    )


def _secret(value: Mapping[str, Any], name: str, pointer: str, problems: list[Problem]) -> Ref | None:
    given = value.get(name)
    return None if given is None else read_reference(given, f"{pointer}/{name}", problems)
