"""Tokens: text that stands for a value that only CloudFormation will know.

Under mocks every output of a resource is a token, so it survives concatenation, JSON and whatever else the
program does to text, and becomes an intrinsic function in the end.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\{\{cfn:([A-Za-z0-9:]+?)(?:\.([A-Za-z0-9.]+))?\}\}")

Intrinsic = str | dict[str, object]


def token(logical_id: str, attribute: str = "") -> str:
    """What stands for a resource's Ref or one of its attributes; also for ``AWS::Region`` and the like."""
    return f"{{{{cfn:{logical_id}{'.' if attribute else ''}{attribute}}}}}"


def resource_in(text: object) -> str | None:
    """The logical id, if ``text`` is one token and nothing else."""
    found = _TOKEN.fullmatch(text) if isinstance(text, str) else None
    return found[1] if found else None


def intrinsic(text: str) -> Intrinsic:
    """The text with its tokens as Ref, Fn::GetAtt or Fn::Sub; unchanged if it has none."""
    alone = _TOKEN.fullmatch(text)
    if alone:
        return {"Fn::GetAtt": [alone[1], alone[2]]} if alone[2] else {"Ref": alone[1]}
    if not _TOKEN.search(text):
        return text
    literal = text.replace("${", "${!")
    return {"Fn::Sub": _TOKEN.sub(lambda t: f"${{{t[1]}{'.' + t[2] if t[2] else ''}}}", literal)}
