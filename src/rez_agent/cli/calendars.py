"""Commands about calendars: the days that schedules skip, or move off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from rez_agent.cli.arguments import unfit
from rez_agent.cli.client import segment
from rez_agent.cli.render import clean, table
from rez_agent.cli.session import DONE, Session, command
from rez_agent.domain.errors import Invalid

PANEL = "Schedules"
CALENDARS = "/api/calendars"
WORKING_WEEK = "mon,tue,wed,thu,fri"

Name = Annotated[str, typer.Argument(metavar="NAME", help="The calendar's name.")]
Title = Annotated[str | None, typer.Option("--title", help="What it is, for people.")]
Country = Annotated[
    str | None, typer.Option("--country", metavar="CODE", help="Closed on this country's holidays, as AT.")
]
Subdivision = Annotated[
    str | None, typer.Option("--subdivision", metavar="CODE", help="Those of a part of it, as BY.")
]
Ics = Annotated[
    Path | None, typer.Option("--ics", metavar="FILE", help="Closed on the whole days of an ICS file.")
]
Closed = Annotated[
    list[str] | None,
    typer.Option("--day", metavar="DATE[=LABEL]", help="A day that is closed; repeatable."),
]
Opened = Annotated[
    list[str] | None,
    typer.Option("--open-day", metavar="DATE[=LABEL]", help="A day that is open all the same; repeatable."),
]
Weekdays = Annotated[
    str | None,
    typer.Option("--weekdays", metavar="DAYS", help=f"Those that are open, as {WORKING_WEEK}."),
]


def register(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    inner = typer.Typer(help="Shared calendars: days to skip, or to move off.", no_args_is_help=True)
    for name, (function, examples) in COMMANDS.items():
        command(inner, name, examples=examples)(function)
    app.add_typer(inner, name="calendars", rich_help_panel=PANEL)


def list_all(session: Session) -> int:
    """List calendars."""
    page = session.client().page(CALENDARS)
    session.put(page, lambda: _tell_all(page["items"]))
    return DONE


def show(session: Session, *, name: Name) -> int:
    """Show a calendar, and who heeds it."""
    found: Mapping[str, Any] = session.client().get(_path(name)).document
    session.put(found, lambda: _tell(found))
    return DONE


def create(
    session: Session,
    *,
    name: Name,
    title: Title = None,
    country: Country = None,
    subdivision: Subdivision = None,
    ics: Ics = None,
    day: Closed = None,
    open_day: Opened = None,
    weekdays: Weekdays = None,
) -> int:
    """Make a calendar: of a country's holidays, an ICS file, or days."""
    said = _said(
        title,
        country=country,
        subdivision=subdivision,
        ics=ics,
        day=day,
        open_day=open_day,
        weekdays=weekdays,
    )
    made = session.client().change("POST", CALENDARS, {"name": name, **said}, wait=0).document
    session.put(made, lambda: print(f"Made calendar {name}. Heed it: rez-agent create ... --calendar {name}"))
    return DONE


def update(
    session: Session,
    *,
    name: Name,
    title: Title = None,
    country: Country = None,
    subdivision: Subdivision = None,
    ics: Ics = None,
    day: Closed = None,
    open_day: Opened = None,
    weekdays: Weekdays = None,
) -> int:
    """Change a calendar: what is said replaces what was, days are added."""
    client = session.client()
    answer = client.get(_path(name))
    before: Mapping[str, Any] = answer.document
    said = _said(
        title,
        country=country,
        subdivision=subdivision,
        ics=ics,
        day=day,
        open_day=open_day,
        weekdays=weekdays,
    )
    kept = {field: before[field] for field in ("title", "open_weekdays", "source", "closed", "open")}
    days = {field: {**kept[field], **said.pop(field, {})} for field in ("closed", "open")}
    document = {**kept, **said, **days}
    etag = f'"{before["revision"]}"'
    changed = client.change("PUT", _path(name), document, wait=0, etag=etag).document
    session.put(
        changed, lambda: print(f"Changed calendar {name}. Schedules that it moves follow in a minute.")
    )
    return DONE


def delete(session: Session, *, name: Name) -> int:
    """Delete a calendar that no schedule heeds."""
    session.client().change("DELETE", _path(name), wait=0)
    session.put({"name": name, "deleted": True}, lambda: print(f"Deleted calendar {name}."))
    return DONE


