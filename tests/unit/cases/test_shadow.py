"""What rules in shadow would have done: kept without words, told to who may know, and to nobody of themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from appservice.cases import ShadowBook, ShadowWords, ShowShadowExecutor
from appservice.cases.shadow import TOLD_MS
from appservice.flow import Attempt, Done, Item, Lane, NoteShadow, Refused, ShowShadow, effect_from_record
from appservice.matrix import parse_event
from appservice.service.detectors import conduct
from appservice.service.upkeep import KEPT_MS
from appservice.store import Commit, StoreRefused
from policies.load import load_policy
from tests.support.house import GROUP, ROSA, SAM, House, fresh_store, message, open_house, state_of
from tests.support.paths import POLICIES

MOD, OTHER_MOD, LEAD, OPS = (f"@{one}:hearth.example" for one in ("mo", "nia", "amina", "otto"))
RAT = "shut it you ugly rat"
LANE = Lane("hearth.example", GROUP)


class Rules:
    """Mo and Nia moderate, Amina leads on safeguarding, Otto runs the server."""

    def kind(self, community: str, group: str) -> str:
        return "open"

    def admits(self, community: str, group: str, user_id: str) -> bool:
        rooms = {"moderators": {MOD, OTHER_MOD, LEAD}, "safeguarding": {LEAD}, "ops": {OPS}}
        return group not in rooms or user_id in rooms[group]

    def approves(self, community: str, group: str, user_id: str) -> bool:
        return self.can(community, user_id, "approve_join")

    def can(self, community: str, user_id: str, duty: str) -> bool:
        return user_id in {"moderate": {MOD, OTHER_MOD, LEAD}, "safeguard": {LEAD}}.get(duty, set())

    def owners(self, community: str) -> tuple[str, ...]:
        return (LEAD,)

    def leads(self, community: str) -> tuple[str, ...]:
        return (LEAD,)

    def holders(self, community: str, duty: str) -> tuple[str, ...]:
        return tuple(one for one in (MOD, OTHER_MOD, LEAD) if self.can(community, one, duty))

    def holding(self, community: str, name: str) -> tuple[str, ...]:
        return (LEAD,) if name == "safeguarding_lead" else ()


class Life:
    """One life of the service as far as shadow goes: hate and bullying look in the room, and only count."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.book = ShadowBook("hearth.example", house.clock)
        self.book.rules = house.projection.rules = Rules()
        text = (POLICIES / "hearth-demo.yaml").read_text(encoding="utf-8")
        policy = load_policy(text + "\nrules: {bullying: shadow, hate: shadow}\n", "p").policy
        assert policy is not None
        house.lanes.handlers = (conduct(policy), ShadowWords())
        house.lanes._recorders = {"note_shadow": self.book.note}
        house.outbox._executors = {
            **house.outbox._executors,
            "show_shadow": house.executor,
            "urgent_message": house.executor,
        }  # type: ignore[dict-item]

    async def says(self, event_id: str, who: str, body: str, room_id: str = GROUP, **content: Any) -> list[str]:
        raw = message(event_id, body, room_id, who)
        raw["origin_server_ts"] = self.house.clock.now
        raw["content"] |= content
        await self.house.lanes.accept([self.house.input(parse_event(raw, room_id))])
        return [row[0] for row in await self.house.table(f"SELECT type FROM outbox WHERE source = '{event_id}'")]

    def told(self, who: str) -> list[str]:
        return [one.event_id for one in self.book.seen_by("hearth", who)]


async def test_what_would_have_been_removed_is_a_row_without_a_word_and_survives_a_restart(tmp_path: Path) -> None:
    path = fresh_store(tmp_path)
    async with open_house(path) as house:
        life = Life(house)
        commits = house.database.commits
        assert await life.says("$1", SAM, RAT) == []
        assert house.database.commits == commits + 1
        rows = await house.table("SELECT * FROM shadowed")
        assert rows == [("hearth.example", "$1", "bullying", "hearth", GROUP, SAM, house.clock.now)]
        await life.says("$2", ROSA, "those migrants are vermin")
        assert dict(life.book.counts) == {"bullying": 1, "hate": 1}
    async with open_house(path) as house:
        life = Life(house)
        await life.book.load(house.questions)
        assert dict(life.book.counts) == {"bullying": 1, "hate": 1}
        assert life.told(MOD) == ["$2", "$1"]
        house.clock.now += TOLD_MS + 1
        assert dict(life.book.counts) == {}
        assert life.told(MOD) == []


async def test_upkeep_forgets_it_after_sixty_days(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        await life.says("$1", SAM, RAT)
        await house.database.commit(Commit(forget_before_ms=house.clock.now))
        assert len(await house.table("SELECT * FROM shadowed")) == 1
        await house.database.commit(Commit(forget_before_ms=house.clock.now + 1))
        assert await house.table("SELECT * FROM shadowed") == []
    assert KEPT_MS == 60 * 24 * 3600 * 1000


async def test_what_the_store_refused_is_not_counted_and_counts_when_it_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)

        async def refuse(_commit: Commit) -> None:
            raise StoreRefused("full")

        with monkeypatch.context() as patch:
            patch.setattr(house.database, "commit", refuse)
            with pytest.raises(StoreRefused):
                await life.says("$1", SAM, RAT)
        assert dict(life.book.counts) == {}
        await life.says("$1", SAM, RAT)
        assert dict(life.book.counts) == {"bullying": 1}


