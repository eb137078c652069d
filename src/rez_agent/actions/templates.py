"""Templates of the action catalogue: Jinja, sandboxed, and bounded by what they can't say.

A template fills in texts; it is not a program. Calls, macros, blocks, imports, powers and repetition of
texts are refused when the catalogue is read. What remains grows with the template and its values alone:
loops are counted over the whole rendering, and the text is cut off with an error at a limit. A name that is
not known is an error, never an empty text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEXT_MAX = 65_536
"""Characters that one template may give."""

STEPS_MAX = 10_000
"""Rounds of all loops of one template together."""

_BUDGET = "__budget__"
_FORMAT_MAX = 64
_WIDTH = re.compile(r"%[-_0^#+]*[0-9]")
_REFUSED: tuple[tuple[type[nodes.Node], str], ...] = (
    (nodes.Call, "calls"),
    (nodes.CallBlock, "calls"),
    (nodes.Macro, "macros"),
    (nodes.Block, "blocks"),
    (nodes.Extends, "inheritance"),
    (nodes.Include, "inclusion"),
    (nodes.Import, "imports"),
    (nodes.FromImport, "imports"),
    (nodes.FilterBlock, "filter blocks"),
    (nodes.AssignBlock, "block assignments"),
    (nodes.Pow, "powers"),
)


class BadTemplate(Exception):
    """A template can't be read; ``line`` is within it, counted from 1."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


class RenderingFailed(Exception):
    """A template could not be filled in with these values."""


class Template:
    """A text to be filled in. ``native``: it is one expression alone, whose value is given as it is."""

    def __init__(self, render: Callable[[dict[str, Any]], Any], *, native: bool) -> None:
        self._render = render
        self.native = native

    def render(self, values: Mapping[str, Any]) -> Any:
        """The text, or the value of a lone expression. Raises RenderingFailed."""
        try:
            return self._render({**values, _BUDGET: _Budget()})
        except TemplateError as error:
            raise RenderingFailed(error.message or type(error).__name__) from None
        except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
            raise RenderingFailed(f"{type(error).__name__}: {error}") from None


class Templates:
    """Reads templates. Made once; reading is slow, filling in is fast."""

    def __init__(self) -> None:
        self._text = _Environment(finalize=_refuse_structures)
        self._url = _Environment(finalize=_percent_encoded)

    def text(self, source: str) -> Template:
        """A template of a text. Raises BadTemplate."""
        return Template(_text_renderer(self._text, source), native=False)

    def url(self, source: str) -> Template:
        """A template of a URL: every value is percent-encoded, so it can't change host, path or query."""
        return Template(_text_renderer(self._url, source), native=False)

    def value(self, source: str) -> Template:
        """A template of a value: ``{{ players }}`` alone gives the number that it is. Raises BadTemplate."""
        tree = _parsed(self._text, source)
        expression = _lone_expression(tree)
        if expression is None:
            return self.text(source)
        body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), expression, lineno=1)]
        module = self._text.from_string(nodes.Template(body, lineno=1))

        def render(values: dict[str, Any]) -> Any:
            context = module.new_context(values)
            for _ in module.root_render_func(context):
                pass
            result = context.vars["result"]
            if isinstance(result, Undefined):
                return str(result)  # raises: a name that is not known
            return _plain(result)

        return Template(render, native=True)


