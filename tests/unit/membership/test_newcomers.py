"""Who is new to a group, over restarts, leaving and coming back, and another policy; and what waits of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from appservice.flow import DecideWords, DropWords, HoldWords, Lane, Newcomer, Vault
from appservice.intake import Projection
from appservice.matrix import parse_event
from appservice.membership import NewcomerBook
from appservice.membership.newcomers import KEPT_MS
from appservice.store import Commit, Database
from policies.changes import BringOver
from policies.compile import compile_community
from policies.desired import DesiredCommunity
from policies.load import load_files
from policies.plan import Plan
from policies.schema import Policy
from tests.support.house import GHOSTS, GROUP, ROSA, SAM, SERVER, fresh_store, member, state_of
from tests.support.paths import POLICIES

LOUNGE = "carers-lounge"
NOW = 1_800_000_000_000


class Sealed:
    """A vault that turns words round."""

    def seal(self, plain: bytes) -> bytes:
        return plain[::-1]

    def unseal(self, sealed: bytes) -> bytes:
        return sealed[::-1]


def community(first: int | None, *moderators: str) -> DesiredCommunity:
    """The larger example as the community `hearth`, with so much read of newcomers in its lounge, which Rosa moderates."""
    loaded = load_files(POLICIES / "leeds-carers.yaml")
    assert loaded.policy is not None
    said = loaded.policy.model_dump(by_alias=True)
    said["groups"][LOUNGE]["posting"] = {"first_messages": first} if first else None
    said["community"] |= {"id": "hearth", "server": SERVER}
    policy = Policy.model_validate(said | {"drift": {}})
    made = compile_community(policy, replace(loaded.people, by_id={}))  # type: ignore[type-var]
    room = made.room(LOUNGE)
    levels = {**room.state["m.room.power_levels", ""], "users": dict.fromkeys((ROSA, *moderators), 50)}
    room = replace(room, state={**room.state, ("m.room.power_levels", ""): levels})
    return replace(made, rooms=tuple(room if one.key == LOUNGE else one for one in made.rooms))


@dataclass
class Life:
    """One life of a service: what it knows, and the rows that it commits."""

    first: int | None = 2
    members: Mapping[str, str] = field(default_factory=lambda: {GHOSTS.guardian: "join"})
    vault: Vault | None = field(default_factory=Sealed)
    knows_room: bool = True

    def __post_init__(self) -> None:
        self.projection = Projection(SERVER, GHOSTS)
        self.woken: list[str] = []
        self.book = NewcomerBook(
            SERVER, lambda: self.vault, self._room, self.projection.room, lambda _newcomer, _user: True, GHOSTS
        )
        self.book.changed = self.woken.append
        self.projection.newcomers = self.book
        self.book.follow(community(self.first))
        self.rows = Commit()
        self.n = 0
        if self.knows_room:
            self.read(self.members)

    def _room(self, group: str) -> Any:
        return self.projection.room(self.projection.place("hearth", group) or "")

    def read(self, members: Mapping[str, str], **powers: int) -> None:
        """The room is read anew."""
        state = state_of(GROUP, LOUNGE, {GHOSTS.guardian: "join", **members})
        state[1]["content"] = {"users": {f"@{name}:{SERVER}": level for name, level in powers.items()}}
        self.rows.add(self.projection.replace(GROUP, [parse_event(one, GROUP) for one in state]))

    def moves(self, who: str, membership: str) -> None:
        """Somebody comes or goes."""
        self.n += 1
        seen = self.projection.apply(parse_event(member(f"$move{self.n}", who, membership), GROUP))
        self.rows.add(seen or Commit())

    def sends(self, words: str = "Hello.", who: str = SAM, at_ms: int = NOW) -> str:
        self.n += 1
        sealed = self.book.seal(words)
        assert sealed is not None
        of = {"community": "hearth", "group": LOUNGE, "user_id": who}
        effect = HoldWords(source=f"$w{self.n}", rule="say", lane=Lane(SERVER, GROUP), **of, sealed=sealed, at_ms=at_ms)
        self.rows.add(self.book.hold(effect))
        return effect.source

    def is_posted(self, words_id: str) -> None:
        words = self.book.words(words_id)
        assert words is not None
        self.rows.add(self.book.posted(words))

    @property
    def left(self) -> int:
        return self.book.left(LOUNGE, SAM)

    @property
    def waits(self) -> set[str]:
        return set(self.book.beside(community(self.first)).waiting.get(LOUNGE, ()))

    async def next(self, path: Path, **other: Any) -> Life:
        """Write down what was committed, and begin another life."""
        database = Database(path, "normal")
        await database.open()
        try:
            await database.commit(self.rows)
            made = Life(**{"first": self.first, "knows_room": False, **other})
            await made.book.load(database)
        finally:
            await database.close()
        return made


def test_who_was_there_before_is_known_also_when_they_come_back_and_who_comes_is_new() -> None:
    life = Life(members={SAM: "join"})
    assert life.left == 0
    life.moves(SAM, "leave")
    life.moves(SAM, "join")
    assert (life.left, life.waits) == (0, set())
    other = Life()
    other.moves(SAM, "invite")
    assert other.left == 0
    other.moves(SAM, "join")
    assert (other.left, other.waits, other.woken) == (2, {SAM}, [GROUP])


def test_neither_those_who_moderate_nor_our_own_accounts_are_newcomers() -> None:
    life = Life()
    for one in (ROSA, GHOSTS.steward):
        life.moves(one, "join")
    assert life.waits == set()


def test_leaving_and_coming_back_goes_on_where_it_was() -> None:
    life = Life()
    life.moves(SAM, "join")
    life.is_posted(life.sends())
    life.moves(SAM, "leave")
    assert life.waits == set(), "who is not there needs no level"
    life.moves(SAM, "join")
    assert (life.left, life.waits) == (1, {SAM})
    life.is_posted(life.sends())
    assert (life.left, life.waits) == (0, set())


async def test_after_a_restart_whoever_waited_waits_and_who_came_meanwhile_is_new(tmp_path: Path) -> None:
    path = fresh_store(tmp_path)
    life = Life()
    life.moves(SAM, "join")
    life.is_posted(life.sends())
    life.sends("Not read yet.")
    again = await life.next(path)
    again.read({SAM: "join"})
    assert (again.left, len(again.book.waiting(LOUNGE, SAM))) == (1, 1)
    third = await again.next(path)
    third.read({SAM: "join"})  # as the store knew it
    third.read({SAM: "join", ROSA: "join", f"@kit:{SERVER}": "join"})  # as the homeserver has it
    assert third.waits == {SAM, f"@kit:{SERVER}"}


def test_a_join_that_is_found_by_reading_a_doubtful_room_is_one() -> None:
    life = Life()
    life.projection.forget(GROUP)
    life.read({SAM: "join"})
    assert life.waits == {SAM}


def test_with_a_new_store_only_those_wait_who_were_held_back() -> None:
    life = Life(knows_room=False)
    life.read({SAM: "join", f"@kit:{SERVER}": "join"}, sam=-1)
    assert life.waits == {SAM}


def test_a_row_that_the_store_refused_is_written_with_the_next_news_of_the_room() -> None:
    life = Life()
    life.moves(SAM, "join")
    assert [row["user_id"] for row in life.projection.rows(GROUP).newcomers] == [SAM]


@pytest.mark.parametrize(("before", "after", "left"), [(2, None, 0), (2, 1, 0), (3, 2, 1), (2, 3, 2)])
def test_with_another_policy_so_much_is_left(before: int, after: int | None, left: int) -> None:
    life = Life(first=before)
    life.moves(SAM, "join")
    life.is_posted(life.sends())
    ended = life.book.ending(community(after))
    assert bool(ended.newcomers) is (left == 0)
    life.book.follow(community(after))
    assert life.left == left


def test_who_was_known_once_stays_known_though_the_setting_comes_back_or_grows() -> None:
    life = Life()
    life.moves(SAM, "join")
    for first in (None, 2, 10):
        life.book.follow(community(first))
    assert life.left == 0


def test_who_comes_over_from_the_old_room_of_a_group_is_not_new() -> None:
    life = Life(members={SAM: "join"})
    state = state_of("!next", LOUNGE, {GHOSTS.guardian: "join"})
    state[0]["content"]["predecessor"] = {"room_id": GROUP}
    life.projection.replace("!next", [parse_event(one, "!next") for one in state])
    for who in (SAM, f"@kit:{SERVER}"):
        life.projection.apply(parse_event(member(f"$over{who}", who, "join", "!next"), "!next"))
    assert (life.left, life.waits) == (0, {f"@kit:{SERVER}"})


async def test_whoever_comes_along_from_a_room_that_others_made_is_not_new_unless_they_were(tmp_path: Path) -> None:
    kit, path = f"@kit:{SERVER}", fresh_store(tmp_path)
    life = Life()
    life.moves(kit, "join")
    life.moves(kit, "leave")
    comes = [BringOver(LOUNGE, GROUP, "Carers' lounge", who) for who in (SAM, kit)]
    other = BringOver("evening", "!evening", "In the evening", SAM)
    life.rows.add(life.book.brought(Plan("hearth", "digest", (*comes, other))))
    life = await life.next(path, knows_room=True)  # killed before they came
    for who in (SAM, kit):
        life.moves(who, "join")
    assert (life.left, life.waits) == (0, {kit})
    assert life.book.person("evening", SAM) is None


def test_who_left_the_old_room_of_a_group_before_they_came_into_its_new_one_is_not_new() -> None:
    life = Life(members={SAM: "join", f"@kit:{SERVER}": "join"})
    closed = {**member("$closed", GHOSTS.steward, ""), "type": "m.room.tombstone", "state_key": ""}
    life.projection.apply(parse_event({**closed, "content": {"replacement_room": "!next"}}, GROUP))
    state = state_of("!next", LOUNGE, {GHOSTS.guardian: "join"})
    state[0]["content"]["predecessor"] = {"room_id": GROUP}
    life.projection.replace("!next", [parse_event(one, "!next") for one in state])
    dan, amina = f"@dan:{SERVER}", f"@amina:{SERVER}"
    life.moves(SAM, "leave")
    for membership in ("join", "leave"):  # too late to be anything but new
        life.moves(dan, membership)
    for who in (SAM, dan, amina, f"@kit:{SERVER}"):
        life.projection.apply(parse_event(member(f"$over{who}", who, "join", "!next"), "!next"))
    for membership in ("leave", "join", "leave"):  # only looks back
        life.moves(f"@kit:{SERVER}", membership)
    assert (life.left, life.waits) == (0, {dan, amina})
    assert set(life.woken) == {"!next"}


def test_who_moderated_is_not_new_again_when_they_step_down() -> None:
    life = Life()
    life.moves(SAM, "join")
    moderates, steps_down = community(2, SAM), community(2)
    assert [row["user_id"] for row in life.book.ending(moderates).newcomers] == [SAM]
    life.book.follow(moderates)
    assert life.left == 0
    life.book.follow(steps_down)
    assert (life.left, life.waits) == (0, set())


def test_words_go_back_when_they_are_old_or_needless_or_their_author_has_gone() -> None:
    life = Life()
    life.moves(SAM, "join")
    words = life.sends()
    assert life.book.stale(NOW + KEPT_MS - 1) == []
    assert [(one.id, why) for one, why in life.book.stale(NOW + KEPT_MS)] == [(words, "late")]
    life.moves(SAM, "leave")
    assert [why for _, why in life.book.stale(NOW)] == ["gone"]
    life.moves(SAM, "join")
    life.book.follow(community(None))
    assert [why for _, why in life.book.stale(NOW)] == ["free"]


def test_while_a_room_is_read_anew_nobody_is_taken_for_gone_though_what_is_old_goes_back() -> None:
    life = Life()
    life.moves(SAM, "join")
    life.sends()
    [(group, name, room_id)] = life.book.groups_of(SAM)
    assert (group, room_id) == (LOUNGE, GROUP)
    life.projection.forget(GROUP)
    assert life.book.stale(NOW) == []
    assert life.book.groups_of(SAM) == [(LOUNGE, name, "")], "what they send now is no talk"
    assert life.book.groups_of(ROSA) == []
    assert [why for _, why in life.book.stale(NOW + KEPT_MS)] == ["late"]
    life.read({})
    assert [why for _, why in life.book.stale(NOW)] == ["gone"]


def test_words_are_sealed_and_where_they_cannot_be_nothing_is_kept_in_clear() -> None:
    life = Life()
    life.moves(SAM, "join")
    life.sends("In confidence.")
    [row] = life.rows.held_words
    assert b"confidence" not in b"".join(value for value in row.values() if isinstance(value, bytes))
    life.vault = None
    assert life.book.seal("In confidence.") is None


async def test_words_that_are_done_with_are_gone_from_the_store(tmp_path: Path) -> None:
    path = fresh_store(tmp_path)
    life = Life()
    life.moves(SAM, "join")
    first, second = life.sends(), life.sends()
    life.is_posted(first)
    life.rows.add(life.book.done_with(second))
    again = await life.next(path)
    assert (again.book.words(first), again.book.words(second)) == (None, None)
    assert again.book.person(LOUNGE, SAM) == Newcomer(community="hearth", group=LOUNGE, user_id=SAM, posted=1)


def test_words_that_were_taken_back_are_gone_unless_somebody_decided_already() -> None:
    life = Life()
    life.moves(SAM, "join")
    of: dict[str, Any] = {"rule": "say", "lane": Lane(SERVER, GROUP)}
    of |= {"community": "hearth", "group": LOUNGE, "user_id": SAM}
    waits, goes = life.sends(), life.sends()
    life.book.decide(DecideWords(source="$d", **of, words=(goes,), posts=True, by=ROSA))
    rows = life.book.drop(DropWords(source="$x", **of, words_id=waits))
    assert ([row["id"] for row in rows.words_gone], life.book.words(waits)) == ([waits], None)
    rows.undo[0]()
    assert life.book.words(waits) is not None, "the store refused it"
    assert life.book.drop(DropWords(source="$y", **of, words_id=goes)).empty


async def test_of_an_edited_message_only_the_newest_words_are_kept_and_either_event_takes_them_back(
    tmp_path: Path,
) -> None:
    life, path = Life(), fresh_store(tmp_path)
    life.moves(SAM, "join")
    of: dict[str, Any] = {"rule": "say", "lane": Lane(SERVER, GROUP), "community": "hearth", "group": LOUNGE}
    first = life.sends("My number is 07700 900123.")
    for edit in ("$e1", "$e2"):
        known = life.book.sent_by(first)
        assert known is not None
        drop = life.book.drop(DropWords(source=edit, user_id=SAM, words_id=known.id, **of))
        hold = HoldWords(source=edit, user_id=SAM, sealed=edit.encode(), at_ms=NOW, edits=first, **of)
        life.rows.add(drop)
        life.rows.add(life.book.hold(hold))
    again = await life.next(path, knows_room=True)
    [kept] = again.book.waiting(LOUNGE, SAM)
    assert again.book.sent_by(first) == again.book.sent_by("$e2") == kept
    assert again.book.sent_by("$e1") is None
    assert again.book.drop(DropWords(source="$x", user_id=SAM, words_id=kept.id, **of)).words_gone
    assert again.book.sent_by(first) is None


def test_an_edit_that_the_store_refused_leaves_what_was_there() -> None:
    life = Life()
    life.moves(SAM, "join")
    of: dict[str, Any] = {"rule": "say", "lane": Lane(SERVER, GROUP), "community": "hearth", "group": LOUNGE}
    first = life.sends()
    rows = life.book.drop(DropWords(source="$e", user_id=SAM, words_id=first, **of))
    rows.add(life.book.hold(HoldWords(source="$e", user_id=SAM, sealed=b"", at_ms=NOW, edits=first, **of)))
    for undo in reversed(rows.undo):
        undo()
    assert [one.id for one in life.book.waiting(LOUNGE, SAM)] == [first]
    assert life.book.sent_by(first) is not None


def test_of_what_waits_only_what_somebody_was_shown_is_theirs_to_answer() -> None:
    life = Life()
    kit = f"@kit:{SERVER}"
    for who in (SAM, kit):
        life.moves(who, "join")
    first, _ = life.sends(), life.sends(who=kit)
    life.book.showed([first], ROSA)
    assert [one.user_id for one in life.book.shown_to(ROSA)] == [SAM]
    assert life.book.shown_to(kit) == []


def test_nobody_may_read_about_themselves() -> None:
    life = Life()
    newcomer = Newcomer(community="hearth", group=LOUNGE, user_id=SAM)
    assert (life.book.may(newcomer, SAM), life.book.may(newcomer, ROSA)) == (False, True)
