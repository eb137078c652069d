"""From a command line that calls a URL to a web action's payload.

Understands what stands in crontabs: ``curl`` and ``wget`` with the options that say what is requested, and
a bare URL. Options that only say how much is printed are dropped. Anything else is refused by name, or, where
a person looks on, left out and told.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import Any

from rez_agent.domain.errors import Invalid

_URL = re.compile(r"https?://\S+")
_SILENCED = re.compile(r"\s*(?:[12]?>>?\s*(?:/dev/null|&[12])|&>\s*/dev/null|\|\|\s*true|2>&1)")
_QUOTED = re.compile(r"""'[^']*'|"(?:[^"\\$`]|\\.)*"|\\.""", re.DOTALL)
_SHELL = re.compile(r"[|;&<>`$()]")

_CONTINUED = re.compile(r"\s*[\\^]\r?\n\s*")

_ESCAPED = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{1,2}|.)", re.DOTALL)
_SPELLED = {"n": "\n", "t": "\t", "r": "\r"}

_CURL_QUIET = frozenset(
    {
        "-s",
        "--silent",
        "-S",
        "--show-error",
        "-f",
        "--fail",
        "--fail-with-body",
        "-g",
        "--globoff",
        "-4",
        "-6",
    }
    | {"--compressed", "-#", "--progress-bar", "-N", "--no-buffer", "--no-progress-meter"}
)
_CURL_DROPPED = frozenset(
    {"-o", "--output", "-w", "--write-out", "--retry", "--retry-delay", "--connect-timeout"}
)
_WGET_QUIET = frozenset({"-q", "--quiet", "-nv", "--no-verbose", "--spider"})
_WGET_DROPPED = frozenset({"-O", "--output-document", "-o", "--output-file", "-t", "--tries"})


_COOKIES = "cookies belong to one session. Use a secret for what has to stay"
_CREDENTIAL = "it is a credential in the open. Keep it as a secret and name that"
_NEVER = "certificates are always verified"
_NOT_CARRIED = {
    "-k": (False, _NEVER),
    "--insecure": (False, _NEVER),
    "-i": (False, "nothing is printed"),
    "--include": (False, "nothing is printed"),
    "-v": (False, "nothing is printed"),
    "--verbose": (False, "nothing is printed"),
    "--http1.1": (False, "the version of HTTP is not chosen"),
    "--http2": (False, "the version of HTTP is not chosen"),
    "--no-check-certificate": (False, _NEVER),
    "-u": (True, _CREDENTIAL),
    "--user": (True, _CREDENTIAL),
    "--oauth2-bearer": (True, _CREDENTIAL),
    "-b": (True, _COOKIES),
    "--cookie": (True, _COOKIES),
    "-c": (True, _COOKIES),
    "--cookie-jar": (True, _COOKIES),
    "-x": (True, "no proxy is used"),
    "--proxy": (True, "no proxy is used"),
    "--cacert": (True, "the server's own certificate authorities are used"),
}
"""Options that change what is sent, or how, and have no counterpart: whether a value follows, and why."""

_NOT_KEPT = {
    "authorization": _CREDENTIAL,
    "cookie": _COOKIES,
    "host": "the URL says it",
    "content-length": "the body says it",
    "connection": "it belongs to the connection",
    "accept-encoding": "the server chooses what it can read",
}
"""Headers of a pasted call that are left out, and why."""


@dataclass(slots=True)
class _Reading:
    """What has been read of a command line so far. ``left_out`` tells what can't be carried over; where
    it is None, that is refused."""

    url: str | None = None
    method: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: list[str] = field(default_factory=list)
    timeout: float | None = None
    redirects: bool = False
    left_out: list[str] | None = None

    def payload(self) -> dict[str, Any]:
        """The payload. Raises Invalid when no URL was named."""
        if self.url is None:
            raise Invalid("The command names no http:// or https:// URL.")
        if self.body and not any(name.lower() == "content-type" for name in self.headers):
            self.headers["Content-Type"] = "application/x-www-form-urlencoded"
        said: dict[str, Any] = {
            "action": "http",
            "url": self.url,
            "method": self.method or ("POST" if self.body else "GET"),
            "headers": self.headers or None,
            "body": "&".join(self.body) if self.body else None,
            "timeout": self.timeout,
            "follow_redirects": self.redirects or None,
        }
        return {name: value for name, value in said.items() if value is not None}


