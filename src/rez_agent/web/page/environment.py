"""The templates: Jinja2 with escaping always on, and a name that nothing fills is an error.

Jinja2 is imported when the first page is asked for: a function on AWS that answers the API alone starts
without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from rez_agent.web.page import statics, telling

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def environment() -> Environment:
    """The environment, made once."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  # see above

    made = Environment(
        loader=PackageLoader("rez_agent.web.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(telling.FILTERS)
    made.globals.update(static=statics.url)
    return made


def render(template: str, context: Mapping[str, Any]) -> str:
    """The template ``template`` (its file's name below templates/), filled with ``context``."""
    return environment().get_template(template).render(context)
