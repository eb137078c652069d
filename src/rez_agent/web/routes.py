"""The table of operations: every route with its scope, its answers, its examples."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from rez_agent.domain.schedule import ScheduleDefinition
from rez_agent.usecases.keys import Scope
from rez_agent.web import batch, examples, executions, keyring, models, schedules, system
from rez_agent.web.metrics import Exposition
from rez_agent.web.operations import Operation, Shown
from rez_agent.web.pages import Pages

_READ, _WRITE, _ADMIN = Scope.READ, Scope.WRITE, Scope.ADMIN
_COMMAND = ("prefer",)
_POST_COMMAND = ("prefer", "idempotency_key")
_CHANGE = ("if_match", *_POST_COMMAND)
_ONE = "/api/schedules/{schedule_id}"

_ACCEPTED = Shown(
    "Durable, and on its way: the message tells what becomes of it",
    models.CommandAccepted,
    examples.ACCEPTED,
    headers=("Location", "Link", "Preference-Applied", "Idempotency-Replayed"),
)
_CREATED = Shown(
    "Created, when it was waited for",
    models.ScheduleApplied,
    examples.APPLIED,
    headers=("Location", "ETag", "Link", "Preference-Applied", "Idempotency-Replayed"),
)
_CHANGED = replace(
    _CREATED, description="Applied, when it was waited for", headers=("ETag", "Link", "Preference-Applied")
)
_RAN = Shown(
    "Applied, when it was waited for",
    models.CommandApplied,
    examples.RAN,
    headers=("Location", "Link", "Preference-Applied", "Idempotency-Replayed"),
)
_COUNTED = replace(
    _RAN, example=examples.COUNTED, headers=("Link", "Preference-Applied", "Idempotency-Replayed")
)
_DEFINITION = Shown("The definition", ScheduleDefinition, examples.DEFINITION)
_GONE = Shown("Deleted, when it was waited for", headers=("Link", "Preference-Applied"))
_PREVIEW = Shown("What it comes to, valid or not", models.PreviewShape, examples.PREVIEW)

_schedule = partial(Operation, tag="schedules")
_execution = partial(Operation, tag="executions")
_system = partial(Operation, tag="server")
_key = partial(Operation, tag="keys", scope=_ADMIN)

SCHEDULES = (
    _schedule(
        "POST",
        "/api/schedules",
        schedules.create,
        "create_schedule",
        "Create a schedule",
        description="Checked at once, with all problems; then stored, and applied by a message. Until then, "
        "its Location answers 404 `schedule_pending`.",
        scope=_WRITE,
        request=_DEFINITION,
        parameters=_POST_COMMAND,
        answers={201: _CREATED, 202: _ACCEPTED},
        problems=(409,),
    ),
    _schedule(
        "GET",
        "/api/schedules",
        schedules.list_all,
        "list_schedules",
        "List schedules",
        scope=_READ,
        filters=models.ScheduleFilter,
        answers={200: Shown("A page", models.ScheduleList, examples.listing(examples.SCHEDULE))},
    ),
    _schedule(
        "POST",
        "/api/schedules/preview",
        schedules.preview_body,
        "preview_expression",
        "Explain an expression and list its next occurrences",
        scope=_READ,
        request=Shown(
            "The expression",
            models.PreviewRequest,
            {"schedule_expression": "cron(30 6 * * ? *)", "timezone": "America/New_York", "count": 1},
        ),
        answers={200: _PREVIEW},
    ),
    _schedule(
        "GET",
        "/api/schedules/preview",
        schedules.preview_query,
        "preview_expression_by_query",
        "Explain an expression and list its next occurrences",
        scope=_READ,
        filters=models.PreviewRequest,
        answers={200: _PREVIEW},
    ),
    _schedule(
        "POST",
        "/api/schedules/batch",
        batch.create_batch,
        "create_schedules",
        "Create up to 1,000 schedules",
        description="Each is judged by itself and has its own answer. As JSON or JSON lines, 4 MiB at most. "
        "With an Idempotency-Key, a repeated batch goes on where the first one stopped.",
        scope=_WRITE,
        request=Shown("The definitions", models.BatchRequest, {"schedules": [examples.DEFINITION]}),
        also=(Shown("One definition a line", None, '{"name": "tee-times"}\n', "application/x-ndjson"),),
        parameters=_POST_COMMAND,
        answers={
            207: Shown(
                "One answer for each",
                models.BatchShape,
                {
                    "items": [
                        {
                            "index": 0,
                            "status": 202,
                            "schedule_id": examples.SCHEDULE_ID,
                            "message_id": examples.MESSAGE_ID,
                            "warnings": [],
                        }
                    ],
                    "accepted": 1,
                    "refused": 0,
                },
                headers=("Preference-Applied", "Idempotency-Replayed"),
            )
        },
    ),
    _schedule(
        "GET",
        _ONE,
        schedules.show,
        "get_schedule",
        "Read a schedule",
        scope=_READ,
        parameters=("if_none_match",),
        answers={
            200: Shown("The schedule", models.ScheduleDetail, examples.DETAIL, headers=("ETag",)),
            304: Shown("You have this revision. Its `next_run` may have moved on", headers=("ETag",)),
        },
    ),
    _schedule(
        "PUT",
        _ONE,
        schedules.replace,
        "replace_schedule",
        "Replace a schedule's definition",
        scope=_WRITE,
        request=_DEFINITION,
        parameters=("if_match_required", *_COMMAND),
        answers={200: _CHANGED, 202: _ACCEPTED},
        problems=(409, 412, 428),
    ),
    _schedule(
        "PATCH",
        _ONE,
        schedules.patch,
        "patch_schedule",
        "Change parts of a schedule's definition",
        description="A JSON merge patch (RFC 7396): objects merge, null takes a field back to its default.",
        scope=_WRITE,
        request=Shown("What changes", models.DefinitionPatch, {"tags": ["golf", "spring"]}),
        also=(
            Shown("The same", models.DefinitionPatch, {"description": None}, "application/merge-patch+json"),
        ),
        parameters=("if_match", *_COMMAND),
        answers={200: _CHANGED, 202: _ACCEPTED},
        problems=(409, 412),
    ),
    _schedule(
        "DELETE",
        _ONE,
        schedules.delete,
        "delete_schedule",
        "Delete a schedule",
        description="What is queued or running finishes, unless `cancel=true`. Its history stays readable.",
        scope=_WRITE,
        filters=models.DeleteFilter,
        parameters=("if_match", *_COMMAND),
        answers={202: _ACCEPTED, 204: _GONE},
        problems=(409, 412),
    ),
    _schedule(
        "POST",
        f"{_ONE}/pause",
        schedules.pause,
        "pause_schedule",
        "Pause a schedule",
        description="Nothing fires until it is resumed, by `resume` or at `until`. What is queued or running "
        "finishes, unless `cancel` is true.",
        scope=_WRITE,
        request=Shown("Why, and until when", models.PauseRequest, {"reason": "greens are being mown"}),
        request_required=False,
        parameters=_CHANGE,
        answers={200: _CHANGED, 202: _ACCEPTED},
        problems=(409, 412),
    ),
    _schedule(
        "POST",
        f"{_ONE}/resume",
        schedules.resume,
        "resume_schedule",
        "Resume a paused schedule",
        description="What the pause let pass is not caught up; one entry of the ledger tells of it.",
        scope=_WRITE,
        request=Shown("Nothing to say", models.ResumeRequest, {}),
        request_required=False,
        parameters=_CHANGE,
        answers={200: _CHANGED, 202: _ACCEPTED},
        problems=(409, 412),
    ),
    _schedule(
        "POST",
        f"{_ONE}/run",
        schedules.run,
        "run_schedule",
        "Run a schedule now",
        description="An execution of its own, whatever the schedule's state and policies.",
        scope=_WRITE,
        request=Shown("Another payload, this once", models.RunRequest, {}),
        request_required=False,
        parameters=_CHANGE,
        answers={200: _RAN, 202: _ACCEPTED},
        problems=(409, 412),
    ),
    _schedule(
        "POST",
        f"{_ONE}/backfill",
        schedules.backfill,
        "backfill_schedule",
        "Run the occurrences of a past stretch",
        description="Each is an execution of its own. With `dry_run`, 200 and what would run.",
        scope=_WRITE,
        request=Shown(
            "The stretch, both ends included",
            models.BackfillRequest,
            {"from": "2026-03-01T00:00:00Z", "to": "2026-03-07T00:00:00Z"},
        ),
        parameters=_CHANGE,
        answers={200: replace(_COUNTED, model=models.BackfillAnswer), 202: _ACCEPTED},
        problems=(409, 412),
    ),
    _schedule(
        "GET",
        f"{_ONE}/executions",
        executions.list_of_schedule,
        "list_schedule_executions",
        "List a schedule's executions, newest first",
        scope=_READ,
        filters=models.ExecutionFilter,
        answers={200: Shown("A page", models.ExecutionList, examples.listing(examples.EXECUTION))},
    ),
    _schedule(
        "GET",
        f"{_ONE}/occurrences",
        schedules.show_occurrences,
        "list_occurrences",
        "List when a schedule is due",
        scope=_READ,
        filters=models.OccurrenceFilter,
        answers={200: Shown("A page", models.OccurrenceList, examples.listing(examples.OCCURRENCE))},
    ),
)

EXECUTIONS = (
    _execution(
        "GET",
        "/api/executions",
        executions.list_all,
        "list_executions",
        "List executions, newest first",
        scope=_READ,
        filters=models.AllExecutionsFilter,
        answers={200: Shown("A page", models.ExecutionList, examples.listing(examples.EXECUTION))},
        problems=(404,),
    ),
    _execution(
        "POST",
        "/api/executions/redrive",
        executions.redrive,
        "redrive_executions",
        "Queue dead letters again",
        scope=_WRITE,
        request=Shown("Which", models.RedriveRequest, {"schedule_id": examples.SCHEDULE_ID, "limit": 100}),
        request_required=False,
        parameters=_POST_COMMAND,
        answers={200: _COUNTED, 202: _ACCEPTED},
        problems=(404, 409),
    ),
    _execution(
        "GET",
        "/api/executions/{execution_id}",
        executions.show,
        "get_execution",
        "Read an execution with its attempts",
        scope=_READ,
        answers={200: Shown("The execution", models.ExecutionShape, examples.EXECUTION)},
    ),
    _execution(
        "POST",
        "/api/executions/{execution_id}/retry",
        executions.retry,
        "retry_execution",
        "Queue a failed or cancelled execution again",
        scope=_WRITE,
        request=Shown("Nothing to say", models.RetryRequest, {}),
        request_required=False,
        parameters=_POST_COMMAND,
        answers={200: _RAN, 202: _ACCEPTED},
        problems=(409,),
    ),
    _execution(
        "POST",
        "/api/executions/{execution_id}/cancel",
        executions.cancel,
        "cancel_execution",
        "Cancel a queued or running execution",
        description="A queued one at once; a running one is asked to stop, and may end first.",
        scope=_WRITE,
        request=Shown("Why", models.CancelRequest, {"reason": "not today"}),
        request_required=False,
        parameters=_POST_COMMAND,
        answers={200: _RAN, 202: _ACCEPTED},
        problems=(409,),
    ),
    _execution(
        "GET",
        "/api/messages/{message_id}",
        executions.show_message,
        "get_message",
        "Read what became of a command",
        scope=_READ,
        answers={200: Shown("The message", models.MessageShape, examples.MESSAGE)},
    ),
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
            "Whose, and how far it reaches", models.KeyRequest, {"name": "nightly", "scope": "write"}
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
    return (*SCHEDULES, *EXECUTIONS, *KEYS, *_server(exposition, pages))


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
            scope=_READ,
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
