"""Taking people out and asking them in: level-triggered, since neither has a transaction id.

Each attempt looks at the present first, so that a late one never removes somebody who was approved meanwhile.
"""

from __future__ import annotations

from appservice.flow import Attempt, Done, Effect, Ghosts, Invite, Postponed, Refused, Remove, Result
from appservice.intake import Projection
from appservice.matrix import HomeserverClient, Rejected
from appservice.membership.places import NO_PLACE

#: ms until the present is looked at again where it contradicts the homeserver's answer.
_AGAIN_MS = 500
_TRIES = 10


class RemoveExecutor:
    """Takes a person out of a room (a kick), or withdraws an invite or request (the same call)."""

    def __init__(self, client: HomeserverClient, projection: Projection, ghosts: Ghosts) -> None:
        self._client = client
        self._projection = projection
        self._ghosts = ghosts

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, Remove)
        room = self._projection.room(effect.room_id)
        if room is not None and room.managed:
            if room.members.get(effect.user_id) not in {"join", "invite", "knock"}:
                return Done(already=True)
            rules = self._projection.rules
            admitted = rules is not None and rules.admits(room.community, room.group, effect.user_id)
            if effect.code == NO_PLACE:  # only an invite is taken back: who has come in meanwhile stays
                spared = admitted and room.members.get(effect.user_id) == "join"
            else:
                spared = admitted and effect.code != "declined" and effect.user_id not in room.taken_out
            if spared:
                return Refused("admitted")
        try:
            await self._client.kick(effect.room_id, effect.user_id, effect.code, self._ghosts.steward)
        except Rejected as error:
            if error.status == 403:  # also what a homeserver says of somebody who is not there
                return Done(already=True) if await self._gone(effect) else Refused(error.errcode)
            raise
        return Done(room_id=effect.room_id)

    async def _gone(self, effect: Remove) -> bool:
        try:
            content = await self._client.state_event(
                effect.room_id, "m.room.member", effect.user_id, self._ghosts.steward
            )
        except Rejected as error:
            if error.status == 404:
                return True
            raise
        return content.get("membership") not in {"join", "invite", "knock"}


class InviteExecutor:
    """Asks a person in who may be there at that moment, and neither is there nor was asked."""

    def __init__(self, client: HomeserverClient, projection: Projection, ghosts: Ghosts) -> None:
        self._client = client
        self._projection = projection
        self._ghosts = ghosts

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, Invite)
        room = self._projection.room(effect.room_id)
        if room is None or not room.managed:
            return Postponed("room_unknown", _AGAIN_MS) if attempt.number < _TRIES else Refused("room_unknown")
        if room.members.get(effect.user_id) in {"join", "invite"}:
            return Done(already=True)
        rules = self._projection.rules
        if rules is None or not rules.admits(room.community, room.group, effect.user_id):
            return Refused("not_admitted")
        await self._client.invite(effect.room_id, effect.user_id, self._ghosts.steward)
        return Done(room_id=effect.room_id)
