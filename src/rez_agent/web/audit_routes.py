"""The operations that say what happened to a schedule."""

from __future__ import annotations

from functools import partial

from rez_agent.usecases.keys import Scope
from rez_agent.web import audit, audit_models, examples, forms
from rez_agent.web.operations import Operation, Shown

_ONE = "/api/schedules/{schedule_id}"

_schedule = partial(Operation, tag="schedules", scope=Scope.READ)

AUDIT = (
    _schedule(
        "GET",
        f"{_ONE}/changes",
        audit.list_changes,
        "list_schedule_changes",
        "List a schedule's changes, newest first",
        description="Who changed what, when and why; the creation is the last of all. Of a deleted schedule "
        "too, for 90 days. The newest 1,000 are kept.",
        filters=forms.ChangeFilter,
        answers={200: Shown("A page", audit_models.ChangeList, examples.listing(audit_models.CHANGE))},
    ),
    _schedule(
        "GET",
        f"{_ONE}/why",
        audit.show_why,
        "explain_schedule",
        "Say why a schedule did or did not run at a time",
        description="From its expression, zone and policies, from what it was then, and from the ledger. "
        "Of a deleted schedule too, for 90 days.",
        filters=forms.WhyFilter,
        answers={200: Shown("The verdict", audit_models.WhyShape, audit_models.WHY)},
    ),
)
