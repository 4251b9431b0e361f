"""Plans in rooms, on a real store and a homeserver in a few lines: what is shown, what is done, what survives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from appservice.flow import (
    ApplyPlan,
    Attempt,
    Done,
    Effect,
    Item,
    Lane,
    Place,
    PlanState,
    Postponed,
    Proposal,
    ProposePlan,
    Refused,
    Result,
    RoomFacts,
    TakePlan,
)
from appservice.service.plan_book import GOOD_FOR_MS, PlanBook
from appservice.service.room_plans import RoomPlans
from policies.changes import Remove
from policies.desired import MANAGED_TYPE
from policies.layers import Layer
from policies.observed import ObservedRoom
from policies.plan import Plan
from tests.support.governed import GHOSTS, SERVER, Governed, KilledHere, example, governed
from tests.support.house import fresh_store

LEAD, MODERATOR = f"@copper-lark:{SERVER}", f"@amber-kite:{SERVER}"
LANE = Lane(SERVER, "!lounge")
FIRST = Attempt(1)


@dataclass
class Said:
    """One text as it left."""

    room_id: str
    text: str
    items: tuple[Item, ...]
    replaces: str | None

    def lines(self, part: str) -> list[Item]:
        return [one for one in self.items[1:] if one.get("part") == part]


@dataclass
class Desk:
    """What plans in rooms need of the house, in a few lines."""

    life: Governed
    said: list[Said] = field(default_factory=list)
    rooms: dict[str, RoomFacts] = field(default_factory=dict)
    cases: set[str] = field(default_factory=set)
    enacted: list[Effect] = field(default_factory=list)
    ready: bool = True

    def __post_init__(self) -> None:
        async def say(
            room_id: str, effect: Effect, text: str, items: tuple[Item, ...], attempt: Attempt, **more: Any
        ) -> Done:
            self.said.append(Said(room_id, text, items, more.get("replaces")))
            return Done(event_id=f"$card-{effect.key}", room_id=room_id)

        async def tell(user_id: str, key: str, say_in: Callable[[str], Awaitable[Done]]) -> Done:
            return await say_in(f"!private-{user_id}")

        async def send(*_: Any) -> str:
            return "$yes"

        async def enact(effects: list[Effect]) -> None:
            self.enacted += effects

        speaker = SimpleNamespace(say=say, actor=lambda _identity: None)
        projection = SimpleNamespace(room=self.rooms.get, rules=None, plans=None, place=lambda *_: None)
        book = SimpleNamespace(
            current=lambda _community, _track, user: SimpleNamespace(open=True) if user in self.cases else None
        )
        self.projection = projection
        self.config = SimpleNamespace(homeserver=SimpleNamespace(name=SERVER))
        self.governance, self.database = self.life.governance, self.life.database
        self.provisioner = self.life.provisioner
        self.ghosts = GHOSTS
        self.direct_rooms = SimpleNamespace(tell=tell)
        self.client = SimpleNamespace(send=send)
        self.casework = SimpleNamespace(book=book)
        self.lanes = SimpleNamespace(enact=enact)
        self.plans = RoomPlans(self, self.life.clock, speaker)  # type: ignore[arg-type]

    async def do(self, effect: Effect, attempt: Attempt = FIRST) -> Result:
        self.projection.rules = self.governance.standing
        return await self.plans.executors[effect.type].execute(effect, attempt)

    async def asked(self, what: str = "set", by: str = LEAD, room_id: str = "!lounge", **more: Any) -> Proposal:
        """Ask for a plan; return what was proposed."""
        assert await self.do(asks(what, by=by, room_id=room_id, **more)) != Refused("not_theirs")
        (found,) = [one for one in self.plans.book._plans.values() if one.state is PlanState.OPEN]
        return found

    async def yes(self, plan: Proposal, by: str = LEAD) -> Result:
        take = TakePlan(source="$yes", rule="r", lane=LANE, community=plan.community, number=plan.number, by=by)
        await self.database.commit(self.plans.book.take(take))
        return await self.do(applies(plan, by))

    def state(self, plan: Proposal) -> PlanState:
        found = self.plans.book.by_number(plan.community, plan.number)
        assert found is not None
        return found.state

    def room(self, group: str) -> ObservedRoom:
        rooms = self.life.homeserver.rooms
        return next(one for one in rooms.values() if one.state[MANAGED_TYPE, ""].get("group") == group)

    def comes_in(self, user_id: str, group: str = "carers-lounge") -> None:
        """Somebody is in a group's room all of a sudden."""
        self.life.homeserver._put_member(self.room(group), user_id, "join")

    def by_hand(self, group: str, kind: str, content: Mapping[str, Any]) -> None:
        """Somebody changes a group's room."""
        room = self.room(group)
        self.life.homeserver.rooms[room.room_id] = replace(room, state={**room.state, (kind, ""): content})

    def leaves(self, user_id: str) -> None:
        """Somebody leaves every room, or declines its invite."""
        for room in list(self.life.homeserver.rooms.values()):
            if user_id in room.members:
                self.life.homeserver._put_member(room, user_id, "left")

    @property
    def capacity(self) -> object:
        assert self.governance.said is not None
        return self.governance.said.policy.groups["carers-lounge"].capacity


