"""Commands about alerts: what was told, the rules, and a test of their channels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from rez_agent.cli.client import WAIT_SECONDS, segment
from rez_agent.cli.definition import NOTHING
from rez_agent.cli.names import find_schedule, past_schedule_id
from rez_agent.cli.render import table, when
from rez_agent.cli.session import DONE, FAILED, Session, command
from rez_agent.domain.alert_rules import PARAMETERS, AlertKind
from rez_agent.domain.errors import Invalid

PANEL = "Executions"
RULES = "/api/alert-rules"

Rule = Annotated[str, typer.Argument(metavar="RULE", help="A rule's id; `missed` is the one that all have.")]

Watched = Annotated[
    str | None, typer.Option("--schedule", metavar="SCHEDULE", help="Watch this schedule alone.")
]
WatchedTag = Annotated[str | None, typer.Option("--tag", metavar="TAG", help="Watch those with this tag.")]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the kind; repeatable."),
]
Quiet = Annotated[
    int | None, typer.Option("--quiet", metavar="SECONDS", help="Told again after so long at the soonest.")
]


def register(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    inner = typer.Typer(help="What is told when it goes wrong, and to whom.", no_args_is_help=True)
    for name, (function, examples) in COMMANDS.items():
        command(inner, name, examples=examples)(function)
    app.add_typer(inner, name="alerts", rich_help_panel=PANEL)


def list_alerts(
    session: Session,
    *,
    schedule: Annotated[
        str | None, typer.Option("--schedule", metavar="SCHEDULE", help="Only what concerns this one.")
    ] = None,
    kind: Annotated[AlertKind | None, typer.Option("--kind", help="Only this kind.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only what is not over.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="How many.")] = 20,
) -> int:
    """List alerts, newest first."""
    client = session.client()
    query = {
        "schedule_id": None if schedule is None else past_schedule_id(client, schedule),
        "kind": None if kind is None else kind.value,
        "open": "true" if open_only else None,
        "limit": limit,
    }
    page = client.page("/api/alerts", **{name: value for name, value in query.items() if value is not None})
    session.put(page, lambda: _tell_alerts(page["items"]))
    return DONE


def list_rules(session: Session) -> int:
    """List alert rules; the first is the dead man's switch, which everyone has."""
    page = session.client().get(RULES).document
    session.put(page, lambda: _tell_rules(page["items"]))
    return DONE


def create(
    session: Session,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What alerts call it.")],
    kind: Annotated[AlertKind, typer.Argument(metavar="KIND", help="What it watches for.")],
    schedule: Watched = None,
    tag: WatchedTag = None,
    channel: Annotated[
        list[str] | None, typer.Option("--channel", metavar="NAME", help="Where it is told; repeatable.")
    ] = None,
    setting: Setting = None,
    quiet: Quiet = None,
    recovery: Annotated[
        bool, typer.Option("--recovery/--no-recovery", help="Whether its end is told too.")
    ] = True,
) -> int:
    """Create an alert rule."""
    client = session.client()
    document: dict[str, Any] = {
        "name": name,
        "kind": kind.value,
        "channels": channel or [],
        "recovery": recovery,
        **_parameters(setting or (), kind),
    }
    if schedule is not None:
        document["schedule_id"] = find_schedule(client, schedule)["id"]
    if tag is not None:
        document["tag"] = tag
    if quiet is not None:
        document["quiet_period_seconds"] = quiet
    made = client.change("POST", RULES, document, wait=0).document
    session.put(
        made, lambda: print(f"Created the rule {made['id']}. Try it: rez-agent alerts test {made['id']}")
    )
    return DONE


def edit(
    session: Session,
    *,
    rule: Rule,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="What alerts call it.")] = None,
    schedule: Watched = None,
    tag: WatchedTag = None,
    everything: Annotated[bool, typer.Option("--all", help="Watch all schedules.")] = False,
    channel: Annotated[
        list[str] | None,
        typer.Option(
            "--channel", metavar="NAME", help="Where it is told instead; repeatable; none: the server's own."
        ),
    ] = None,
    setting: Setting = None,
    quiet: Quiet = None,
    recovery: Annotated[
        bool | None, typer.Option("--recovery/--no-recovery", help="Whether its end is told too.")
    ] = None,
    enabled: Annotated[bool | None, typer.Option("--on/--off", help="Whether it watches at all.")] = None,
) -> int:
    """Change an alert rule: only what is said changes."""
    if sum((schedule is not None, tag is not None, everything)) > 1:
        raise Invalid("Give --schedule, --tag or --all: a rule watches one of them.", code="invalid_argument")
    client = session.client()
    path = f"{RULES}/{segment(rule)}"
    before = client.get(path)
    patch: dict[str, Any] = {
        "name": name,
        "recovery": recovery,
        "enabled": enabled,
        "quiet_period_seconds": quiet,
    }
    patch = {field: value for field, value in patch.items() if value is not None}
    patch |= _parameters(setting or (), AlertKind(before.document["kind"]))
    if channel:
        patch["channels"] = [] if channel == [NOTHING] else channel
    if schedule is not None or tag is not None or everything:
        watched = None if schedule is None else find_schedule(client, schedule)["id"]
        patch |= {"schedule_id": watched, "tag": tag}
    if not patch:
        raise Invalid("Nothing to change was said. `rez-agent alerts edit --help` lists what can be.")
    changed = client.change("PATCH", path, patch, wait=0, etag=before.etag).document
    session.put(changed, lambda: _tell_rules([changed]))
    return DONE


