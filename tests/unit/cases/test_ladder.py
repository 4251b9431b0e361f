"""A ladder that a policy writes down: who is called, where, until when; and what no policy can change (CARE, 4, 8 and 15)."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import orjson
import pytest

from appservice.cases import Pace
from appservice.cases.ladder import deadline, is_staffed
from appservice.cases.records import case_from, record_of
from appservice.flow import Audience, Case, CaseState, TouchCase, UrgentMessage
from policies.hours import StaffedHours, parse_hours
from policies.ladders import BUILT_IN, DEPUTY, LEAD, Band, Ladder, Step
from tests.unit.cases import test_book as book
from tests.unit.cases.test_deadlines import Ladder as Desk

LISTENER, SENIOR = "@listener:x", "@senior:x"
HOURS = parse_hours("Mon-Fri 09:00-17:00 Europe/London")
NOON, NIGHT = "2026-11-24 12:00", "2026-11-24 03:00"  # a Tuesday


def desk(now: str = NOON, hours: StaffedHours = HOURS, **ladders: Ladder) -> Desk:
    """A desk whose policy has these ladders; Lin listens and is in the safeguarding room, Sen moderates too."""
    made = Desk()
    made.clock.now = ms(now)
    people = made.people
    people.roles = {"listener": (LISTENER,), "senior": (SENIOR,), "moderator": (book.MODERATOR,)}
    people.duties |= {
        "safeguard": (book.LEAD, book.DEPUTY, LISTENER),
        "moderate": (book.LEAD, book.DEPUTY, book.MODERATOR, SENIOR),
    }
    in_force: dict[Band, Ladder] = dict(BUILT_IN) | ladders  # type: ignore[operator]
    made.book.pace = Pace(in_force, hours)
    return made


def ms(local: str) -> int:
    return int(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Europe/London")).timestamp() * 1000)


def after(case: Case) -> float:
    """How many minutes a case waits until it is passed on."""
    assert case.deadline_ms is not None
    return (case.deadline_ms - ms(NOON)) / 60_000


async def test_each_step_calls_its_people_with_those_before_and_waits_as_long_as_it_says() -> None:
    steps = Ladder((Step((LEAD,), 30), Step(("listener",), 20), Step((DEPUTY,), 10)))
    here = desk(serious=steps)
    case = here.happens(track="concern", severity=3, kind="suicide")
    assert (here.book.called(case), after(case)) == ((book.LEAD,), 30)
    case = here.does(case, "escalate")
    assert (here.book.called(case), after(case)) == ((book.LEAD, LISTENER), 20)
    case = here.does(case, "escalate")
    assert (here.book.called(case), after(case)) == ((book.LEAD, LISTENER, book.DEPUTY), 10)


async def test_care_08_where_a_written_ladder_runs_out_its_person_is_told() -> None:
    here = desk(serious=Ladder((Step((LEAD,), 30), Step(("listener",), 20), Step((DEPUTY,), 10))))
    case = here.happens(track="concern", severity=3, kind="suicide")
    told = [[one.text for one in await here.waits() if isinstance(one, UrgentMessage)] for _ in range(4)]
    assert told == [[], [], ["care.nobody_yet"], []]
    found = here.book.by_id(case.id)
    assert found is not None
    assert (found.state, found.deadline_ms) == (CaseState.OPEN, None)
    assert set(here.book.called(found)) == {book.LEAD, book.DEPUTY, LISTENER}


@pytest.mark.parametrize("about", [book.LEAD, book.DEPUTY, LISTENER])
@pytest.mark.parametrize("severity", [2, 3, 4])
def test_care_04_no_ladder_calls_whom_it_is_about(about: str, severity: int) -> None:
    everybody = Ladder((Step((LEAD, DEPUTY, "listener"), 10), Step((), 10)))
    here = desk(help=everybody, serious=everybody, danger=everybody)
    case = here.happens(about, track="concern", severity=severity)
    for _ in range(4):
        assert about not in here.book.called(case)
        assert about not in here.sees(case)
        assert here.book.called(case), "the next are called"
        case = here.does(case, "escalate")


def test_care_04_conduct_of_a_moderator_calls_the_next_step_in_the_room_above() -> None:
    here = desk(conduct=Ladder((Step(("moderator",), 60, "moderators"), Step((LEAD,), 60))))
    case = here.happens(book.MODERATOR)
    assert here.book.audience(case) is Audience.SAFEGUARDING
    assert here.book.called(case) == (book.LEAD,), "those who moderate are not in that room"


def test_conduct_stays_with_the_moderators_as_long_as_its_steps_do() -> None:
    steps = (Step(("moderator",), 60, "moderators"), Step(("senior",), 60, "moderators"), Step((LEAD,), 60))
    here = desk(conduct=Ladder(steps))
    case, _ = here.book.numbered(here.happens())
    assert (here.book.audience(case), here.book.called(case)) == (Audience.MODERATORS, (book.MODERATOR,))
    case = here.does(case, "escalate")
    assert (here.book.audience(case), here.book.called(case)) == (Audience.MODERATORS, (book.MODERATOR, SENIOR))
    case = here.does(case, "escalate")
    assert (here.book.audience(case), here.book.called(case)) == (Audience.SAFEGUARDING, (book.LEAD,))


def test_care_15_outside_the_staffed_hours_nobody_is_called_who_did_not_agree_to_it() -> None:
    ladder = Ladder((Step(("listener",), 30), Step((DEPUTY,), 30)))
    assert called_at(NOON, ladder) == (LISTENER,)
    assert called_at(NIGHT, ladder) == (book.LEAD,), "the lead in their place"
    agreed = Ladder((Step(("listener",), 30, agreed=True), Step((DEPUTY,), 30)))
    assert called_at(NIGHT, agreed) == (LISTENER,)


def called_at(now: str, ladder: Ladder) -> tuple[str, ...]:
    here = desk(now, serious=ladder)
    return here.book.called(here.happens(track="concern", severity=3, kind="suicide"))


def test_care_15_small_things_wake_nobody() -> None:
    here = desk(NIGHT, conduct=Ladder((Step(("moderator",), 60, "moderators"), Step((LEAD,), 60))))
    case, _ = here.book.numbered(here.happens())
    assert here.book.called(case) == ()
    here.clock.now = ms(NOON)
    assert here.book.called(case) == (book.MODERATOR,)


def test_in_danger_lead_and_deputy_are_called_at_once_day_and_night_by_the_clock() -> None:
    here = desk(NIGHT, danger=Ladder((Step((LEAD, DEPUTY, "listener"), 5), Step((), 5))))
    case = here.happens(track="concern", severity=4, kind="suicide")
    assert here.book.called(case) == (book.LEAD, book.DEPUTY)
    assert case.deadline_ms == ms(NIGHT) + 5 * 60_000


def test_another_policy_counts_from_the_next_step_of_cases_that_wait() -> None:
    here = desk()
    case = here.happens(track="concern", severity=3, kind="suicide")
    assert after(case) == 60
    here.book.pace = desk(serious=Ladder((Step((LEAD,), 5), Step(("listener",), 10), Step((DEPUTY,), 10)))).book.pace
    found = here.book.by_id(case.id)
    assert found is not None
    assert after(found) == 60, "what runs goes on to run"
    found = here.does(found, "overdue", "")
    assert (after(found), here.book.called(found)) == (10, (book.LEAD, LISTENER))


async def test_a_shorter_ladder_ends_a_case_that_stands_beyond_it() -> None:
    here = desk(serious=Ladder((Step((LEAD,), 30), Step(("listener",), 20), Step((DEPUTY,), 10))))
    case = here.does(here.happens(track="concern", severity=3, kind="suicide"), "escalate")
    here.book.pace = desk(serious=Ladder((Step((LEAD,), 30),))).book.pace
    assert here.book.ends(case)
    assert [one.text for one in await here.waits() if isinstance(one, UrgentMessage)] == ["care.nobody_yet"]
    assert await here.waits() == []


def test_what_left_the_moderators_does_not_come_back_with_another_policy() -> None:
    here = desk()
    case = here.does(here.book.numbered(here.happens())[0], "escalate")
    assert here.book.audience(case) is Audience.SAFEGUARDING
    both = Ladder((Step(("moderator",), 60, "moderators"), Step(("senior",), 60, "moderators")))
    here.book.pace = desk(conduct=both).book.pace
    assert here.book.audience(case) is Audience.SAFEGUARDING
    assert book.MODERATOR not in here.book.called(case)


async def test_what_became_worse_after_the_ladder_ended_is_passed_on_again() -> None:
    """Each time under a key of its own: the same key would be decided once, and the case be due for ever."""
    here = desk()
    here.happens(track="concern", severity=2, kind="low")
    sources: list[str] = []
    for severity in (2, 3, 4):
        here.happens(track="concern", severity=severity, kind="suicide")
        for _ in range(3):
            sources += [one.source for one in await here.waits() if isinstance(one, TouchCase)]
    assert len(sources) >= 4
    assert len(set(sources)) == len(sources)


def test_a_case_from_before_ladders_were_written_stays_where_it_was() -> None:
    here = desk()
    case = here.does(here.book.numbered(here.happens())[0], "escalate")
    assert case_from(_read(record_of(case))) == case
    old = {name: value for name, value in _read(record_of(case)).items() if name != "moved"}
    assert case_from(old).moved
    assert not case_from(old | {"rung": 0}).moved


def _read(record: bytes) -> dict[str, object]:
    found: dict[str, object] = orjson.loads(record)
    return found


def test_where_somebody_is_there_an_hour_a_week_it_still_passes_on_while_they_are() -> None:
    hours = parse_hours("Tue 10:00-11:00 Europe/London")
    due = deadline(480, ms(NOON), hours)
    assert due == ms("2026-12-08 11:00"), "the end of the last hour within two weeks"
    assert is_staffed(due - 1, hours)
    assert not is_staffed(due, hours)


def test_a_community_without_hours_is_asked_by_the_clock() -> None:
    assert is_staffed(ms(NIGHT), None)
    assert deadline(60, ms(NIGHT), None) == ms("2026-11-24 04:00")
