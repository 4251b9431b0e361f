"""Cards reach the room of those who look after a community."""

from __future__ import annotations

from collections.abc import Callable

from appservice.effects import Speaker
from appservice.flow import Attempt, Card, Effect, Postponed, Result

#: ms until we look again for a system room that does not exist (yet).
_NO_ROOM_MS = 2_000


class CardExecutor:
    """Says a card in the system room of its community. `place(community, name)` gives the room id or None.

    While there is no such room the card waits: it is never dropped and never shown elsewhere.
    """

    def __init__(self, speaker: Speaker, place: Callable[[str, str], str | None]) -> None:
        self._speaker = speaker
        self._place = place

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, Card)
        room_id = self._place(effect.community, effect.place)
        if room_id is None:
            return Postponed("no_room", _NO_ROOM_MS)
        return await self._speaker.say(room_id, effect, effect.text, effect.items, attempt)
