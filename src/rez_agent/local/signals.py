"""What a transaction stirs up: told to the engine, the worker and those who wait, after the commit.

A signal is a hint to look, never the news itself: the database holds that. So one from work that was rolled
back does no harm, and one lost to a crash is made good by the look that follows every start. What is counted
(``judged``, ``endings``) is taken back with the work.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rez_agent.domain.command import Message

Ending = tuple[str, str | None]
"""How an execution became final: its status, and the reason if there is one."""


@dataclass(slots=True)
class Signals:
    """Collected within one group of the writer, handed over once it is durable.

    ``wake_at``: the earliest moment (ms) that the engine must know of; ``work``: something was queued;
    ``judged``: messages that became final; ``cancelled``: running executions to stop; ``commands``: messages
    published by the use case that is running, to be applied right after it; ``stepped``: the wall clock was;
    ``endings``: executions that became final without an attempt, as status and reason; ``alerts``: there is
    an alert to be sent.
    """

    wake_at: int | None = None
    work: bool = False
    judged: list[Message] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    commands: list[Message] = field(default_factory=list)
    stepped: bool = False
    endings: list[Ending] = field(default_factory=list)
    alerts: bool = False

    @property
    def any(self) -> bool:
        """Whether there is anything that the event loop must heed."""
        listed = self.judged or self.cancelled or self.endings
        return self.wake_at is not None or self.work or bool(listed) or self.stepped or self.alerts

    def wake(self, at: int | None) -> None:
        """The engine must look at ``at``, if it meant to look later."""
        if at is not None and (self.wake_at is None or at < self.wake_at):
            self.wake_at = at

    def mark(self) -> tuple[int, int]:
        """Where what counts stands now, for :meth:`undo`."""
        return len(self.judged), len(self.endings)

    def undo(self, mark: tuple[int, int]) -> None:
        """What came since ``mark`` was rolled back: it is not to be counted."""
        del self.judged[mark[0] :], self.endings[mark[1] :]

    def take(self) -> Signals:
        """What was collected so far; this one starts afresh."""
        taken = Signals(
            self.wake_at,
            self.work,
            self.judged,
            self.cancelled,
            self.commands,
            self.stepped,
            self.endings,
            self.alerts,
        )
        self.wake_at, self.work, self.stepped, self.alerts = None, False, False, False
        self.judged, self.cancelled, self.commands, self.endings = [], [], [], []
        return taken
