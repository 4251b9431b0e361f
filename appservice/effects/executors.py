"""Executors of the effects that need nothing but a room: redactions and notices."""

from __future__ import annotations

from time import monotonic
from typing import NamedTuple

from appservice.effects.speaking import Speaker
from appservice.flow import Attempt, Done, Effect, Item, Notice, Redact, Refused, Result, transaction_id
from appservice.matrix import HomeserverClient, Rejected, parse_event

#: Seconds during which a further removal in the same room edits the notice that stands there.
EDIT_WITHIN_S = 120.0


class RedactExecutor:
    """Redacts. The transaction id makes a repeated call harmless; where it may be forgotten, the event is read first."""

    def __init__(self, client: HomeserverClient, speaker: Speaker) -> None:
        self._client = client
        self._speaker = speaker

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, Redact)
        actor = self._speaker.actor(effect.identity)
        if attempt.look_first:
            try:
                event = parse_event(await self._client.event(effect.room_id, effect.event_id, actor))
            except Rejected as error:
                if error.status == 404:
                    return Refused("vanished")
                raise
            if event.redacted:
                return Done(already=True)
        event_id = await self._client.redact(
            effect.room_id, effect.event_id, effect.reason, transaction_id(effect.key), actor
        )
        return Done(event_id=event_id, room_id=effect.room_id)


class _Standing(NamedTuple):
    event_id: str
    items: tuple[Item, ...]
    at: float
    edits: int


class NoticeExecutor:
    """Says a notice, or edits the one that says the same thing and still stands near the end of the room."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._standing: dict[str, _Standing] = {}

    def forget(self) -> None:
        """What stood may be gone: the next notice is a new one."""
        self._standing.clear()

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, Notice)
        now = monotonic()
        standing = self._standing.get(effect.merge_key)
        if standing is not None and now - standing.at < EDIT_WITHIN_S and not attempt.perhaps_sent:
            items = standing.items + tuple(item for item in effect.items if item not in standing.items)
            done = await self._speaker.say(
                effect.room_id, effect, effect.text, items, attempt, replaces=standing.event_id
            )
            self._standing[effect.merge_key] = _Standing(standing.event_id, items, standing.at, standing.edits + 1)
            return done
        done = await self._speaker.say(effect.room_id, effect, effect.text, effect.items, attempt)
        if done.event_id is not None and not attempt.perhaps_sent:  # else it may have become an edit of another one
            self._standing = {key: one for key, one in self._standing.items() if now - one.at < EDIT_WITHIN_S}
            self._standing[effect.merge_key] = _Standing(done.event_id, effect.items, now, 0)
        return done
