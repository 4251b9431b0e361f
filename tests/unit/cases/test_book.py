"""How a case moves: who sees it, who is called, how long each has, and what its number tells (CARE, rules 4, 5, 15, 16)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from appservice.cases import CARDS_A_WEEK, CaseBook, Pace
from appservice.cases.ladder import deadline
from appservice.flow import Audience, Card, CardOf, Case, CaseState, Lane, OpenCase, TouchCase
from policies.hours import parse_hours
from tests.support.house import ManualClock

LEAD, DEPUTY, MODERATOR, OPS, MEMBER = "@lead:x", "@deputy:x", "@moderator:x", "@ops:x", "@member:x"
HOUR = 3600 * 1000


@dataclass
class People:
    """Who holds what; changed by tests."""

    lead: tuple[str, ...] = (LEAD,)
    deputy: tuple[str, ...] = (DEPUTY,)
    duties: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "moderate": (LEAD, DEPUTY, MODERATOR),
            "safeguard": (LEAD, DEPUTY),
            "operate": (OPS,),
        }
    )
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def kind(self, community: str, group: str) -> str:
        return "open"

    def admits(self, community: str, group: str, user_id: str) -> bool:
        duty = {"moderators": "moderate", "safeguarding": "safeguard", "ops": "operate"}[group]
        return user_id in self.duties[duty]

    def approves(self, community: str, group: str, user_id: str) -> bool:
        return self.can(community, user_id, "approve_join")

    def can(self, community: str, user_id: str, duty: str) -> bool:
        return user_id in self.duties.get(duty, ())

    def owners(self, community: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.lead, *self.deputy)))

    def leads(self, community: str) -> tuple[str, ...]:
        return self.lead

    def holders(self, community: str, duty: str) -> tuple[str, ...]:
        return self.duties.get(duty, ())

    def holding(self, community: str, name: str) -> tuple[str, ...]:
        return {"safeguarding_lead": self.lead, "deputy": self.deputy}.get(name, self.roles.get(name, ()))


class Desk:
    """A book of cases with people around it."""

    def __init__(self, *, reached: bool = True) -> None:
        self.people = People()
        self.clock = ManualClock()
        self.book = CaseBook("x", self.clock, lambda _user: reached, self.people.admits)
        self.book.rules = self.people
        self._n = 0

    def happens(
        self, about: str = MEMBER, *, track: str = "conduct", severity: int = 2, kind: str = "contact_details"
    ) -> Case:
        self._n += 1
        self.book.open(
            OpenCase(
                source=f"${self._n}",
                rule="test",
                lane=Lane("x", "!r"),
                community="c",
                track=track,
                kind=kind,
                severity=severity,
                about=about,
                room_id="!r",
                event_id=f"${self._n}",
            )
        )
        case = self.book.current("c", track, about)
        assert case is not None
        return case

    def asks(self, about: str) -> None:
        """Somebody asks for a second look."""
        self._n += 1
        common = {"source": f"${self._n}", "rule": "requests", "lane": Lane("x", "!d"), "community": "c"}
        more = {"kind": "appeal", "severity": 2, "about": about, "room_id": "!d", "event_id": f"${self._n}"}
        self.book.open(OpenCase(**common, **more, track="conduct", asked=True))  # type: ignore[arg-type]

    def does(self, case: Case, action: str, by: str = LEAD, outcome: str = "") -> Case:
        self._n += 1
        touch = TouchCase(
            source=f"${self._n}",
            rule="test",
            lane=Lane("x", "!r"),
            case=case.id,
            action=action,
            by=by,
            at_ms=self.clock.now,
            outcome=outcome,
        )
        self.book.touch(touch)
        found = self.book.by_id(case.id)
        assert found is not None
        return found

    def sees(self, case: Case) -> set[str]:
        """Everybody who can read what is said of a case."""
        audience = self.book.audience(case)
        if audience is Audience.PRIVATE:
            return set(self.book.alone(case))
        return set(self.people.duties["moderate" if audience is Audience.MODERATORS else "safeguard"])


@pytest.mark.parametrize("track", ["conduct", "concern"])
@pytest.mark.parametrize("about", [LEAD, DEPUTY, MODERATOR, OPS, MEMBER])
def test_care_04_nobody_sees_or_handles_a_case_about_themselves(about: str, track: str) -> None:
    desk = Desk()
    case = desk.happens(about, track=track, severity=3 if track == "concern" else 2)
    for _ in range(3):
        assert about not in desk.sees(case)
        assert about not in desk.book.called(case)
        assert not desk.book.may(case, about)
        assert desk.sees(case), "somebody must look at it"
        assert any(desk.book.may(case, one) for one in desk.sees(case))
        case = desk.does(case, "escalate")


def test_care_04_a_case_about_the_only_lead_without_a_deputy_goes_to_the_next_there_are() -> None:
    desk = Desk()
    desk.people.deputy = ()
    desk.people.duties |= {"safeguard": (LEAD,), "moderate": (LEAD, MODERATOR)}
    case = desk.happens(LEAD, track="concern", severity=3, kind="suicide")
    assert (desk.book.audience(case), desk.book.alone(case)) == (Audience.PRIVATE, (OPS,))
    assert desk.book.alone(desk.does(case, "escalate")) == (OPS, MODERATOR)


def test_care_04_without_the_comparison_the_subject_would_see_it() -> None:
    desk = Desk()
    blind = CaseBook("x", desk.clock, lambda _user: True, lambda *_: False)
    blind.rules = desk.people
    desk.book = blind
    assert MODERATOR in desk.sees(desk.happens(MODERATOR))


def test_care_04_numbers_have_no_gap_that_tells_of_a_case_one_may_not_see() -> None:
    desk = Desk()
    for about in ("@a:x", MODERATOR, "@b:x", LEAD, "@c:x"):
        desk.book.numbered(desk.happens(about))
    named = {one.about: one.reference for one in map(desk.book.by_id, desk.book.all_ids()) if one is not None}
    assert named == {"@a:x": "H-0001", "@b:x": "H-0002", "@c:x": "H-0003", MODERATOR: "S-0001", LEAD: "P-0001"}


def test_care_05_who_cannot_be_told_starts_one_rung_higher() -> None:
    assert desk_rung(reached=True) == (0, (LEAD,))
    assert desk_rung(reached=False) == (1, (LEAD, DEPUTY))


def desk_rung(*, reached: bool) -> tuple[int, tuple[str, ...]]:
    desk = Desk(reached=reached)
    case = desk.happens(track="concern", severity=3, kind="suicide")
    return case.rung, desk.book.called(case)


def test_care_16_a_community_gets_five_cards_a_week_and_one_list_for_the_rest() -> None:
    desk = Desk()
    cases = [desk.book.numbered(desk.happens(f"@p{n}:x"))[0] for n in range(8)]
    assert [case.quiet for case in cases] == [False] * CARDS_A_WEEK + [True] * 3
    assert [case.reference for case in desk.book.quiet_ones("c", Audience.MODERATORS)] == ["H-0006", "H-0007", "H-0008"]
    grave, _ = desk.book.numbered(desk.happens(track="concern", severity=3, kind="suicide"))
    assert not grave.quiet, "what is serious is never in a list"
    desk.clock.now += 7 * 24 * HOUR + 1
    assert not desk.book.numbered(desk.happens("@later:x"))[0].quiet


def test_one_person_has_one_open_case_of_a_track_which_grows() -> None:
    desk = Desk()
    first = desk.happens()
    second = desk.happens()
    assert (second.id, second.count, len(second.events)) == (first.id, 2, 2)
    desk.does(second, "close", outcome="resolved")
    assert desk.happens().id != first.id
    assert desk.happens(track="concern", severity=3).id not in {first.id}


def test_a_message_that_comes_twice_counts_once() -> None:
    desk = Desk()
    case = desk.happens()
    desk._n -= 1
    assert desk.happens().count == case.count


def test_who_takes_a_case_stops_its_clock_and_who_passes_it_on_starts_it() -> None:
    desk = Desk()
    case = desk.happens()
    assert case.deadline_ms is None, "before its card nobody could have answered"
    case, _ = desk.book.numbered(case)
    assert case.deadline_ms is not None
    case = desk.does(case, "ack", MODERATOR)
    assert (case.state, case.owner, case.deadline_ms) == (CaseState.TAKEN, MODERATOR, None)
    case = desk.does(case, "escalate", MODERATOR)
    assert (case.state, case.owner, case.rung) == (CaseState.OPEN, "", 1)
    assert case.deadline_ms is not None
    assert desk.sees(case) == {LEAD, DEPUTY}
    assert not desk.book.may(case, MODERATOR), "it is theirs no more"
    case = desk.does(case, "close", LEAD, "referred")
    assert (case.open, case.outcome, case.deadline_ms) == (False, "referred", None)
    assert desk.does(case, "ack", DEPUTY) == case, "what is closed stays closed"


def test_what_becomes_worse_wakes_a_case_that_somebody_has() -> None:
    desk = Desk()
    case = desk.does(desk.happens(track="concern", severity=3, kind="disclosure"), "ack")
    worse = desk.happens(track="concern", severity=4, kind="suicide")
    assert (worse.id, worse.state, worse.severity, worse.kind) == (case.id, CaseState.OPEN, 4, "suicide")
    assert worse.deadline_ms == desk.clock.now + 15 * 60_000
    assert desk.book.called(worse) == (LEAD, DEPUTY)


def test_conduct_that_becomes_serious_leaves_the_moderators() -> None:
    desk = Desk()
    desk.happens()
    assert desk.sees(desk.happens(severity=3)) == {LEAD, DEPUTY}


def test_what_is_due_is_found_once_its_time_is_over() -> None:
    desk = Desk()
    case = desk.happens(track="concern", severity=4, kind="suicide")
    assert desk.book.due(desk.clock.now) == []
    assert case.deadline_ms is not None
    assert [one.id for one in desk.book.due(case.deadline_ms)] == [case.id]
    assert desk.does(case, "overdue", "").rung == 1
    assert desk.does(case, "overdue", "").deadline_ms is None, "the ladder ends"


@pytest.mark.parametrize(
    ("severity", "now", "until"),
    [
        (4, "2026-11-24 03:00", "2026-11-24 03:15"),  # danger does not wait for the morning
        (3, "2026-11-24 09:30", "2026-11-24 10:30"),
        (3, "2026-11-24 16:30", "2026-11-25 09:30"),  # half an hour today, half an hour tomorrow
        (3, "2026-11-24 03:00", "2026-11-24 10:00"),
        (2, "2026-11-27 12:00", "2026-11-30 12:00"),  # a Friday: five hours, three on Monday
    ],
)
def test_time_runs_in_staffed_hours_but_for_danger(severity: int, now: str, until: str) -> None:
    hours = parse_hours("Mon-Fri 09:00-17:00 Europe/London")
    case = replace(Desk().happens(track="concern", severity=severity), rung=0)
    assert Pace(hours=hours).due(case, _ms(now)) == _ms(until)


WEEK = parse_hours("Mon-Fri 09:00-17:00 Europe/London")
EVENING = parse_hours("Tue 18:00-21:00 Europe/London")


@pytest.mark.parametrize(
    ("own", "now", "until"),
    [
        ("Mon-Fri 09:00-21:00", "2026-11-24 09:00", "2026-11-25 09:00"),  # over at 17:00, when nobody is left to ask
        ("Mon-Fri 07:00-21:00", "2026-11-24 07:30", "2026-11-24 15:30"),
        ("Tue 18:00-21:00", "2026-11-24 09:00", "2026-12-01 09:00"),  # three hours a week: a week at most
        ("Sat 08:00-18:00", "2026-11-27 12:00", "2026-11-30 09:00"),  # over on a Saturday: people come on Monday
    ],
)
def test_a_case_of_a_group_waits_in_its_hours_and_is_passed_on_in_those_of_the_community(
    own: str, now: str, until: str
) -> None:
    desk = Desk()
    desk.clock.now = _ms(now)
    desk.book.pace = replace(desk.book.pace, hours=WEEK, of_room={"!r": parse_hours(f"{own} Europe/London")}.get)
    case, _ = desk.book.numbered(desk.happens())
    assert case.deadline_ms == _ms(until)


@pytest.mark.parametrize(("track", "severity"), [("concern", 2), ("concern", 3), ("conduct", 3)])
def test_what_the_leads_answer_waits_in_the_hours_of_the_community(track: str, severity: int) -> None:
    desk = Desk()
    desk.clock.now = _ms("2026-11-24 19:00")
    desk.book.pace = replace(desk.book.pace, hours=WEEK, of_room=lambda _room: EVENING)
    case, _ = desk.book.numbered(desk.happens(track=track, severity=severity, kind="threats"))
    of_all = replace(desk.book.pace, of_room=lambda _room: None)
    assert case.deadline_ms == of_all.due(case, desk.clock.now)


@pytest.mark.parametrize("how", ["escalate", "asked"])
def test_what_was_passed_on_or_asked_for_leaves_the_hours_of_its_group(how: str) -> None:
    desk = Desk()
    desk.clock.now = _ms("2026-11-24 09:00")
    desk.book.pace = replace(desk.book.pace, hours=WEEK, of_room=lambda _room: EVENING)
    case, _ = desk.book.numbered(desk.happens())
    assert case.deadline_ms == _ms("2026-12-01 09:00")
    if how == "escalate":
        case = desk.does(case, "escalate")
    else:
        desk.asks(MEMBER)
        case = desk.book.by_id(case.id) or case
    assert case.deadline_ms == _ms("2026-11-24 17:00")


def test_over_the_change_of_the_clocks_an_hour_is_an_hour() -> None:
    hours = parse_hours("Mon-Sun 00:00-24:00 Europe/London")
    assert deadline(60, _ms("2026-10-25 00:30"), hours) - _ms("2026-10-25 00:30") == HOUR


def _ms(local: str) -> int:
    return int(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Europe/London")).timestamp() * 1000)


def test_a_card_knows_its_case_and_its_buttons() -> None:
    desk = Desk()
    case, _ = desk.book.numbered(desk.happens())
    rows = desk.book.carded(case.id, CardOf("!team", "$card", desk.clock.now, 2))
    found = desk.book.by_card("!team", "$card")
    assert found is not None
    assert found.id == case.id
    assert [row["action"] for row in rows.buttons] == ["ack", "escalate"]
    for drawn in ("⬆", "⬆\ufe0f"):
        button = desk.book.button("!team", "$card", drawn)
        assert button is not None
        assert (button.action, button.duty) == ("escalate", "moderate")
    assert desk.book.button("!elsewhere", "$card", "👀") is None


def test_care_16_what_stands_in_the_list_calls_nobody_by_the_clock() -> None:
    desk = Desk()
    cases = [desk.book.numbered(desk.happens(f"@p{n}:x"))[0] for n in range(8)]
    assert [case.deadline_ms is None for case in cases] == [False] * CARDS_A_WEEK + [True] * 3


def test_care_04_the_numbers_of_status_tell_nothing_of_a_case_told_to_people_alone() -> None:
    desk = Desk()
    desk.happens(LEAD, track="concern", severity=3, kind="suicide")
    assert desk.book.counts == {"open": 0, "waiting": 0}
    desk.happens()
    assert desk.book.counts == {"open": 1, "waiting": 1}


def test_a_removal_that_was_refused_leaves_no_case_and_no_number() -> None:
    desk = Desk()
    case = desk.happens()
    card = Card(
        source="$1",
        rule="test",
        lane=Lane("x", "!r"),
        community="c",
        place="moderators",
        about=MEMBER,
        text="card.contact_details_removed",
        case="conduct",
    )
    assert desk.book.moot(card).cases
    found = desk.book.by_id(case.id)
    assert found is not None
    assert (found.open, found.outcome, found.count) == (False, "void", 0)
    both = desk.happens()
    desk.happens()
    desk.book.moot(replace(card, source=both.events[0].event_id))
    smaller = desk.book.current("c", "conduct", MEMBER)
    assert smaller is not None
    assert (smaller.open, smaller.count) == (True, 1)


def test_what_the_store_refused_is_as_if_it_had_not_been() -> None:
    """The homeserver gives the event again: a tap must not be spent, and nothing passed on twice."""
    desk = Desk()
    opened = desk.book.open(_opens("$1"))
    for undo in reversed(opened.undo):
        undo()
    assert desk.book.all_ids() == []
    assert desk.book.current("c", "conduct", MEMBER) is None
    case, _ = desk.book.numbered(desk.happens())
    desk.book.carded(case.id, CardOf("!team", "$card", desk.clock.now, 2))
    before = desk.book.by_id(case.id)
    button = ("!team", "$card", "⬆")
    touch = TouchCase(
        source="$t",
        rule="test",
        lane=Lane("x", "!r"),
        case=case.id,
        action="escalate",
        by=LEAD,
        at_ms=desk.clock.now,
        button=button,
    )
    for undo in reversed(desk.book.touch(touch).undo):
        undo()
    assert desk.book.by_id(case.id) == before
    found = desk.book.button(*button)
    assert found is not None
    assert found.used_by == ""


def _opens(event_id: str) -> OpenCase:
    return OpenCase(
        source=event_id,
        rule="test",
        lane=Lane("x", "!r"),
        community="c",
        track="conduct",
        kind="contact_details",
        severity=2,
        about=MEMBER,
        room_id="!r",
        event_id=event_id,
    )


def test_a_closed_case_that_loses_a_card_does_not_hide_the_open_one() -> None:
    desk = Desk()
    old, _ = desk.book.numbered(desk.happens())
    card = CardOf("!moderators", "$card", desk.clock.now, 2)
    desk.book.carded(old.id, card)
    desk.does(old, "close", MODERATOR, "resolved")
    desk.clock.now += 1000
    new = desk.happens()
    assert new.id != old.id
    desk.book.forget_card(old.id, card)
    assert desk.happens().id == new.id, "else one more case would be opened for them at each message"


def test_care_05_where_nobody_who_is_told_alone_ever_came_in_the_next_are_told_too() -> None:
    for reached in (True, False):
        desk = Desk(reached=reached)
        case = desk.happens(LEAD, track="concern", severity=4, kind="suicide")
        assert desk.book.audience(case) is Audience.PRIVATE
        assert desk.book.alone(case) == ((DEPUTY,) if reached else (DEPUTY, OPS))
        assert desk.book.may(case, OPS) is not reached
