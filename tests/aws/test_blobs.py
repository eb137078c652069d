"""Blobs in S3: what their contract does not tell."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rez_agent.aws.blobs import COLLECTED_AFTER, Bucket, S3Blobs, collect
from rez_agent.aws.tables import RECORDS
from rez_agent.aws.unit import Conflicting, Unit
from rez_agent.domain.errors import NotFound, Unavailable
from tests.aws.stage import client
from tests.aws.stepped import AwsStepped

DATA = b"data" * 50_000


def over(host: AwsStepped, unit: Unit) -> S3Blobs:
    return S3Blobs(unit, host.shared.bucket, draw=host.shared.draw, now=host.clock.now)


def objects(host: AwsStepped) -> list[str]:
    return [key for key, _ in host.shared.bucket.page("", 1_000)]


def sift(host: AwsStepped) -> None:
    """Collect, a long time later."""
    later = max([put for _, put in host.shared.bucket.page("", 1_000)] or [host.clock.now()])
    collect(
        host.shared.bucket,
        lambda reference: host.do(lambda ports: ports.blobs.sift(reference)),
        now=later + COLLECTED_AFTER,
    )


def test_one_object_is_kept_however_many_own_it(host: AwsStepped) -> None:
    blobs = host.blobs()
    reference = blobs.put("a", DATA)
    assert blobs.put("b", DATA) == reference
    assert objects(host) == [reference]


def test_a_unit_that_fails_leaves_an_object_that_is_collected_later(host: AwsStepped) -> None:
    kept = host.blobs().put("a", b"kept")
    over(host, host.unit()).put("b", DATA)  # never committed
    assert len(objects(host)) == 2
    collect(host.shared.bucket, pytest.fail, now=host.clock.now())  # too young to be judged
    sift(host)
    assert objects(host) == [kept]


def test_an_object_whose_removal_was_missed_is_collected_later(host: AwsStepped) -> None:
    reference = host.blobs().put("a", DATA)
    unit = host.unit()
    over(host, unit).drop("a")
    unit.commit()  # and nothing after it
    assert objects(host) == [reference]
    sift(host)
    assert objects(host) == []


def test_what_is_put_while_its_last_owner_goes_is_kept(host: AwsStepped) -> None:
    host.blobs().put("a", DATA)
    dropping, putting = host.unit(), host.unit()
    over(host, dropping).drop("a")
    over(host, putting).put("b", DATA)
    dropping.commit()
    dropping.finish()
    with pytest.raises(Conflicting):
        putting.commit()
    again = host.unit()
    reference = over(host, again).put("b", DATA)
    again.commit()
    assert host.blobs().get(reference) == DATA


def test_what_is_put_again_just_before_the_removal_of_what_was_dropped_is_kept(host: AwsStepped) -> None:
    blobs = host.blobs()
    first = blobs.put("a", DATA)
    dropping = host.unit()
    over(host, dropping).drop("a")
    dropping.commit()
    second = blobs.put("b", DATA)
    dropping.finish()
    assert blobs.get(second) == DATA
    assert objects(host) == [second]
    assert first != second


def test_of_two_last_owners_that_go_at_once_one_looks_again(host: AwsStepped) -> None:
    for owner in "ab":
        host.blobs().put(owner, DATA)
    first, second = host.unit(), host.unit()
    for unit, owner in ((first, "a"), (second, "b")):
        over(host, unit).drop(owner)
    first.commit()
    with pytest.raises(Conflicting):
        second.commit()
    host.blobs().drop("b")
    assert objects(host) == []


def test_an_owner_whose_time_is_over_counts_no_more(host: AwsStepped) -> None:
    reference = host.blobs().put("a", DATA)
    host.do(lambda ports: ports.blobs.expire("a", host.clock.now() + timedelta(days=7)))
    sift(host)
    assert host.blobs().get(reference) == DATA
    host.clock.advance(days=7)
    sift(host)
    with pytest.raises(NotFound):
        host.blobs().get(reference)


def test_an_owner_that_comes_back_stays(host: AwsStepped) -> None:
    reference = host.blobs().put("a", DATA)
    host.do(lambda ports: ports.blobs.expire("a", host.clock.now()))
    assert host.blobs().put("a", DATA) == reference
    sift(host)
    assert host.blobs().get(reference) == DATA


def test_dropped_owners_leave_no_row(host: AwsStepped) -> None:
    host.blobs().put("a", DATA)
    host.blobs().put("a", b"more")
    host.blobs().drop("a")
    assert host.unit().scan(RECORDS) == ([], None)


def test_the_bucket_is_looked_through_page_by_page(host: AwsStepped) -> None:
    keys = sorted(host.blobs().put("a", bytes([n])) for n in range(5))
    seen: list[str] = []
    after: str | None = ""
    pages = 0
    while after is not None:
        late = host.clock.now() + timedelta(days=36_500)
        after = collect(host.shared.bucket, seen.append, now=late, after=after, limit=2)
        pages += 1
    assert (seen, pages) == (keys, 3)


def test_a_bucket_that_is_not_there_is_unavailable() -> None:
    bucket = Bucket(client("s3"), "no-such-bucket")
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        bucket.put("key", b"")
    with pytest.raises(Unavailable):
        bucket.get("key")
    with pytest.raises(Unavailable):
        bucket.page("", 10)
