"""A request as a handler sees it: who calls, and what is in path, query, headers and body, checked."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel
from starlette.requests import Request

from rez_agent.domain.errors import Invalid, NotFound, Problem, RevisionConflict, RevisionRequired, TooLarge
from rez_agent.domain.reading import read
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.idempotency import Keyed
from rez_agent.web.errors import BodyTooSlow, WrongMediaType
from rez_agent.web.json_reader import read_json
from rez_agent.web.settings import BODY_AT_MOST, BODY_SECONDS, WAIT_AT_MOST

ModelT = TypeVar("ModelT", bound=BaseModel)

JSON_TYPES = ("application/json", "application/merge-patch+json")
LINES_TYPES = ("application/x-ndjson", "application/jsonl")

_ID = re.compile(r"[0-9A-Za-z_-]{1,256}")
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?\s*(?:$|[,;])", re.IGNORECASE)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_TAG = re.compile(r'"(\d{1,18})"')
_PARAMETERS_AT_MOST = 50


def etag(revision: int) -> str:
    """The tag of a revision, as answers give it and ``If-Match`` sends it back. Firing does not change a
    schedule's: ``next_run`` may move under one tag."""
    return f'"{revision}"'


@dataclass(slots=True)
class Call:
    """One request of one caller. The body is read when it is first asked for, and kept."""

    request: Request
    caller: Caller
    _body: bytes | None = None

    def path(self, name: str) -> str:
        """An id in the path. Raises NotFound for what no id can be."""
        value: str = self.request.path_params[name]
        if _ID.fullmatch(value) is None:
            kind = name.removesuffix("_id")
            raise NotFound(f"There is no such {kind}.", code=f"{kind}_not_found")
        return value

    def filters(self, model: type[ModelT]) -> ModelT:
        """The query as a ``model``. Raises Invalid with all that is wrong with it."""
        raw: bytes = self.request.scope["query_string"]
        values, problems = _parameters(raw) if raw else ({}, [])
        try:
            found = read(model, values)
        except Invalid as error:
            problems += [_of_parameter(problem) for problem in error.problems]
        if problems:
            raise Invalid.of(problems)
        return found

    async def body(self, at_most: int = BODY_AT_MOST) -> bytes:
        """The body's bytes. Raises TooLarge and BodyTooSlow."""
        if self._body is None:
            self._body = await read_body(self.request, at_most)
        return self._body

    async def document(self, *, at_most: int = BODY_AT_MOST) -> Any:
        """The body's JSON document. Raises WrongMediaType, TooLarge, Malformed."""
        self.media_type(JSON_TYPES)
        return read_json(await self.body(at_most))

    async def object(self) -> dict[str, Any]:
        """The same, which must be an object."""
        document = await self.document()
        if not isinstance(document, dict):
            raise Invalid("The body must be a JSON object.", code="wrong_type")
        return document

    async def form(self, model: type[ModelT]) -> ModelT:
        """The body as a ``model``; no body is an empty object, also when its type is named, as many clients
        always do. Raises what :meth:`document` does, and Invalid with all that is wrong."""
        if await self.body():
            return read(model, await self.document())
        if "content-type" in self.request.headers:
            self.media_type(JSON_TYPES)
        return read(model, {})

    def media_type(self, known: tuple[str, ...]) -> str:
        """The body's type, one of ``known``. No form has one of them, so no other site's form gets in."""
        header = self.request.headers.get("content-type", "")
        kind, _, parameters = header.partition(";")
        kind = kind.strip().lower()
        charset = parameters.replace(" ", "").replace('"', "").lower()
        if kind not in known or charset not in ("", "charset=utf-8"):
            raise WrongMediaType(f"Send 'Content-Type: {known[0]}' (UTF-8), not '{header[:100]}'.")
        return kind

    def wait(self) -> int:
        """Seconds to wait for the outcome, from ``Prefer: wait=N``; 0 when it is not asked for."""
        match = _WAIT.search(self.request.headers.get("prefer", ""))
        return min(int(match[1]), WAIT_AT_MOST) if match else 0

    def revision(self) -> int | None:
        """The revision that ``If-Match`` names; None without one, and for ``*``.

        Raises RevisionConflict for a tag that no revision has.
        """
        tag = self.request.headers.get("if-match", "*").strip()
        if tag == "*":
            return None
        match = _TAG.fullmatch(tag)
        if match is None or int(match[1]) < 1:
            raise RevisionConflict(
                f"If-Match is {tag[:100]}, which no revision has. Send the ETag that you read."
            )
        return int(match[1])

    def required_revision(self) -> int | None:
        """The same, where there must be one. Raises RevisionRequired."""
        if "if-match" not in self.request.headers:
            text = 'A whole replacement needs If-Match with the ETag that you read, such as "3".'
            raise RevisionRequired(text)
        return self.revision()

    def has(self, revision: int) -> bool:
        """Whether the caller holds ``revision`` already, as ``If-None-Match`` says."""
        header = self.request.headers.get("if-none-match")
        if header is None:
            return False
        tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
        return "*" in tags or etag(revision) in tags

    async def keyed(self) -> Keyed | None:
        """The request under its ``Idempotency-Key``, if it has one. Raises Invalid for an unfit one."""
        key = self.request.headers.get("idempotency-key")
        if key is None:
            return None
        if _KEY.fullmatch(key) is None:
            text = "An Idempotency-Key has 1 to 255 visible ASCII characters."
            raise Invalid(text, code="invalid_idempotency_key")
        scope = self.request.scope
        digest = sha256(f"{scope['method']} {scope['path']}\n".encode())
        digest.update(scope["query_string"] + b"\n" + await self.body())
        return Keyed(self.caller.name, key, digest.hexdigest())


async def read_body(request: Request, at_most: int, seconds: float = BODY_SECONDS) -> bytes:
    """The body's bytes. Raises TooLarge as soon as there are more than ``at_most``, BodyTooSlow when not all
    came within ``seconds``: a half-sent request must not stay for ever."""
    try:
        async with asyncio.timeout(seconds):
            return await _received(request, at_most)
    except TimeoutError:
        text = f"The body did not come within {seconds:g} seconds. Send it whole, and again."
        raise BodyTooSlow(text) from None


async def _received(request: Request, at_most: int) -> bytes:
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() and len(declared) < 16 else 0
    chunks = []
    if size <= at_most:
        size = 0
        async for chunk in request.stream():
            chunks.append(chunk)
            size += len(chunk)
            if size > at_most:
                break
    if size > at_most:
        raise TooLarge(f"The body has more than {at_most} bytes. Send it in parts.")
    return b"".join(chunks)


def _parameters(raw: bytes) -> tuple[dict[str, str], list[Problem]]:
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_PARAMETERS_AT_MOST
        )
    except (UnicodeDecodeError, ValueError):
        text = f"The query can't be read: at most {_PARAMETERS_AT_MOST} parameters, percent-encoded UTF-8."
        raise Invalid(text) from None
    problems = []
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            problems.append(
                Problem("duplicate_parameter", f"'{name[:100]}' stands twice in the query.", field=name[:100])
            )
        if "\0" in value:
            problems.append(Problem("nul_character", "The query holds a NUL character.", field=name[:100]))
        values[name] = value
    return values, problems


def _of_parameter(problem: Problem) -> Problem:
    """The same problem of a query's parameter: there is no document to point into."""
    code = "unknown_parameter" if problem.code == "unknown_field" else problem.code
    message = problem.message.replace("is not a known field", "is not a known query parameter")
    name = problem.pointer.removeprefix("/") or None
    return replace(problem, code=code, message=message, pointer="", field=name)
