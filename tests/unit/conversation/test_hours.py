"""When somebody is there again, in words: what a person reads at night (CARE, rule 8)."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from appservice.conversation import opens_again
from policies.hours import parse_hours

WEEK = "Mon-Fri 09:00-12:30, Mon-Fri 13:30-17:00, Sat 10:00-24:00 Europe/London"


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("2026-11-27 09:00", ""),  # a Friday
        ("2026-11-27 08:59", "today at 9am"),
        ("2026-11-27 12:30", "today at 1.30pm"),
        ("2026-11-27 17:00", "tomorrow at 10am"),
        ("2026-11-28 23:59", ""),
        ("2026-11-29 00:00", "tomorrow at 9am"),
        ("2026-11-28 03:00", "today at 10am"),
    ],
)
def test_it_says_when_people_are_back(now: str, said: str) -> None:
    assert opens_again(parse_hours(WEEK), _ms(now)) == said


def test_who_is_there_one_day_a_week_is_back_on_that_day() -> None:
    hours = parse_hours("Tue 18:00-20:00 Europe/London")
    assert opens_again(hours, _ms("2026-11-27 12:00")) == "on Tuesday at 6pm"
    assert opens_again(hours, _ms("2026-11-24 20:00")) == "on Tuesday at 6pm", "a week later"


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/London")).timestamp() * 1000)
