"""Secrets in Secrets Manager: what their contract does not tell."""

from __future__ import annotations

import json

import pytest

from rez_agent.aws.secrets import REMEMBERED_SECONDS, ManagedSecrets
from rez_agent.domain.errors import Unavailable
from tests.aws.stage import Stage, client
from tests.fakes import FakeClock

VALUE = "correct horse battery staple"
HOSTS = ("a.example.org",)


class Two:
    """Two processes on one stage."""

    def __init__(self) -> None:
        self.stage, self.clock = Stage(), FakeClock()
        self.manager = client("secretsmanager")
        self.one, self.other = self._process(), self._process()

    def _process(self) -> ManagedSecrets:
        return ManagedSecrets(self.manager, self.stage.names.secrets_prefix, self.clock)


@pytest.fixture
def two() -> Two:
    return Two()


def value(secrets: ManagedSecrets, name: str = "token") -> str | None:
    secret = secrets.get(name)
    return None if secret is None else secret.value


def test_what_another_process_puts_is_seen_within_a_minute_and_ones_own_at_once(two: Two) -> None:
    two.one.put("token", VALUE, HOSTS)
    assert (value(two.other), len(two.other.names())) == (VALUE, 1)
    two.one.put("token", VALUE + "!", HOSTS)
    two.one.put("second", VALUE, HOSTS)
    assert (value(two.one), len(two.one.names())) == (VALUE + "!", 2)
    two.clock.advance(seconds=REMEMBERED_SECONDS - 1)
    assert (value(two.other), len(two.other.names())) == (VALUE, 1)
    two.clock.advance(seconds=1)
    assert (value(two.other), len(two.other.names())) == (VALUE + "!", 2)


def test_a_secret_that_is_new_is_seen_at_once(two: Two) -> None:
    assert value(two.other) is None
    two.one.put("token", VALUE, HOSTS)
    assert value(two.other) == VALUE


def test_a_deleted_secret_can_be_put_again_at_once(two: Two) -> None:
    two.one.put("token", VALUE, HOSTS)
    assert two.one.delete("token")
    two.one.put("token", VALUE + "!", HOSTS)
    assert value(two.other) == VALUE + "!"


def test_a_stage_sees_its_own_secrets_alone(two: Two) -> None:
    Two().one.put("token", VALUE, HOSTS)
    two.manager.create_secret(Name=f"other/{two.stage.names.secrets_prefix}x", SecretString="{}")
    assert (value(two.one), two.one.names()) == (None, [])


def test_many_secrets_are_listed_by_name(two: Two) -> None:
    names = [f"secret-{n:03}" for n in range(120)]
    for name in reversed(names):
        document = {"value": VALUE, "hosts": HOSTS, "updated": "2026-06-01T12:00:00Z"}
        two.manager.create_secret(
            Name=two.stage.names.secrets_prefix + name, SecretString=json.dumps(document)
        )
    assert [info.name for info in two.one.names()] == names


@pytest.mark.parametrize("text", ["", "plain", "[]", '{"value": "x"}', '{"value": "x", "hosts": 1}'])
def test_a_secret_that_is_damaged_is_named_and_hides_no_other(two: Two, text: str) -> None:
    two.one.put("token", VALUE, HOSTS)
    two.manager.create_secret(Name=two.stage.names.secrets_prefix + "bad", SecretString=text or " ")
    with pytest.raises(Unavailable, match="'bad' is damaged"):
        two.one.get("bad")
    assert [info.name for info in two.one.names()] == ["token"]


def test_a_name_that_is_unfit_is_never_asked_for(two: Two) -> None:
    assert two.one.get("../up") is None
    assert not two.one.delete("a/b")


def test_a_value_is_in_no_text(two: Two) -> None:
    two.one.put("token", VALUE, HOSTS)
    told = repr(two.one.get("token")) + repr(two.one.names()) + repr(two.one)
    assert VALUE not in told
