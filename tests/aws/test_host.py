"""The AWS host behind the web layer, beyond the contract of Host."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rez_agent.aws.build import build
from rez_agent.aws.host import AwsHost
from rez_agent.domain.errors import Unavailable
from rez_agent.ports import Ports
from tests.aws.serving import EmulatorClients
from tests.aws.stage import Stage
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def host(clock: FakeClock) -> Iterator[AwsHost]:
    """A host whose table of schedules is not there."""
    stage = Stage()
    tables = {**stage.settings.tables, "schedules": "rez-agent-nowhere"}
    built = build(replace(stage.settings, tables=tables), clients=EmulatorClients(), clock=clock)
    host = AwsHost(built.store, clock)
    yield host
    host.close()


def lost(ports: Ports) -> None:
    ports.schedules.get("sch_1")


def kept(ports: Ports) -> None:
    ports.messages.get("msg_1")


def test_what_aws_fails_is_unavailable_and_health_tells_why(host: AwsHost) -> None:
    with pytest.raises(Unavailable, match="ResourceNotFoundException"):
        asyncio.run(host.read(lost))
    health = host.health()
    assert health["status"] == "failing"
    assert "ResourceNotFoundException" in health["reasons"][0]


def test_health_is_well_again_with_the_next_success(host: AwsHost) -> None:
    with pytest.raises(Unavailable):
        asyncio.run(host.write(lost))
    asyncio.run(host.read(kept))
    assert host.health() == {"status": "ok", "reasons": [], "ready": True}


def test_health_forgets_a_failure_that_is_long_ago(host: AwsHost, clock: FakeClock) -> None:
    with pytest.raises(Unavailable):
        asyncio.run(host.read(lost))
    clock.advance(minutes=2)
    assert host.health()["status"] == "ok"