def asks(what: str = "set", *, by: str = LEAD, room_id: str = "!lounge", source: str = "$word", **more: Any) -> Effect:
    if what == "set":
        more = {"group": "carers-lounge", "key_set": "capacity", "value": 12} | more
    return ProposePlan(
        source=source,
        rule="policy_words",
        lane=LANE,
        community="leeds-carers",
        what=what,
        by=by,
        room_id=room_id,
        at_ms=1_790_000_000_000,
        **more,
    )


def applies(plan: Proposal, by: str = LEAD) -> Effect:
    return ApplyPlan(source="$yes", rule="r", lane=LANE, community=plan.community, number=plan.number, by=by)


@asynccontextmanager
async def desk(store: Path, files: Any = None) -> AsyncIterator[Desk]:
    async with governed(store) as life:
        await life.governance.apply(files or example())
        yield Desk(life)


async def test_what_is_set_waits_on_a_card_and_holds_after_a_yes_under_the_same_number(tmp_path: Path) -> None:
    async with desk(fresh_store(tmp_path)) as made:
        plan = await made.asked()
        assert (plan.name, made.capacity) == ("P-2", None)
        (card,) = made.said
        assert (card.room_id, card.items[0]["plan_state"]) == (f"!private-{LEAD}", "open")
        assert card.lines("set") == [{"part": "set", "group": "Carers' lounge", "setting": "capacity", "value": "12"}]
        await made.yes(plan)
        assert (made.capacity, made.state(plan)) == (12, PlanState.DONE)
        assert made.said[-1].items[0]["plan_state"] == "done"
        assert made.said[-1].replaces == plan.cards[0][1]
        assert [one.id for one in await made.governance.history()] == ["P-1", "P-2"]
        undo = await made.asked("undo", group="carers-lounge", undoes=2, source="$undo")
        assert made.said[-1].lines("undoes") == [{"part": "undoes", "undoes": "P-2"}]
        await made.yes(undo)
        assert made.capacity is None


async def test_a_number_that_was_proposed_and_not_done_is_given_to_no_other_plan(tmp_path: Path) -> None:
    async with desk(fresh_store(tmp_path)) as made:
        await made.asked()
        _, number = await made.governance.apply(example(edit={"name: After caring": "name: After Caring"}))
        assert number == 3


@pytest.mark.parametrize("how", ["applied", "by hand"])
async def test_when_something_has_moved_nothing_is_done_and_a_new_plan_follows(tmp_path: Path, how: str) -> None:
    async with desk(fresh_store(tmp_path)) as made:
        plan = await made.asked()
        if how == "applied":
            await made.governance.apply(example(edit={"name: After caring": "name: After Caring"}))
        else:
            made.life.everybody_comes()
            made.comes_in(f"@stranger:{SERVER}")
        await made.yes(plan)
        assert (made.capacity, made.state(plan)) == (None, PlanState.MOVED)
        (again,) = made.enacted
        assert isinstance(again, ProposePlan)
        assert (again.what, again.group, again.key_set, again.value) == ("set", "carers-lounge", "capacity", 12)


