"""Running the Pulumi program without Pulumi: what it registers is written down, nothing is made."""

from __future__ import annotations

import asyncio
import re
import runpy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.stack import Stack

from infrastructure.synth.rows import outputs
from infrastructure.synth.tokens import token

PROJECT = "rez-agent"
PROGRAM = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Registered:
    """A resource as the program registered it: ``inputs`` by Pulumi's names, ``needs`` by logical id."""

    logical_id: str
    type: str
    name: str
    inputs: Mapping[str, Any]
    needs: frozenset[str]
    protect: bool
    retain: bool


@dataclass(frozen=True, slots=True)
class Recording:
    """What the program registered, by logical id, and its outputs."""

    resources: Mapping[str, Registered]
    outputs: Mapping[str, str]


def record(stage: str, config: Mapping[str, str]) -> Recording:
    """Run the program for ``stage`` with ``config`` (by keys such as ``retentionDays``).

    It runs as ``pulumi up`` runs it, in this process, so what it raises is raised here. Not for two threads
    at once: Pulumi's run time is one a process.
    """
    monitor = _Monitor(_Answers())
    told: dict[str, str] = {}
    with _event_loop():
        pulumi.runtime.set_all_config({f"{PROJECT}:{key}": text for key, text in config.items()})
        set_mocks(monitor.mocks, project=PROJECT, stack=stage, preview=False, monitor=monitor)
        pulumi.runtime.test(_run)(told)  # type: ignore[no-untyped-call]
    return Recording(monitor.registered, told)


@contextmanager
def _event_loop() -> Iterator[None]:
    """Pulumi makes its futures on the thread's event loop, and there is none where one has run before."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _run(told: dict[str, str]) -> pulumi.Output[None]:
    runpy.run_path(str(PROGRAM), run_name="__main__")
    stack = pulumi.runtime.get_root_resource()
    assert isinstance(stack, Stack)
    return pulumi.Output.all(**stack.outputs).apply(told.update)


def logical_id(type_: str, name: str) -> str:
    """The name and the type in one word: Pulumi's names are unique within a type only."""
    words = [word for word in re.split(r"[^A-Za-z0-9]", name) if word]
    return "".join(word[0].upper() + word[1:] for word in words) + type_.rpartition(":")[2]


CALLS = {
    "aws:index/getPartition:getPartition": {"partition": token("AWS::Partition")},
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": token("AWS::AccountId")},
    "aws:index/getRegion:getRegion": {"region": token("AWS::Region")},
}
"""What the program may ask AWS, and the answers."""


class _Answers(Mocks):
    """Answers as AWS would, with tokens for what only a deployment knows."""

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        return CALLS[args.token], []

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        own = logical_id(args.typ, args.name)
        return token(own), {**args.inputs, **outputs(args.typ, own)}


class _Monitor(MockMonitor):
    """Writes down each resource with what it depends on."""

    def __init__(self, answers: _Answers) -> None:
        super().__init__(answers)
        self.registered: dict[str, Registered] = {}
        self._ids: dict[str, str] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (its name in Pulumi's protocol)
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if not request.type.startswith("aws:"):
            return response
        own = logical_id(request.type, request.name)
        self._ids[response.urn] = own
        self.registered[own] = Registered(
            logical_id=own,
            type=request.type,
            name=request.name,
            inputs=pulumi.runtime.rpc.deserialize_properties(request.object),
            needs=frozenset(self._ids[urn] for urn in request.dependencies if urn in self._ids),
            protect=request.protect,
            retain=request.retainOnDelete,
        )
        return response
