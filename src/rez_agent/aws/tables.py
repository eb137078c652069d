"""The tables: keys and indexes, as data. What deploys them, what tests them and what reads them use this."""

from __future__ import annotations

from dataclasses import dataclass

TTL = "ttl"
"""The attribute that tells DynamoDB when an item may go: epoch seconds. It goes up to days later, so whoever
reads filters by it."""


@dataclass(frozen=True, slots=True)
class Key:
    """The names of a hash attribute and, where there is one, of a range attribute. All keys are strings."""

    hash: str
    range: str | None = None

    @property
    def attributes(self) -> tuple[str, ...]:
        """Both, in that order."""
        return (self.hash,) if self.range is None else (self.hash, self.range)


@dataclass(frozen=True, slots=True)
class Index:
    """A secondary index. ``local`` ones are read consistently. ``includes``: the attributes copied into it
    besides the keys; None means all of them."""

    name: str
    key: Key
    local: bool = False
    includes: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table. ``what`` is the part of its name that tells it from the others."""

    what: str
    key: Key
    indexes: tuple[Index, ...] = ()

    @property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute that is part of a key, once, in order."""
        keys = (self.key, *(index.key for index in self.indexes))
        return tuple(dict.fromkeys(name for key in keys for name in key.attributes))


BY_STATUS = Index("status-created_date-index", Key("status", "created_date"), includes=None)
BY_CREATOR = Index("created_by-index", Key("created_by", "created_date"), includes=None)
UNARMED = Index("unarmed-index", Key("unarmed", "unarmed_since"))
SCHEDULES = Table("schedules", Key("id"), (BY_STATUS, BY_CREATOR, UNARMED))
"""One row a schedule and nothing else. ``unarmed`` stands on the rows that the engine has not taken up."""

PENDING = Index("pending-index", Key("pending", "created_date"))
MESSAGES = Table("messages", Key("id"), (PENDING,))
"""The commands. ``pending`` stands on those that were not judged yet."""

IN_FLIGHT = Index("in_flight-index", Key("schedule_id", "in_flight"), local=True)
WRITTEN = Index("written-index", Key("lane", "written"), includes=("owner",))
QUEUE = Index("queue-index", Key("queue", "queue_at"))
EXECUTIONS = Table("executions", Key("schedule_id", "id"), (IN_FLIGHT, WRITTEN, QUEUE))
"""The ledger. ``in_flight`` stands on what is not final; ``queue`` on what waits, runs, is held or is a dead
letter; ``lane`` spreads the list over all schedules."""

RECORDS = Table("records", Key("pk", "sk"))
"""Small documents: names, keys, idempotency keys, counters, guards, revisions, changes."""

TABLES = (SCHEDULES, MESSAGES, EXECUTIONS, RECORDS)
