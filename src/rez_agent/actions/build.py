"""Putting the kinds of action together: the one call that a host's composition root makes.

What only some hosts use is imported where it is used: aiohttp when actions are started, and with ``late`` the
libraries of the catalogue when one of its entries is first asked for.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rez_agent.actions.addresses import AllowList
from rez_agent.actions.base import SecretSource, unknown_fields
from rez_agent.actions.channels import Channel, read_channels
from rez_agent.actions.custom import Act, CustomAction
from rez_agent.actions.http import HttpAction
from rez_agent.actions.judging import Judge
from rez_agent.actions.late_sender import LateSender
from rez_agent.actions.references import Keyring
from rez_agent.actions.registry import Actions, Listed
from rez_agent.domain.errors import Invalid, Problem

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

    from rez_agent.actions.catalogue import Entry
    from rez_agent.actions.guarded_http import GuardedHttp
    from rez_agent.actions.sender import Sender

SAMPLE_CATALOGUE = Path(__file__).with_name("sample_actions.yaml")
"""The catalogue that ships: read when the operator names no other."""


def make_actions(
    *,
    secrets: SecretSource,
    allow_target: Iterable[str] = (),
    actions_file: Path | None = SAMPLE_CATALOGUE,
    custom: Mapping[str, Act | Exception] | None = None,
    now: Callable[[], datetime],
    monotonic: Callable[[], float],
    resolver: AbstractResolver | None = None,
    tls: ssl.SSLContext | None = None,
    late: bool = False,
) -> Actions:
    """The actions of a host.

    ``allow_target``: exceptions to the guard. ``actions_file``: the catalogue and the channels, None for
    neither. ``custom``: see :func:`rez_agent.actions.custom.installed_actions`. ``now`` is the wall clock
    (aware, UTC), ``monotonic`` gives seconds that never run back. ``resolver`` and ``tls`` replace the
    system's. ``late``: the file is read when it is first asked for, where starting fast counts and the file
    was checked before; its faults are raised then. Raises Invalid with every fault of the settings and,
    unless ``late``, of the file, each with its line.
    """
    allowed = AllowList(allow_target)

    def make_sender() -> tuple[GuardedHttp, Sender]:
        from rez_agent.actions.guarded_http import GuardedHttp  # noqa: PLC0415
        from rez_agent.actions.sender import Sender  # noqa: PLC0415

        guarded = GuardedHttp(allowed, monotonic=monotonic, resolver=resolver, tls=tls)
        return guarded, Sender(guarded, secrets, now=now, monotonic=monotonic)

    sender = LateSender(make_sender, Keyring(secrets, allowed))

    @cache
    def listed() -> Listed:
        from rez_agent.actions.apprise_transport import send_by_apprise  # noqa: PLC0415
        from rez_agent.actions.catalogue import CatalogueAction  # noqa: PLC0415
        from rez_agent.actions.notify import NotifyAction  # noqa: PLC0415

        entries, channels = read_actions_file(actions_file) if actions_file else ({}, {})
        send = partial(send_by_apprise, allowed=allowed)
        return Listed(CatalogueAction(entries, sender, allowed), NotifyAction(channels, secrets, send))

    if not late:
        listed()
    return Actions(
        sender=sender,
        http=HttpAction(sender, allowed),
        listed=listed,
        custom=CustomAction(custom or {}, secrets),
        judge=Judge(),
    )


def read_actions_file(path: Path) -> tuple[dict[str, Entry], dict[str, Channel]]:
    """The catalogue's entries and the channels of an ``actions.yaml``.

    Raises Invalid with every fault at once, each with its line.
    """
    from rez_agent.actions.catalogue import read_catalogue  # noqa: PLC0415
    from rez_agent.actions.yaml_file import read_yaml  # noqa: PLC0415

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise Invalid(
            f"The action catalogue {path} can't be read: {reason}.", code="invalid_actions"
        ) from None
    problems: list[Problem] = []
    file = read_yaml(path.name, text, problems)
    document: Any = file.document if file.document is not None else {}
    if not isinstance(document, Mapping):
        problems.append(file.located(Problem("wrong_type", "The file holds 'actions' and 'channels'.")))
        document = {}
    problems.extend(file.located(p) for p in unknown_fields(document, ("actions", "channels")))
    entries = read_catalogue(file, problems)
    found: list[Problem] = []
    channels = read_channels(document.get("channels"), found)
    problems.extend(file.located(problem) for problem in found)
    if problems:
        raise Invalid.of(problems)
    return entries, channels
