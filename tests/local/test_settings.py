"""Settings: everything that is wrong with them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from rez_agent.domain.errors import Invalid
from rez_agent.local.settings import LocalSettings


def test_the_defaults_are_fit_and_the_documented_ones() -> None:
    settings = LocalSettings().checked()
    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 8080, Path("rez-data"))
    assert (settings.concurrency, settings.target_concurrency) == (200, 100)
    assert (settings.ledger_days, settings.ledger_per_schedule) == (90, 10_000)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback_is_only_this_machine(host: str) -> None:
    assert LocalSettings(host=host).on_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "128.0.0.1"])
def test_every_other_address_may_be_reached_by_others(host: str) -> None:
    assert not LocalSettings(host=host).on_loopback


def test_every_unfit_setting_is_told_at_once() -> None:
    unfit = LocalSettings(
        port=70_000,
        concurrency=0,
        target_concurrency=0,
        ledger_days=0,
        ledger_per_schedule=0,
        quota=0,
        requests_per_second=-1,
        actions=Path("nowhere.yaml"),
    )
    with pytest.raises(Invalid) as refused:
        unfit.checked()
    assert {problem.pointer for problem in refused.value.problems} == {
        "/port",
        "/concurrency",
        "/target_concurrency",
        "/ledger_days",
        "/ledger_per_schedule",
        "/quota",
        "/requests_per_second",
        "/actions",
    }
    assert "--target-concurrency" in str(refused.value.problems)
