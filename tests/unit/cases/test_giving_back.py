"""What was taken away for its time or form is given back to who wrote it, and to nobody else."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from appservice.cases import GiveBackExecutor
from appservice.flow import Attempt, Done, Effect, GiveBack, Lane, Result, VaultClosed, effect_from_record
from appservice.service.quoting import whole
from tests.support.house import GROUP, ROSA, SAM, SERVER

WORDS = "I will bring the cake on Tuesday."


class Says:
    """Takes what would be said."""

    def __init__(self) -> None:
        self.items: tuple[Any, ...] = ()

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, GiveBack)
        self.items = effect.items
        return Done()


class Kept:
    """The store, with sealed messages by id."""

    def __init__(self, by: str, count: int = 9, content: object = None) -> None:
        content = {"msgtype": "m.text", "body": WORDS} if content is None else content
        self.rows = {f"${n}": orjson.dumps({"sender": by, "content": content}) for n in range(count)}

    async def kept(self, event_id: str) -> bytes | None:
        return self.rows.get(event_id)


class OpenVault:
    def __init__(self, *, closed: bool = False) -> None:
        self.closed = closed

    def seal(self, plain: bytes) -> bytes:
        return plain

    def unseal(self, sealed: bytes) -> bytes:
        if self.closed:
            raise VaultClosed("no_key")
        return sealed


def effect(count: int = 1) -> GiveBack:
    items = tuple({"person": SAM, "room": GROUP, "event": f"${n}"} for n in range(count))
    common: dict[str, Any] = {"source": "$0", "rule": "slow_mode", "lane": Lane(SERVER, GROUP)}
    return GiveBack(**common, user_id=SAM, text="your.slow_mode_removed", items=items, not_before_ms=5)


async def given(store: Kept, count: int = 1, vault: OpenVault | None = None) -> list[str | None]:
    says, opens = Says(), vault or OpenVault()
    executor = GiveBackExecutor(says, store, lambda: opens, whole)  # type: ignore[arg-type]
    await executor.execute(effect(count), Attempt(1))
    return [item.get("words") for item in says.items]


async def test_who_wrote_it_gets_the_words_back() -> None:
    assert await given(Kept(SAM)) == [WORDS]


async def test_nobody_gets_the_words_of_another_person() -> None:
    assert await given(Kept(ROSA)) == [None]


async def test_of_many_the_newest_are_given_back_so_that_they_fit() -> None:
    assert await given(Kept(SAM), 5) == [None, None, WORDS, WORDS, WORDS]
    [words] = await given(Kept(SAM, content={"msgtype": "m.text", "body": "word " * 9_000}))
    assert words is not None
    assert len(words) <= 4_000


@pytest.mark.parametrize("content", [{}, {"body": 3}, "x", ["body"], {"body": "  "}])
async def test_where_there_are_no_words_they_are_told_without(content: object) -> None:
    assert await given(Kept(SAM, content=content)) == [None]


async def test_where_no_copy_can_be_opened_they_are_told_without() -> None:
    assert await given(Kept(SAM, 0)) == [None]
    assert await given(Kept(SAM), vault=OpenVault(closed=True)) == [None]


def test_the_effect_holds_no_words_and_survives_being_written_down() -> None:
    assert WORDS not in str(effect().record())
    assert effect_from_record(effect().record()) == effect()
