"""What people were told lately of groups that they came into: known in memory at once, in the store with the same commit."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from appservice.flow import Clock, Effect, Greeted, NoteGreeting
from appservice.store import Commit, Database, greetings

#: ms after which somebody who comes back is told again; the store forgets it then (`service.upkeep`).
KEPT_MS: Final = 60 * 24 * 3600 * 1000


class Greetings:
    """The greetings of one homeserver's people, by person and group."""

    def __init__(self, homeserver: str, clock: Clock) -> None:
        self._homeserver = homeserver
        self._clock = clock
        self._known: dict[str, dict[str, Greeted]] = {}
        self.by_person: Mapping[str, Mapping[str, Greeted]] = MappingProxyType(self._known)

    async def load(self, database: Database) -> None:
        """Take up what an earlier life of ours told people. Raises `StoreRefused`."""
        for user_id, group, said, at_ms in await greetings(database, self._homeserver, self._fresh_ms()):
            self._put(user_id, group, Greeted(said, at_ms))

    def note(self, effect: Effect) -> Commit:
        """Note what somebody is told; return the row, with which memory is put back where the store refuses it."""
        assert isinstance(effect, NoteGreeting)
        before = self._known.get(effect.user_id)
        self._put(effect.user_id, effect.group, Greeted(effect.said, effect.at_ms))

        def undo() -> None:
            if before is None:
                self._known.pop(effect.user_id, None)
            else:
                self._known[effect.user_id] = before

        row = {
            "homeserver": self._homeserver,
            "grp": effect.group,
            "user_id": effect.user_id,
            "said": effect.said,
            "at_ms": effect.at_ms,
        }
        return Commit(greetings=[row], undo=[undo])

    def _put(self, user_id: str, group: str, told: Greeted) -> None:
        fresh = self._fresh_ms()
        known = {name: one for name, one in self._known.get(user_id, {}).items() if one.at_ms > fresh}
        self._known[user_id] = known | {group: told}

    def _fresh_ms(self) -> int:
        return self._clock.now_ms() - KEPT_MS
