"""What was promised to somebody in need is kept, and what was not said to them counts as not said (CARE, rules 6 and 8)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appservice.cases import requests
from appservice.detection.concern import Concern
from appservice.flow import UNSENT, Concerned, EventInput, Facts, Lane
from tests.support.house import GROUP, SAM, fresh_store, open_house
from tests.support.removed_rules import Patch, without
from tests.unit.care.test_care_rules import told, with_private_room, words


async def test_care_06_numbers_that_were_promised_are_sent_whenever_the_yes_comes(tmp_path: Path) -> None:
    path = fresh_store(tmp_path)
    async with open_house(path) as house:
        life = await with_private_room(house)
        await life.says(SAM, "I can't go on")
        assert told(await life.says(SAM, "my husband hits me", "!dm")) == ["care.domestic_abuse"]
        assert told(await life.says(SAM, "which numbers?", "!dm")) == ["care.safe_first"]
        assert told(await life.says(SAM, "no", "!dm")) == []
    async with open_house(path) as house:
        house.clock.now += 1000
        life = await with_private_room(house)
        await life.concerns.load(house.questions)
        assert told(await life.says(SAM, "ok yes now it is safe", "!dm")) == ["care.helplines_domestic_abuse"]
        assert told(await life.says(SAM, "ok", "!dm")) == ["direct.how"], "once"


@pytest.mark.parametrize(
    "body", ["ok but he reads my phone", "is it safe?", "yes he is here", "yesterday", "what do you mean"]
)
async def test_care_06_what_is_no_clear_yes_brings_no_numbers(tmp_path: Path, body: str) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = await with_private_room(house)
        await life.says(SAM, "he hit me again last night")
        assert told(await life.says(SAM, body, "!dm")) == ["care.safe_first"]
    assert "0808" not in words("care.safe_first")
    assert "116 123" not in words("care.safe_first")


@pytest.mark.parametrize("body", ["no", "not safe", "it isn't safe", "ok but not now", "yes, no, he is here", "unsafe"])
async def test_care_06_a_no_brings_nothing_at_all(tmp_path: Path, body: str) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = await with_private_room(house)
        await life.says(SAM, "he hit me again last night")
        assert told(await life.says(SAM, body, "!dm")) == []


@pytest.mark.parametrize(
    "body", ["yes", "Y", "Yes please!", "it is safe", "I'm safe", "ok send me the numbers", "> reply help\n\nyes"]
)
async def test_care_06_a_yes_is_heard_as_people_write_it(tmp_path: Path, body: str) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = await with_private_room(house)
        await life.says(SAM, "he hit me again last night")
        assert told(await life.says(SAM, body, "!dm")) == ["care.helplines_domestic_abuse"]


async def test_care_06_what_quiet_kept_back_counts_as_written_to_nobody(tmp_path: Path) -> None:
    """Else whoever wants to hear us again got nothing for a week, and the card said that they had got a kind message."""
    async with open_house(fresh_store(tmp_path)) as house:
        life = await with_private_room(house)
        await life.says(SAM, "quiet", "!dm")
        await life.says(SAM, "I can't go on")
        case = life.book.current("hearth", "concern", SAM)
        assert case is not None
        assert case.untold
        await life.says(SAM, "hello", "!dm")
        assert told(await life.says(SAM, "I really can't go on")) == ["care.suicide"]
        case = life.book.current("hearth", "concern", SAM)
        assert case is not None
        assert not case.untold


# -- each of these matters -------------------------------------------------------------------------------------------

_MAY_WRITE = Concern._may_write


def writes_to_everybody(rule: Concern, item: EventInput, facts: Facts, sign: Any) -> bool:
    return _MAY_WRITE(rule, item, replace(facts, quiet=()), sign)


async def not_safe(path: Path) -> None:
    await test_care_06_what_is_no_clear_yes_brings_no_numbers(path, "ok but he reads my phone")


@pytest.mark.parametrize(
    ("remove", "check"),
    [
        (
            without(requests, "promised", lambda _concerns: ""),
            test_care_06_numbers_that_were_promised_are_sent_whenever_the_yes_comes,
        ),
        (without(requests, "_is_yes", lambda said: said[:1] in (["yes"], ["ok"])), not_safe),
        (
            without(Concern, "_may_write", writes_to_everybody),
            test_care_06_what_quiet_kept_back_counts_as_written_to_nobody,
        ),
    ],
    ids=["a promise is forgotten", "whatever begins with a yes is one", "what quiet kept back counts as written"],
)
async def test_care_06_fails_without(
    remove: Callable[[Patch], None],
    check: Callable[[Path], Awaitable[None]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remove(monkeypatch)
    with pytest.raises(AssertionError):
        await check(tmp_path)


async def test_care_09_what_could_not_be_delivered_counts_as_not_written_also_after_a_restart(tmp_path: Path) -> None:
    path = fresh_store(tmp_path)
    async with open_house(path) as house:
        life = await with_private_room(house)
        assert told(await life.says(SAM, "I cant go on")) == ["care.suicide"]
        assert told(await life.says(SAM, "I really cant go on")) == []
        house.clock.now += 1000
        unsent = Concerned(
            source="not_reached",
            rule="not_reached",
            lane=Lane("hearth.example", GROUP),
            user_id=SAM,
            kind=UNSENT,
            severity=0,
            at_ms=house.clock.now,
        )
        await house.lanes.enact([unsent])
        assert house.projection.facts(GROUP, house.clock.now).in_distress(SAM), "the sign stays"
    async with open_house(path) as house:
        house.clock.now += 2000
        life = await with_private_room(house)
        await life.concerns.load(house.questions)
        assert told(await life.says(SAM, "I cant go on like this")) == ["care.suicide"]
