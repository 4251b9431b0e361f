"""Cards reach the room of those who look after a community."""

from __future__ import annotations

from collections.abc import Callable

from appservice.effects import Speaker
from appservice.flow import Attempt, Card, Effect, Postponed, Result

#: ms until we look again for a system room that does not exist (yet).
_NO_ROOM_MS = 2_000


class CardExecutor:
    """Says a card in the system room of its community. `place(community, name)` gives the room id or None.

    While there is no such room the card waits: it is never dropped and never shown elsewhere. `reached(user_id)` tells
    whether the person it is about can read what we say to them; the wording gets it as `told` of the first item.
    """

    def __init__(
        self, speaker: Speaker, place: Callable[[str, str], str | None], reached: Callable[[str], bool]
    ) -> None:
        self._speaker = speaker
        self._place = place
        self._reached = reached

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, Card)
        room_id = self._place(effect.community, effect.place)
        if room_id is None:
            return Postponed("no_room", _NO_ROOM_MS)
        first, *others = effect.items or ({},)
        items = ({**first, "told": "yes" if self._reached(effect.about) else "no"}, *others)
        return await self._speaker.say(room_id, effect, effect.text, items, attempt)
