"""The AWS host with commands: each is accepted as the web API does, and carried out as the scheduler does."""

from __future__ import annotations

from typing import Any

from rez_agent.aws.bundle import AwsPorts
from rez_agent.aws.tables import SCHEDULES
from rez_agent.aws.wire import Item
from rez_agent.domain.command import Message, ScheduleCreationRequest
from rez_agent.domain.execution import Execution
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import ExecutionQuery
from rez_agent.usecases.applying import apply
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.commands import submit
from tests.aws.stage import COMMANDS, client
from tests.aws.stepped import AwsStepped
from tests.rig import ANN, definition_of


class Driven(AwsStepped):
    """The AWS host under a test's own clock, given commands one by one."""

    def submit(self, caller: Caller = ANN, **request: Any) -> Message:
        """The web API accepts a command; the message as it was accepted."""
        read = ScheduleCreationRequest.model_validate(request)
        return self.do(lambda ports: submit(ports, caller, read)).message

    def judge(self, message: Message) -> Message:
        """The scheduler function is given a command."""

        def carry_out(ports: AwsPorts) -> Message:
            stored = ports.messages.get(message.id)
            assert stored is not None
            return apply(ports, stored)

        return self.do(carry_out)

    def command(self, caller: Caller = ANN, **request: Any) -> Message:
        """A command, accepted and carried out; the message once it is judged."""
        return self.judge(self.submit(caller, **request))

    def create(self, name: str = "report", caller: Caller = ANN, **changes: Any) -> Schedule:
        """Create a schedule by command."""
        message = self.command(caller, action="create", schedule=definition_of(name, **changes))
        assert message.problems == ()
        return self.schedule(message.schedule_id or "")

    def schedule(self, schedule_id: str) -> Schedule:
        """The schedule as it is now."""
        found = self.do(lambda ports: ports.schedules.get(schedule_id))
        assert found is not None
        return found

    def row(self, schedule_id: str) -> Item:
        """Its row as it is now."""
        found = self.unit().get(SCHEDULES, schedule_id)
        assert found is not None
        return found

    def change_row(self, schedule_id: str, **changes: Any) -> None:
        """Somebody changes attributes of a row; None removes one."""

        def change(ports: AwsPorts) -> None:
            row = ports.unit.get(SCHEDULES, schedule_id)
            assert row is not None
            ports.unit.put(SCHEDULES, {**row, **changes})

        self.do(change)

    def history(self, schedule_id: str) -> list[Execution]:
        """The schedule's executions, oldest first."""
        query = ExecutionQuery(schedule_id=schedule_id, limit=10_000)
        return list(reversed(self.do(lambda ports: ports.ledger.list(query)).items))

    def held(self, schedule: Schedule) -> dict[str, Any] | None:
        """What EventBridge holds of a schedule; None for nothing."""
        return self.eventbridge.held().get(schedule.id)

    def lose_commands(self) -> None:
        """Whatever was published to schedule-creation is lost on the way."""
        self.stage.received(COMMANDS)

    def dynamodb(self) -> Any:
        """A client of the tables, as somebody at the console has one."""
        return client("dynamodb")
