"""Records and messages: small documents by key."""

from __future__ import annotations

import json
from datetime import datetime

import apsw

from rez_agent.domain.command import CommandAction, Message
from rez_agent.domain.instants import to_ms
from rez_agent.local.rows import (
    MESSAGE_COLUMNS,
    dumps,
    instant_or_none,
    message_from,
    ms_or_none,
    problems_text,
    request_text,
)
from rez_agent.local.signals import Signals
from rez_agent.ports import Record


class SqliteRecords:
    """The Records port."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def get(self, kind: str, key: str, now: datetime) -> Record | None:
        """The record, unless it has expired."""
        sql = (
            "SELECT value, expires FROM records "
            "WHERE kind = ? AND key = ? AND (expires IS NULL OR expires > ?)"
        )
        for value, expires in self._connection.execute(sql, (kind, key, to_ms(now))):
            return Record(kind, key, json.loads(value), instant_or_none(expires))
        return None

    def put(self, record: Record) -> None:
        """Keep it."""
        self._connection.execute(
            "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)",
            (record.kind, record.key, dumps(record.value), ms_or_none(record.expires_at)),
        )

    def delete(self, kind: str, key: str) -> bool:
        """Whether there was one."""
        self._connection.execute("DELETE FROM records WHERE kind = ? AND key = ?", (kind, key))
        return self._connection.changes() > 0

    def list(self, kind: str, now: datetime) -> list[Record]:
        """All of a kind that have not expired, by key."""
        sql = (
            "SELECT key, value, expires FROM records "
            "WHERE kind = ? AND (expires IS NULL OR expires > ?) ORDER BY key"
        )
        rows = self._connection.execute(sql, (kind, to_ms(now)))
        return [
            Record(kind, key, json.loads(value), instant_or_none(expires)) for key, value, expires in rows
        ]


class SqliteMessages:
    """The Messages port."""

    def __init__(self, connection: apsw.Connection, signals: Signals) -> None:
        self._connection = connection
        self._signals = signals

    def add(self, message: Message) -> None:
        """Keep a new message."""
        self._connection.execute(
            "INSERT OR IGNORE INTO messages (id, status, action, schedule_id, created_by, admin, created, "
            "updated, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                message.id,
                message.status.value,
                message.request.action.value,
                message.schedule_id,
                message.created_by,
                int(message.admin),
                to_ms(message.created_date),
                to_ms(message.updated_date),
                request_text(message.request),
            ),
        )

    def save(self, message: Message) -> None:
        """Keep what became of it; whoever waits for it is told after the commit."""
        self._connection.execute(
            "UPDATE messages SET status = ?, updated = ?, problems = ?, error_kind = ?, result = ? "
            "WHERE id = ?",
            (
                message.status.value,
                to_ms(message.updated_date),
                problems_text(message.problems),
                message.error_kind,
                dumps(message.result) if message.result else None,
                message.id,
            ),
        )
        if message.status.final:
            self._signals.judged.append(message)

    def get(self, message_id: str) -> Message | None:
        """The message, or None."""
        sql = f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE id = ?"  # noqa: S608 - constant columns
        for row in self._connection.execute(sql, (message_id,)):
            return message_from(row)
        return None

    def judged(self, message_id: str) -> Message | None:
        """The message if it is final, or None."""
        sql = (
            f"SELECT {MESSAGE_COLUMNS} FROM messages "  # noqa: S608 - constant columns
            "WHERE id = ? AND status IN ('completed', 'failed')"
        )
        for row in self._connection.execute(sql, (message_id,)):
            return message_from(row)
        return None

    def pending_create(self, schedule_id: str) -> Message | None:
        """The create of this schedule that has not been judged yet, or None."""
        sql = (
            f"SELECT {MESSAGE_COLUMNS} FROM messages INDEXED BY messages_pending "  # noqa: S608
            "WHERE status NOT IN ('completed', 'failed') AND schedule_id = ? AND action = ?"
        )
        for row in self._connection.execute(sql, (schedule_id, CommandAction.CREATE.value)):
            return message_from(row)
        return None