async def test_care_04_who_moderates_learns_of_others_and_nobody_of_themselves(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        for n, who in enumerate((SAM, MOD, LEAD, OPS)):
            await life.says(f"${n}", who, RAT)
        assert life.told(MOD) == ["$0"]
        assert life.told(OTHER_MOD) == ["$0"], "who sits beside them would tell them"
        assert life.told(LEAD) == ["$3", "$1", "$0"]
        assert dict(life.book.counts) == {"bullying": 1}, "those who read the numbers are not in them"
        life.book.rules = None
        assert life.told(LEAD) == []


async def test_care_04_without_the_rule_they_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ShadowBook, "_among_us", lambda _self, _one: False)
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        await life.says("$1", MOD, RAT)
        assert life.told(OTHER_MOD) == ["$1"]
        assert life.told(MOD) == [], "themselves not even then"


async def moderators(house: House, *people: str) -> str:
    house.homeserver.script.state["!mods"] = state_of("!mods", "moderators", dict.fromkeys(people, "join"))
    await house.lanes.learn_rooms(["!mods"])
    return "!mods"


@pytest.mark.parametrize("body", ["shadow", "Shadow", " shadow. "])
async def test_the_word_shadow_in_the_moderators_room_is_answered_privately(tmp_path: Path, body: str) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        room = await moderators(house, MOD)
        assert await life.says("$1", MOD, body, room) == ["show_shadow"]


async def test_what_is_no_word_of_theirs_is_not_answered(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        room = await moderators(house, MOD, SAM)
        assert await life.says("$1", MOD, "shadow") == [], "in a group it is a word like others"
        assert await life.says("$2", MOD, "shadow work is what I do", room) == []
        assert await life.says("$3", LEAD, "shadow", room) == [], "not in the room"
        assert await life.says("$4", MOD, "shadow", room, msgtype="m.notice") == []
        assert await life.says("$5", MOD, ["shadow"], room) == []  # type: ignore[arg-type]
        raw = parse_event(message("$6", "shadow", room, MOD), room)
        house.clock.now += 3_600_000
        await house.lanes.accept([house.input(raw)])
        assert await house.table("SELECT * FROM outbox WHERE source = '$6'") == [], "an hour late"


async def test_who_may_not_is_told_so_alone(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        room = await moderators(house, SAM)
        assert await life.says("$1", SAM, "shadow", room) == ["urgent_message"]
        ((record,),) = await house.table("SELECT record FROM outbox")
        assert orjson.loads(record)["text"] == "case.not_yours"


@dataclass
class Heard:
    """Direct rooms and speaker in one: remembers what was said."""

    reach: str = "reached"
    said: list[tuple[str, str, tuple[Item, ...]]] = field(default_factory=list)

    async def ensure(self, user_id: str, key: str) -> tuple[str, str]:
        return f"!{user_id}", self.reach

    async def say(self, room_id: str, effect: object, text: str, items: tuple[Item, ...], attempt: object) -> Done:
        self.said.append((room_id, text, items))
        return Done("$said", room_id)


async def test_the_answer_counts_by_rule_links_the_newest_and_names_nobody(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life, heard = Life(house), Heard()
        executor = ShowShadowExecutor(life.book, heard, heard)  # type: ignore[arg-type]

        async def asked(who: str) -> object:
            effect = ShowShadow(source="$q", rule="shadow_words", lane=LANE, community="hearth", user_id=who)
            assert effect_from_record(orjson.loads(orjson.dumps(effect.record()))) == effect
            return await executor.execute(effect, Attempt(1))

        await asked(MOD)
        assert heard.said.pop() == (f"!{MOD}", "shadow.told", ({"person": MOD},))
        for n in range(7):
            await life.says(f"$b{n}", SAM, RAT)
        await life.says("$h", ROSA, "those migrants are vermin")
        await asked(MOD)
        _, _, items = heard.said.pop()
        assert [(one["kind"], one["event"], one.get("count")) for one in items] == [
            ("bullying", "$b6", "7"),
            *(("bullying", f"$b{n}", None) for n in (5, 4, 3, 2)),
            ("hate", "$h", "1"),
        ]
        assert {one["person"] for one in items} == {MOD}
        assert await asked(SAM) == Refused("not_theirs")
        heard.reach = "left"
        assert await asked(MOD) == Refused("not_reached")


def test_a_count_says_what_it_is_without_a_name() -> None:
    effect = NoteShadow(
        source="$1", rule="hate", lane=LANE, community="c", room_id="!r", event_id="$1", about=SAM, at_ms=1
    )
    assert SAM not in effect.describe()
    assert "hate" in effect.describe()
    assert effect_from_record(orjson.loads(orjson.dumps(effect.record()))) == effect
