"""What a person pastes to begin a schedule with: a call by curl or wget, a URL, or a line of a crontab.

Pure. The answer holds the fields of a definition that the text says, and a sentence for each thing that it
says besides and a schedule does not, so that nothing is dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rez_agent.domain.crontab import expressions_of, slug, split_fields
from rez_agent.domain.curl import pasted_request
from rez_agent.domain.errors import Invalid

PASTED_AT_MOST = 65_536
"""Characters of a pasted text."""

_SETTING = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_LOOKS_LIKE_CRON = re.compile(r"@[A-Za-z]+\b.*|[0-9*][0-9A-Za-z*,/~-]*(?:\s+[0-9A-Za-z*,/~?-]+){4}(?:\s.*)?")


@dataclass(frozen=True, slots=True)
class Pasted:
    """``document``: what of a definition was said. ``left_out``: what was said besides, a sentence each."""

    document: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def read_pasted(text: str) -> Pasted:
    """What ``text`` says of a schedule. Raises Invalid, with the way out, where it says nothing of one."""
    if len(text) > PASTED_AT_MOST:
        raise Invalid(f"The text has more than {PASTED_AT_MOST} characters. Paste one command or one line.")
    call = pasted_request(text)
    if call is not None:
        payload, left_out = call
        return Pasted(_web_action(payload), left_out)
    return _crontab(text)


def _web_action(payload: Mapping[str, Any]) -> dict[str, Any]:
    name = slug(re.sub(r"^https?://", "", payload["url"]))
    return {"name": name, "target_type": "web_action", "payload": payload}


def _crontab(text: str) -> Pasted:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    said: dict[str, Any] = {}
    left_out: list[str] = []
    while lines and (setting := _SETTING.fullmatch(lines[0])):
        lines.pop(0)
        if setting[1] in ("CRON_TZ", "TZ"):
            said["timezone"] = setting[2].strip("'\"") or "UTC"
        else:
            left_out.append(f"{setting[1]} was left out: a schedule has no environment.")
    if not lines or _LOOKS_LIKE_CRON.fullmatch(lines[0]) is None:
        raise Invalid(
            "This is no curl or wget command, no URL and no crontab line (five fields, then a command)."
        )
    if len(lines) > 1:
        left_out.append(
            f"The other lines ({len(lines) - 1}) were left out. `rez-agent import --crontab` takes all."
        )
    fields, command = split_fields(lines[0])
    expressions = expressions_of(fields)
    said["schedule_expression"] = expressions[0]
    if len(expressions) > 1:
        left_out.append(f"Cron also runs it at {expressions[1]}: that takes a second schedule.")
    return Pasted(said | _called(command, left_out), tuple(left_out))


def _called(command: str, left_out: list[str]) -> dict[str, Any]:
    if not command:
        return {}
    try:
        call = pasted_request(command.replace("\\%", "%"))
    except Invalid as error:
        left_out.append(f"The command was left out: {error.message}")
        return {}
    if call is None:
        program = command.split(None, 1)[0]
        left_out.append(
            f"The command was left out: it runs a program ({program}), which a schedule does not."
        )
        return {}
    left_out.extend(call[1])
    return _web_action(call[0])
