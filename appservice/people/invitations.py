"""Answers people who ask one of us into a room of theirs."""

from __future__ import annotations

from appservice.effects import Speaker
from appservice.flow import AnswerInvite, Attempt, Done, Effect, Postponed, Result
from appservice.matrix import Actor, HomeserverClient, Rejected
from appservice.people.direct_rooms import DirectRooms

#: Invites answered at the same time. A room far away may answer slowly, and others wait in the same queue.
_AT_ONCE = 2
#: ms until one that has to wait asks again.
_AGAIN_MS = 1_000


class AnswerInviteExecutor:
    """Leaves rooms that are none of ours; who may write to us is told there, once, where we can be found.

    Harmless when repeated: who has left has answered.
    """

    def __init__(self, client: HomeserverClient, rooms: DirectRooms, speaker: Speaker, guardian: Actor) -> None:
        self._client = client
        self._rooms = rooms
        self._speaker = speaker
        self._guardian = guardian
        self._under_way = 0

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, AnswerInvite)
        if self._under_way >= _AT_ONCE:
            return Postponed("busy", _AGAIN_MS)
        self._under_way += 1
        try:
            if effect.kindly and self._rooms.reaches(effect.by):
                await self._show_the_way(effect, attempt)
            return Done(already=not await self._leave(effect))
        finally:
            self._under_way -= 1

    async def _show_the_way(self, effect: AnswerInvite, attempt: Attempt) -> None:
        try:
            room_id, _ = await self._rooms.ensure(effect.by, effect.key, ask_again=True)
            if await self._come_in(effect) and await self._alone_with(effect):
                item = {"person": effect.by, "room": room_id}
                await self._speaker.say(effect.room_id, effect, "direct.here_instead", (item,), attempt)
        except Rejected as error:
            if error.temporary:
                raise
            # They may have made a room in which we may not speak. We leave it all the same.

    async def _come_in(self, effect: AnswerInvite) -> bool:
        try:
            await self._client.join(effect.room_id, self._guardian)
        except Rejected as error:
            if error.temporary:
                raise
            return False  # the invite was taken back, or an earlier attempt has answered it
        return True

    async def _alone_with(self, effect: AnswerInvite) -> bool:
        """Whether nobody but the two is in the room, or asked into it: a text there must not tell others of a person."""
        present = {
            str(event.get("state_key"))
            for event in await self._client.state(effect.room_id, self._guardian)
            if event.get("type") == "m.room.member" and _is_there(event.get("content"))
        }
        return present == {effect.by, self._guardian.user_id}

    async def _leave(self, effect: AnswerInvite) -> bool:
        try:
            await self._client.leave(effect.room_id, effect.user_id)
        except Rejected as error:
            if error.temporary:
                raise
            return False
        return True


def _is_there(content: object) -> bool:
    return isinstance(content, dict) and content.get("membership") in {"join", "invite"}
