"""The table of operations: every route with its scope, its answers, its examples."""

from __future__ import annotations

from functools import partial

from rez_agent.usecases.keys import Scope
from rez_agent.web import examples, executions, forms, keyring, models, shown, system
from rez_agent.web.alert_routes import ALERTS
from rez_agent.web.audit_routes import AUDIT
from rez_agent.web.calendar_routes import CALENDARS
from rez_agent.web.conditions import CONDITIONS
from rez_agent.web.metrics import Exposition
from rez_agent.web.operations import Operation, Shown
from rez_agent.web.pages import Pages
from rez_agent.web.schedule_routes import SCHEDULES
from rez_agent.web.templates import TEMPLATES
from rez_agent.web.week import show_week

_execution = partial(Operation, tag="executions")
_system = partial(Operation, tag="server")
_key = partial(Operation, tag="keys", scope=Scope.ADMIN)

EXECUTIONS = (
    _execution(
        "GET",
        "/api/executions",
        executions.list_all,
        "list_executions",
        "List executions, newest first",
        scope=Scope.READ,
        filters=forms.AllExecutionsFilter,
        answers={200: Shown("A page", models.ExecutionList, examples.listing(examples.EXECUTION))},
        problems=(404,),
    ),
    _execution(
        "POST",
        "/api/executions/redrive",
        executions.redrive,
        "redrive_executions",
        "Queue dead letters again",
        scope=Scope.WRITE,
        request=Shown("Which", forms.RedriveRequest, {"schedule_id": examples.SCHEDULE_ID, "limit": 100}),
        request_required=False,
        parameters=shown.POST_COMMAND,
        answers={200: shown.COUNTED, 202: shown.ACCEPTED},
        problems=(404, 409),
    ),
    _execution(
        "GET",
        "/api/executions/{execution_id}",
        executions.show,
        "get_execution",
        "Read an execution with its attempts",
        scope=Scope.READ,
        answers={200: Shown("The execution", models.ExecutionShape, examples.EXECUTION)},
    ),
    _execution(
        "POST",
        "/api/executions/{execution_id}/retry",
        executions.retry,
        "retry_execution",
        "Queue a failed or cancelled execution again",
        scope=Scope.WRITE,
        request=Shown("Nothing to say", forms.RetryRequest, {}),
        request_required=False,
        parameters=shown.POST_COMMAND,
        answers={200: shown.RAN, 202: shown.ACCEPTED},
        problems=(409,),
    ),
    _execution(
        "POST",
        "/api/executions/{execution_id}/replay",
        executions.replay,
        "replay_execution",
        "Do the work of an execution once more, as an execution of its own",
        description="With the payload that the original had, or another one; at the same scheduled time. Due "
        "at once, whatever the schedule's state and policies. `replay_of` links the two.",
        scope=Scope.WRITE,
        request=Shown("Another payload, this once", forms.ReplayRequest, {}),
        request_required=False,
        parameters=shown.POST_COMMAND,
        answers={200: shown.RAN, 202: shown.ACCEPTED},
        problems=(409,),
    ),
    _execution(
        "POST",
        "/api/executions/{execution_id}/cancel",
        executions.cancel,
        "cancel_execution",
        "Cancel a queued or running execution",
        description="A queued one at once; a running one is asked to stop, and may end first.",
        scope=Scope.WRITE,
        request=Shown("Why", forms.CancelRequest, {"reason": "not today"}),
        request_required=False,
        parameters=shown.POST_COMMAND,
        answers={200: shown.RAN, 202: shown.ACCEPTED},
        problems=(409,),
    ),
    _execution(
        "GET",
        "/api/messages/{message_id}",
        executions.show_message,
        "get_message",
        "Read what became of a command",
        scope=Scope.READ,
        answers={200: Shown("The message", models.MessageShape, examples.MESSAGE)},
    ),
)

WEEK = Operation(
    "GET",
    "/api/week",
    show_week,
    "get_week",
    "Read what is due and what became of it, seven days at a time",
    "schedules",
    Scope.READ,
    {200: Shown("The week", models.WeekShape, examples.WEEK)},
    description="50 schedules a page, the newest first, each with its occurrences and runs. The load is of "
    "the first 1,000 schedules. What is not read is said not to be.",
    filters=forms.WeekFilter,
)

KEYS = (
    _key(
        "POST",
        "/api/keys",
        keyring.create,
        "create_key",
        "Create an API key",
        description="The token is answered this once. From the first key on, every request needs one.",
        request=Shown(
            "Whose, and how far it reaches", forms.KeyRequest, {"name": "nightly", "scope": "write"}
        ),
        answers={
            201: Shown(
                "Created",
                models.NewKey,
                {**examples.KEY, "token": f"rez_{examples.KEY_ID}_{'0' * 40}"},
                headers=("Location",),
            )
        },
    ),
    _key(
        "GET",
        "/api/keys",
        keyring.list_all,
        "list_keys",
        "List API keys",
        answers={200: Shown("All keys, never their tokens", models.KeyList, examples.listing(examples.KEY))},
    ),
    _key(
        "DELETE",
        "/api/keys/{key_id}",
        keyring.revoke,
        "revoke_key",
        "Revoke an API key",
        description="It is refused within a second.",
        answers={204: Shown("Revoked")},
    ),
)


def operations(exposition: Exposition, pages: Pages) -> tuple[Operation, ...]:
    """Every operation. The first that matches a request has it."""
    return (
        *SCHEDULES,
        *AUDIT,
        *CONDITIONS,
        *TEMPLATES,
        WEEK,
        *EXECUTIONS,
        *ALERTS,
        *CALENDARS,
        *KEYS,
        *_server(exposition, pages),
    )


def _server(exposition: Exposition, pages: Pages) -> tuple[Operation, ...]:
    well = {"status": "ok", "reasons": []}
    ill = {"status": "failing", "reasons": ["the engine is 12 s behind"]}
    page = Shown("A page", None, "<!doctype html>...", "text/html")
    return (
        _system(
            "GET",
            "/healthz",
            system.health,
            "health",
            "Whether the server works: red when its engine lags ten seconds",
            scope=None,
            answers={
                200: Shown("It works", models.Health, well),
                503: Shown("It does not", models.Health, ill),
            },
        ),
        _system(
            "GET",
            "/readyz",
            system.ready,
            "ready",
            "Whether the server can serve requests",
            scope=None,
            answers={200: Shown("It can", models.Health, well), 503: Shown("It can't", models.Health, ill)},
        ),
        _system(
            "GET",
            "/metrics",
            system.metrics(exposition),
            "metrics",
            "Metrics for Prometheus",
            scope=Scope.READ,
            answers={200: Shown("Metrics", None, "rez_http_requests_total 1.0\n", "text/plain")},
        ),
        _system(
            "GET",
            "/openapi.json",
            system.document(pages),
            "openapi",
            "This document",
            scope=None,
            answers={200: Shown("The document", models.AnyDocument, {"openapi": "3.1.0"})},
        ),
        _system(
            "GET",
            "/docs",
            system.operations_page(pages),
            "docs",
            "All operations, for people",
            scope=None,
            answers={200: page},
        ),
        _system(
            "GET",
            "/errors",
            system.codes_page(pages),
            "errors",
            "All codes of errors, for people",
            scope=None,
            answers={200: page},
        ),
    )
