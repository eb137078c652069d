"""Commands that keep the data safe: backup, restore. They work on the server's machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rez_agent.cli.render import progress
from rez_agent.cli.serving import DataDir
from rez_agent.cli.session import DONE, Session, command

PANEL = "The server"


def register(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    for name, (function, examples) in COMMANDS.items():
        command(app, name, examples=examples, remote=False, panel=PANEL)(function)


def backup(
    session: Session,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to.")],
    data_dir: DataDir = Path("rez-data"),
) -> int:
    """Copy the database to a file, whole and consistent, while the server runs or not.

    Secrets are not in it: they are files of their own, below DIR/secrets.
    """
    from rez_agent.local.backup import backup as copy  # noqa: PLC0415

    with progress("pages", shown=not session.as_json) as advance:
        copy(data_dir, file, advance)
    size = file.stat().st_size
    session.put(
        {"file": str(file), "bytes": size}, lambda: print(f"Backed up {data_dir} to {file} ({size} bytes).")
    )
    return DONE


def restore(
    session: Session,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `rez-agent backup` wrote.")],
    data_dir: DataDir = Path("rez-data"),
    force: Annotated[bool, typer.Option("--force", help="Replace the data that is there.")] = False,
) -> int:
    """Make a data directory from a backup. Refused while a server runs on it, or when it holds data."""
    from rez_agent.local.backup import restore as copy  # noqa: PLC0415

    with progress("pages", shown=not session.as_json) as advance:
        copy(file, data_dir, advance, force=force)
    session.put(
        {"file": str(file), "data_dir": str(data_dir)}, lambda: print(f"Restored {file} into {data_dir}.")
    )
    return DONE


COMMANDS: dict[str, Any] = {
    "backup": (backup, ("rez-agent backup rez-2026-03-08.sqlite",)),
    "restore": (restore, ("rez-agent restore rez-2026-03-08.sqlite --data-dir new-data",)),
}