def request_of(command: str) -> dict[str, Any] | None:
    """The payload for a command that calls a URL; None for one that does something else.

    Raises Invalid for a call that says more than a web action can.
    """
    plain = _SILENCED.sub("", command).strip()
    program = plain.split(None, 1)[0].rsplit("/", 1)[-1] if plain else ""
    if _URL.fullmatch(plain):
        return {"action": "http", "url": plain, "method": "GET"}
    if program not in ("curl", "wget"):
        return None
    if "%" in plain.replace("\\%", ""):
        raise Invalid("A % in a crontab's command begins its input. Write the call without it.")
    words = _words(plain.replace("\\%", "%"))
    return _read(words[1:], program, None).payload()


def pasted_request(command: str) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """The same for a command that a person copied from a terminal, a browser or a manual: it may go over
    several lines, and what can't be carried over is left out. The second part tells it, a sentence each."""
    plain = _SILENCED.sub("", _CONTINUED.sub(" ", _ESCAPED.sub(_requoted, command)))
    plain = plain.strip().removeprefix("$ ")
    program = plain.split(None, 1)[0].rsplit("/", 1)[-1] if plain else ""
    if _URL.fullmatch(plain):
        return {"action": "http", "url": plain, "method": "GET"}, ()
    if program not in ("curl", "wget"):
        return None
    left_out: list[str] = []
    payload = _read(_words(plain)[1:], program, left_out).payload()
    return payload, tuple(left_out)


def _requoted(quoted: re.Match[str]) -> str:
    """``$'...'``, as browsers write what has line breaks or quotes, in plain quotes."""
    return shlex.quote(
        _ESCAPE.sub(lambda escape: _SPELLED.get(escape[1]) or _character(escape[1]), quoted[1])
    )


def _character(escape: str) -> str:
    """What a backslash and ``escape`` stand for: a character by its number, else itself."""
    code = int(escape[1:], 16) if escape[0] in "ux" and len(escape) > 1 else 0
    return chr(code) if code and not 0xD800 <= code <= 0xDFFF else escape


def _words(command: str) -> list[str]:
    """The command's words. Raises Invalid where a shell would be needed to know them."""
    if _SHELL.search(_QUOTED.sub("", command)):
        raise Invalid(
            "The command needs a shell (a pipe, a variable, several commands). Reduce it to one call."
        )
    try:
        return shlex.split(command)
    except ValueError as error:
        raise Invalid(f"The command can't be split into words: {error}.") from None


@dataclass(frozen=True, slots=True)
class _Dialect:
    """A program's options: those without an effect, those to drop with their value, those that count."""

    quiet: frozenset[str]
    dropped: frozenset[str]
    flags: dict[str, str]
    values: dict[str, str]


_CURL = _Dialect(
    _CURL_QUIET,
    _CURL_DROPPED,
    {"-L": "redirects", "--location": "redirects", "-I": "head", "--head": "head"},
    {
        "-X": "method",
        "--request": "method",
        "-H": "header",
        "--header": "header",
        "-d": "body",
        "--data": "body",
        "--data-ascii": "body",
        "--data-raw": "raw",
        "--json": "json",
        "-m": "timeout",
        "--max-time": "timeout",
        "-A": "agent",
        "--user-agent": "agent",
        "-e": "referer",
        "--referer": "referer",
        "--url": "url",
    },
)
_WGET = _Dialect(
    _WGET_QUIET,
    _WGET_DROPPED,
    {},
    {
        "--method": "method",
        "--header": "header",
        "--post-data": "raw",
        "--body-data": "raw",
        "-T": "timeout",
        "--timeout": "timeout",
        "-U": "agent",
        "--user-agent": "agent",
    },
)


