"""Bodies from strangers: what can't be JSON, what no reader agrees on, what is too much."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from rez_agent.domain.errors import Malformed
from rez_agent.web.calls import read_body
from rez_agent.web.errors import BodyTooSlow
from rez_agent.web.json_reader import DEPTH_AT_MOST, VALUES_AT_MOST, read_json
from tests.web.client import Server, definition

JSON = {"content-type": "application/json"}

NAUGHTY = {
    "nothing": (b"", "malformed_json"),
    "blanks": (b"  \n", "malformed_json"),
    "not closed": (b'{"a": 1', "malformed_json"),
    "two documents": (b"{} {}", "malformed_json"),
    "a comma too many": (b'{"a": 1,}', "malformed_json"),
    "single quotes": (b"{'a': 1}", "malformed_json"),
    "a comment": (b"{} // hello", "malformed_json"),
    "a bare word": (b"undefined", "malformed_json"),
    "a raw line break in a text": (b'{"a": "\n"}', "malformed_json"),
    "a raw NUL": (b'{"a": "\0"}', "malformed_json"),
    "a half escape": (b'{"a": "\\u12"}', "malformed_json"),
    "an unknown escape": (b'{"a": "\\x41"}', "malformed_json"),
    "a leading zero": (b'{"a": 01}', "malformed_json"),
    "a plus": (b'{"a": +1}', "malformed_json"),
    "hexadecimal": (b'{"a": 0x10}', "malformed_json"),
    "a vertical tab": (b'{"a":\x0b1}', "malformed_json"),
    "an escaped NUL": (b'{"name": "a\\u0000b"}', "nul_character"),
    "an escaped NUL in a key": (b'{"a\\u0000b": 1}', "nul_character"),
    "a lone high surrogate": (b'{"a": ["\\ud83d"]}', "lone_surrogate"),
    "a lone low surrogate": (b'{"a": "x\\udc00"}', "lone_surrogate"),
    "surrogates the wrong way round": (b'{"a": "\\udc00\\ud83d"}', "lone_surrogate"),
    "a lone surrogate in a key": (b'{"\\ud83d": 1}', "lone_surrogate"),
    "NaN": (b'{"a": NaN}', "not_finite"),
    "Infinity": (b'{"a": Infinity}', "not_finite"),
    "minus infinity": (b'{"a": -Infinity}', "not_finite"),
    "a float that overflows": (b'{"a": 1e999}', "number_too_large"),
    "a float that overflows below": (b'{"a": -1.5E+400}', "number_too_large"),
    "64 bits and one": (b'{"a": 9223372036854775808}', "number_too_large"),
    "64 bits and one below": (b'{"a": -9223372036854775809}', "number_too_large"),
    "a very long number": (b'{"a": ' + b"9" * 5_000 + b"}", "number_too_large"),
    "a very long fraction": (b'{"a": 0.' + b"1" * 5_000 + b"}", "number_too_large"),
    "one key twice": (b'{"name": "a", "name": "b"}', "duplicate_key"),
    "one key twice, deep down": (b'{"a": [{"b": {"c": 1, "c": 2}}]}', "duplicate_key"),
    "one key twice, spelled in two ways": (b'{"a": 1, "\\u0061": 2}', "duplicate_key"),
    "invalid UTF-8": (b'{"a": "\xff"}', "invalid_utf8"),
    "overlong UTF-8": (b'{"a": "\xc0\xaf"}', "invalid_utf8"),
    "a surrogate in UTF-8": (b'{"a": "\xed\xa0\x80"}', "invalid_utf8"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "invalid_utf8"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "byte_order_mark"),
    "arrays too deep": (b"[" * 65 + b"]" * 65, "too_deep"),
    "arrays far too deep": (b"[" * 500_000, "too_many_values"),
    "objects too deep": (b'{"a":' * 65 + b"1" + b"}" * 65, "too_deep"),
    "too many values": (b"[" + b"0," * 100_000 + b"0]", "too_many_values"),
    "too many keys": (b"{" + b",".join(b'"%d":0' % n for n in range(100_001)) + b"}", "too_many_values"),
}


@pytest.mark.parametrize("name", NAUGHTY)
def test_a_naughty_body_is_refused_with_its_own_code(name: str) -> None:
    data, code = NAUGHTY[name]
    with pytest.raises(Malformed) as caught:
        read_json(data)
    assert caught.value.code == code


@pytest.mark.parametrize("name", NAUGHTY)
def test_the_server_answers_a_naughty_body_with_400(server: Server, name: str) -> None:
    data, code = NAUGHTY[name]
    answer = server("POST", "/api/schedules", raw=data, headers=JSON)

    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize("document", [[], None, "x", 1, True])
def test_a_body_must_be_an_object(server: Server, document: Any) -> None:
    for method, path in (("POST", "/api/schedules"), ("POST", "/api/schedules/batch")):
        answer = server(method, path, raw=json.dumps(document).encode(), headers=JSON)
        assert (answer.status, answer.code) == (422, "wrong_type")


def test_what_is_just_within_the_limits_is_read() -> None:
    assert read_json(b"[" * DEPTH_AT_MOST + b"]" * DEPTH_AT_MOST)
    assert len(read_json(b"[" + b"0," * (VALUES_AT_MOST - 2) + b"0]")) == VALUES_AT_MOST - 1
    assert read_json(b"[9223372036854775807, -9223372036854775808, 1e308]")
    assert read_json('["\\ud83d\\ude00", "[[{{", "é"]'.encode()) == ["\U0001f600", "[[{{", "é"]
    assert read_json(b'["' + b"[" * 1_000 + b'\\"' + b"{" * 1_000 + b'"]')


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(categories=["L"])), inner),
    max_leaves=20,
)


@given(JSON_VALUES, st.booleans())
def test_every_ordinary_document_is_read_as_the_standard_library_reads_it(
    value: Any, ascii_only: bool
) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only).encode()

    assert read_json(data) == json.loads(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(Malformed):
        read_json(data)


def test_a_body_beyond_its_limit_is_refused(server: Server) -> None:
    large = json.dumps(definition("large", description="x" * 1_100_000)).encode()

    assert server("POST", "/api/schedules", raw=large, headers=JSON).code == "too_large"
    declared = {**JSON, "content-length": "99999999"}
    assert server("POST", "/api/schedules", raw=b"{}", headers=declared).status == 413
    lying = {**JSON, "content-length": "2"}
    assert server("POST", "/api/schedules", raw=large, headers=lying).status == 413
    batch = json.dumps({"schedules": ["x" * 4_300_000]}).encode()
    assert server("POST", "/api/schedules/batch", raw=batch, headers=JSON).status == 413


def test_a_payload_has_a_limit_of_its_own(server: Server) -> None:
    answer = server("POST", "/api/schedules", definition("big", payload={"message": "x" * 1_000_000}))

    assert (answer.status, answer.document["errors"][0]["pointer"]) == (422, "/payload")


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "application/xml",
        "",
    ],
)
def test_a_body_of_another_type_is_refused(server: Server, kind: str) -> None:
    body = json.dumps(definition("typed")).encode()
    answer = server("POST", "/api/schedules", raw=body, headers={"content-type": kind} if kind else {})

    assert (answer.status, answer.code) == (415, "unsupported_media_type")


def test_no_body_at_all_may_be_said_to_be_json_where_a_body_is_optional(server: Server) -> None:
    path = f"/api/schedules/{server.made('no body')['id']}/pause"

    assert server("POST", path, raw=b"", headers=JSON).status == 202
    assert server("POST", "/api/schedules", raw=b"", headers=JSON).code == "malformed_json"


@pytest.mark.parametrize(("verb", "field"), [("pause", "cancel"), ("backfill", "dry_run")])
def test_a_flag_is_true_or_false_and_nothing_that_looks_like_it(
    server: Server, verb: str, field: str
) -> None:
    path = f"/api/schedules/{server.made(f'flag of {verb}')['id']}/{verb}"
    body = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"} if verb == "backfill" else {}
    refused = server("POST", path, {**body, field: "no"})

    assert (refused.status, refused.document["errors"][0]["pointer"]) == (422, f"/{field}")


def test_a_form_without_a_body_is_refused_where_a_body_is_optional(server: Server) -> None:
    path = f"/api/schedules/{server.made('forms')['id']}/pause"
    form = {"content-type": "application/x-www-form-urlencoded"}

    assert server("POST", path, raw=b"", headers=form).status == 415
    assert server("POST", path, raw=b"", headers={}).status == 202


@pytest.mark.parametrize(
    "document",
    [
        definition("t", start=-1e300),
        definition("t", timezone="../../etc/passwd"),
        definition("t", timezone="\u202eUTC"),
        definition("t", schedule_expression="cron(" + "*" * 200 + ")"),
        definition("t", schedule_expression="rate(999999999999999999 days)"),
        definition("t", schedule_expression="at(9999-12-31T23:59:59)"),
        definition("t", tags=["x"] * 51),
        definition("t", tags={"a": 1}),
        definition("t", payload=[]),
        definition("t", policies={"retry": {"max_attempts": True}}),
        definition("t", policies={"retry": {"max_attempts": 1.5}}),
        definition("t", policies=None),
        {**definition("t"), "name": 7},
        definition(" \t "),
        {},
    ],
)
def test_a_definition_that_can_not_be_is_told_what_is_wrong(server: Server, document: Any) -> None:
    answer = server("POST", "/api/schedules", document)

    assert answer.status == 422, answer.document
    assert all(error["pointer"].startswith("/") for error in answer.document["errors"])


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", 1_700_000_000, "1700000000"]
)
def test_a_start_must_be_a_time_as_everywhere_else(server: Server, time: Any) -> None:
    answer = server("POST", "/api/schedules", definition("t", start=time))

    assert (answer.status, answer.document["errors"][0]["pointer"]) == (422, "/start")


def test_a_body_that_does_not_come_to_its_end_is_not_waited_for() -> None:
    async def receive() -> Message:
        if sent:
            await asyncio.Event().wait()
        sent.append(b"half")
        return {"type": "http.request", "body": b"half", "more_body": True}

    sent: list[bytes] = []
    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    with pytest.raises(BodyTooSlow, match="seconds"):
        asyncio.run(read_body(request, 100, 0.05))


@pytest.mark.parametrize("target_type", [[], {}, [1], {"a": 1}])
def test_a_target_type_must_be_a_word(server: Server, target_type: Any) -> None:
    answer = server("POST", "/api/schedules", {**definition("t"), "target_type": target_type})

    assert (answer.status, answer.document["errors"][0]["pointer"]) == (422, "/target_type")


@pytest.mark.parametrize("name", ["\U0001f600", "Ωμέγα", "a/b?c#d", "'; DROP TABLE schedules; --", "\u202e"])
def test_any_text_is_a_name(server: Server, name: str) -> None:
    created = server.made(name)

    assert server("GET", f"/api/schedules/{created['id']}").document["name"] == name
