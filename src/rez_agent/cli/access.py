"""Commands about who may do what: keys, secrets. They work on the data directory, on the server's machine, or
on a stage on AWS."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from typing import Annotated, Any, TypeVar

import typer

from rez_agent.cli.arguments import moment
from rez_agent.cli.cloud import Stage, stage_to_operate
from rez_agent.cli.render import table, when
from rez_agent.cli.serving import DataDir
from rez_agent.cli.session import DONE, Session, command
from rez_agent.domain.errors import NotFound
from rez_agent.domain.instants import rfc3339
from rez_agent.ports import Ports, Secrets
from rez_agent.usecases import keys
from rez_agent.usecases.keys import Key, Scope

T = TypeVar("T")

PANEL = "Access, on the server's machine or on a stage"

KeyName = Annotated[
    str, typer.Argument(metavar="NAME", help="Whose key it is: the owner of what it creates.")
]
SecretName = Annotated[str, typer.Argument(metavar="NAME", help="What payloads call it.")]


def register(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    for group, (about, commands) in GROUPS.items():
        inner = typer.Typer(help=about, no_args_is_help=True)
        for name, (function, examples) in commands.items():
            command(inner, name, examples=examples, remote=False)(function)
        app.add_typer(inner, name=group, rich_help_panel=PANEL)


# --- keys ---


def create_key(
    session: Session,
    *,
    name: KeyName,
    scope: Annotated[
        Scope, typer.Option("--scope", help="How far it reaches; admin reaches every owner's schedules.")
    ] = Scope.WRITE,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="Until when it holds: 90d, or a time.")
    ] = None,
    data_dir: DataDir = Path("rez-data"),
    stage: Stage = None,
) -> int:
    """Create a key, and show it this once. From then on the server asks for a key."""
    ends = moment(expires, "--expires", datetime.now(UTC), ahead=True) if expires else None
    secret = token_bytes(keys.SECRET_BYTES)

    def create(ports: Ports) -> tuple[Key, str]:
        return keys.create_key(ports, name=name, scope=scope, secret=secret, expires_at=ends)

    key, token = _write(data_dir, stage, create)
    if session.as_json:
        session.put(_key_document(key) | {"token": token}, lambda: None)
        return DONE
    print(token)
    session.note(
        f"This is {key.name}'s key, scope {key.scope}; it is shown this once. Use it: export REZ_KEY=..."
    )
    session.note(_meant_for(data_dir, stage))
    return DONE


def _meant_for(data_dir: Path, stage: str | None) -> str:
    if stage is not None:
        return f"It is for the stage '{stage}' on AWS."
    return f"It is for the server whose data is in {data_dir.resolve()} (--data-dir)."


def list_keys(session: Session, data_dir: DataDir = Path("rez-data"), stage: Stage = None) -> int:
    """List the keys that were not revoked; never their secrets."""
    found = _write(data_dir, stage, keys.list_keys)
    documents = [_key_document(key) for key in found]
    page = {"items": documents, "next_cursor": None, "total": len(documents)}
    session.put(page, lambda: _tell_keys(documents, stage))
    return DONE


def _tell_keys(documents: list[dict[str, Any]], stage: str | None) -> None:
    if not documents and stage is not None:
        print(
            f"No keys: nobody gets in. Make the first: rez-agent keys create me --scope admin --stage {stage}"
        )
        return
    if not documents:
        print("No keys: on loopback the server is open to everyone on this machine.")
        return
    now = datetime.now(UTC)
    columns = ("name", "scope", "created", "expires", "id")
    table(columns, [_key_row(document, now) for document in documents])


def _key_row(key: Mapping[str, Any], now: datetime) -> tuple[Any, ...]:
    expires = when(key["expires_at"], now) if key["expires_at"] else "never"
    return key["name"], key["scope"], when(key["created_date"], now), expires, key["id"]


def revoke_key(
    session: Session,
    *,
    named: Annotated[str, typer.Argument(metavar="KEY", help="A key's id, or a name: then all of its keys.")],
    data_dir: DataDir = Path("rez-data"),
    stage: Stage = None,
) -> int:
    """Revoke a key, or all keys of a name. It is refused within a second."""

    def revoke(ports: Ports) -> list[Key]:
        held = [key for key in keys.list_keys(ports) if named in (key.id, key.name)]
        for key in held:
            keys.revoke_key(ports, key.id)
        return held

    gone = _write(data_dir, stage, revoke)
    if not gone:
        raise NotFound(f"There is no key '{named}'. `rez-agent keys list` shows them.", code="key_not_found")
    documents = [_key_document(key) for key in gone]
    session.put(
        {"items": documents}, lambda: print(f"Revoked: {', '.join(f'{k.name} ({k.id})' for k in gone)}")
    )
    return DONE


def _write(data_dir: Path, stage: str | None, use_case: Callable[[Ports], T]) -> T:
    """Run a use case on the data directory, or on the stage where one is named."""
    if stage is not None:
        return stage_to_operate(stage).store.write(use_case)
    from rez_agent.local.build import open_store  # noqa: PLC0415

    with open_store(data_dir) as store:
        return store.write(use_case)


def _key_document(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scope": key.scope.value,
        "created_date": rfc3339(key.created_date),
        "expires_at": rfc3339(key.expires_at) if key.expires_at else None,
    }


# --- secrets ---


def set_secret(
    session: Session,
    *,
    name: SecretName,
    host: Annotated[
        list[str],
        typer.Option(
            "--host", metavar="HOST", help="Where it may be sent: api.example.org, *.example.org; repeatable."
        ),
    ],
    data_dir: DataDir = Path("rez-data"),
    stage: Stage = None,
) -> int:
    """Keep a secret; its value comes from standard input. It can be replaced and deleted, never read."""
    _secrets(data_dir, stage).put(name, _value(), tuple(host))
    hosts = ", ".join(host)
    session.put(
        {"name": name, "hosts": host}, lambda: print(f"Kept {name}; it goes to {hosts} and nowhere else.")
    )
    session.note(_meant_for(data_dir, stage))
    return DONE


def _value() -> str:
    """The secret: asked for without echo on a terminal, else all of standard input less one line end."""
    if sys.stdin.isatty():
        from getpass import getpass  # noqa: PLC0415

        return getpass("Value: ")
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def list_secrets(session: Session, data_dir: DataDir = Path("rez-data"), stage: Stage = None) -> int:
    """List the secrets' names and hosts; never a value."""
    infos = _secrets(data_dir, stage).names()
    documents = [{"name": i.name, "hosts": list(i.hosts), "updated": rfc3339(i.updated)} for i in infos]
    page = {"items": documents, "next_cursor": None, "total": len(documents)}
    session.put(page, lambda: _tell_secrets(documents))
    return DONE