async def test_an_undo_of_the_newest_stays_about_that_one_while_others_are_undone(tmp_path: Path) -> None:
    async with desk(fresh_store(tmp_path)) as made:
        for value, source in ((12, "$first"), (14, "$second")):  # P-2 and P-3
            await made.yes(await made.asked(value=value, source=source))
        late = await made.asked("undo", source="$late")
        assert (late.undoes, made.said[-1].lines("undoes")) == (3, [{"part": "undoes", "undoes": "P-3"}])
        await made.governance.undo(None)  # somebody else was faster
        await made.yes(late)
        assert (made.capacity, made.state(late), made.enacted) == (12, PlanState.REFUSED, [])
        assert "P-3 is undone already, by P-5" in made.said[-1].items[0]["why"]


async def test_an_undo_that_is_proposed_again_is_about_the_same_one(tmp_path: Path) -> None:
    async with desk(fresh_store(tmp_path)) as made:
        await made.yes(await made.asked())
        undo = await made.asked("undo", source="$undo")
        made.life.everybody_comes()
        made.comes_in(f"@stranger:{SERVER}")
        await made.yes(undo)
        (again,) = made.enacted
        assert isinstance(again, ProposePlan)
        assert (made.state(undo), again.what, again.undoes) == (PlanState.MOVED, "undo", 2)


async def test_a_yes_does_not_take_back_a_people_file_that_is_being_applied_meanwhile(tmp_path: Path) -> None:
    robin = f"@late-robin:{SERVER}"
    people = yaml.safe_load(example().people)
    del people["people"][robin]
    async with desk(fresh_store(tmp_path)) as made:
        made.leaves(robin)  # nothing is left to be done for the people file, so that the yes is for the very same plan
        plan = await made.asked()
        provisioner, planning = made.life.provisioner, made.life.provisioner.plan
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def wait(*given: Any, **more: Any) -> Plan:
            provisioner.plan = planning  # type: ignore[method-assign]
            begun.set()
            await go_on.wait()
            return await planning(*given, **more)

        provisioner.plan = wait  # type: ignore[method-assign]
        applied = asyncio.create_task(made.governance.apply(replace(example(), people=yaml.safe_dump(people).encode())))
        await begun.wait()
        yes = asyncio.create_task(made.yes(plan))
        while not made.governance._changing._waiters:
            await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(applied, yes)
        assert made.governance.standing is not None
        assert not made.governance.standing.admits("leeds-carers", "carers-lounge", robin)
        assert made.capacity == 12


@pytest.mark.parametrize("by", [LEAD, MODERATOR])
async def test_a_plan_about_one_group_does_nothing_in_another_one_which_the_card_does_not_show(
    tmp_path: Path, by: str
) -> None:
    files = example(edit={"  moderator:\n    level: 50": "  moderator:\n    level: 75"})
    async with desk(fresh_store(tmp_path), files) as made:
        made.life.everybody_comes()
        stranger = f"@stranger:{SERVER}"
        made.comes_in(stranger, "bereaved")
        made.by_hand("bereaved", "m.room.history_visibility", {"history_visibility": "shared"})
        plan = await made.asked(by=by)
        assert (made.said[-1].lines("change"), made.said[-1].lines("too_much"), plan.about) == ([], [], ())
        await made.yes(plan, by=by)
        assert (made.state(plan), made.capacity) == (PlanState.DONE, 12)
        there = made.room("bereaved")
        assert there.members[stranger] == "join"
        assert there.state["m.room.history_visibility", ""] == {"history_visibility": "shared"}
        undo = await made.asked("undo", by=by, group="carers-lounge", undoes=plan.number, source="$undo")
        await made.yes(undo, by=by)
        assert (made.state(undo), made.capacity) == (PlanState.DONE, None)
        assert made.room("bereaved").members[stranger] == "join"
        await made.governance.keep()  # what is in force is kept everywhere, as after any other plan
        assert made.room("bereaved").members.get(stranger) != "join"


