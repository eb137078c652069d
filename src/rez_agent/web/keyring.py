"""Routes of API keys. A key's token is answered once, when it is made."""

from __future__ import annotations

from secrets import token_bytes

from starlette.responses import Response

from rez_agent.ports import Page
from rez_agent.usecases.keys import SECRET_BYTES, create_key, list_keys, revoke_key
from rez_agent.web.answers import answer, nothing
from rez_agent.web.calls import Call
from rez_agent.web.forms import KeyRequest, NoFilter
from rez_agent.web.operations import Api
from rez_agent.web.shapes import key_document, page_document


async def create(api: Api, call: Call) -> Response:
    """POST /api/keys"""
    asked = await call.form(KeyRequest)
    secret = token_bytes(SECRET_BYTES)
    key, token = await api.host.write(
        lambda ports: create_key(
            ports, name=asked.name, scope=asked.scope, secret=secret, expires_at=asked.expires_at
        )
    )
    api.gate.forget()
    headers = {"Location": f"/api/keys/{key.id}", "Cache-Control": "no-store"}
    return answer({**key_document(key), "token": token}, 201, headers)


async def list_all(api: Api, call: Call) -> Response:
    """GET /api/keys"""
    call.filters(NoFilter)
    keys = await api.host.read(list_keys)
    return answer(page_document(Page(tuple(keys), None, len(keys)), key_document))


async def revoke(api: Api, call: Call) -> Response:
    """DELETE /api/keys/{key_id}"""
    key_id = call.path("key_id")
    await api.host.write(lambda ports: revoke_key(ports, key_id))
    api.gate.forget()
    return nothing()
