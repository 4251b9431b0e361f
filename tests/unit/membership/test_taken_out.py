"""Whom a moderator took out comes back only by a person's yes, also when rooms are kept, and after an upgrade."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from appservice.flow import Effect, Event, EventInput, Ghosts, Origin
from appservice.flow import Invite as AskIn
from appservice.intake import Projection
from appservice.membership import Doors, Standing
from appservice.provisioning import Observer
from policies.changes import BringOver, Change, Invite
from policies.compile import compile_community
from policies.plan import plan
from tests.unit.plan.worlds import IDENTITIES, SERVER, people_of, policy_with, user

GHOSTS = Ghosts(steward=IDENTITIES.steward, guardian=IDENTITIES.guardian, custodian=IDENTITIES.custodian)
PAT, MOD, LEAD = user("pat"), user("mod"), user("lead")


class World:
    """A community with a hybrid group, all of whose rooms are there and as they should be."""

    def __init__(self) -> None:
        self.policy = policy_with({"lounge": "hybrid low"})
        self.people = people_of({"pat": "lounge", "lead": "safeguarding_lead lounge", "mod": "moderator lounge"})
        self.community = compile_community(self.policy, self.people)
        self.ids = {room.key: f"!{room.key}" for room in self.community.rooms}
        self.projection = Projection(SERVER, GHOSTS)
        self.projection.rules = Standing(SERVER, self.policy, self.community, self.people)
        for room in self.community.rooms:
            admitted = tuple(one for one, person in self.people.by_id.items() if room.membership.admits(person))
            self.read(room.key, self.ids[room.key], dict.fromkeys(admitted, "join"))
        nothing: Any = SimpleNamespace()
        self.observer = Observer(nothing, nothing, self.projection, nothing, GHOSTS, ())
        self.events = 0

    def read(self, key: str, room_id: str, members: dict[str, str], after: str | None = None) -> None:
        """Take a room's whole state, in which `members` wrote their own membership."""
        room = self.community.room(key)
        created: dict[str, Any] = {**room.creation_content, "room_version": "12"}
        created["additional_creators"] = [GHOSTS.guardian, GHOSTS.custodian]
        if after is not None:
            created["predecessor"] = {"room_id": after}
        state: dict[tuple[str, str], Any] = {("m.room.create", ""): created}
        state |= self.community.complete_state(key, {**self.ids, key: room_id})
        events = [
            Event(f"${room_id}{at}", room_id, GHOSTS.steward, at[0], says, 0, at[1]) for at, says in state.items()
        ]
        everybody = {GHOSTS.steward: "join", GHOSTS.guardian: "join", **members}
        for who, how in everybody.items():
            events.append(Event(f"${room_id}{who}", room_id, who, "m.room.member", {"membership": how}, 0, who))
        self.projection.replace(room_id, events)

    def upgrade(self, *others: str) -> None:
        """Another room takes the lounge's place; nothing is left in the old one."""
        self.read("lounge", "!new", dict.fromkeys((LEAD, MOD, *others), "join"), after="!lounge")

    def member(self, room_id: str, membership: str, by: str, who: str = PAT) -> list[Effect]:
        """Somebody's membership becomes another one; return what the doors do about it."""
        self.events += 1
        event = Event(f"$event{self.events}", room_id, by, "m.room.member", {"membership": membership}, 1, who)
        before = self.projection.membership(room_id, who)
        self.projection.apply(event)
        return list(
            Doors().handle(EventInput(SERVER, event, Origin.PUSH, 1), self.projection.facts(room_id, 1, before))
        )

    def brings_in(self) -> list[Change]:
        """Whom keeping the community would bring in, or ask in."""
        planned = plan(self.community, self.people, self.observer.present(self.community), IDENTITIES)
        return [change for change in planned.changes if isinstance(change, Invite | BringOver)]


def asked_in(effects: list[Effect]) -> bool:
    return any(isinstance(effect, AskIn) for effect in effects)


def test_a_kept_room_does_not_ask_in_whom_a_moderator_took_out_and_who_knocks() -> None:
    world = World()
    world.member("!lounge", "leave", by=MOD)
    assert not asked_in(world.member("!lounge", "knock", by=PAT))
    assert world.brings_in() == []


def test_a_kept_room_asks_in_whom_nobody_took_out_and_who_knocks() -> None:
    world = World()
    world.member("!lounge", "leave", by=GHOSTS.steward)
    assert asked_in(world.member("!lounge", "knock", by=PAT))
    assert len(world.brings_in()) == 1


def test_an_upgrade_does_not_forget_whom_a_moderator_took_out() -> None:
    world = World()
    world.member("!lounge", "leave", by=MOD)
    world.upgrade()
    assert world.brings_in() == []
    assert not asked_in(world.member("!new", "knock", by=PAT))
    assert world.brings_in() == []


def test_an_upgrade_does_not_forget_it_where_the_request_is_found_by_reading_the_room() -> None:
    world = World()
    world.member("!lounge", "leave", by=MOD)
    world.upgrade()
    world.read("lounge", "!new", {LEAD: "join", MOD: "join", PAT: "knock"}, after="!lounge")
    assert world.brings_in() == []
    room = world.projection.room("!new")
    assert room is not None
    assert set(room.taken_out) == {PAT}


def test_whom_a_person_let_in_after_an_upgrade_is_taken_out_no_more() -> None:
    world = World()
    world.member("!lounge", "leave", by=MOD)
    world.upgrade()
    world.member("!new", "knock", by=PAT)
    world.member("!new", "invite", by=GHOSTS.steward)  # a person's yes
    world.member("!new", "join", by=PAT)
    world.member("!new", "leave", by=PAT)
    assert asked_in(world.member("!new", "knock", by=PAT))


def test_who_left_before_an_upgrade_by_themselves_is_let_in_when_they_knock() -> None:
    world = World()
    world.member("!lounge", "leave", by=PAT)
    world.upgrade()
    assert world.brings_in() == []
    assert asked_in(world.member("!new", "knock", by=PAT))


def test_somebody_taken_out_of_the_new_room_is_not_brought_over_when_they_knock_there() -> None:
    world = World()
    world.upgrade(PAT)
    world.member("!new", "leave", by=MOD)
    world.member("!new", "knock", by=PAT)
    assert world.brings_in() == []