async def test_whoever_lost_the_role_since_the_tap_does_nothing(tmp_path: Path) -> None:
    async with desk(fresh_store(tmp_path)) as made:
        plan = await made.asked()
        await made.yes(plan, by=MODERATOR)
        assert (made.capacity, made.state(plan)) == (None, PlanState.REFUSED)
        assert made.said[-1].items[0]["why"] == "role"


async def test_too_much_at_once_is_refused_with_the_figures(tmp_path: Path) -> None:
    async with desk(fresh_store(tmp_path), example(without=8)) as made:
        await made.governance.apply(example())
        made.life.everybody_comes()
        undo = await made.asked("undo", undoes=None)
        assert "people would be removed" in made.said[-1].lines("too_much")[0]["words"]
        await made.yes(undo)
        assert made.state(undo) is PlanState.REFUSED
        assert made.said[-1].items[0]["why"].startswith("too_much ")
        assert [one.undone_by for one in await made.governance.history()] == [None, None]


async def test_what_exposes_people_waits_for_the_risk_assessment_here_too(tmp_path: Path) -> None:
    unassessed = "".join(
        f"{line}\n"
        for line in example().policy.decode().splitlines()
        if not any(word in line for word in ("risk_assessment:", "reviewed:", "next: ", "by: lead"))
    )
    files = replace(example(), policy=unassessed.encode())
    async with desk(fresh_store(tmp_path), files) as made:
        await made.governance.apply(replace(files, policy=unassessed.replace("hybrid", "closed").encode()))
        undo = await made.asked("undo")
        assert made.said[-1].lines("unassessed")
        await made.yes(undo)
        assert made.state(undo) is PlanState.REFUSED
        assert "there is no risk assessment" in made.said[-1].items[0]["why"]


@pytest.mark.parametrize("calls", [0, 1, 3])
async def test_what_was_begun_before_we_were_killed_is_finished_and_told(tmp_path: Path, calls: int) -> None:
    store = fresh_store(tmp_path)
    async with desk(store) as made:
        plan = await made.asked()
        homeserver = made.life.homeserver
        made.life.provisioner.dies_after = calls
        with pytest.raises(KilledHere):
            await made.yes(plan)
    async with governed(store, homeserver) as life:
        again = Desk(life)
        await again.plans.load()
        again.ready = False
        assert isinstance(await again.do(applies(plan), Attempt(2)), Postponed)
        again.ready = True
        await again.do(applies(plan), Attempt(2))
        assert (again.capacity, again.state(plan)) == (12, PlanState.DONE)
        assert again.said[-1].items[0]["plan_state"] == "done"
        assert [one.id for one in await life.governance.history()] == ["P-1", "P-2"]


async def test_a_plan_that_was_killed_before_its_card_keeps_its_number(tmp_path: Path) -> None:
    store = fresh_store(tmp_path)
    async with desk(store) as made:
        plan = await made.asked()
        homeserver = made.life.homeserver
    async with governed(store, homeserver) as life:
        again = Desk(life)
        await again.plans.load()
        await again.do(asks(), Attempt(2))
        assert [one.name for one in again.plans.book._plans.values()] == [plan.name]
        assert len(again.plans.book.by_card(*plan.cards[0]).cards) == 1  # type: ignore[union-attr]


async def test_after_a_day_a_plan_ends_and_takes_what_it_said_with_it(tmp_path: Path) -> None:
    async with desk(fresh_store(tmp_path)) as made:
        plan = await made.asked()
        made.life.clock.now += GOOD_FOR_MS
        await made.plans.turn()
        ended, edit = made.enacted
        await made.database.commit(made.plans.book.end(ended))
        await made.do(edit)
        assert made.state(plan) is PlanState.EXPIRED
        assert (made.said[-1].items[0]["plan_state"], len(made.said[-1].items)) == ("expired", 1)
        assert list(made.plans.book.open_in(plan.cards[0][0])) == []