def try_channels(session: Session, *, rule: Rule) -> int:
    """Send a test alert through a rule's channels, and say what each of them answered."""
    path = f"{RULES}/{segment(rule)}/test"
    alert = session.client().ask("POST", path, document={}, patience=WAIT_SECONDS + 5).document
    session.put(alert, lambda: table(("channel", "state", "error"), _notice_rows(alert["notices"]), styled=1))
    return DONE if all(one["status"] == "sent" for one in alert["notices"]) else FAILED


def delete(session: Session, *, rule: Rule) -> int:
    """Delete an alert rule; of `missed`, what was changed."""
    session.client().change("DELETE", f"{RULES}/{segment(rule)}", wait=0)
    session.put({"deleted": rule}, lambda: print(f"Deleted: {rule}"))
    return DONE


def _parameters(given: Sequence[str], kind: AlertKind) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            found[name.strip()] = json.loads(value)
        except ValueError:
            known = ", ".join(f"{one}=..." for one in PARAMETERS[kind]) or "none"
            raise Invalid(
                f"'{text}' is not NAME=VALUE with a number. Parameters of '{kind.value}': {known}.",
                code="invalid_argument",
            ) from None
    return found


def _tell_alerts(alerts: Sequence[Mapping[str, Any]]) -> None:
    if not alerts:
        print("No alerts.")
        return
    now = datetime.now(UTC)
    columns = ("since", "state", "kind", "about", "schedules", "detail", "id")
    table(columns, [_alert_row(one, now) for one in alerts], below=1)


def _alert_row(alert: Mapping[str, Any], now: datetime) -> tuple[Any, ...]:
    return (
        when(alert["opened_at"], now),
        "open" if alert["open"] else "over",
        alert["kind"] or "test",
        alert["subject"],
        alert["affected"] if alert["affected_is_exact"] else f"{alert['affected']}+",
        alert["detail"][:80],
        alert["id"],
    )


def _tell_rules(rules: Sequence[Mapping[str, Any]]) -> None:
    table(("name", "kind", "watches", "channels", "state", "id"), [_rule_row(rule) for rule in rules])


def _rule_row(rule: Mapping[str, Any]) -> tuple[Any, ...]:
    watched = rule["schedule_id"] or (f"tag {rule['tag']}" if rule["tag"] else "all")
    channels = ", ".join(rule["channels"]) or "the server's own"
    return rule["name"], rule["kind"], watched, channels, "on" if rule["enabled"] else "off", rule["id"]


def _notice_rows(notices: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    return [(one["channel"], one["status"], one["error"] or "") for one in notices]


COMMANDS: dict[str, Any] = {
    "list": (list_alerts, ("rez-agent alerts list --open", "rez-agent alerts list --schedule report")),
    "rules": (list_rules, ("rez-agent alerts rules",)),
    "create": (
        create,
        (
            "rez-agent alerts create 'Production fails' consecutive_failures --tag prod --set failures=3",
            "rez-agent alerts create 'Report is slow' too_slow --schedule report --channel ops",
        ),
    ),
    "edit": (
        edit,
        (
            "rez-agent alerts edit missed --set grace_seconds=60",
            "rez-agent alerts edit rule_01kaw4g7k58s1w6e3r5t7y9u0a --tag prod --channel ops --channel chat",
            "rez-agent alerts edit rule_01kaw4g7k58s1w6e3r5t7y9u0a --off",
        ),
    ),
    "test": (try_channels, ("rez-agent alerts test missed",)),
    "delete": (delete, ("rez-agent alerts delete rule_01kaw4g7k58s1w6e3r5t7y9u0a",)),
}
