"""Collecting objects without owners: what a crash left in the bucket goes within a day or two.

A run goes on where the one before it stopped, so however many objects there are, each is looked at in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rez_agent.aws.blobs import Bucket, collect
from rez_agent.aws.store import Store
from rez_agent.ports import Clock, Ports, Record

TIME_KEPT_SECONDS = 60.0
"""No page of objects is begun with less time left."""

_KIND, _KEY = "collecting", "cursor"


def collect_blobs(store: Store, bucket: Bucket, clock: Clock, time_left: Callable[[], float]) -> int:
    """Look at the bucket's objects, page by page, while there is time; how many pages. Raises Unavailable,
    and then goes on with that page the next time."""
    pages = 0
    after = store.read(lambda ports: _cursor(ports, clock))
    while time_left() > TIME_KEPT_SECONDS:
        following = collect(bucket, lambda key: _sift(store, key), now=clock.now(), after=after)
        pages += 1
        after = following or ""
        store.write(partial(_keep, after))
        if following is None:
            break
    return pages


def _cursor(ports: Ports, clock: Clock) -> str:
    record = ports.records.get(_KIND, _KEY, clock.now())
    return str(record.value["after"]) if record else ""


def _keep(after: str, ports: Ports) -> None:
    ports.records.put(Record(_KIND, _KEY, {"after": after}))


def _sift(store: Store, key: str) -> None:
    store.write(lambda ports: ports.blobs.sift(key))
