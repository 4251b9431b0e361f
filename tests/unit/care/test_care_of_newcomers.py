"""Whoever is new and in need reaches people at once, whatever they send for reading (CARE, rules 1, 2 and 9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appservice.cases import Requests
from appservice.conversation import Say, is_for_reading
from appservice.flow import Effect
from appservice.service.detectors import concern
from appservice.store import Commit
from tests.support.house import SAM, fresh_store, message, open_house
from tests.support.lane_handlers import inputs
from tests.unit.care.test_care_rules import told, with_private_room
from tests.unit.conversation.test_reading_words import Waiting, words


class New(Waiting):
    """Sam is new to the lounge, and nothing of it is written down."""

    def moved(self, *_: Any) -> Commit:
        return Commit()

    read = rows = moved


async def decided(tmp_path: Path, body: str) -> tuple[list[str], str, int]:
    """What somebody new is told when they write this in private, the kind of the case about them, how much is kept."""
    kept: list[Effect] = []

    def hold(effect: Effect) -> Commit:
        kept.append(effect)
        return Commit()

    async with open_house(fresh_store(tmp_path)) as house:
        life = await with_private_room(house)
        house.projection.newcomers = New()
        house.lanes.handlers = (concern(), Requests(is_for_reading), Say())
        house.lanes._recorders = {**house.lanes._recorders, "hold_words": hold}
        effects = await life.says(SAM, body, "!dm")
        case = life.book.current("hearth", "concern", SAM)
        return told(effects), case.kind if case is not None else "", len(kept)


async def test_care_02_danger_that_is_sent_for_reading_calls_people_and_waits_for_nobody(tmp_path: Path) -> None:
    assert await decided(tmp_path, "say I can't go on, I have taken all my pills") == (["care.danger"], "suicide", 0)


@pytest.mark.parametrize("body", ["say help", "say please help me", "say: I need help"])
async def test_care_02_a_call_for_help_that_is_sent_for_reading_is_one(tmp_path: Path, body: str) -> None:
    assert await decided(tmp_path, body) == (["direct.help_heard"], "asks_help", 0)


async def test_care_09_what_is_sent_for_reading_gets_one_answer(tmp_path: Path) -> None:
    body = "say Could anybody help me find the church hall?"
    assert await decided(tmp_path, body) == (["first.heard"], "", 1)


async def test_care_02_an_edit_into_a_plea_calls_people_and_what_it_said_before_waits_no_longer(tmp_path: Path) -> None:
    noted: list[str] = []

    def note(effect: Effect) -> Commit:
        noted.append(effect.type)
        return Commit()

    async with open_house(fresh_store(tmp_path)) as house:
        life = await with_private_room(house)
        house.projection.newcomers = New(sent=[words("$w")])
        house.lanes.handlers = (concern(), Requests(is_for_reading), Say())
        house.lanes._recorders = {**house.lanes._recorders, "hold_words": note, "drop_words": note}
        plea = {"msgtype": "m.text", "body": "say I can't go on, I have taken all my pills"}
        raw = message("$edit", "* it", room_id="!dm", sender=SAM)
        raw["content"] |= {"m.new_content": plea, "m.relates_to": {"rel_type": "m.replace", "event_id": "$w"}}
        await house.lanes.accept(inputs(house, raw))
        case = life.book.current("hearth", "concern", SAM)
        assert (noted, case and case.kind) == (["drop_words"], "suicide")
        assert await house.table("SELECT count(*) FROM outbox WHERE type = 'newcomer_card'") == [(1,)]
