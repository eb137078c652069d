"""How a request proves who it is: bearer token, Basic, API key, or an OAuth 2 grant.

Secret parts are references; a user's name or a client's id may stand in the payload as text.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yarl import URL

from rez_agent.actions.base import failed, unknown_fields
from rez_agent.actions.headers import header_name_problem, header_value_problem
from rez_agent.actions.references import AttemptFailed, Keyring, Ref, read_reference
from rez_agent.actions.urls import read_url
from rez_agent.domain.errors import Problem
from rez_agent.domain.reading import did_you_mean, pointer_to

Value = str | Ref


@dataclass(frozen=True, slots=True)
class Bearer:
    """``Authorization: Bearer TOKEN`` (RFC 6750)."""

    token: Ref


@dataclass(frozen=True, slots=True)
class Basic:
    """``Authorization: Basic`` (RFC 7617), in UTF-8."""

    username: Value
    password: Ref


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in a header or a query parameter of a chosen name."""

    name: str
    value: Ref
    in_query: bool


@dataclass(frozen=True, slots=True)
class OAuth2:
    """A bearer token, fetched by a grant (RFC 6749, 4.3 and 4.4) and kept until it expires.

    ``in_body``: the client's credentials go in the form, not in a Basic header.
    """

    grant: str
    token_url: URL
    client_id: Value | None
    client_secret: Ref | None
    username: Value | None
    password: Ref | None
    scope: str | None
    audience: str | None
    in_body: bool


Auth = Bearer | Basic | ApiKey | OAuth2


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is added to a request, and the texts that must not be repeated anywhere."""

    headers: Mapping[str, str]
    query: tuple[tuple[str, str], ...] = ()
    hidden: tuple[str, ...] = ()


def references_of(auth: Auth | None) -> tuple[Ref, ...]:
    """The secrets that ``auth`` needs."""
    match auth:
        case None:
            values: tuple[Value | None, ...] = ()
        case Bearer(token):
            values = (token,)
        case Basic(username, password):
            values = (username, password)
        case ApiKey():
            values = (auth.value,)
        case OAuth2():
            values = (auth.client_id, auth.client_secret, auth.username, auth.password)
    return tuple(value for value in values if isinstance(value, Ref))


def text_of(value: Value | None, keyring: Keyring, url: URL) -> str:
    """The value in clear, to be sent to ``url``. Raises AttemptFailed when it must not be."""
    if value is None:
        return ""
    return value if isinstance(value, str) else keyring.value(value, url)


def simple_credentials(auth: Bearer | Basic | ApiKey, keyring: Keyring, url: URL) -> Credentials:
    """What is added to a request to ``url``. Raises AttemptFailed when a secret must not be sent there."""
    match auth:
        case Bearer(token):
            return bearer_credentials(keyring.value(token, url))
        case Basic(username, password):
            credential = basic(text_of(username, keyring, url), keyring.value(password, url))
            return Credentials({"Authorization": f"Basic {credential}"}, hidden=(credential,))
        case ApiKey(name, ref, in_query):
            value = keyring.value(ref, url)
            if in_query:
                return Credentials({}, query=((name, value),))
            return Credentials({name: fit_for_header(value)})


def bearer_credentials(token: str) -> Credentials:
    """The header of a bearer token."""
    return Credentials({"Authorization": f"Bearer {fit_for_header(token)}"}, hidden=(token,))


def basic(username: str, password: str) -> str:
    """The credential of Basic."""
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def fit_for_header(value: str) -> str:
    """``value`` without white space around it (a line end is easily stored with it).

    Raises AttemptFailed if it can't stand in a header.
    """
    value = value.strip()
    if header_value_problem(value, ""):
        text = "A secret's value can't stand in a header: it holds a line break or a control character."
        raise AttemptFailed(failed("invalid_secret", text, permanent=True))
    return value


def read_auth(value: Any, problems: list[Problem]) -> Auth | None:
    """The payload's ``auth``; whatever is wrong is added to ``problems``."""
    kinds = {"bearer": _bearer, "basic": _basic, "api_key": _api_key, "oauth2": _oauth2}
    if not isinstance(value, Mapping):
        problems.append(Problem("wrong_type", "'auth' is an object with a 'type'.", "/auth"))
        return None
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in kinds:
        hint = did_you_mean(str(kind), kinds)
        text = f"'type' of auth is one of {', '.join(kinds)}.{hint}"
        problems.append(Problem("invalid_value" if "type" in value else "missing_field", text, "/auth/type"))
        return None
    fields = _Fields(value, problems)
    auth = kinds[kind](fields)
    problems.extend(unknown_fields(value, ("type", *fields.asked), "/auth"))
    return None if fields.faulty else auth


