"""What the web layer can be told: one frozen value, made by the host's composition root."""

from __future__ import annotations

from dataclasses import dataclass

from rez_agent.usecases.batch import CHUNK
from rez_agent.usecases.commands import SCHEDULES_PER_OWNER

BODY_AT_MOST = 1_048_576
"""Bytes of a request's body: 1 MiB."""

BATCH_BODY_AT_MOST = 4 * BODY_AT_MOST
"""Bytes of a batch's body: 4 MiB."""

BODY_SECONDS = 30.0
"""How long a request's body may take to come."""

WAIT_AT_MOST = 20
"""Seconds that ``Prefer: wait=N`` is honoured for; more is cut to this."""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Settings of the web layer.

    ``open_access``: while there are no keys, whoever reaches the server may do everything. Only for a
    server that listens on loopback; then requests must name a loopback host, or one of ``hosts``, in their
    Host header. ``keyless``: no key is asked for, ever, and any host may be named: whoever reaches the server
    may do everything, whatever keys there are. For a server that something else guards.
    ``requests_per_second``: what one key may ask of this process, with as much as a burst (0: no limit);
    without keys there is no limit. ``quota``: living schedules of one owner. ``created_at_once``: schedules
    of a batch that are accepted as one. ``alert_channel``: the channel of alert rules that name none.
    """

    open_access: bool = False
    keyless: bool = False
    hosts: tuple[str, ...] = ()
    requests_per_second: int = 0
    quota: int = SCHEDULES_PER_OWNER
    created_at_once: int = CHUNK
    alert_channel: str | None = None
    version: str = "0"