def _tell_secrets(documents: list[dict[str, Any]]) -> None:
    if not documents:
        print("No secrets. Keep one: rez-agent secrets set NAME --host HOST")
        return
    now = datetime.now(UTC)
    rows = [(d["name"], ", ".join(d["hosts"]), when(d["updated"], now)) for d in documents]
    table(("name", "goes to", "updated"), rows)


def delete_secret(
    session: Session, name: SecretName, data_dir: DataDir = Path("rez-data"), stage: Stage = None
) -> int:
    """Delete a secret. Schedules that refer to it fail from then on, and say so."""
    if not _secrets(data_dir, stage).delete(name):
        raise NotFound(
            f"There is no secret '{name}'. `rez-agent secrets list` shows them.", code="secret_not_found"
        )
    session.put({"name": name, "status": "deleted"}, lambda: print(f"Deleted {name}."))
    return DONE


def _secrets(data_dir: Path, stage: str | None) -> Secrets:
    if stage is not None:
        return stage_to_operate(stage).secrets
    from rez_agent.local.build import SECRETS_DIRECTORY  # noqa: PLC0415
    from rez_agent.local.secrets import FileSecrets  # noqa: PLC0415

    return FileSecrets(data_dir / SECRETS_DIRECTORY, lambda: datetime.now(UTC))


GROUPS: dict[str, Any] = {
    "keys": (
        "Keys for the API: who may read, write, administer.",
        {
            "create": (
                create_key,
                (
                    "rez-agent keys create me --scope admin",
                    "rez-agent keys create ci --scope write --expires 90d",
                    "rez-agent keys create me --scope admin --stage dev",
                ),
            ),
            "list": (list_keys, ("rez-agent keys list",)),
            "revoke": (revoke_key, ("rez-agent keys revoke ci",)),
        },
    ),
    "secrets": (
        "Secrets that web actions send, each only to its hosts.",
        {
            "set": (
                set_secret,
                (
                    "rez-agent secrets set weather --host api.weather.example",
                    "pass show weather | rez-agent secrets set weather --host api.weather.example",
                ),
            ),
            "list": (list_secrets, ("rez-agent secrets list",)),
            "delete": (delete_secret, ("rez-agent secrets delete weather",)),
        },
    ),
}