def _read(words: list[str], program: str, left_out: list[str] | None) -> _Reading:
    dialect = _CURL if program == "curl" else _WGET
    reading = _Reading(redirects=program == "wget", left_out=left_out)
    rest = list(_unbundled(words, dialect))
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            _take(reading, "url", word)
        elif word in dialect.flags:
            _flag(reading, dialect.flags[word])
        elif word in dialect.values or word in dialect.dropped:
            if not rest:
                raise Invalid(f"{program}'s {word} lacks its value.")
            value = rest.pop(0)
            if word in dialect.values:
                _take(reading, dialect.values[word], value)
        elif left_out is not None and word in _NOT_CARRIED:
            takes_value, why = _NOT_CARRIED[word]
            del rest[: int(takes_value)]
            left_out.append(f"{word} was left out: {why}.")
        elif word not in dialect.quiet:
            raise Invalid(f"{program}'s option {word} has no counterpart in a web action.")
    return reading


def _unbundled(words: list[str], dialect: _Dialect) -> list[str]:
    """``-fsSL`` as ``-f -s -S -L``, ``-XPOST`` as ``-X POST``, ``--opt=value`` as ``--opt value``."""
    apart: list[str] = []
    for word in words:
        if word.startswith("--") and "=" in word:
            apart += word.split("=", 1)
        elif (
            word.startswith("-") and not word.startswith("--") and len(word) > 2 and word not in dialect.quiet
        ):
            apart += _letters(word[1:], dialect)
        else:
            apart.append(word)
    return apart


def _letters(letters: str, dialect: _Dialect) -> list[str]:
    apart: list[str] = []
    for at, letter in enumerate(letters):
        apart.append(f"-{letter}")
        option = f"-{letter}"
        takes_value = (
            option in dialect.values or option in dialect.dropped or _NOT_CARRIED.get(option, (False,))[0]
        )
        if takes_value and at + 1 < len(letters):
            return [*apart, letters[at + 1 :]]
    return apart


def _flag(reading: _Reading, meaning: str) -> None:
    if meaning == "redirects":
        reading.redirects = True
    else:
        reading.method = "HEAD"


def _take(reading: _Reading, meaning: str, value: str) -> None:
    match meaning:
        case "url":
            if reading.url is not None or not _URL.fullmatch(value):
                raise Invalid(
                    f"'{value}' is one URL too many, or none." if reading.url else f"'{value}' is no URL."
                )
            reading.url = value
        case "method":
            reading.method = value.upper()
        case "header":
            _header(reading, value)
        case "agent":
            reading.headers["User-Agent"] = value
        case "referer":
            reading.headers["Referer"] = value
        case "timeout":
            _timeout(reading, value)
        case _:
            _body(reading, meaning, value)


def _header(reading: _Reading, value: str) -> None:
    name, colon, text = value.partition(":")
    if not colon or not name.strip():
        raise Invalid(f"'{value}' is no header.")
    if reading.left_out is not None and name.strip().lower() in _NOT_KEPT:
        reading.left_out.append(f"The header {name.strip()} was left out: {_NOT_KEPT[name.strip().lower()]}.")
        return
    if name.strip().lower() == "authorization":
        raise Invalid(
            "It sends a credential in the open. Keep it with `rez-agent secrets set` and create this "
            "schedule with --bearer, or with `auth` in its payload."
        )
    reading.headers[name.strip()] = text.strip()


def _timeout(reading: _Reading, value: str) -> None:
    try:
        reading.timeout = min(900.0, max(1.0, float(value)))
    except ValueError:
        raise Invalid(f"'{value}' is no number of seconds.") from None


def _body(reading: _Reading, meaning: str, value: str) -> None:
    if meaning == "body" and value.startswith("@"):
        raise Invalid(
            f"It sends the file {value[1:]}, which the server does not have. Put the body in the payload."
        )
    if meaning == "json":
        reading.headers.setdefault("Content-Type", "application/json")
        reading.headers.setdefault("Accept", "application/json")
    reading.body.append(value)
