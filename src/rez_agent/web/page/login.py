"""Logging in with an API key, and out.

The key itself is never kept by the browser: it gets a session, which ends after hours, on logout, and when
its key is revoked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from secrets import token_bytes

from starlette.responses import Response

from rez_agent.domain.errors import Unauthenticated
from rez_agent.usecases.sessions import SECRET_BYTES, close_session, open_session
from rez_agent.web.auth import Limiter
from rez_agent.web.operations import Api
from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.visits import Toast, Visit, local_path

LOGINS_PER_SECOND = 5
"""Attempts that this process looks at, of all who try; more are told to come back."""


async def show(api: Api, visit: Visit) -> Response:
    """GET /login"""
    beyond = local_path(visit.request.query_params.get("next", ""))
    if visit.visitor is not None or await api.gate.without_key(visit.request.headers) is not None:
        return visit.redirect(beyond)
    return visit.page("login.html", beyond=beyond, error=None)


async def log_in(api: Api, visit: Visit, *, limiter: Limiter, monotonic: Callable[[], float]) -> Response:
    """POST /login"""
    limiter.take("login", monotonic())
    form = await visit.form()
    beyond, token = local_path(form.text("next")), form.text("key")
    secret = token_bytes(SECRET_BYTES)
    try:
        await api.host.write(lambda ports: open_session(ports, token, secret))
    except Unauthenticated as error:
        return visit.page("login.html", 401, beyond=beyond, error=error.message)
    answer = visit.redirect(beyond)
    visit.log_in(answer, secret)
    return answer


async def log_out(api: Api, visit: Visit) -> Response:
    """POST /logout"""
    secret = visit.session_secret
    if secret is not None:
        await api.host.write(lambda ports: close_session(ports, secret))
        api.gate.forget()
    answer = visit.redirect("/login", Toast("You are logged out."))
    visit.log_out(answer)
    return answer


def operations(monotonic: Callable[[], float]) -> tuple[PageOperation, ...]:
    """The routes."""
    entering = partial(log_in, limiter=Limiter(LOGINS_PER_SECOND), monotonic=monotonic)
    return (
        PageOperation("GET", "/login", show, "page_login", scope=None),
        PageOperation("POST", "/login", entering, "page_log_in", scope=None),
        PageOperation("POST", "/logout", log_out, "page_log_out", scope=None),
    )
