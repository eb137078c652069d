"""Settings of the local host: one frozen value, made by the command line, checked in one place."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from rez_agent.domain.errors import Invalid, Problem


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What ``rez-agent serve`` can be told. Every field is an option and an environment variable too.

    ``concurrency`` bounds the attempts under way in all, ``target_concurrency`` those to one target.
    ``allow_target`` names hosts, addresses or networks that web actions may call although they are private.
    ``checksums`` gives every page of the database one, for good; None: of a new database.
    ``heartbeat`` is a URL that the engine's loop pings every minute. ``alert_channel`` is the channel of
    alert rules that name none. ``ledger_days`` and
    ``ledger_per_schedule`` bound the history; ``quota`` the living schedules of one owner;
    ``requests_per_second`` what one key may ask (0: no limit).
    """

    host: str = "127.0.0.1"
    port: int = 8080
    data_dir: Path = Path("rez-data")
    actions: Path | None = None
    allow_target: tuple[str, ...] = ()
    concurrency: int = 200
    target_concurrency: int = 100
    checksums: bool | None = None
    heartbeat: str | None = None
    alert_channel: str | None = None
    log_level: str = "info"
    ledger_days: int = 90
    ledger_per_schedule: int = 10_000
    quota: int = 2_000_000
    requests_per_second: int = 1_000

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def checked(self) -> LocalSettings:
        """These settings. Raises Invalid with everything that is wrong with them."""
        problems = [
            Problem(
                "invalid_setting",
                f"--{name.replace('_', '-')} must be {least} or more, not {value}.",
                f"/{name}",
            )
            for name, value, least in (
                ("port", self.port, 0),
                ("concurrency", self.concurrency, 1),
                ("target_concurrency", self.target_concurrency, 1),
                ("ledger_days", self.ledger_days, 1),
                ("ledger_per_schedule", self.ledger_per_schedule, 1),
                ("quota", self.quota, 1),
                ("requests_per_second", self.requests_per_second, 0),
            )
            if value < least
        ]
        if self.actions is not None and not self.actions.is_file():
            problems.append(
                Problem("invalid_setting", f"--actions {self.actions}: there is no such file.", "/actions")
            )
        if self.port > 65_535:
            problems.append(Problem("invalid_setting", f"--port {self.port}: ports end at 65535.", "/port"))
        if problems:
            raise Invalid.of(problems)
        return self
