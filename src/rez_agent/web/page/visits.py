"""One request of a browser: who is there, what they sent, and the answers that a page gives.

A visit has a secret from which the token of its forms is made: the session's, or where nobody has logged in
(an open server, the login form itself) that of a cookie which stands for the browser and nothing else.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_bytes, token_urlsafe
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from rez_agent.domain.errors import Forbidden, Malformed, NotFound, Unauthenticated
from rez_agent.domain.reading import read
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.keys import Scope
from rez_agent.usecases.sessions import HOURS, SECRET_BYTES
from rez_agent.web.auth import Visitor, is_foreign
from rez_agent.web.calls import Call, read_body
from rez_agent.web.errors import WrongMediaType
from rez_agent.web.page.environment import render
from rez_agent.web.settings import BODY_AT_MOST

ModelT = TypeVar("ModelT", bound=BaseModel)

SESSION, VISITOR, TOAST = "rez_session", "rez_visitor", "rez_toast"
"""The cookies: whoever logged in, a browser, and what the next page is to say once."""

TOKEN_HEADER, TOKEN_FIELD = "x-csrf-token", "csrf"  # where a token stands, not one
FORM = "application/x-www-form-urlencoded"
SAFE = ("GET", "HEAD")

_NOBODY = Caller("", admin=False)
_FIELDS_AT_MOST = 2_000
_TOAST_AT_MOST = 3_000
_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""What every page is answered with, beside its content security policy."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it was sent: fields in their order, a name may stand more than once."""

    fields: tuple[tuple[str, str], ...]

    def text(self, name: str, default: str = "") -> str:
        """The field's first value, without blanks around it."""
        return next((value.strip() for key, value in self.fields if key == name), default)

    def all(self, name: str) -> list[str]:
        """All values of a field, such as the ticked boxes of one name."""
        return [value for key, value in self.fields if key == name]

    def has(self, name: str) -> bool:
        """Whether the field was sent: a box was ticked, a button pressed."""
        return any(key == name for key, _ in self.fields)


@dataclass(frozen=True, slots=True)
class Toast:
    """A sentence that is shown once. ``kind``: ``good``, ``bad`` or ``plain``. ``undo``: what the form of its
    Undo button sends, if there is a way back."""

    text: str
    kind: str = "good"
    undo: str = ""
    details: tuple[str, ...] = ()


