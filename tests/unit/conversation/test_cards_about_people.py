"""Where a card about somebody is said: never where they read along, and never where nobody reads it (CARE, rule 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from appservice.conversation import CardExecutor, Catalogue
from appservice.conversation import Desk as CardDesk
from appservice.flow import Attempt, Card, CardEdit, Done, Item, Lane, Postponed, Track, UrgentCard
from appservice.store import Commit
from tests.unit.cases.test_book import DEPUTY, LEAD, MEMBER, MODERATOR, OPS, Desk

ROOMS = {"moderators": "!moderators", "safeguarding": "!safeguarding", "ops": "!ops"}


class Rooms:
    """Private rooms; `how` says how people are reached, in theirs if it does not say."""

    def __init__(self) -> None:
        self.how: dict[str, str] = {}

    async def reachable(self, user_id: str, key: str) -> tuple[str, str]:
        return f"!dm-{user_id}", self.how.get(user_id, "reached")

    def is_reached(self, user_id: str) -> bool:
        return self.how.get(user_id, "reached") == "reached"


class Says:
    """Remembers what was said where; `replaces` marks an edit."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, str]] = []
        self.called: list[str] = []
        self.items: tuple[Item, ...] = ()
        self.told: list[str] = []

    async def say(
        self, room_id: str, effect: Card, text: str, items: tuple[Item, ...], attempt: Attempt, **more: Any
    ) -> Done:
        self.items = items
        self.told.append(items[0].get("told", ""))
        self.called.append(items[0].get("calls", ""))
        self.said.append((room_id, text, more.get("replaces") or ""))
        return Done(event_id=f"$said-{len(self.said)}", room_id=room_id)

    def actor(self, _identity: object) -> None: ...


class Sends:
    async def send(self, *_: object) -> str:
        return "$reaction"


class Table(Desk):
    """A desk with what cards need."""

    def __init__(self) -> None:
        super().__init__()
        self.rooms, self.says, self.kept = Rooms(), Says(), dict[str, str]()
        self.inside: set[tuple[str, str]] = set()
        self.away: set[str] = set()
        self.book._in_room = self._in_room
        self.executor = CardExecutor(
            CardDesk(
                book=self.book,
                client=Sends(),  # type: ignore[arg-type]
                speaker=self.says,  # type: ignore[arg-type]
                place=lambda _community, name: ROOMS.get(name),
                rooms=self.rooms,  # type: ignore[arg-type]
                clock=self.clock,
                insist=self._insist,
                recall=self._recall,
                remember=self._remember,
                sits_in=lambda room_id, user: (room_id.removeprefix("!"), user) in self.inside,
                is_private=lambda _room: False,
                reads=lambda room_id, user: room_id.startswith("!dm") or user not in self.away,
            )
        )

    def _in_room(self, community: str, place: str, user_id: str) -> bool:
        return (place, user_id) in self.inside or self.people.admits(community, place, user_id)

    async def _insist(self, rows: Commit) -> None: ...

    async def _recall(self, name: str) -> str | None:
        return self.kept.get(name)

    async def _remember(self, name: str, value: str) -> None:
        self.kept[name] = value

    async def tells(self, about: str, text: str = "card.intruder", place: str = "moderators") -> object:
        return await self.executor.execute(self._card(about, text, place), Attempt(1))

    async def brings(self, about: str, track: Track = Track.CONDUCT, kind: type[Card] = Card) -> object:
        return await self.executor.execute(self._card(about, "card.case", "moderators", track, kind), Attempt(1))

    def _card(self, about: str, text: str, place: str, case: str = "", kind: type[Card] = Card) -> Card:
        common: Mapping[str, Any] = {"source": "$1", "rule": "test", "lane": Lane("x", "!r"), "community": "c"}
        return kind(**common, place=place, about=about, text=text, case=case, items=({"person": about},))

    @property
    def where(self) -> list[str]:
        return [room_id for room_id, _, replaces in self.says.said if not replaces]


@pytest.mark.parametrize("text", ["card.intruder", "card.invite_withdrawn", "card.no_place", "card.asks_to_join"])
@pytest.mark.parametrize(
    ("about", "where"),
    [
        (MEMBER, ["!moderators"]),
        (MODERATOR, ["!safeguarding"]),
        (LEAD, [f"!dm-{DEPUTY}"]),
        (DEPUTY, [f"!dm-{LEAD}"]),
        (OPS, ["!moderators"]),
    ],
    ids=["a member", "an approver", "the lead", "the deputy", "ops"],
)
async def test_care_04_a_card_of_no_case_is_not_said_where_its_person_reads_along(
    about: str, where: list[str], text: str
) -> None:
    table = Table()
    await table.tells(about, text)
    assert table.where == where


