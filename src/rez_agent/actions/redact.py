"""Keeping the values of secrets out of texts: the responses kept, the errors told, the lines logged.

A value is looked for as it is and in the forms in which servers repeat what they were sent: percent-encoded,
JSON-escaped, HTML-escaped, hexadecimal, and base64 at each of its three alignments (so also within
``user:password`` of Basic). Not promised: a value that a server has changed in any other way.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, quote_plus

from rez_agent.actions.base import SecretSource
from rez_agent.domain.errors import Unavailable
from rez_agent.domain.secret import SecretInfo

MASK = "[secret]"
WITHHELD = "[withheld: the secrets can't be read now, and one of them might stand here]"

LONGEST_EDGE = 8_192
"""Characters beyond a cut that are looked at, so that a value across the cut is recognised."""

_SHORTEST_PREFIX = 4
_SHORTEST_BASE64 = 6


class Redactor:
    """Replaces every known secret in a text by ``[secret]``."""

    def __init__(self, secrets: SecretSource) -> None:
        self._secrets = secrets
        self._seen: tuple[list[SecretInfo], tuple[str, ...]] = ([], ())

    def clean(self, text: str, extra: tuple[str, ...] = (), *, cut: bool = False) -> str:
        """``text`` without any known secret, nor any of ``extra`` (a token that was obtained with one).

        ``cut`` says that the text ends in the middle: then a beginning of a secret at its end goes, too. What
        can't be cleaned, since the secrets can't be read, is withheld: what an attempt came to still counts.
        """
        if not text:
            return text
        try:
            values = self._values() + tuple(value for value in extra if value)
        except Unavailable:
            return WITHHELD
        if not values:
            return text
        forms = _forms_of(values)
        for form in forms:
            if form in text:
                text = text.replace(form, MASK)
        return _without_beginning(text, forms) if cut else text

    def _values(self) -> tuple[str, ...]:
        infos = self._secrets.names()
        seen, values = self._seen
        if infos != seen:
            found = (self._secrets.get(info.name) for info in infos)
            values = tuple(secret.value for secret in found if secret)
            self._seen = (infos, values)
        return values


@lru_cache(maxsize=64)
def _forms_of(values: tuple[str, ...]) -> tuple[str, ...]:
    """All the forms of some values; longer ones stand before their parts."""
    texts = {form for value in values for form in forms_of(value)}
    return tuple(sorted(texts, key=len, reverse=True))


def forms_of(value: str) -> set[str]:
    """The forms in which ``value`` may come back."""
    raw = value.encode()
    percent = {quote(value, safe=""), quote(value), quote_plus(value)}
    return {
        value,
        value.strip() or value,
        *percent,
        *(_lower_escapes(form) for form in percent),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        json.dumps(value)[1:-1].replace("/", "\\/"),
        html.escape(value),
        raw.hex(),
        raw.hex().upper(),
        *_base64_forms(raw),
    }


def _lower_escapes(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda match: match.group().lower(), text)


def _base64_forms(raw: bytes) -> set[str]:
    """What of ``raw`` is the same in base64, wherever it stands in the text that was encoded."""
    found = set()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).decode()
        first = (8 * shift + 5) // 6
        last = 8 * (shift + len(raw)) // 6
        core = encoded[first:last]
        if len(core) >= _SHORTEST_BASE64:
            found |= {core, core.replace("+", "-").replace("/", "_")}
    return found


def _without_beginning(text: str, forms: Iterable[str]) -> str:
    """``text`` without the longest beginning of a form that stands at its end."""
    start = min(_beginning_at_end(text, form) for form in forms)
    return text[:start] + MASK if start < len(text) else text


def _beginning_at_end(text: str, form: str) -> int:
    """Where in ``text`` a beginning of ``form`` starts that reaches to the end; the text's length if none."""
    at = text.find(form[:_SHORTEST_PREFIX], max(0, len(text) - len(form) + 1))
    while at >= 0:
        if form.startswith(text[at:]):
            return at
        at = text.find(form[:_SHORTEST_PREFIX], at + 1)
    return len(text)
