"""``rez-agent templates``: definitions with placeholders, and schedules made from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from rez_agent.cli import telling
from rez_agent.cli.arguments import object_file, pairs
from rez_agent.cli.client import segment
from rez_agent.cli.render import clean, table
from rez_agent.cli.session import DONE, WRONG, Session, command

PANEL = "Templates"
PATH = "/api/templates"

Name = Annotated[str, typer.Argument(metavar="NAME", help="The template's name.")]
File = Annotated[str, typer.Argument(metavar="FILE|-", help="The template, in JSON or YAML (.yaml).")]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="A parameter (NAME:=JSON); repeatable."),
]
Called = Annotated[str | None, typer.Option("--name", metavar="NAME", help="What to call the schedule.")]


def register(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    inner = typer.Typer(help="Definitions with placeholders, to make schedules from.", no_args_is_help=True)
    for name, (function, examples) in COMMANDS.items():
        command(inner, name, examples=examples)(function)
    app.add_typer(inner, name="templates", rich_help_panel="Schedules")


def list_templates(session: Session) -> int:
    """List the templates: those that ship, then yours and others'."""
    found = session.client().get(PATH).document
    rows = [[one["name"], one["title"], one["created_by"] or "ships"] for one in found["items"]]
    session.put(found, lambda: table(("name", "title", "of"), rows))
    return DONE


def show(session: Session, *, named: Name) -> int:
    """Show a template, what it asks for, and which schedules came from it."""
    found = session.client().get(_path(named)).document
    session.put(found, lambda: _tell(found))
    return DONE


def create(session: Session, *, file: File) -> int:
    """Create a template from a file."""
    answer = session.client().change("POST", PATH, _read(file), wait=0)
    session.put(answer.document, lambda: print(f"Created template {answer.document['name']}."))
    return DONE


def update(session: Session, *, named: Name, file: File) -> int:
    """Replace a template, and list the schedules that came from it: they stay as they are."""
    client = session.client()
    present = client.get(_path(named))
    answer = client.change("PUT", _path(named), _read(file), wait=0, etag=present.etag)
    session.put(answer.document, lambda: _tell_changed(answer.document))
    return DONE


def delete(session: Session, *, named: Name) -> int:
    """Delete a template. The schedules that came from it stay."""
    session.client().change("DELETE", _path(named), wait=0)
    session.put({"deleted": named}, lambda: print(f"Deleted template {named}."))
    return DONE


def use(
    session: Session,
    *,
    named: Name,
    param: Params = None,
    called: Called = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the definition that would come of it.")
    ] = False,
) -> int:
    """Create a schedule from a template."""
    client = session.client()
    asked: dict[str, Any] = {"parameters": _parameters(client.get(_path(named)).document, param or [])}
    if called is not None:
        asked["name"] = called
    if dry_run:
        found = client.change("POST", _path(named, "preview"), asked, wait=0).document
        session.put(found, lambda: _tell_preview(found))
        return DONE if found["valid"] else WRONG
    answer = client.change("POST", _path(named, "schedules"), asked)
    definition = {"name": answer.document.get("name") or called or named}
    session.put(answer.document, lambda: telling.created(client, definition, answer))
    return DONE


def _parameters(template: Mapping[str, Any], given: list[str]) -> dict[str, Any]:
    """The parameters as they were said; numbers and the like are read where they are asked for."""
    properties = template["parameters"].get("properties", {})
    return {
        name: _typed(value, properties.get(name, {}).get("type"))
        for name, value in pairs(given, "--param").items()
    }


def _typed(value: Any, kind: str | None) -> Any:
    if not isinstance(value, str) or kind in (None, "string"):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value  # the server says what it wants


def _path(named: str, *more: str) -> str:
    return "/".join([PATH, segment(named), *more])


def _read(file: str) -> dict[str, Any]:
    return object_file(file, "FILE")


def _tell(found: Mapping[str, Any]) -> None:
    owner = found["created_by"] or "ships with the program"
    print(clean(f"{found['name']}: {found['title']} (revision {found['revision']}, {owner})"))
    if found["description"]:
        print(clean(found["description"]))
    required = found["parameters"].get("required", [])
    rows = [
        [name, schema["type"], _default(name, schema, required), schema.get("title", "")]
        for name, schema in found["parameters"].get("properties", {}).items()
    ]
    table(("parameter", "type", "default", "what"), rows)
    _tell_schedules(found)


def _default(name: str, schema: Mapping[str, Any], required: list[str]) -> str:
    if "default" in schema:
        return json.dumps(schema["default"], ensure_ascii=False)
    return "required" if name in required else "-"


def _tell_changed(found: Mapping[str, Any]) -> None:
    print(clean(f"Template {found['name']} is at revision {found['revision']}."))
    _tell_schedules(found)


def _tell_schedules(found: Mapping[str, Any]) -> None:
    schedules = found["schedules"]
    if not schedules["items"]:
        print("No schedule came from it.")
        return
    total = schedules["total"]
    count = total if isinstance(total, int) else f"at least {total['at_least']}"
    print(f"Schedules that came from it: {count}")
    for one in schedules["items"]:
        since = "" if one["current"] else ", the template changed since"
        print(clean(f"  {one['name']} (revision {one['revision']}{since})"))


def _tell_preview(found: Mapping[str, Any]) -> None:
    for problem in found["errors"]:
        print(clean(f"{problem['pointer']}: {problem['detail']}"))
    if found["definition"] is not None:
        print(json.dumps(found["definition"], indent=2, ensure_ascii=False))
    if found["explanation"]:
        print(clean(found["explanation"]))
    for due in found["occurrences"][:3]:
        print(clean(f"  {due['local']}"))


COMMANDS: dict[str, Any] = {
    "list": (list_templates, ("rez-agent templates list",)),
    "show": (show, ("rez-agent templates show heartbeat",)),
    "create": (create, ("rez-agent templates create ping.json",)),
    "update": (update, ("rez-agent templates update ping ping.json",)),
    "delete": (delete, ("rez-agent templates delete ping",)),
    "use": (
        use,
        (
            "rez-agent templates use heartbeat --param url=https://hc.example.org/ping/1 --param minutes=10",
            "rez-agent templates use reminder-before --param event=2099-01-31T09:00 --param message=Dentist",
            "rez-agent templates use heartbeat --param url=https://hc.example.org/ping/1 --dry-run",
        ),
    ),
}
