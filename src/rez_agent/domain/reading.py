"""Reading a document into a value: all problems at once, each with a JSON pointer and a way out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rez_agent.domain.errors import Invalid, Problem

ModelT = TypeVar("ModelT", bound=BaseModel)


def pointer_to(path: Iterable[str | int]) -> str:
    """The JSON pointer (RFC 6901) to ``path``."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the nearest known word, or nothing."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def read(model: type[ModelT], document: Any) -> ModelT:
    """``document`` as a ``model``.

    Raises :class:`Invalid` with every problem at once, each pointing at its place in the document.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise Invalid.of(problems_of(error, model)) from None


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """A validation error as problems that a person can mend."""
    return [_problem(detail, model) for detail in error.errors(include_url=False)]


def _problem(detail: Mapping[str, Any], model: type[BaseModel]) -> Problem:
    path = [step for step in detail["loc"] if step != "function-after"]
    name = str(path[-1]) if path else "the request"
    pointer = pointer_to(path)
    match detail["type"]:
        case "extra_forbidden":
            known = _fields_at(model, path[:-1])
            return Problem(
                "unknown_field", f"'{name}' is not a known field.{did_you_mean(name, known)}", pointer
            )
        case "missing":
            return Problem("missing_field", f"'{name}' is required.", pointer)
        case "timezone_aware":
            return Problem(
                "naive_time", f"'{name}' needs a UTC offset, such as 2026-03-08T07:30:00Z.", pointer
            )
        case kind:
            code = "wrong_type" if kind.endswith("_type") else "invalid_value"
            return Problem(code, _sentence(f"'{name}'" if path else "", detail), pointer)


def _sentence(name: str, detail: Mapping[str, Any]) -> str:
    """What is wrong with the value called ``name``, or with the whole when that is empty."""
    wanted = _WANTED.get(detail["type"])
    if wanted is not None:
        return f"{name or 'This'} must {wanted.format_map(detail.get('ctx', {}))}."
    text = detail["msg"].removeprefix("Value error, ")
    text = text if text.endswith((".", "?")) else text + "."
    return f"{name}: {text}" if name else text[:1].upper() + text[1:]


_OBJECT, _INTEGER, _NUMBER, _BOOLEAN = "be an object", "be a whole number", "be a number", "be true or false"
_TIME = "be a time, written as in 2026-03-08T07:30:00Z"

_WANTED = {
    "greater_than_equal": "be at least {ge}",
    "less_than_equal": "be at most {le}",
    "string_too_long": "have at most {max_length} characters",
    "string_too_short": "have at least {min_length} characters",
    "enum": "be {expected}",
    "literal_error": "be {expected}",
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
    "list_type": "be a list",
    "string_type": "be a text",
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_from_float": _INTEGER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
}
"""What pydantic's kinds of error ask for, in words that need no knowledge of Python."""


def _fields_at(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The field names of the model that ``path`` leads to, as far as the path can be followed."""
    here: Any = model
    for step in path:
        field = here.model_fields.get(step) if isinstance(step, str) else None
        here = _model_in(field.annotation) if field else None
        if here is None:
            return []
    return [f.alias or n for n, f in here.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(arg) for arg in getattr(annotation, "__args__", ()))
    return next((found for found in inner if found), None)
