"""The operations of alerting: scopes, answers, examples."""

from __future__ import annotations

from functools import partial

from rez_agent.domain.alert_rules import RuleDefinition
from rez_agent.usecases.keys import Scope
from rez_agent.web import alert_models as models
from rez_agent.web import alerting, examples
from rez_agent.web.operations import Operation, Shown

_ONE = "/api/alert-rules/{alert_rule_id}"
_DEFINITION = Shown("The rule", RuleDefinition, models.DEFINITION)
_RULE = Shown("The rule", models.RuleShape, models.RULE, headers=("ETag",))
_STANDING = "The rule `missed` is there for every owner without being made: the dead man's switch."
_TEST_ALERT = {
    **models.ALERT,
    "kind": None,
    "subject": "test",
    "open": False,
    "closed_at": models.ALERT["opened_at"],
    "schedule_id": None,
    "execution_id": None,
    "schedule_ids": [],
    "affected": 0,
    "failing": 0,
    "detail": "Somebody asked for a test.",
    "notices": [{**models.NOTICE, "phase": "test"}],
}

_alert = partial(Operation, tag="alerts")

ALERTS = (
    _alert(
        "GET",
        "/api/alerts",
        alerting.list_all,
        "list_alerts",
        "List alerts, newest first",
        description="One alert is one outage of one target, however many schedules it concerns.",
        scope=Scope.READ,
        filters=models.AlertFilter,
        answers={200: Shown("A page", models.AlertList, examples.listing(models.ALERT))},
        problems=(404,),
    ),
    _alert(
        "GET",
        "/api/alerts/{alert_id}",
        alerting.show_alert,
        "get_alert",
        "Read an alert and what was told of it",
        scope=Scope.READ,
        answers={200: Shown("The alert", models.AlertShape, models.ALERT)},
    ),
    _alert(
        "GET",
        "/api/alert-rules",
        alerting.list_rules_,
        "list_alert_rules",
        "List alert rules",
        description=_STANDING,
        scope=Scope.READ,
        answers={200: Shown("All rules", models.RuleList, examples.listing(models.RULE))},
    ),
    _alert(
        "POST",
        "/api/alert-rules",
        alerting.create,
        "create_alert_rule",
        "Create an alert rule",
        scope=Scope.WRITE,
        request=_DEFINITION,
        answers={201: Shown("Created", models.RuleShape, models.RULE, headers=("Location", "ETag"))},
        problems=(409,),
    ),
    _alert(
        "GET",
        _ONE,
        alerting.show,
        "get_alert_rule",
        "Read an alert rule",
        scope=Scope.READ,
        answers={200: _RULE},
    ),
    _alert(
        "PUT",
        _ONE,
        alerting.replace,
        "replace_alert_rule",
        "Replace an alert rule",
        description=f"What the body leaves out takes its default. {_STANDING} It is changed like any other.",
        scope=Scope.WRITE,
        request=_DEFINITION,
        parameters=("if_match",),
        answers={200: _RULE},
        problems=(412,),
    ),
    _alert(
        "PATCH",
        _ONE,
        alerting.patch,
        "patch_alert_rule",
        "Change parts of an alert rule",
        description="A JSON merge patch (RFC 7396): null takes a field back to its default. The kind stays.",
        scope=Scope.WRITE,
        request=Shown("What changes", models.RulePatch, {"channels": ["ops", "chat"]}),
        also=(Shown("The same", models.RulePatch, {"tag": None}, "application/merge-patch+json"),),
        parameters=("if_match",),
        answers={200: _RULE},
        problems=(412,),
    ),
    _alert(
        "DELETE",
        _ONE,
        alerting.delete,
        "delete_alert_rule",
        "Delete an alert rule",
        description="What is open by it ends without a word. Of the rule `missed`, what was changed goes.",
        scope=Scope.WRITE,
        parameters=("if_match",),
        answers={204: Shown("Deleted")},
        problems=(409, 412),
    ),
    _alert(
        "POST",
        f"{_ONE}/test",
        alerting.try_channels,
        "test_alert_rule",
        "Send a test alert through a rule's channels",
        description="Answers what each channel said, or 202 where one has not after 20 seconds, or is to be "
        "tried again.",
        scope=Scope.WRITE,
        request=Shown("Nothing to say", models.AlertTestRequest, {}),
        request_required=False,
        answers={
            200: Shown("What each channel said", models.AlertShape, _TEST_ALERT),
            202: Shown("Not all is known yet", models.AlertShape, _TEST_ALERT),
        },
    ),
)