async def test_the_file_wins_and_what_cannot_be_is_answered_without_a_number(tmp_path: Path) -> None:
    says = example(edit={"    kind: hybrid": "    capacity: 40\n    kind: hybrid"})
    async with desk(fresh_store(tmp_path), says) as made:
        for more, text in (
            ({}, "set.file_wins"),
            ({"group": "bereaved", "value": 2}, "set.more_are_listed"),
            ({"group": "welcome"}, "set.not_here"),
            ({"group": "bereaved", "value": None}, "set.as_it_is"),
            ({"group": "nowhere"}, "plan.which_group"),
        ):
            await made.do(asks(source=f"${text}", **more))
            assert made.said[-1].text == text
        assert made.said[0].items[0]["value"] == "40"
        assert list(made.plans.book._plans) == []


async def test_who_is_in_a_group_by_role_counts_where_its_places_are_set(tmp_path: Path) -> None:
    says = example(edit={"    name: After caring": "    membership: {roles: [moderator]}\n    name: After caring"})
    async with desk(fresh_store(tmp_path), says) as made:
        assert made.governance.said is not None
        named = [one for one in made.governance.said.people.by_id.values() if "bereaved" in one.groups]
        await made.do(asks(group="bereaved", value=len(named)))
        assert made.said[-1].text == "set.more_are_listed"
        more = int(made.said[-1].items[0]["value"])
        assert more > len(named)
        assert (await made.asked(group="bereaved", value=more, source="$enough")).value == more


async def test_where_nothing_differs_there_is_no_plan_but_what_waits_is_named(tmp_path: Path) -> None:
    async with desk(fresh_store(tmp_path)) as made:
        plan = await made.asked()
        await made.do(asks("plan", source="$plan"))
        assert (made.said[-1].text, made.said[-1].items[0]["waiting"]) == ("plan.nothing", plan.name)


async def test_an_undo_that_cannot_be_is_answered_in_the_words_of_the_room(tmp_path: Path) -> None:
    async with desk(fresh_store(tmp_path)) as made:
        for value, source in ((12, "$first"), (14, "$second")):  # P-2 and P-3
            await made.yes(await made.asked(value=value, source=source))
        for number, instead in ((2, "P-3"), (9, "")):
            await made.do(asks("undo", undoes=number, source=f"$undo{number}"))
            (item,) = made.said[-1].items
            assert (made.said[-1].text, item["plan"]) == ("plan.cannot", instead)
            assert f"P-{number}" in item["words"]
            assert "inglenook" not in item["words"]


async def test_an_undo_that_waits_is_named_too(tmp_path: Path) -> None:
    async with desk(fresh_store(tmp_path)) as made:
        await made.yes(await made.asked())
        undo = await made.asked("undo", source="$undo")
        await made.do(asks("plan", source="$plan"))
        assert (made.said[-1].text, made.said[-1].items[0]["waiting"]) == ("plan.nothing", undo.name)


def house(members: Mapping[str, str]) -> RoomFacts:
    return RoomFacts("!house", Place.SAFEGUARDING, "leeds-carers", "safeguarding", dict(members))


DEPUTY = f"@quiet-fern:{SERVER}"


async def test_a_card_stands_in_a_room_of_the_house_only_where_each_reader_may_do_it(tmp_path: Path) -> None:
    both = {LEAD: "join", DEPUTY: "invite", GHOSTS.guardian: "join", MODERATOR: "left"}
    for members, case, place in (
        (both, None, "!house"),
        (both | {MODERATOR: "invite"}, None, f"!private-{LEAD}"),
        (both, DEPUTY, "!house"),  # a card that is missing would tell of the case
    ):
        async with desk(fresh_store(tmp_path)) as made:
            made.rooms["!house"] = house(members)
            made.cases |= {case} if case else set()
            await made.asked(room_id="!house")
            assert made.said[-1].room_id == place