class Visit:
    """One request. ``navigation``: the screens that the navigation lists, as (path, title); ``paths``: every
    path there is."""

    def __init__(
        self,
        request: Request,
        navigation: tuple[tuple[str, str], ...] = (),
        paths: frozenset[str] = frozenset(),
    ) -> None:
        self.request = request
        self.navigation = navigation
        self.paths = paths
        self.visitor: Visitor | None = None
        self.signed_in = False
        self.session_secret = _secret(request.cookies.get(SESSION))
        self.nonce = token_urlsafe(16)
        known = _secret(request.cookies.get(VISITOR))
        self._visitor_secret = known or token_bytes(SECRET_BYTES)
        self._is_new = known is None
        self._form: Form | None = None

    # --- who ---

    @property
    def caller(self) -> Caller:
        """On whose behalf the request is made; nobody's where none is needed."""
        return _NOBODY if self.visitor is None else self.visitor.caller

    @property
    def can_write(self) -> bool:
        """Whether buttons that change something are of any use."""
        return self.visitor is not None and self.visitor.scope.includes(Scope.WRITE)

    @property
    def token(self) -> str:
        """The token that every form of this visit carries."""
        secret = self.session_secret if self.signed_in and self.session_secret else self._visitor_secret
        return hmac.new(secret, b"csrf", sha256).hexdigest()

    @property
    def https(self) -> bool:
        """Whether the browser came by https."""
        return bool(self.request.url.scheme == "https")

    def has(self, path: str) -> bool:
        """Whether a screen is served at ``path``."""
        return path in self.paths

    # --- what ---

    @property
    def is_fragment(self) -> bool:
        """Whether a part of a page is asked for, to be put into the one that is open."""
        return "hx-request" in self.request.headers

    def path(self, name: str) -> str:
        """An id in the path. Raises NotFound for what no id can be."""
        return Call(self.request, self.caller).path(name)

    def name(self, name: str) -> str:
        """A name in the path, of any characters but ``/``. Raises NotFound for an empty one."""
        value = str(self.request.path_params[name])
        if not value or "\0" in value:
            raise NotFound(f"There is no such {name}.")
        return value

    def filters(self, model: type[ModelT]) -> ModelT:
        """The query as a ``model``; blank fields, and those that the model has not, count as not sent.
        Raises Invalid with all that is wrong."""
        known = {field.alias or name for name, field in model.model_fields.items()}
        sent = self.request.query_params
        return read(model, {name: value for name, value in sent.items() if value.strip() and name in known})

    async def form(self) -> Form:
        """The form that was sent. Raises WrongMediaType, TooLarge, Malformed."""
        if self._form is None:
            self._form = await self._read_form()
        return self._form

    async def _read_form(self) -> Form:
        body = await read_body(self.request, BODY_AT_MOST)
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if body and kind != FORM:
            raise WrongMediaType(f"Send a form ({FORM}), not '{kind[:100]}'.")
        try:
            text = body.decode("ascii")
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_AT_MOST)
        except ValueError:
            raise Malformed("The form can't be read. Load the page again, and send it again.") from None
        if any("\0" in name or "\0" in value for name, value in pairs):
            raise Malformed("A field holds a NUL character. Leave it out.")
        return Form(tuple((name, value.replace("\r\n", "\n")) for name, value in pairs))

    async def check_sent(self) -> None:
        """That a change was sent from one of our pages. Raises Forbidden ``cross_site``, ``csrf_failed``."""
        headers = self.request.headers
        host = headers.get("host", "")
        if is_foreign(headers, host) or headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise Forbidden("A page of another site sent this, so it is refused.", code="cross_site")
        sent = headers.get(TOKEN_HEADER) or (await self.form()).text(TOKEN_FIELD)
        if not hmac.compare_digest(sent.encode(), self.token.encode()):
            text = "This page was opened before you logged in or out, or is too old. Load it again."
            raise Forbidden(text, code="csrf_failed")

    # --- answers ---

    def page(self, template: str, status: int = 200, **context: Any) -> Response:
        """The template as a page, or a part of one. Every template knows ``visit``, ``toasts`` and the
        context."""
        toasts = context.pop("toasts", ())
        if not self.is_fragment:
            toasts = (*self._waiting_toast(), *toasts)
        text = render(template, {"visit": self, "toasts": toasts, **context})
        answer = HTMLResponse(text, status)
        if TOAST in self.request.cookies and not self.is_fragment:
            answer.delete_cookie(TOAST, path="/")
        return answer

    def redirect(self, path: str, toast: Toast | None = None) -> Response:
        """Go on to ``path``, one of ours, where ``toast`` is shown. A whole new page, also for a fragment."""
        status, header = (200, "HX-Redirect") if self.is_fragment else (303, "Location")
        answer = Response(None, status, {header: quote(path, safe="/?=&%:,.+~#-_")})
        if toast is not None:
            text = json.dumps([toast.text, toast.kind, toast.undo, list(toast.details)])
            if len(text) > _TOAST_AT_MOST:
                text = json.dumps([toast.text, toast.kind, "", []])
            self._set_cookie(answer, TOAST, urlsafe_b64encode(text.encode()).decode(), seconds=60)
        return answer

    def to_login(self) -> Response:
        """Go and log in, then come back."""
        here = self.request.url.path
        if self.is_fragment:
            here = path_of_address(self.request.headers.get("hx-current-url", ""))
        elif self.request.url.query:
            here += f"?{self.request.url.query}"
        return self.redirect("/login?" + urlencode({"next": local_path(here)}))

    def guarded(self, answer: Response) -> Response:
        """``answer`` with the headers of a page, and the browser's cookie where it has none yet."""
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        answer.headers.setdefault("Content-Security-Policy", _POLICY.format(nonce=self.nonce))
        if self._is_new:
            self._set_cookie(answer, VISITOR, _text(self._visitor_secret))
        return answer

    def log_in(self, answer: Response, secret: bytes) -> None:
        """Hand the browser its session."""
        self._set_cookie(answer, SESSION, _text(secret))

    def log_out(self, answer: Response) -> None:
        """Take the session back."""
        self._set_cookie(answer, SESSION, "", seconds=0)

    def _set_cookie(self, answer: Response, name: str, value: str, *, seconds: int = HOURS * 3_600) -> None:
        answer.set_cookie(name, value, seconds, path="/", secure=self.https, httponly=True, samesite="strict")

    def _waiting_toast(self) -> tuple[Toast, ...]:
        try:
            kept = json.loads(urlsafe_b64decode(self.request.cookies[TOAST]))
            text, kind, undo, details = kept
            return (Toast(str(text), str(kind), str(undo), tuple(map(str, details))),)
        except (KeyError, ValueError, BadBase64, TypeError):
            return ()


def local_path(text: str) -> str:
    """``text`` if it is a path of this server, else where the page begins: a link to the login form must not
    be able to lead away."""
    harmless = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if harmless else "/schedules"


def path_of_address(text: str) -> str:
    """The path and query of a whole address, as a browser names the page that is open."""
    try:
        shown = urlsplit(text)
    except ValueError:
        return ""
    return shown.path + (f"?{shown.query}" if shown.query else "")


def unauthenticated() -> Unauthenticated:
    """Nobody has logged in, or the session is over."""
    return Unauthenticated("Log in first, or again: your session is over.")


def _text(secret: bytes) -> str:
    return urlsafe_b64encode(secret).decode().rstrip("=")


def _secret(text: str | None) -> bytes | None:
    """The secret in a cookie, if it has the form of one."""
    try:
        secret = urlsafe_b64decode((text or "") + "=")
    except (BadBase64, ValueError):
        return None
    return secret if len(secret) == SECRET_BYTES else None