async def test_care_04_who_is_asked_into_a_room_counts_as_reading_along() -> None:
    table = Table()
    table.inside = {("moderators", MEMBER), ("safeguarding", MEMBER)}
    await table.tells(MEMBER)
    assert table.where == [f"!dm-{LEAD}", f"!dm-{DEPUTY}"]
    assert MEMBER not in str(table.where)


async def test_what_is_about_nobody_stays_where_it_is_sent() -> None:
    table = Table()
    await table.tells("", "card.unanswered", "ops")
    assert table.where == ["!ops"]


async def test_what_is_told_to_people_alone_is_not_said_into_a_room_that_nobody_reads() -> None:
    table = Table()
    table.happens(MODERATOR, track="concern", severity=3, kind="suicide")
    table.inside = {("safeguarding", MODERATOR)}
    table.rooms.how = {LEAD: "left"}
    assert isinstance(await table.brings(MODERATOR, Track.CONCERN, UrgentCard), Done)
    assert table.where == [f"!dm-{DEPUTY}"]
    table.rooms.how = {LEAD: "left", DEPUTY: "blocked"}
    table.says.said.clear()
    table.happens(OPS, track="concern", severity=3, kind="suicide")
    table.inside.add(("safeguarding", OPS))
    assert isinstance(await table.brings(OPS, Track.CONCERN, UrgentCard), Postponed), "it waits, and its clock runs"
    assert table.where == []


async def test_a_small_case_whose_person_comes_to_read_the_list_leaves_it() -> None:
    table = Table()
    for n in range(7):
        table.happens(f"@p{n}:x")
        await table.brings(f"@p{n}:x")
    assert [text for _, text, _ in table.says.said].count("card.summary") == 2
    table.inside = {("moderators", "@p6:x")}
    table.says.said.clear()
    table.happens("@p6:x")
    await table.brings("@p6:x")
    assert table.where == ["!safeguarding"]
    table.says.said.clear()
    table.happens("@p5:x")
    await table.brings("@p5:x")
    assert [(room_id, text) for room_id, text, _ in table.says.said] == [("!moderators", "card.summary")]


async def test_a_lead_who_never_came_into_the_room_is_not_the_only_one_called() -> None:
    table = Table()
    table.happens(track="concern", severity=3, kind="suicide")
    await table.brings(MEMBER, Track.CONCERN, UrgentCard)
    assert table.says.called[0] == LEAD
    absent = Table()
    absent.away = {LEAD}
    absent.happens(track="concern", severity=3, kind="suicide")
    await absent.brings(MEMBER, Track.CONCERN, UrgentCard)
    assert absent.says.called[0] == f"{LEAD} {DEPUTY}"


async def test_a_card_does_not_claim_that_somebody_was_told_whose_message_was_not_sent() -> None:
    """Reached as they are: what was to be said to them was held back, since they are in distress (CARE, rule 1)."""
    table = Table()
    table.happens()
    card = replace(table._card(MEMBER, "card.case", "moderators", Track.CONDUCT), once="the message to them")
    await table.executor.execute(card, Attempt(1, untold=True))
    await table.brings(MEMBER, kind=CardEdit)
    assert table.says.told == ["no", "no"], "neither now nor in what is edited later"
    table.happens()
    await table.executor.execute(card, Attempt(1))
    assert table.says.told[-1] == "yes"


async def test_a_card_says_each_kind_of_sign_and_not_only_the_first() -> None:
    table = Table()
    table.happens(track="concern", severity=3, kind="domestic_abuse")
    table.happens(track="concern", severity=3, kind="suicide")
    await table.brings(MEMBER, Track.CONCERN, UrgentCard)
    said = Catalogue(lambda _room: "Lounge", "x", "Monday").render("card.concern", table.says.items).body
    assert "harm by somebody close" in said
    assert "thoughts of suicide" in said
    assert "distress" not in said


def test_each_message_that_was_left_for_a_person_is_linked() -> None:
    """Several are told in one card: they were written in the same moment."""
    items = tuple({"person": MEMBER, "room": "!r", "event": f"$said-{n}"} for n in range(3))
    said = Catalogue(lambda _room: "Lounge", "x", "Monday").render("card.withheld", items)
    assert [said.html.count(f"%24said-{n}") for n in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("kind", ["suicide", "asks_help"])
def test_what_a_lock_screen_may_show_is_not_repeated_in_the_middle_of_a_card(kind: str) -> None:
    item = {"person": MEMBER, "kind": kind, "asked": "yes", "severity": "3", "event": "$1", "room": "!r"}
    said = Catalogue(lambda _room: "Lounge", "x", "Monday").render("card.concern", (item,)).body
    assert said.count("They asked the helper program for a person.") == 1
    assert ("This line is for those" in said[:100]) is (kind == "asks_help")
    assert "This line is for those" not in said[100:]
