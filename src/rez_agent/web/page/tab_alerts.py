"""The tab of a schedule's alerts: the rules that watch it, and what they told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rez_agent.domain.schedule import Schedule
from rez_agent.ports import AlertQuery, Ports
from rez_agent.usecases.alert_rules import rules_by_owner, with_standing
from rez_agent.usecases.notices import alerts_for
from rez_agent.web.operations import Api
from rez_agent.web.page.alerts import RuleRow, names_of, rule_row
from rez_agent.web.page.alerts_told import AlertRow, alert_row
from rez_agent.web.page.tabs import Tab
from rez_agent.web.page.visits import Visit

SHOWN = 25


async def load(api: Api, visit: Visit, schedule: Schedule) -> dict[str, Any]:
    """The rules that watch the schedule, and its newest alerts."""

    def found(ports: Ports) -> tuple[datetime, list[RuleRow], list[AlertRow]]:
        owner, now = schedule.created_by, ports.clock.now()
        rules = with_standing(rules_by_owner(ports, now).get(owner, ()), owner)
        watching = [one for one in rules if one.watches(owner, schedule.id, schedule.definition.tags)]
        query = AlertQuery(schedule_id=schedule.id, limit=SHOWN)
        page = alerts_for(ports, visit.caller, query)
        names = names_of(ports, [schedule.id, *(one for a in page.items for one in a.affected[:2])])
        rows = [alert_row(alert, names) for alert in page.items]
        return now, [rule_row(rule, names) for rule in watching], rows

    now, rules, rows = await api.host.read(found)
    return {"now": now, "rules": rules, "alerts": rows}


TAB = Tab("alerts", "Alerts", "tab_alerts.html", load)