class _Budget:
    """What is left of the loops' rounds."""

    def __init__(self) -> None:
        self.left = STEPS_MAX

    def counted(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self.left -= 1
            if self.left < 0:
                raise LimitReached(f"more than {STEPS_MAX} rounds of loops")
            yield item


class LimitReached(TemplateError):
    """Filling in went beyond what a template may do."""


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox: few filters, no globals, no calls, arithmetic on numbers only."""

    intercepted_binops = frozenset({"*", "%", "**"})

    def __init__(self, finalize: Callable[[Any], Any]) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, finalize=finalize, cache_size=0)
        kept = {name: self.filters[name] for name in _KEPT_FILTERS}
        self.filters = {**kept, **_OWN_FILTERS}
        self.globals = {}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if not all(isinstance(side, int | float) and abs(side) < 2**63 for side in (left, right)):
            raise LimitReached(f"'{operator}' takes numbers below 2^63")
        return super().call_binop(context, operator, left, right)

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ARG002
        return False


_KEPT_FILTERS = (
    "abs",
    "default",
    "first",
    "float",
    "int",
    "last",
    "length",
    "lower",
    "max",
    "min",
    "round",
    "sort",
    "string",
    "sum",
    "title",
    "trim",
    "unique",
    "upper",
)


@pass_context
def _counted(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    budget: _Budget = context[_BUDGET]
    return budget.counted(items)


def _join(items: Iterable[Any], separator: str = "") -> str:
    return str(separator)[:_FORMAT_MAX].join(str(item) for item in items)


def _date(moment: datetime, form: str = "%Y-%m-%d", zone: str | None = None) -> str:
    """``scheduled_time | date('%d.%m.%Y', 'Europe/Berlin')``: strftime, without widths."""
    if len(form) > _FORMAT_MAX or _WIDTH.search(form):
        raise LimitReached("a date's format has at most 64 characters and no widths")
    return (moment.astimezone(ZoneInfo(zone)) if zone else moment).strftime(form)


def _plus(moment: datetime, days: float = 0, hours: float = 0, minutes: float = 0) -> datetime:
    """``scheduled_time | plus(days=3)``: elapsed time, in UTC."""
    return moment + timedelta(days=days, hours=hours, minutes=minutes)


def _tojson(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_iso)


def _urlencode(value: Any) -> str:
    return quote(str(value), safe="")


_OWN_FILTERS: dict[str, Callable[..., Any]] = {
    "counted": _counted,
    "join": _join,
    "date": _date,
    "plus": _plus,
    "tojson": _tojson,
    "urlencode": _urlencode,
}


def _iso(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


def _plain(value: Any) -> Any:
    return _iso(value) if isinstance(value, datetime) else value


def _refuse_structures(value: Any) -> Any:
    """A list or an object has no text of its own: it needs ``tojson`` or ``join``."""
    if isinstance(value, Mapping | list | tuple):
        raise LimitReached("a list or an object in a text needs '| tojson' or '| join'")
    return "" if value is None else _plain(value)


def _percent_encoded(value: Any) -> str:
    text = quote(str(_refuse_structures(value)), safe="")
    if text in (".", ".."):
        raise LimitReached("'.' and '..' can't be put into a URL's path")
    return text


def _parsed(environment: _Environment, source: str) -> nodes.Template:
    try:
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        raise BadTemplate(error.message or "can't be read", error.lineno) from None
    except RecursionError:
        raise BadTemplate("is nested too deeply") from None
    for kind, name in _REFUSED:
        found = next(tree.find_all(kind), None)
        if found is not None:
            raise BadTemplate(f"{name} are not allowed in a template", found.lineno)
    _check_filters(environment, tree)
    for loop in tree.find_all(nodes.For):
        if loop.recursive:
            raise BadTemplate("recursive loops are not allowed in a template", loop.lineno)
        loop.iter = nodes.Filter(loop.iter, "counted", [], [], None, None, lineno=loop.lineno)
    return tree


def _check_filters(environment: _Environment, tree: nodes.Template) -> None:
    for used in tree.find_all(nodes.Filter):
        if used.name not in environment.filters or used.name == "counted":
            known = ", ".join(sorted(name for name in environment.filters if name != "counted"))
            raise BadTemplate(f"there is no filter '{used.name}'; there are: {known}", used.lineno)
    for test in tree.find_all(nodes.Test):
        if test.name not in environment.tests:
            raise BadTemplate(f"there is no test '{test.name}'", test.lineno)


def _text_renderer(environment: _Environment, source: str) -> Callable[[dict[str, Any]], str]:
    module = environment.from_string(_parsed(environment, source))

    def render(values: dict[str, Any]) -> str:
        pieces, size = [], 0
        for piece in module.generate(values):
            size += len(piece)
            if size > TEXT_MAX:
                raise LimitReached(f"the text has more than {TEXT_MAX} characters")
            pieces.append(piece)
        return "".join(pieces)

    return render


def _lone_expression(tree: nodes.Template) -> nodes.Expr | None:
    """The expression, if ``tree`` is ``{{ expression }}`` and nothing else."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output):
        return None
    parts = tree.body[0].nodes
    return parts[0] if len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData) else None
