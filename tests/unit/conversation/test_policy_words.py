"""Words and taps about plans: whose they are, what they ask for, and that everything else is left alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appservice.conversation import PolicyWords, is_for_policies
from appservice.flow import (
    ApplyPlan,
    Effect,
    Event,
    EventInput,
    Facts,
    Origin,
    Place,
    PlanState,
    Proposal,
    ProposePlan,
    RoomFacts,
    TakePlan,
    UrgentMessage,
)
from tests.support.house import GHOSTS, SERVER

LEAD, ADMIN, MODERATOR, SAM = (f"@{name}:{SERVER}" for name in ("lead", "admin", "moderator", "sam"))
NOW = 1_800_000_000_000
GROUPS = {"!lounge": "lounge", "!tea": "tea", "!house": "moderators"}


class Rules:
    """The lead may change everything, the admin the lounge."""

    def kind(self, community: str, group: str) -> str:
        return {"lounge": "hybrid", "tea": "open", "moderators": "system"}.get(group, "")

    def can(self, community: str, user_id: str, duty: str) -> bool:
        return user_id == MODERATOR and duty == "moderate"

    def may_change(self, community: str, user_id: str, group: str = "") -> bool:
        return user_id == LEAD or (user_id == ADMIN and group == "lounge")


@dataclass
class Plans:
    known: tuple[Proposal, ...] = ()

    def by_number(self, community: str, number: int) -> Proposal | None:
        return next((one for one in self.known if one.number == number), None)

    def by_card(self, room_id: str, event_id: str) -> Proposal | None:
        return next((one for one in self.known if (room_id, event_id) in one.cards), None)

    def open_in(self, room_id: str) -> Collection[Proposal]:
        return [one for one in self.known if any(room == room_id for room, _ in one.cards)]


def plan(number: int = 17, **more: Any) -> Proposal:
    fields: dict[str, Any] = {
        "id": f"id{number}",
        "community": "hearth",
        "number": number,
        "what": "set",
        "by": LEAD,
        "at_ms": NOW - 1,
        "expires_ms": NOW + 1,
        "digest": "d",
        "group": "lounge",
        "cards": (("!house", f"$card{number}"),),
    }
    return Proposal(**fields | more)


@dataclass
class World:
    room: str = "!house"
    place: Place = Place.MODERATORS
    group: str = "moderators"
    plans: Plans = field(default_factory=Plans)
    direct: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> Facts:
        members = dict.fromkeys((LEAD, ADMIN, MODERATOR, SAM, GHOSTS.guardian), "join")
        return Facts(
            now_ms=NOW,
            room=RoomFacts(self.room, self.place, "hearth", self.group, members),
            ghosts=GHOSTS,
            server_name=SERVER,
            direct_rooms=self.direct,
            rules=Rules(),  # type: ignore[arg-type]
            groups=GROUPS,
            plans=self.plans,
        )

    def item(self, sender: str, kind: str, content: Any) -> EventInput:
        event = Event(event_id="$e", room_id=self.room, sender=sender, type=kind, content=content, origin_server_ts=NOW)
        return EventInput(SERVER, event, Origin.PUSH, NOW)

    def says(self, sender: str, body: str, **more: Any) -> list[Effect]:
        item = self.item(sender, "m.room.message", {"msgtype": "m.text", "body": body, **more})
        return list(PolicyWords().handle(item, self.facts()))

    def taps(self, sender: str, event_id: str, key: str = "✅") -> list[Effect]:
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return list(PolicyWords().handle(self.item(sender, "m.reaction", {"m.relates_to": relation}), self.facts()))


HOUSE = World()
LOUNGE = World("!lounge", Place.GROUP, "lounge")


def private(of: str, **more: Any) -> World:
    return World("!own", Place.DIRECT, "direct", direct={of: "!own"}, **more)


def asked(effects: list[Effect]) -> tuple[Any, ...]:
    (one,) = effects
    assert isinstance(one, ProposePlan)
    return one.what, one.group, one.key_set, one.value, one.undoes


def told(effects: list[Effect]) -> tuple[str, str]:
    (one,) = effects
    assert isinstance(one, UrgentMessage)
    return one.user_id, one.text


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("plan", ("plan", "", "", None, None)),
        ("Plan.", ("plan", "", "", None, None)),
        ("plan lounge", ("plan", "lounge", "", None, None)),
        ("undo P-17", ("undo", "", "", None, 17)),
        ("undo", ("undo", "", "", None, None)),
        ("set lounge capacity 40", ("set", "lounge", "capacity", 40, None)),
        ("set LOUNGE capacity none", ("set", "lounge", "capacity", None, None)),
        ("set tea welcome  We meet at  seven.", ("set", "tea", "welcome", "We meet at seven.", None)),
    ],
)
def test_a_word_in_the_house_or_in_private_asks_for_a_plan(body: str, wanted: tuple[Any, ...]) -> None:
    assert asked(HOUSE.says(LEAD, body)) == wanted
    assert asked(private(LEAD).says(LEAD, body)) == wanted


@pytest.mark.parametrize("name", ["Helper (bot)", f"{GHOSTS.guardian}:", f"@{'Helper (bot)'},"])
def test_in_a_group_it_must_be_addressed_to_us_and_is_about_that_group(name: str) -> None:
    assert asked(LOUNGE.says(ADMIN, f"{name} set capacity 40")) == ("set", "lounge", "capacity", 40, None)
    assert asked(LOUNGE.says(ADMIN, f"{name} plan")) == ("plan", "lounge", "", None, None)
    mention = {"m.mentions": {"user_ids": [GHOSTS.guardian]}}
    assert asked(LOUNGE.says(ADMIN, "set welcome Hello.", **mention)) == ("set", "lounge", "welcome", "Hello.", None)
    assert LOUNGE.says(LEAD, "set capacity 40") == []


@pytest.mark.parametrize(
    "body",
    [
        "planning is hard",
        "plan for tomorrow",
        "set the table please",
        "apply for the job",
        "undo that knot",
        "set",
        "",
        "help",
        "apply",
    ],
)
def test_talk_in_the_house_is_left_alone(body: str) -> None:
    assert HOUSE.says(LEAD, body) == []


def test_whoever_may_not_is_told_in_private_and_in_their_own_room_somebody_else_answers() -> None:
    for world, body in ((HOUSE, "plan"), (HOUSE, "set lounge capacity 3"), (LOUNGE, f"{GHOSTS.guardian} plan")):
        assert told(world.says(MODERATOR, body)) == (MODERATOR, "plan.not_yours")
    world = private(SAM)
    assert world.says(SAM, "plan") == []
    item = world.item(SAM, "m.room.message", {"msgtype": "m.text", "body": "set lounge capacity 3"})
    assert not is_for_policies(item, world.facts())


def test_somebody_elses_private_room_is_not_a_place_for_it() -> None:
    assert World("!own", Place.DIRECT, "direct", direct={SAM: "!own"}).says(LEAD, "plan") == []


def test_who_may_for_one_group_may_for_no_other_and_not_for_all() -> None:
    assert asked(HOUSE.says(ADMIN, "plan lounge"))[1] == "lounge"
    assert told(HOUSE.says(ADMIN, "plan")) == (ADMIN, "plan.which_group")
    assert told(HOUSE.says(ADMIN, "plan tea")) == (ADMIN, "plan.not_yours")
    assert told(HOUSE.says(ADMIN, "set tea capacity 4")) == (ADMIN, "plan.not_yours")
    assert told(HOUSE.says(ADMIN, "undo")) == (ADMIN, "plan.undo_which")
    world = World(plans=Plans((plan(17), plan(18, group="", what="plan"))))
    assert asked(world.says(ADMIN, "undo P-17"))[1] == "lounge"
    assert told(world.says(ADMIN, "undo P-18")) == (ADMIN, "plan.unknown")
    assert told(world.says(ADMIN, "apply P-18")) == (ADMIN, "plan.unknown")


def test_what_cannot_be_set_is_answered_with_how_to_say_it() -> None:
    assert told(HOUSE.says(LEAD, "set lounge capacity lots")) == (LEAD, "set.how.capacity")
    assert told(HOUSE.says(LEAD, "set lounge history shared")) == (LEAD, "set.how")
    assert told(HOUSE.says(LEAD, "set elsewhere capacity 4")) == (LEAD, "plan.which_group")
    assert told(HOUSE.says(LEAD, "set capacity 4")) == (LEAD, "plan.which_group")
    assert told(private(LEAD).says(LEAD, "set")) == (LEAD, "plan.which_group")
    assert told(LOUNGE.says(ADMIN, f"{GHOSTS.guardian} set")) == (ADMIN, "set.how")


def test_a_yes_takes_the_plan_and_does_it() -> None:
    world = World(plans=Plans((plan(),)))
    for effects in (world.taps(ADMIN, "$card17"), world.says(ADMIN, "apply P-17")):
        take, apply = effects
        assert isinstance(take, TakePlan)
        assert isinstance(apply, ApplyPlan)
        assert (take.number, take.by, apply.number, apply.by) == (17, ADMIN, 17, ADMIN)
    answer = {"m.relates_to": {"m.in_reply_to": {"event_id": "$card17"}}}
    assert len(world.says(LEAD, "apply", **answer)) == 2


def test_a_tap_counts_by_our_record_alone() -> None:
    world = World(plans=Plans((plan(),)))
    assert world.taps(LEAD, "$card17", "👀") == []
    assert world.taps(LEAD, "$elsewhere") == []
    assert World("!other", plans=world.plans).taps(LEAD, "$card17") == []
    assert told(world.taps(MODERATOR, "$card17")) == (MODERATOR, "plan.not_yours")


@pytest.mark.parametrize("state", [one for one in PlanState if one is not PlanState.OPEN])
def test_a_yes_counts_once(state: PlanState) -> None:
    world = World(plans=Plans((plan(state=state, taken_by=ADMIN),)))
    assert told(world.taps(LEAD, "$card17")) == (LEAD, "plan.over")
    assert world.taps(ADMIN, "$card17") == []  # they know
    for place in (world, private(ADMIN, plans=world.plans)):
        assert told(place.says(ADMIN, "apply P-17")) == (ADMIN, "plan.over")


@pytest.mark.parametrize("name", ["P-" + "9" * 29, "P-٣", "P-", "p-seventeen"])
def test_a_name_that_no_plan_can_have_is_answered_like_any_that_is_not_known(name: str) -> None:
    for world in (HOUSE, private(LEAD)):
        assert told(world.says(LEAD, f"apply {name}")) == (LEAD, "plan.unknown")
        assert told(world.says(LEAD, f"undo {name}")) == (LEAD, "plan.unknown")


@pytest.mark.parametrize(
    "body", ["set lounge capacity 5", "set shed capacity 5", "set capacity 5", "plan", "undo P-3", "apply P-3"]
)
def test_whoever_looks_after_others_and_may_not_is_told_so_in_private_too(body: str) -> None:
    assert told(private(MODERATOR).says(MODERATOR, body)) == (MODERATOR, "plan.not_yours")
    world = private(SAM)
    assert world.says(SAM, body) == [], "a member is told how to reach a person, whatever it looks like (CARE, rule 1)"


@pytest.mark.parametrize("body", ["set fire to it all, I cannot go on", "set me free", "plan to end it", "undo it all"])
def test_words_that_may_be_a_plea_are_left_to_whoever_answers_in_private(body: str) -> None:
    """CARE, rules 1 and 2."""
    for who in (MODERATOR, SAM, LEAD) if len(body.split()) > 3 else (MODERATOR, SAM):
        world = private(who)
        assert world.says(who, body) == []
        item = world.item(who, "m.room.message", {"msgtype": "m.text", "body": body})
        assert not is_for_policies(item, world.facts())


def test_a_yes_after_its_time_does_nothing() -> None:
    world = World(plans=Plans((plan(expires_ms=NOW),)))
    assert told(world.taps(LEAD, "$card17")) == (LEAD, "plan.expired")
    assert told(world.says(LEAD, "apply P-17")) == (LEAD, "plan.expired")


def test_which_plan_is_meant_is_asked_where_it_is_not_clear() -> None:
    two = private(LEAD, plans=Plans((plan(1, cards=(("!own", "$1"),)), plan(2, cards=(("!own", "$2"),)))))
    assert told(two.says(LEAD, "apply")) == (LEAD, "plan.which")
    one = private(LEAD, plans=Plans((plan(1, cards=(("!own", "$1"),)),)))
    assert len(one.says(LEAD, "apply")) == 2
    assert told(one.says(LEAD, "apply P-99")) == (LEAD, "plan.unknown")


hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(["plan", "set lounge capacity 3", "apply P-17", "undo"]) | hostile,
    hostile,
    hostile,
    st.sampled_from(["m.room.message", "m.reaction"]),
)
def test_whatever_a_content_holds_it_is_taken_or_left(body: Any, relation: Any, mentions: Any, kind: str) -> None:
    content = {"msgtype": "m.text", "body": body, "m.relates_to": relation, "m.mentions": mentions}
    for world in (HOUSE, LOUNGE, private(LEAD)):
        list(PolicyWords().handle(world.item(LEAD, kind, content), world.facts()))
