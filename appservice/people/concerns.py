"""Who is in distress, as rules saw it lately: known in memory at once, and in the store with the same commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from appservice.flow import RELEASED, UNSENT, Card, Clock, Concerned, ConcernFact, Effect, Notice, in_distress
from appservice.store import Commit, Questions

#: ms that concerns are kept in mind: a week, in which nobody gets the same message twice (CARE, rule 9).
KEPT_MS: Final = 8 * 24 * 3600 * 1000


class Concerns:
    """The concerns of one homeserver's people."""

    def __init__(self, homeserver: str, clock: Clock) -> None:
        self._homeserver = homeserver
        self._clock = clock
        self._known: dict[str, tuple[ConcernFact, ...]] = {}
        self.by_person: Mapping[str, tuple[ConcernFact, ...]] = MappingProxyType(self._known)

    async def load(self, questions: Questions) -> None:
        """Take up what an earlier life of ours knew. Raises `StoreRefused`."""
        for user_id, kind, severity, at_ms in await questions.concerns(self._clock.now_ms() - KEPT_MS):
            self._add(user_id, ConcernFact(kind, severity, at_ms))

    def note(self, effect: Effect) -> Commit:
        """Note a concern, or what was done about one; return its row.

        Where the store refuses it, a sign stays in mind, since it protects somebody. What a program wrote does not: it
        was not written.
        """
        assert isinstance(effect, Concerned)
        fact = ConcernFact(effect.kind, effect.severity, effect.at_ms)
        self._add(effect.user_id, fact)
        row = {
            "homeserver": self._homeserver,
            "source": f"{effect.source}/{effect.ordinal}" if effect.ordinal else effect.source,
            "user_id": effect.user_id,
            "kind": effect.kind,
            "severity": effect.severity,
            "at_ms": effect.at_ms,
        }

        return Commit(concerns=[row], undo=[] if fact.is_sign else [self._forgetting(effect.user_id, fact)])

    def _forgetting(self, user_id: str, fact: ConcernFact) -> Callable[[], None]:
        def undo() -> None:
            self._known[user_id] = tuple(one for one in self._known[user_id] if one is not fact)

        return undo

    def hold_back(self, effect: Effect) -> bool:
        """Whether an effect would correct somebody who is in distress at this moment.

        A notice names nobody, and may speak of others too: once something was removed, the room is told. A card corrects
        nobody: those who look after people hear of what was done before the sign.
        """
        if effect.conduct_on is None or isinstance(effect, Notice | Card):
            return False
        return self.in_distress(effect.conduct_on)

    def in_distress(self, user_id: str) -> bool:
        """Return whether somebody is in distress at this moment."""
        return in_distress(self._known.get(user_id, ()), self._clock.now_ms())

    def release(self, user_id: str, source: str, at_ms: int) -> Commit:
        """A named human ended the pause of automatic rules for a person; return the row. Refused, the pause goes on."""
        fact = ConcernFact(RELEASED, 0, at_ms)
        self._add(user_id, fact)
        row = {"homeserver": self._homeserver, "source": source, "user_id": user_id, "kind": RELEASED}
        return Commit(concerns=[row | {"severity": 0, "at_ms": at_ms}], undo=[self._forgetting(user_id, fact)])

    def _add(self, user_id: str, concern: ConcernFact) -> None:
        fresh = self._clock.now_ms() - KEPT_MS
        known = [one for one in self._known.get(user_id, ()) if one.at_ms > fresh]
        if concern.kind == UNSENT:
            unsent = next((one for one in reversed(known) if one.wrote_about), None)
            self._known[user_id] = tuple(one for one in known if one is not unsent)
        else:
            self._known[user_id] = (*known, concern)
