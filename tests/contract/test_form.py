"""The screens on which a schedule is written are the same on every host."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from prometheus_client import CollectorRegistry

from rez_agent.domain.execution import Cause
from rez_agent.ports import ExecutionQuery, Host, ScheduleQuery
from rez_agent.web.app import RestApi, create_app
from rez_agent.web.settings import WebSettings
from tests.contract.hosts import SERVING
from tests.web.client import Answer, ask
from tests.web.page.test_form import FORM, fields_of

Story = Callable[[Host, RestApi], Awaitable[None]]


def tell(name: str, path: Path, story: Story) -> None:
    """Tell a story of one host and the page over it."""

    async def whole() -> None:
        async with SERVING[name](path) as host:
            app = create_app(host, settings=WebSettings(open_access=True), registry=CollectorRegistry())
            await story(host, app)

    asyncio.run(whole())


async def get(app: RestApi, path: str) -> Answer:
    answer, _ = await ask(app, "GET", path, b"", {"host": "localhost"})
    assert answer.status == 200
    return answer


async def send(app: RestApi, page: Answer, path: str, **changes: str) -> Answer:
    """The form of ``page``, with ``changes`` typed into it."""
    fields = {**fields_of(page.body.decode()), **changes}
    cookie = page.headers.get("set-cookie", "").partition(";")[0]
    headers = {"host": "localhost", "content-type": FORM, "cookie": cookie}
    answer, _ = await ask(app, "POST", path, urlencode(fields).encode(), headers)
    return answer


@pytest.mark.parametrize("name", SERVING)
def test_a_schedule_is_created_edited_and_contested_by_its_form(name: str, tmp_path: Path) -> None:
    async def story(host: Host, app: RestApi) -> None:
        new = await get(app, "/schedules/new")
        made = await send(
            app, new, "/schedules/new", name="by form", kind="notification", note_message="hello"
        )
        assert made.status == 303
        (schedule,) = (await host.read(lambda ports: ports.schedules.list(ScheduleQuery()))).items
        assert schedule.definition.payload == {"message": "hello"}

        path = f"/schedules/{schedule.id}/edit"
        opened = await get(app, path)
        assert (await send(app, opened, path, tags="theirs")).status == 303
        contested = await send(app, opened, path, note_message="mine")
        assert contested.status == 412
        text = contested.body.decode()
        assert "Somebody changed this schedule" in text
        assert fields_of(text)["tags"] == "theirs"
        saved = fields_of(text)
        assert (await send(app, opened, path, **saved)).status == 303
        after = await host.read(lambda ports: ports.schedules.get(schedule.id))
        assert after is not None
        assert (after.definition.tags, after.definition.payload) == (("theirs",), {"message": "mine"})

    tell(name, tmp_path, story)


@pytest.mark.parametrize("name", SERVING)
def test_a_test_run_of_the_form_is_one_execution(name: str, tmp_path: Path) -> None:
    async def story(host: Host, app: RestApi) -> None:
        new = await get(app, "/schedules/new")
        tried = await send(
            app, new, "/schedules/form/test", name="tried", kind="notification", note_message="hello"
        )
        assert tried.status == 200
        assert 'id="tested"' in tried.body.decode()
        (ran,) = (await host.read(lambda ports: ports.ledger.list(ExecutionQuery()))).items
        assert ran.cause is Cause.TEST
        assert (await host.read(lambda ports: ports.schedules.list(ScheduleQuery()))).items == ()

    tell(name, tmp_path, story)


@pytest.mark.parametrize("name", SERVING)
def test_a_condition_is_tried_against_the_run_before_as_it_was_or_as_one_thinks_it_up(
    name: str, tmp_path: Path
) -> None:
    async def story(host: Host, app: RestApi) -> None:
        new = await get(app, "/schedules/new")
        fields = {"name": "by form", "kind": "notification", "note_message": "hello"}
        asked = fields | {"condition": "payload.message == 'hello' && last.body.free"}
        path = "/schedules/form/condition"
        assert "be judged:" in (await send(app, new, path, **asked)).body.decode()
        sample = {"try_status": "succeeded", "try_response": "200", "try_body": '{"free": true}'}
        assert "True:</strong> it would run" in (await send(app, new, path, **asked, **sample)).body.decode()
        assert (await send(app, new, "/schedules/new", **asked)).status == 303
        (schedule,) = (await host.read(lambda ports: ports.schedules.list(ScheduleQuery()))).items
        opened = await get(app, f"/schedules/{schedule.id}/edit")
        told = await send(app, opened, path, condition="schedule.revision == 2 || last.exists")
        assert "False:</strong> it would be skipped" in told.body.decode()

    tell(name, tmp_path, story)
