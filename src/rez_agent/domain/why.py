"""Why did it (not) run? The answer, from facts alone.

What is asked about is a second or a minute of one schedule. The ledger speaks first: what it holds of that
time is what happened. Where it holds nothing, what the schedule was then decides: it did not exist yet, was
deleted, was not due, was paused; or it was due and nothing was recorded, which is the alarm.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from rez_agent.domain.asked import Asked
from rez_agent.domain.calendar_times import MovedOccurrences
from rez_agent.domain.changes import Change
from rez_agent.domain.errors import Invalid
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, Reason, execution_id
from rez_agent.domain.instants import from_seconds, to_seconds
from rez_agent.domain.past import Past, Stretch
from rez_agent.domain.schedule import Pause, Schedule, ScheduleStatus
from rez_agent.domain.telling import Wording, execution_sentence, short, skipped_sentence
from rez_agent.domain.verdicts import Facts, Verdict, Why
from rez_agent.domain.why_not import closed_day, edits, swallowed, why_not_due
from rez_agent.domain.zones import Zone, zone

NEAR = timedelta(minutes=10)
"""A run that somebody asked for so close to the time in question is told of too."""

DECIDED_WITHIN = timedelta(minutes=3)
"""So long after an occurrence (and its flexible window) a host may take to write its entry: an engine may
fire within the minute, and a sweep that looks each minute makes good what it did not."""

ASKED_FOR = frozenset({Cause.RUN, Cause.BACKFILL, Cause.REPLAY})

_NOT_KNOWN = "Changes of that time are not kept any more: what the schedule was then is not known for sure."


def why(facts: Facts, asked: Asked) -> Why:
    """The answer."""
    return _Answering(facts, asked).answer()


class _Answering:
    """One question. ``_due`` is the occurrence that it is about, None where the schedule had none then;
    ``_then`` what the schedule was."""

    def __init__(self, facts: Facts, asked: Asked) -> None:
        self._facts = facts
        self._asked = asked
        self._past = Past(facts.schedule, facts.changes, facts.calendars)
        self._words = Wording(zone_of(facts.schedule), ahead=asked.first > to_seconds(facts.now))
        try:
            self._due, self._then = self._past.first_due(asked.first, asked.last)
        except Invalid:  # its zone has left the tz database: the ledger may still tell
            self._due, self._then = None, self._past.at(asked.first)

    def answer(self) -> Why:
        """The verdict, and what belongs to every answer."""
        found = self._verdict()
        before, after = self._nearest()
        found = replace(found, before=before, after=after, near=tuple(self._near(found)))
        return replace(found, notes=tuple(self._notes(found)))

    def _verdict(self) -> Why:
        gap = self._gap()
        if gap is not None:
            return gap
        entry = self._entry()
        return self._without_entry() if entry is None else self._of_entry(entry)

    def _gap(self) -> Why | None:
        """A local time was said that the clocks skip, and the expression names it."""
        if self._asked.missing is None or self._asked.last < self._past.created:
            return None
        try:
            found = swallowed(self._then.schedule, self._asked)
        except Invalid:
            return None
        return None if found is None else self._why(found.verdict, found.sentence)

    # --- what the ledger holds ---

    def _entry(self) -> Execution | None:
        """The entry of the occurrence: its own, or one that stands for many; else of a run that was asked for
        at that very time."""
        alone = [entry for entry in self._facts.entries if self._is_asked(entry)]
        for entry in alone:
            if entry.id == execution_id(entry.schedule_id, entry.scheduled_time) and entry.span is None:
                return entry
        if self._due is None:
            return next((entry for entry in alone if entry.cause is Cause.RUN), None)
        due = from_seconds(self._due)
        return next((entry for entry in self._facts.entries if _stands_for(entry, due)), None)

    def _is_asked(self, entry: Execution) -> bool:
        return self._asked.first <= to_seconds(entry.scheduled_time) <= self._asked.last

    def _of_entry(self, entry: Execution) -> Why:
        many = entry.span is not None and self._due is not None
        at = from_seconds(self._due) if many and self._due is not None else entry.scheduled_time
        then = self._past.at(to_seconds(at))
        if entry.status is not ExecutionStatus.SKIPPED:
            found = self._why(Verdict(entry.status.value), execution_sentence(entry, self._words))
        elif entry.reason is Reason.PAUSED:
            found = self._paused(then, to_seconds(at), entry)
        else:
            sentence = skipped_sentence(entry, then.schedule, self._facts.entries, self._words)
            found = self._why(Verdict.SKIPPED, sentence)
        return replace(found, occurrence=at, execution=entry, then=then.schedule)

    # --- what it does not hold ---

    def _without_entry(self) -> Why:
        if self._asked.last < self._past.created:
            return self._not_created()
        if self._due is not None:
            return replace(self._of_due(self._due), occurrence=from_seconds(self._due))
        if self._then.schedule.status is ScheduleStatus.DELETED:
            return self._deleted()
        try:
            found = why_not_due(self._past, self._then, self._asked, self._words)
        except Invalid as error:
            return self._unreadable(error.message)
        answer = replace(self._why(found.verdict, found.sentence), change=found.change)
        return answer if found.occurrence is None else self._elsewhere(answer, found.occurrence)

    def _elsewhere(self, answer: Why, due: int) -> Why:
        """It was due at another time, whose entry tells what became of it."""
        identity = execution_id(self._facts.schedule.id, from_seconds(due))
        entry = next((each for each in self._facts.entries if each.id == identity), None)
        sentence = answer.sentence
        if entry is not None and entry.status is not ExecutionStatus.SKIPPED:
            sentence = f"{sentence} {execution_sentence(entry, self._words)}"
        return replace(answer, sentence=sentence, occurrence=from_seconds(due), execution=entry)

    def _of_due(self, due: int) -> Why:
        """It was due, or will be."""
        then, now = self._then.schedule, to_seconds(self._facts.now)
        if then.pause is not None and not _over(then.pause, due):
            return self._paused(self._then, due)
        if then.status is ScheduleStatus.ERROR:
            return self._unreadable(then.error_message or "")
        return self._coming(then, due) if due > now else self._unrecorded(then, due)

    def _coming(self, then: Schedule, due: int) -> Why:
        closed = closed_day(then, due)
        if closed is not None:
            return self._why(Verdict.SKIPPED, f"It will be skipped by its calendar: {closed}.")
        ends = None if then.pause is None else then.pause.until
        until = f" The schedule is paused until {self._words.instant(ends)}." if ends is not None else ""
        window = then.definition.policies.flexible_window_minutes
        spread = f", or up to {window} min later, as its flexible window has it" if window else ""
        text = f"It is not due yet: it will run at {self._words.instant(due)}{spread}.{until}"
        return self._why(Verdict.NOT_YET_DUE, text)

    def _unrecorded(self, then: Schedule, due: int) -> Why:
        at, window = self._words.instant(due), then.definition.policies.flexible_window_minutes
        ends = from_seconds(due) + timedelta(minutes=window)
        if self._facts.now < ends + DECIDED_WITHIN:
            within = f" Its flexible window lasts until {self._words.instant(ends)}." if window else ""
            return self._why(Verdict.BEING_DECIDED, f"It was due at {at}, and is being decided.{within}")
        if ends < self._facts.kept_since:
            kept = self._words.instant(self._facts.kept_since)
            text = (
                f"It was due at {at}. The history of that time is not kept any more: it goes back to {kept}."
            )
            return self._why(Verdict.NOT_KEPT, text)
        if not self._past.known_at(due):
            return self._why(Verdict.UNKNOWN, f"Nothing is recorded at {at}. {_NOT_KNOWN}")
        text = f"Nothing is recorded of it, though it was due at {at}. That should not be: "
        return self._why(Verdict.MISSING, f"{text}`rez-agent doctor` looks for the cause. Please report it.")

    def _paused(self, then: Stretch, due: int, entry: Execution | None = None) -> Why:
        pause, change = then.schedule.pause, self._past.paused_by(due)
        if pause is None:  # what was changed then is not kept any more: the entry tells what it can
            detail = f": {entry.detail}" if entry is not None and entry.detail else ""
            return self._why(Verdict.PAUSED, f"The schedule was paused{detail}.")
        since = self._words.instant(pause.since if change is None else change.at)
        reason = f": {pause.reason.rstrip('.')}" if pause.reason else ", and gave no reason"
        ahead = due > to_seconds(self._facts.now)
        begin = "It will not run, for the schedule is" if ahead else "It did not run, for the schedule was"
        text = f"{begin} paused. {pause.by} paused it at {since}{reason}."
        return replace(
            self._why(Verdict.PAUSED, f"{text} {self._end_of_pause(pause, due)}"),
            change=change,
            then=then.schedule,
        )

    def _end_of_pause(self, pause: Pause, due: int) -> str:
        ended = self._past.ended_after(due)
        if ended is not None:
            by = f"{ended.by} ended the pause" if ended.by is not None else "The pause ended by itself"
            return f"{by} at {self._words.instant(ended.at)}; what it let pass is not caught up."
        if pause.until is not None:
            return f"The pause lasts until {self._words.instant(pause.until)}."
        return "The pause lasts until somebody resumes it."

    def _deleted(self) -> Why:
        change = self._past.deleted_by()
        at = self._words.instant(self._facts.schedule.updated_date if change is None else change.at)
        by = f"{change.by} deleted it" if change is not None and change.by is not None else "it was deleted"
        reason = f": {change.reason}" if change is not None and change.reason else ""
        text = f"The schedule did not exist any more: {by} at {at}{reason}."
        return replace(self._why(Verdict.DELETED, text), change=change)

    def _not_created(self) -> Why:
        made = self._facts.schedule
        at = self._words.instant(made.created_date)
        text = f"The schedule did not exist yet: {made.created_by} created it at {at}."
        return self._why(Verdict.NOT_CREATED, text)

    def _unreadable(self, error: str) -> Why:
        """It is in error; or the time zone that it had then has left the tz database."""
        change = self._past.broken_by(self._asked.last)
        since = f" since {self._words.instant(change.at)}" if change is not None else ""
        text = f"The schedule can't be evaluated{since}: {error.rstrip('.')}. An update mends that."
        return replace(self._why(Verdict.ERROR, text), change=change)

    # --- what belongs to every answer ---

    def _notes(self, found: Why) -> Iterator[str]:
        if found.occurrence is not None and found.verdict not in (Verdict.DOES_NOT_EXIST, Verdict.MOVED):
            yield from _clock_note(found.then, found.occurrence)
            yield from self._moved_here(found.then, to_seconds(found.occurrence))
        for each in found.near:
            told = {Cause.RUN: "run", Cause.BACKFILL: "backfill"}.get(each.cause, "replay")
            yield f"A {told} was asked for at {self._words.instant(each.created_date)}: {short(each)}."
        if found.execution is None:
            for each in self._facts.entries:
                if (
                    each.started_at is not None
                    and self._asked.first <= to_seconds(each.started_at) <= self._asked.last
                ):
                    yield f"The execution of {self._words.instant(each.scheduled_time)} started then."
        if found.verdict not in (Verdict.EDITED, Verdict.NOT_CREATED):
            yield from edits(self._past, found.then, self._words)
        if found.verdict is not Verdict.UNKNOWN and not self._past.known_at(self._asked.first):
            yield _NOT_KNOWN

    def _moved_here(self, then: Schedule, due: int) -> Iterator[str]:
        """Which occurrences the calendar moved to this one."""
        with suppress(Invalid):
            occurrences = then.occurrences
            for each in occurrences.moved_from(due) if isinstance(occurrences, MovedOccurrences) else ():
                at = self._words.instant(each)
                yield f"Its calendar moved it here from {at}: {closed_day(then, each)}."

    def _near(self, found: Why) -> Iterator[Execution]:
        low, high = from_seconds(self._asked.first) - NEAR, from_seconds(self._asked.last) + NEAR
        for entry in self._facts.entries:
            if entry is found.execution or entry.cause not in ASKED_FOR:
                continue
            at = entry.scheduled_time
            if at == found.occurrence or (entry.cause is Cause.RUN and low <= at <= high):
                yield entry

    def _nearest(self) -> tuple[datetime | None, datetime | None]:
        """The occurrences next to the time asked about, of the schedule as it was, from its creation on."""
        created = self._past.created
        try:
            occurrences = self._then.schedule.occurrences
        except Invalid:
            return None, None
        before = occurrences.previous_epoch(self._asked.first)
        after = occurrences.next_epoch(max(self._asked.last, created - 1))
        known = before is not None and before >= created
        return (
            from_seconds(before) if before is not None and known else None,
            None if after is None else from_seconds(after),
        )

    def _why(self, verdict: Verdict, sentence: str, change: Change | None = None) -> Why:
        return Why(verdict, sentence, self._asked, self._then.schedule, change=change)


def _stands_for(entry: Execution, due: datetime) -> bool:
    return entry.span is not None and entry.span.first <= due <= entry.span.last


def _over(pause: Pause, due: int) -> bool:
    """Whether the pause has ended when ``due`` comes: it ends in that very second."""
    return pause.until is not None and to_seconds(pause.until) <= due


def _clock_note(then: Schedule, at: datetime) -> Iterator[str]:
    try:
        note = then.definition.expression.note_at(at)
    except Invalid:
        return
    if note is not None:
        yield note[:1].upper() + note[1:] + "."


def zone_of(schedule: Schedule) -> Zone:
    """The zone on whose clock times are told; UTC where the schedule's has left the tz database."""
    try:
        return zone(schedule.definition.timezone)
    except KeyError:
        return zone("UTC")
