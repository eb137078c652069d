"""The routes of the form."""

from __future__ import annotations

from rez_agent.usecases.keys import Scope
from rez_agent.web.page.form import helping, screens, trying
from rez_agent.web.page.operations import PageOperation

OPERATIONS = (
    PageOperation("GET", "/schedules/new", screens.new, "page_new_schedule", Scope.WRITE),
    PageOperation("POST", "/schedules/new", screens.create, "page_create_schedule", Scope.WRITE),
    PageOperation("GET", "/schedules/{schedule_id}/edit", screens.edit, "page_edit_schedule", Scope.WRITE),
    PageOperation(
        "POST", "/schedules/{schedule_id}/edit", screens.update, "page_update_schedule", Scope.WRITE
    ),
    PageOperation("POST", "/schedules/form/paste", helping.paste, "page_form_paste", Scope.WRITE),
    PageOperation("POST", "/schedules/form/refresh", helping.refresh, "page_form_refresh", Scope.WRITE),
    PageOperation("POST", "/schedules/form/outlook", helping.look, "page_form_outlook", Scope.WRITE),
    PageOperation("GET", "/schedules/form/calendars", helping.calendars, "page_form_calendars", Scope.WRITE),
    PageOperation(
        "POST", "/schedules/form/condition", trying.try_condition, "page_form_condition", Scope.WRITE
    ),
    PageOperation("POST", "/schedules/form/test", helping.test, "page_form_test", Scope.WRITE),
    PageOperation(
        "GET", "/schedules/form/test/{execution_id}", helping.follow, "page_form_tested", Scope.WRITE
    ),
)
"""Before the routes that take any word for a schedule's id."""