class _Fields:
    """Reads the fields of an ``auth`` object, noting which were asked for and what is wrong with them."""

    def __init__(self, document: Mapping[str, Any], problems: list[Problem]) -> None:
        self._document = document
        self._problems = problems
        self._before = len(problems)
        self.asked: list[str] = []

    @property
    def faulty(self) -> bool:
        return len(self._problems) > self._before

    def _take(self, name: str, *, required: bool) -> Any:
        self.asked.append(name)
        value = self._document.get(name)
        if value is None and required:
            self.complain("missing_field", f"'{name}' is required.", name)
        return value

    def complain(self, code: str, text: str, name: str) -> None:
        self._problems.append(Problem(code, text, "/auth" + pointer_to([name])))

    def secret(self, name: str, *, required: bool = True) -> Ref:
        value = self._take(name, required=required)
        ref = None if value is None else read_reference(value, f"/auth/{name}", self._problems)
        return ref or Ref("", "")

    def optional_secret(self, name: str, *, required: bool) -> Ref | None:
        ref = self.secret(name, required=required)
        return ref if ref.name else None

    def text_or_secret(self, name: str, *, required: bool = True) -> Value | None:
        if isinstance(self._document.get(name), Mapping):
            return self.secret(name)
        return self.text(name, required=required)

    def text(self, name: str, *, required: bool = False) -> str | None:
        value = self._take(name, required=required)
        if value is None:
            return None
        if not isinstance(value, str) or not 1 <= len(value) <= 1_000:
            self.complain("wrong_type", f"'{name}' is a text of 1 to 1000 characters.", name)
            return None
        if header_value_problem(value, ""):
            self.complain("invalid_value", f"'{name}' holds a control character.", name)
            return None
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self._take(name, required=default is None)
        if value is None:
            return default or ""
        if value not in choices:
            hint = did_you_mean(str(value), choices)
            self.complain("invalid_value", f"'{name}' is one of {', '.join(choices)}.{hint}", name)
        return str(value)

    def url(self, name: str) -> URL:
        value = self._take(name, required=True)
        url = None if value is None else read_url(value, f"/auth/{name}", self._problems)
        return url or URL()


def _bearer(fields: _Fields) -> Auth:
    return Bearer(fields.secret("token"))


def _basic(fields: _Fields) -> Auth:
    username = fields.text_or_secret("username")
    if isinstance(username, str) and ":" in username:
        fields.complain("invalid_value", "A user's name can't hold a colon in Basic (RFC 7617).", "username")
    return Basic(username or "", fields.secret("password"))


def _api_key(fields: _Fields) -> Auth:
    name = fields.text("name", required=True) or ""
    in_query = fields.choice("in", ("header", "query"), "header") == "query"
    fault = header_name_problem(name, "/auth/name") if name and not in_query else None
    if fault:
        fields.complain(fault.code, fault.message, "name")
    return ApiKey(name, fields.secret("value"), in_query)


def _oauth2(fields: _Fields) -> Auth:
    grant = fields.choice("grant", ("client_credentials", "password"))
    by_password = grant == "password"
    return OAuth2(
        grant=grant,
        token_url=fields.url("token_url"),
        client_id=fields.text_or_secret("client_id", required=not by_password),
        client_secret=fields.optional_secret("client_secret", required=not by_password),
        username=fields.text_or_secret("username", required=by_password),
        password=fields.optional_secret("password", required=by_password),
        scope=fields.text("scope"),
        audience=fields.text("audience"),
        in_body=fields.choice("client_auth", ("basic", "body"), "basic") == "body",
    )
