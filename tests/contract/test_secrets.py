"""The contract of Secrets."""

from __future__ import annotations

import pytest

from rez_agent.domain.errors import Invalid
from tests.contract.hosts import SteppedHost
from tests.fakes import NOON

VALUE = "correct horse battery staple ☃"


def test_a_secret_is_given_to_an_action_with_its_value_and_its_hosts(host: SteppedHost) -> None:
    secrets = host.secrets()
    secrets.put("token", VALUE, ("API.example.org", "*.example.net:8443"))
    secret = secrets.get("token")
    assert secret is not None
    assert (secret.name, secret.value) == ("token", VALUE)
    assert secret.goes_to("api.example.org", 443)
    assert secret.goes_to("a.example.net", 8443)
    assert not secret.goes_to("example.com", 443)


def test_a_secret_takes_the_place_of_the_one_before(host: SteppedHost) -> None:
    secrets = host.secrets()
    secrets.put("token", VALUE, ("a.example.org",))
    secrets.put("token", VALUE + "!", ("b.example.org",))
    secret = secrets.get("token")
    assert secret is not None
    assert (secret.value, secret.hosts) == (VALUE + "!", ("b.example.org",))


def test_what_there_is_is_told_by_name_and_never_with_a_value(host: SteppedHost) -> None:
    secrets = host.secrets()
    secrets.put("zeta", VALUE, ("a.example.org",))
    secrets.put("alpha", VALUE, ("b.example.org",))
    infos = secrets.names()
    assert [(info.name, info.hosts, info.updated) for info in infos] == [
        ("alpha", ("b.example.org",), NOON),
        ("zeta", ("a.example.org",), NOON),
    ]
    assert VALUE not in repr(infos) + repr(secrets.get("zeta"))


def test_a_deleted_secret_is_gone_and_deleting_tells_whether_there_was_one(host: SteppedHost) -> None:
    secrets = host.secrets()
    secrets.put("token", VALUE, ("a.example.org",))
    assert secrets.delete("token")
    assert not secrets.delete("token")
    assert secrets.get("token") is None
    assert secrets.names() == []


@pytest.mark.parametrize(
    ("name", "value", "hosts"),
    [
        ("", VALUE, ("a.example.org",)),
        ("../up", VALUE, ("a.example.org",)),
        ("token", "x", ("a.example.org",)),
        ("token", VALUE, ()),
        ("token", VALUE, ("http://a.example.org/",)),
    ],
)
def test_an_unfit_secret_is_refused_without_its_value_being_told(
    host: SteppedHost, name: str, value: str, hosts: tuple[str, ...]
) -> None:
    with pytest.raises(Invalid) as refused:
        host.secrets().put(name, value, hosts)
    assert VALUE not in str(refused.value)
    assert host.secrets().names() == []
