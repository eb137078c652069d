"""The clients: they ask, wait for the answer, ask again when none came, and remember what they were told."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import apsw

from rez_agent.domain.command import Message, ScheduleCreationRequest
from rez_agent.domain.errors import RezError
from rez_agent.domain.instants import rfc3339
from rez_agent.local.records import SqliteMessages
from rez_agent.local.signals import Signals
from rez_agent.ports import ExecutionQuery, Ports
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.commands import submit
from rez_agent.usecases.idempotency import Keyed, once
from tests.simulation.plan import Command
from tests.simulation.record import Asked, Life

if TYPE_CHECKING:
    from tests.simulation.world import World

ANN = Caller("ann")
PATIENCE = 20.0

MESSAGES_KEPT = timedelta(days=6, hours=22)
"""By the wall clock; a little less than the program keeps them."""


class Client:
    """All clients of a story. What they ask while no process serves waits until one does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.asked: list[Asked] = []
        self.schedule_ids: list[str] = []
        self.calendars_made = False
        self._commands: dict[int, Command] = {}
        self._waiting: list[Command] = []
        self._submitting: tuple[Asked, Command] | None = None
        self._by_message: dict[str, Asked] = {}
        self._deliveries: list[str] = []
        self._under_way: set[int] = set()

    @property
    def busy(self) -> bool:
        """Whether a command waits for something."""
        return bool(self._waiting or self._deliveries or self._under_way)

    def ask(self, command: Command) -> None:
        """A client asks for something."""
        world = self._world
        process, life = world.process, world.life
        if process is None or life is None or life.ready is None or life.clean or not self.calendars_made:
            self._waiting.append(command)
            return
        number = len(self.asked)
        schedule_id = f"sch_{world.plan.seed % 1_000_000}x{command.schedule}"
        if schedule_id not in self.schedule_ids:
            self.schedule_ids.append(schedule_id)
        asked = Asked(
            number,
            command.action,
            schedule_id,
            command.request,
            world.time.now,
            life.number,
            world.time.wall(),
        )
        self.asked.append(asked)
        self._commands[number] = command
        self._under_way.add(number)
        process.loop.create_task(self._ask(asked, command))

    def go_on(self) -> None:
        """A process serves again: what waited is asked now."""
        waiting, self._waiting = self._waiting, []
        for command in waiting:
            self.ask(command)
        for message_id in dict.fromkeys(self._deliveries):
            self._deliver(message_id)

    def cut_off(self, life: Life) -> None:
        """The process is gone: who got no answer may ask again."""
        for number in sorted(self._under_way):
            asked, command = self.asked[number], self._commands[number]
            if asked.answered is None and command.retries:
                self._waiting.append(command)
        self._under_way.clear()

    # --- one command ---

    async def _ask(self, asked: Asked, command: Command) -> None:
        world = self._world
        assert world.process is not None
        host = world.process.host

        def use_case(ports: Ports) -> dict[str, Any]:
            key = f"{command.action} {command.schedule} {id(command)}"
            keyed = Keyed(ANN.name, key, key) if command.retries else None
            return once(ports, keyed, lambda ports: self._submit(ports, asked, command)).value

        try:
            value = await host.write(use_case)
            asked.answered = world.time.now
            asked.message_id = value["message_id"]
            self._by_message.setdefault(value["message_id"], asked)
            await host.judged(value["message_id"], PATIENCE)
        except RezError as error:
            asked.answered, asked.refused = world.time.now, error.code
        self._under_way.discard(asked.number)

    def _submit(self, ports: Ports, asked: Asked, command: Command) -> dict[str, Any]:
        request = self._request(ports, asked)
        self._submitting = (asked, command)
        try:
            message = submit(ports, ANN, request).message
        finally:
            self._submitting = None
        asked.message_id = message.id
        self._by_message[message.id] = asked
        return {"message_id": message.id}

    def _request(self, ports: Ports, asked: Asked) -> ScheduleCreationRequest:
        """The request, with what depends on how things stand."""
        document: dict[str, Any] = {"action": asked.action} | dict(asked.request)
        now = ports.clock.now()
        if asked.action in ("cancel", "retry"):
            document["execution_id"] = _some_execution(ports, asked)
        else:
            document["schedule_id"] = asked.schedule_id
        if asked.action == "backfill":
            back = timedelta(seconds=document.pop("back"))
            document |= {"from": rfc3339(now - back), "to": rfc3339(now)}
        if "until" in document:
            document["until"] = rfc3339(now + timedelta(seconds=document["until"]))
        return ScheduleCreationRequest.model_validate(document)

    # --- the topic ---

    def keeps_back(self, message: Message) -> bool:
        """Whether the topic hands a message over later instead of now; it may also do so once more."""
        if self._submitting is None:
            return False
        world, (_, command) = self._world, self._submitting
        for wait in (command.late, command.again):
            if wait:
                self._deliveries.append(message.id)
                world.time.at(world.time.now + wait, lambda: self._deliver(message.id))
        return command.late > 0

    def _deliver(self, message_id: str) -> None:
        world = self._world
        if message_id not in self._deliveries:
            return
        process, life = world.process, world.life
        if process is None or life is None or life.ready is None or life.clean:
            return  # it is handed over when a process serves
        self._deliveries.remove(message_id)
        process.loop.create_task(self._hand_over(message_id))

    async def _hand_over(self, message_id: str) -> None:
        world = self._world
        assert world.process is not None

        def use_case(ports: Ports) -> None:
            message = ports.messages.get(message_id)
            if message is not None:
                ports.topic.publish_command(message)

        with suppress(RezError):
            await world.process.host.write(use_case)

    # --- what is heard ---

    def hear(self, message: Message) -> None:
        """A command was judged, durably."""
        asked = self._by_message.get(message.id)
        if asked is not None and asked.judged is None:
            asked.judged, asked.judged_at = message, self._world.time.now

    def look_up(self, connection: apsw.Connection) -> None:
        """A process has begun: what is there of commands whose fate was not seen?"""
        messages, now = SqliteMessages(connection, Signals()), self._world.time.now
        for message_id, asked in self._by_message.items():
            if asked.lost:
                continue
            found = messages.get(message_id)
            if asked.judged is not None or asked.refused is not None:
                if found is None and asked.answered is not None and asked.refused is None:
                    highest = max(self._world.highest, self._world.time.wall())
                    asked.lost = highest - asked.sent_wall < MESSAGES_KEPT
                continue
            if found is None:
                asked.lost = True
            elif found.status.final:
                asked.judged, asked.upto = found, now
                life = self._world.record.lives[asked.life]
                asked.judged_at = min(life.gone, now)


def _some_execution(ports: Ports, asked: Asked) -> str:
    """The schedule's newest execution that such a command is about."""
    fitting = {"cancel": ("queued", "running"), "retry": ("failed", "cancelled")}[asked.action]
    query = ExecutionQuery(schedule_id=asked.schedule_id, limit=50)
    for execution in ports.ledger.list(query).items:
        if execution.status.value in fitting:
            return execution.id
    return f"{asked.schedule_id}_none"


def described(request: Mapping[str, Any]) -> str:
    """A request in a line."""
    return " ".join(f"{key}={value}" for key, value in request.items())
