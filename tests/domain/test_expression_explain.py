"""The sentence: plain English that leaves nothing out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from rez_agent.domain.cron import Cron
from rez_agent.domain.expression import parse
from tests.domain.strategies import crons, zones

SENTENCES = [
    ("cron(0 9 LW * ? *)", "At 09:00 on the last weekday of every month"),
    ("cron(0 9 L * ? *)", "At 09:00 on the last day of every month"),
    ("cron(0 9 L-1 * ? *)", "At 09:00 on the 1st day before the last day of every month"),
    ("cron(0 9 15W * ? *)", "At 09:00 on the weekday nearest the 15th of every month"),
    ("cron(0 9 31W * ? *)", "At 09:00 on the weekday nearest the 31st of every month, when there is one"),
    ("cron(0 9 1,15 * ? *)", "At 09:00 on the 1st and 15th of every month"),
    ("cron(0 9 1-7 * ? *)", "At 09:00 on every day from the 1st to the 7th of every month"),
    (
        "cron(0 9 */5 5-11 ? *)",
        "At 09:00 on every 5th day from the 1st to the 31st of May to November, as far as the month has them",
    ),
    ("cron(0 9 29 FEB ? *)", "At 09:00 on the 29th of February, when there is one"),
    ("cron(0 9 * * ? *)", "At 09:00 every day"),
    ("cron(0 9 ? * * *)", "At 09:00 every day"),
    ("cron(0 9 * 8 ? *)", "At 09:00 every day in August"),
    ("cron(0 9,17 ? * MON-FRI *)", "At 09:00 and 17:00, Monday to Friday"),
    ("cron(0 9 ? * SAT,SUN *)", "At 09:00 every Saturday and Sunday"),
    ("cron(0 9 ? * FRI-MON *)", "At 09:00 every Monday, Friday, Saturday and Sunday"),
    ("cron(0 9 ? * L *)", "At 09:00 every Saturday"),
    ("cron(0 9 ? * FRIL *)", "At 09:00 on the last Friday of every month"),
    ("cron(0 9 ? JAN,JUL 3#2 *)", "At 09:00 on the second Tuesday of January and July"),
    ("cron(0 9 ? * 3#5 *)", "At 09:00 on the fifth Tuesday of every month, when there is one"),
    ("cron(* * * * ? *)", "Every minute"),
    ("cron(*/15 * * * ? *)", "Every 15 minutes"),
    ("cron(0/15 9-17 ? * MON-FRI *)", "Every 15 minutes from 09:00 to 17:45, Monday to Friday"),
    ("cron(* 12 * * ? *)", "Every minute from 12:00 to 12:59, every day"),
    ("cron(0 * * * ? *)", "Every hour, on the hour"),
    ("cron(1 * * * ? *)", "At 1 minute past every hour"),
    ("cron(7,37 * * * ? *)", "At 7 and 37 minutes past every hour"),
    ("cron(5/10 * * * ? *)", "At every 10th minute from 5 to 55 past every hour"),
    ("cron(*/7 * * * ? *)", "At every 7th minute from 0 to 56 past every hour"),
    ("cron(10-20 8 * * ? *)", "At every minute from 10 to 20 past hour 08, every day"),
    ("cron(30 */2 * * ? *)", "Every 2 hours from 00:30 to 22:30, every day"),
    ("cron(0 9-17 * * ? *)", "Every hour from 09:00 to 17:00, every day"),
    ("cron(0 20-2 * * ? *)", "At 00:00, 01:00, 02:00, 20:00, 21:00, 22:00 and 23:00 every day"),
    (
        "cron(0/30 22-2,8 * * ? *)",
        "Every 30 minutes from 00:00 to 02:30, from 08:00 to 08:30 and from 22:00 to 23:30, every day",
    ),
    ("cron(0 9 1 1 ? 2026)", "At 09:00 on the 1st of January, in 2026"),
    ("cron(0 9 1 1 ? 2026-2030)", "At 09:00 on the 1st of January, from 2026 to 2030"),
    ("cron(0 9 1 1 ? 2026,2028)", "At 09:00 on the 1st of January, in 2026 and 2028"),
    ("cron(0 9 1 1 ? 2026/2)", "At 09:00 on the 1st of January, every 2nd year from 2026 to 2198"),
]


@pytest.mark.parametrize(("text", "sentence"), SENTENCES, ids=[text for text, _ in SENTENCES])
def test_cron_in_words(text: str, sentence: str) -> None:
    assert parse(text, "America/New_York").explain() == f"{sentence}, in America/New_York."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rate(5 minutes)", "Every 5 minutes, counted in elapsed time from the schedule's start."),
        ("rate(1 minute)", "Every minute, counted in elapsed time from the schedule's start."),
        ("rate(1 hours)", "Every hour, counted in elapsed time from the schedule's start."),
        ("rate(1 day)", "Every 24 hours, counted in elapsed time from the schedule's start."),
        ("rate(3 days)", "Every 3 days of 24 hours, counted in elapsed time from the schedule's start."),
        ("at(2026-07-04T09:30:15)", "Once, at 09:30:15 on Saturday 4 July 2026, in America/New_York."),
        (
            "at(2026-03-08T02:30:00)",
            (
                "Once, at 03:30 on Sunday 8 March 2026, in America/New_York "
                "(02:30 on 8 March 2026 does not exist there)."
            ),
        ),
    ],
)
def test_rate_and_at_in_words(text: str, sentence: str) -> None:
    assert parse(text, "America/New_York").explain() == sentence


def test_spellings_of_one_meaning_read_alike() -> None:
    spellings = ("*/15", "0/15", "0-59/15", "0,15,30,45", "45,30,15,0")
    assert len({parse(f"cron({minutes} * * * ? *)").explain() for minutes in spellings}) == 1


_told_apart: dict[str, Cron] = {}


@settings(max_examples=1500, deadline=None)
@given(crons(), zones)
def test_two_meanings_never_read_alike(text: str, timezone: str) -> None:
    expression = parse(text, timezone)
    sentence = expression.explain()
    assert isinstance(expression.meaning, Cron)
    assert _told_apart.setdefault(sentence, expression.meaning) == expression.meaning
    assert sentence.endswith((f", in {timezone}.", f", in {timezone}: this never comes."))
    assert sentence[0].isupper()
    assert "  " not in sentence