def days(
    session: Session,
    *,
    name: Name,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="From here on (this year).")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Up to here.")] = None,
) -> int:
    """List the days that a calendar closes."""
    said = {"from": from_, "to": to}
    asked = {name: _date(text, f"--{name}") for name, text in said.items() if text is not None}
    found = session.client().page(f"{_path(name)}/days", **asked)
    closed = [item for item in found["items"] if item["closed"] is not None]
    session.put(found, lambda: table(("day", "closed"), [(one["date"], one["closed"]) for one in closed]))
    return DONE


def _said(
    title: str | None,
    *,
    country: str | None,
    subdivision: str | None,
    ics: Path | None,
    day: Sequence[str] | None,
    open_day: Sequence[str] | None,
    weekdays: str | None,
) -> dict[str, Any]:
    """The fields of a calendar that were said."""
    if country is not None and ics is not None:
        raise Invalid("Give --country or --ics: a calendar has one source.")
    if subdivision is not None and country is None:
        raise Invalid("--subdivision needs --country.")
    said: dict[str, Any] = {}
    if title is not None:
        said["title"] = title
    if country is not None:
        part = {} if subdivision is None else {"subdivision": subdivision}
        said["source"] = {"kind": "holidays", "country": country.upper(), **part}
    if ics is not None:
        said["source"] = {"kind": "ics", "text": _text(ics)}
    if weekdays is not None:
        said["open_weekdays"] = [each.strip().lower() for each in weekdays.split(",") if each.strip()]
    for field, option, given in (("closed", "--day", day), ("open", "--open-day", open_day)):
        if given:
            said[field] = dict(_day(each, option) for each in given)
    return said


def _day(text: str, option: str) -> tuple[str, str]:
    day, _, label = text.partition("=")
    return _date(day, option), label.strip()


def _date(text: str, option: str) -> str:
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        raise unfit(option, text, "write a day as 2026-12-24.") from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} can't be read: {error}") from None


def _path(name: str) -> str:
    return f"{CALENDARS}/{segment(name)}"


def _tell_all(items: Sequence[Mapping[str, Any]]) -> None:
    if not items:
        print("There are no calendars. Make one: rez-agent calendars create at --country AT")
        return
    rows = [(one["name"], one["title"], _source(one), one["named_days"], one["created_by"]) for one in items]
    table(("name", "title", "days from", "named days", "owner"), rows)


def _tell(found: Mapping[str, Any]) -> None:
    title = f": {found['title']}" if found["title"] else ""
    print(clean(f"{found['name']}{title}"))
    print(
        clean(f"  Open on {', '.join(found['open_weekdays']) or 'no weekday'}; days from {_source(found)}.")
    )
    if found["known_until"]:
        print(f"  {found['named_days']} days are named; the source was asked up to {found['known_until']}.")
    for field, text in (("closed", "closed"), ("open", "open")):
        for day, label in found[field].items():
            print(clean(f"  {day} {text}{f': {label}' if label else ''}"))
    used = ", ".join(found["used_by"]) or ("schedules of others" if found["used"] else "nobody")
    print(clean(f"  Heeded by {used}."))


def _source(found: Mapping[str, Any]) -> str:
    source = found["source"]
    if source is None:
        return "a list"
    if source["kind"] == "ics":
        return "an ICS file"
    part = f"-{source['subdivision']}" if source.get("subdivision") else ""
    return f"the holidays of {source['country']}{part}"


COMMANDS: dict[str, Any] = {
    "list": (list_all, ("rez-agent calendars list",)),
    "show": (show, ("rez-agent calendars show at",)),
    "create": (
        create,
        (
            "rez-agent calendars create at --country AT --subdivision 9",
            "rez-agent calendars create works --ics works-holidays.ics --weekdays mon,tue,wed,thu,fri",
            'rez-agent calendars create freeze --day 2026-12-24="no releases" --day 2026-12-31',
        ),
    ),
    "update": (update, ('rez-agent calendars update at --day 2026-12-24="closed early"',)),
    "delete": (delete, ("rez-agent calendars delete freeze",)),
    "days": (days, ("rez-agent calendars days at --from 2026-12-01 --to 2026-12-31",)),
}
