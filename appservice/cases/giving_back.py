"""What was taken away for its time or form is given back to who wrote it: opened when it is sent, in their direct room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import orjson

from appservice.cases.around import fitting
from appservice.cases.showing import Whole
from appservice.flow import Attempt, Effect, Executor, GiveBack, Item, Result, Vault, VaultClosed
from appservice.store import Questions

#: Messages that are given back at once: the newest. Characters and bytes of each.
_MOST: Final = 3
_CHARACTERS: Final = 4_000
_BYTES: Final = 8_000


class GiveBackExecutor:
    """Hands the words of a message to `says`, which tells people things; without them where no copy can be opened."""

    def __init__(self, says: Executor, questions: Questions, vault: Callable[[], Vault | None], whole: Whole) -> None:
        self._says = says
        self._questions = questions
        self._vault = vault
        self._whole = whole

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, GiveBack)
        first = len(effect.items) - _MOST
        items = [
            item if place < first else await self._with_words(item, effect.user_id)
            for place, item in enumerate(effect.items)
        ]
        return await self._says.execute(replace(effect, items=tuple(items)), attempt)

    async def _with_words(self, item: Item, user_id: str) -> Item:
        sealed, vault = await self._questions.kept(item.get("event", "")), self._vault()
        if sealed is None or vault is None:
            return item
        try:
            event = orjson.loads(await asyncio.to_thread(vault.unseal, sealed))
        except (VaultClosed, orjson.JSONDecodeError):
            return item
        content = event.get("content") if isinstance(event, dict) else None
        if not isinstance(content, dict) or event.get("sender") != user_id:  # nobody gets the words of another person
            return item
        words = fitting(self._whole(content), _CHARACTERS, _BYTES)
        return {**item, "words": words} if words.strip() else item
