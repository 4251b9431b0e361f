"""What groups tell newcomers whom we know already: once, and what several groups tell within a while in one message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Final

from appservice.flow import Attempt, Effect, Executor, Facts, Greeting, Item, Refused, Result

#: ms that a greeting waits for those of other groups, and in which a person gets one greeting at most (CARE, rule 9).
_GATHER_MS: Final = 10 * 60 * 1000
_AGAIN_MS: Final = 24 * 3600 * 1000
#: Fields that say to whom and of which room, and not what.
_WHERE: Final = frozenset({"person", "room"})


def said_of(item: Item) -> str:
    """Return a hash of what a group tells newcomers: enough to see that it says something else now."""
    told = sorted((name, value) for name, value in item.items() if name not in _WHERE)
    return sha256(repr(told).encode()).hexdigest()[:16]


def is_told(facts: Facts, group: str, person: str, said: str) -> bool:
    """Return whether somebody was told just this of a group, lately, or is about to be."""
    known = facts.greeted.get(person, {}).get(group)
    return known is not None and known.said == said


def leaves_at(facts: Facts, person: str) -> int:
    """Return when (ms) a greeting for a person leaves: with the one that waits, else a day after the last at the earliest."""
    last = max((one.at_ms for one in facts.greeted.get(person, {}).values()), default=0)
    return last if last > facts.now_ms else max(facts.now_ms + _GATHER_MS, last + _AGAIN_MS)


class GreetingExecutor:
    """Hands a greeting to `says`, which tells people things, as far as it still fits: of groups that its person is in
    (`membership` of a room), and not while they are `in_distress`.
    """

    def __init__(
        self, says: Executor, membership: Callable[[str, str], str | None], in_distress: Callable[[str], bool]
    ) -> None:
        self._says = says
        self._membership = membership
        self._in_distress = in_distress

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, Greeting)
        if self._in_distress(effect.user_id):
            return Refused("in_distress")
        items = tuple(item for item in effect.items if self._is_in(item, effect.user_id))
        return await self._says.execute(replace(effect, items=items), attempt) if items else Refused("left")

    def _is_in(self, item: Mapping[str, str], user_id: str) -> bool:
        return self._membership(item.get("room", ""), user_id) == "join"
