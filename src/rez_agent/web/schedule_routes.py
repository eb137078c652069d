"""The operations on schedules: scopes, answers, examples."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from rez_agent.domain.schedule import ScheduleDefinition
from rez_agent.usecases.keys import Scope
from rez_agent.web import batch, examples, executions, forms, models, schedules, shown
from rez_agent.web.operations import Operation, Shown

_ONE = "/api/schedules/{schedule_id}"
_DEFINITION = Shown("The definition", ScheduleDefinition, examples.DEFINITION)
_GONE = Shown("Deleted, when it was waited for", headers=("Link", "Preference-Applied"))
_PREVIEW = Shown("What it comes to, valid or not", models.PreviewShape, examples.PREVIEW)

_schedule = partial(Operation, tag="schedules")

SCHEDULES = (
    _schedule(
        "POST",
        "/api/schedules",
        schedules.create,
        "create_schedule",
        "Create a schedule",
        description="Checked at once, with all problems; then stored, and applied by a message. Until then, "
        "its Location answers 404 `schedule_pending`.",
        scope=Scope.WRITE,
        request=_DEFINITION,
        parameters=shown.POST_COMMAND,
        answers={201: shown.CREATED, 202: shown.ACCEPTED},
        problems=(409,),
    ),
    _schedule(
        "GET",
        "/api/schedules",
        schedules.list_all,
        "list_schedules",
        "List schedules",
        scope=Scope.READ,
        filters=forms.ScheduleFilter,
        answers={200: Shown("A page", models.ScheduleList, examples.listing(examples.SCHEDULE))},
    ),
    _schedule(
        "POST",
        "/api/schedules/preview",
        schedules.preview_body,
        "preview_expression",
        "Explain an expression and list its next occurrences",
        scope=Scope.READ,
        request=Shown(
            "The expression",
            forms.PreviewRequest,
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
        scope=Scope.READ,
        filters=forms.PreviewRequest,
        answers={200: _PREVIEW},
    ),
    _schedule(
        "POST",
        "/api/schedules/test",
        schedules.test,
        "test_schedule",
        "Run a definition once now, without creating it",
        description="Only `target_type` and `payload` have to be right; `name` stands in the trace, the rest "
        "is passed over. It is tried once, whatever policies say. What remains is a deleted schedule tagged "
        "`test-run`, with its execution, whose cause is `test`. A test run that fails is no dead letter.",
        scope=Scope.WRITE,
        request=Shown(
            "The definition",
            forms.DefinitionToTest,
            {name: examples.DEFINITION[name] for name in ("name", "target_type", "payload")},
        ),
        parameters=shown.POST_COMMAND,
        answers={200: shown.RAN, 202: shown.ACCEPTED},
        problems=(409,),
    ),
    _schedule(
        "POST",
        "/api/schedules/batch",
        batch.create_batch,
        "create_schedules",
        "Create up to 1,000 schedules",
        description="Each is judged by itself and has its own answer. As JSON or JSON lines, 4 MiB at most. "
        "With an Idempotency-Key, a repeated batch goes on where the first one stopped.",
        scope=Scope.WRITE,
        request=Shown("The definitions", forms.BatchRequest, {"schedules": [examples.DEFINITION]}),
        also=(Shown("One definition a line", None, '{"name": "tee-times"}\n', "application/x-ndjson"),),
        parameters=shown.POST_COMMAND,
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
        scope=Scope.READ,
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
        scope=Scope.WRITE,
        request=_DEFINITION,
        filters=forms.ReasonFilter,
        parameters=("if_match_required", *shown.COMMAND),
        answers={200: shown.CHANGED, 202: shown.ACCEPTED},
        problems=(409, 412, 428),
    ),
    _schedule(
        "PATCH",
        _ONE,
        schedules.patch,
        "patch_schedule",
        "Change parts of a schedule's definition",
        description="A JSON merge patch (RFC 7396): objects merge, null takes a field back to its default.",
        scope=Scope.WRITE,
        request=Shown("What changes", forms.DefinitionPatch, {"tags": ["golf", "spring"]}),
        also=(
            Shown("The same", forms.DefinitionPatch, {"description": None}, "application/merge-patch+json"),
        ),
        filters=forms.ReasonFilter,
        parameters=("if_match", *shown.COMMAND),
        answers={200: shown.CHANGED, 202: shown.ACCEPTED},
        problems=(409, 412),
    ),
    _schedule(
        "DELETE",
        _ONE,
        schedules.delete,
        "delete_schedule",
        "Delete a schedule",
        description="What is queued or running finishes, unless `cancel=true`. Its history stays readable.",
        scope=Scope.WRITE,
        filters=forms.DeleteFilter,
        parameters=("if_match", *shown.COMMAND),
        answers={202: shown.ACCEPTED, 204: _GONE},
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
        scope=Scope.WRITE,
        request=Shown("Why, and until when", forms.PauseRequest, {"reason": "greens are being mown"}),
        request_required=False,
        parameters=shown.CHANGE,
        answers={200: shown.CHANGED, 202: shown.ACCEPTED},
        problems=(409, 412),
    ),
    _schedule(
        "POST",
        f"{_ONE}/resume",
        schedules.resume,
        "resume_schedule",
        "Resume a paused schedule",
        description="What the pause let pass is not caught up; one entry of the ledger tells of it.",
        scope=Scope.WRITE,
        request=Shown("Why", forms.ResumeRequest, {"reason": "the greens are mown"}),
        request_required=False,
        parameters=shown.CHANGE,
        answers={200: shown.CHANGED, 202: shown.ACCEPTED},
        problems=(409, 412),
    ),
    _schedule(
        "POST",
        f"{_ONE}/consequences",
        schedules.show_consequences,
        "show_consequences",
        "See what a change would come to, without making it",
        description="Which of the coming occurrences it gains, loses and keeps (up to 50 of either side, 90 "
        "days ahead), and which fields it changes. Refused with what the change would be refused with.",
        scope=Scope.READ,
        request=Shown(
            "The change: a whole definition as `schedule`, or a merge patch as `patch`",
            forms.ConsequencesRequest,
            {"patch": {"schedule_expression": "cron(30 6 ? * MON-FRI *)"}},
        ),
        parameters=("if_match",),
        answers={
            200: Shown("What it comes to", models.ConsequencesShape, examples.CONSEQUENCES, headers=("ETag",))
        },
        problems=(409, 412),
    ),
    _schedule(
        "POST",
        f"{_ONE}/run",
        schedules.run,
        "run_schedule",
        "Run a schedule now",
        description="An execution of its own, whatever the schedule's state and policies.",
        scope=Scope.WRITE,
        request=Shown("Another payload, this once", forms.RunRequest, {}),
        request_required=False,
        parameters=shown.CHANGE,
        answers={200: shown.RAN, 202: shown.ACCEPTED},
        problems=(409, 412),
    ),
    _schedule(
        "POST",
        f"{_ONE}/backfill",
        schedules.backfill,
        "backfill_schedule",
        "Run the occurrences of a past stretch",
        description="Each is an execution of its own. With `dry_run`, 200 and what would run.",
        scope=Scope.WRITE,
        request=Shown(
            "The stretch, both ends included",
            forms.BackfillRequest,
            {"from": "2026-03-01T00:00:00Z", "to": "2026-03-07T00:00:00Z"},
        ),
        parameters=shown.CHANGE,
        answers={200: replace(shown.COUNTED, model=models.BackfillAnswer), 202: shown.ACCEPTED},
        problems=(409, 412),
    ),
    _schedule(
        "GET",
        f"{_ONE}/executions",
        executions.list_of_schedule,
        "list_schedule_executions",
        "List a schedule's executions, newest first",
        scope=Scope.READ,
        filters=forms.ExecutionFilter,
        answers={200: Shown("A page", models.ExecutionList, examples.listing(examples.EXECUTION))},
    ),
    _schedule(
        "GET",
        f"{_ONE}/statistics",
        executions.statistics,
        "get_statistics",
        "Read how a schedule fares",
        description="Success rate, durations, lateness and counts of its newest executions, 1,000 at most.",
        scope=Scope.READ,
        filters=forms.StatisticsFilter,
        answers={200: Shown("What they come to", models.StatisticsShape, examples.STATISTICS)},
    ),
    _schedule(
        "GET",
        f"{_ONE}/occurrences",
        schedules.show_occurrences,
        "list_occurrences",
        "List when a schedule is due",
        scope=Scope.READ,
        filters=forms.OccurrenceFilter,
        answers={200: Shown("A page", models.OccurrenceList, examples.listing(examples.OCCURRENCE))},
    ),
)