async def test_care_04_a_card_about_somebody_who_reads_there_is_private_whether_a_case_is_open_or_not(
    tmp_path: Path,
) -> None:
    removes = Plan("leeds-carers", "p", (Remove("bereaved", "!b", "After caring", DEPUTY),))

    async def plan(_files: Any, **_: Any) -> tuple[None, Plan]:
        return None, removes

    for case, members in ((False, {LEAD, DEPUTY}), (True, {LEAD, DEPUTY}), (True, {LEAD})):
        async with desk(fresh_store(tmp_path)) as made:
            made.rooms["!house"] = house(dict.fromkeys(members, "join"))
            made.cases |= {DEPUTY} if case else set()
            made.governance.plan = plan  # type: ignore[method-assign, assignment]
            proposal = await made.asked("plan", room_id="!house")
            assert made.said[-1].room_id == ("!house" if DEPUTY not in members else f"!private-{LEAD}")
            again = PlanBook(SERVER, made.life.clock)
            await again.load(made.database)
            assert again.by_id(proposal.id) == made.plans.book.by_id(proposal.id)


async def test_a_plan_that_put_back_what_was_changed_by_hand_cannot_be_undone_and_the_answer_says_why(
    tmp_path: Path,
) -> None:
    async with desk(fresh_store(tmp_path)) as made:
        made.comes_in(f"@x:{SERVER}")
        plan = await made.asked("plan")
        await made.do(asks("undo", source="$early", undoes=plan.number))
        assert (made.said[-1].text, made.said[-1].items[0]["plan"]) == ("plan.undo_not_done", plan.name)
        await made.yes(plan)
        assert made.state(plan) is PlanState.DONE
        await made.do(asks("undo", source="$late", undoes=plan.number))
        assert (made.said[-1].text, made.said[-1].items[0]["plan"]) == ("plan.undo_put_back", plan.name)


async def test_a_card_is_edited_without_names_once_somebody_came_in_who_may_not(tmp_path: Path) -> None:
    async with desk(fresh_store(tmp_path)) as made:
        made.rooms["!house"] = house({LEAD: "join"})
        plan = await made.asked(room_id="!house")
        made.rooms["!house"] = house({LEAD: "join", MODERATOR: "join"})
        await made.yes(plan)
        assert (made.said[-1].items[0]["plan_state"], len(made.said[-1].items)) == ("done", 1)


async def test_a_removal_of_who_asks_is_left_out_while_a_case_about_them_is_open(tmp_path: Path) -> None:
    """CARE, rule 4."""
    for case in (False, True):
        async with desk(fresh_store(tmp_path)) as made:
            made.cases |= {LEAD} if case else set()
            removes = Plan("leeds-carers", "p", (Remove("bereaved", "!b", "After caring", LEAD),))

            async def plan(_files: Any, removes: Plan = removes, **_: Any) -> tuple[None, Plan]:
                return None, removes

            made.governance.plan = plan  # type: ignore[method-assign, assignment]
            await made.asked("plan")
            assert [LEAD in line["line"] for line in made.said[-1].lines("change")] == ([] if case else [True])


async def test_a_card_says_the_most_careful_first_and_how_many_more_there_are(tmp_path: Path) -> None:
    async with desk(fresh_store(tmp_path)) as made:
        made.life.everybody_comes()
        for n in range(12):
            made.comes_in(f"@x{n}:{SERVER}")
        await made.asked("plan")
        card = made.said[-1]
        assert [one["class"] for one in card.lines("change")] == ["disruptive"] * 8
        assert card.lines("more") == [{"part": "more", "count": "4"}]


async def test_what_was_set_is_kept_with_who_asked_and_when(tmp_path: Path) -> None:
    async with desk(fresh_store(tmp_path)) as made:
        plan = await made.asked()
        await made.yes(plan)
        assert made.governance.said is not None
        assert made.governance.said.layers.kept == (Layer("carers-lounge", "capacity", 12, LEAD, plan.at_ms),)
