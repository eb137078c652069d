"""What all commands share: where the server is, how answers are told, and how failures end.

A command is a plain function whose first argument is a :class:`Session`. :func:`command` puts it on the
command line: it adds the options that every command has, spreads each argument that is a dataclass of
options into those options, and turns errors into exit codes.
"""

from __future__ import annotations

import errno
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from rez_agent.cli.client import DEFAULT_URL, Client, Refused
from rez_agent.domain.errors import Invalid, RezError

DONE, FAILED, WRONG = 0, 1, 2
"""Exit codes: it was done; it failed (unreachable, refused, an execution failed); it was asked wrongly."""

Url = Annotated[str | None, typer.Option("--url", metavar="URL", help="The server's address (or REZ_URL).")]
Key = Annotated[str | None, typer.Option("--key", metavar="KEY", help="The API key (better in REZ_KEY).")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


@dataclass(frozen=True, slots=True)
class Session:
    """How this invocation speaks: to which server, with which key, and for people or for programs."""

    url: str = DEFAULT_URL
    key: str | None = None
    as_json: bool = False

    def client(self) -> Client:
        """The server. Raises Invalid for an unfit address."""
        return Client(self.url, self.key)

    def put(self, document: Any, tell: Callable[[], None]) -> None:
        """Answer: ``document`` as one line of JSON for programs, else whatever ``tell`` prints."""
        if self.as_json:
            put_json(document)
        else:
            tell()

    def note(self, text: str) -> None:
        """Say something beside the answer; programs don't get it."""
        if not self.as_json:
            print(text, file=sys.stderr, flush=True)


def put_json(document: Any) -> None:
    """One line of JSON on standard output."""
    print(json.dumps(document, ensure_ascii=False, default=str), flush=True)


def command(
    app: typer.Typer, name: str, *, examples: Sequence[str], remote: bool = True, panel: str | None = None
) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Put a function on the command line as ``name``. It returns its exit code, None meaning 0.

    ``remote`` commands speak to a server and have ``--url`` and ``--key``; all have ``--json``.
    """

    def register(function: Callable[..., int | None]) -> Callable[..., int | None]:
        told = app.command(name, epilog=_epilog(examples), rich_help_panel=panel)
        told(_on_the_command_line(function, remote=remote))
        return function

    return register


def _epilog(examples: Sequence[str]) -> str:
    return "\n\n".join(["Examples:", *(f"  {example}" for example in examples)])


def _on_the_command_line(function: Callable[..., int | None], *, remote: bool) -> Callable[..., None]:
    hints = get_type_hints(function, include_extras=True)
    bundles: dict[str, Any] = {
        n: hint for n, hint in hints.items() if is_dataclass(hint) and hint is not Session
    }

    @wraps(function)
    def run(ctx: typer.Context, **given: Any) -> None:
        session = session_of(ctx, given.pop("url", None), given.pop("key", None), given.pop("as_json"))
        for name, bundle in bundles.items():
            given[name] = bundle(**{field.name: given.pop(field.name) for field in fields(bundle)})
        raise typer.Exit(guarded(session, lambda: function(session, **given)))

    parameters = [_keyword("ctx", typer.Context), *_parameters(function, hints, bundles)]
    if remote:
        parameters += [_keyword("url", Url, None), _keyword("key", Key, None)]
    parameters.append(_keyword("as_json", Json, False))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _parameters(
    function: Callable[..., Any], hints: dict[str, Any], bundles: dict[str, Any]
) -> Iterator[inspect.Parameter]:
    """The function's own parameters behind its session, bundles spread, in order."""
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
        if name not in bundles:
            yield _keyword(name, hints[name], parameter.default)
            continue
        inner = get_type_hints(bundles[name], include_extras=True)
        for field in fields(bundles[name]):
            default = field.default_factory() if field.default_factory is not MISSING else field.default
            yield _keyword(field.name, inner[field.name], default)


def _keyword(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def session_of(ctx: typer.Context, url: str | None, key: str | None, as_json: bool) -> Session:
    """What was said behind the command, else before it."""
    common = ctx.obj if isinstance(ctx.obj, Session) else Session()
    return Session(url or common.url, key or common.key, as_json or common.as_json)


def guarded(session: Session, run: Callable[[], int | None]) -> int:
    """Run a command; what goes wrong is told on standard error, and never as a traceback."""
    try:
        return run() or DONE
    except RezError as error:
        tell_error(session, error)
        return exit_code(error)
    except UnicodeEncodeError:
        tell_error(
            session, Invalid("An argument holds bytes that are not text in UTF-8.", code="invalid_argument")
        )
        return WRONG
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # whoever read our output has left: typer ends quietly
        tell_error(session, RezError(_os_error(error), code="io_error"))
        return FAILED


def exit_code(error: RezError) -> int:
    """2 where the request can't be right, 1 where the present state is against it."""
    if isinstance(error, Refused):
        return WRONG if error.status in (400, 413, 415, 422) else FAILED
    return WRONG if isinstance(error, Invalid) else FAILED


def tell_error(session: Session, error: RezError) -> None:
    """The error on standard error: the problem as JSON for programs, else all that is wrong, a line each."""
    if session.as_json:
        print(json.dumps(problem_document(error), ensure_ascii=False), file=sys.stderr)
        return
    for line in error_lines(error):
        print(line, file=sys.stderr)


def error_lines(error: RezError) -> list[str]:
    """An error for people: one line for each thing that is wrong."""
    if isinstance(error, Refused) and error.status == 401:
        return [f"error: {error.message}", "Here a key is given as --key KEY, or better in REZ_KEY."]
    if len(error.problems) > 1:
        return [f"error: {len(error.problems)} things are wrong:", *(f"  {_line(p)}" for p in error.problems)]
    return [f"error: {_line(error.problems[0])}"]


def _line(problem: Any) -> str:
    return f"{problem.message} ({problem.pointer})" if problem.pointer else str(problem.message)


def problem_document(error: RezError) -> dict[str, Any]:
    """The error as a problem of RFC 9457: the server's own, else one of the same shape."""
    if isinstance(error, Refused):
        return error.document
    errors = [
        {"code": problem.code, "detail": problem.message, "pointer": problem.pointer}
        for problem in error.problems
    ]
    return {
        "type": "about:blank",
        "title": type(error).__name__,
        "code": error.code,
        "detail": error.message,
    } | {"errors": errors}


def _os_error(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}."
