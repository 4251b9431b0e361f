"""Members are told in plain words what is different for them, once a room and an apply, when it is true."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Final

from appservice.effects import Speaker
from appservice.flow import Attempt, Clock, Done, Effect, Lane, Postponed, Refused, Result, TellGroup
from appservice.service.policy_files import Said
from appservice.store import Commit
from policies.changes import Change, SetListing, SetState
from policies.desired import MANAGED_TYPE
from policies.drift import aspect_of
from policies.felt import felt, still_so

if TYPE_CHECKING:
    from appservice.service.core import Core

#: ms until it is looked again whether it is true (twice as long each time, to a bound), and after which nobody is told any more: it is no news by then.
_AGAIN_MS: Final = 1_000
_AGAIN_MOST_MS: Final = 10 * 60 * 1000
_NEWS_MS: Final = 24 * 3600 * 1000
_RULE: Final = "policy_changed"
#: By the type of state, "" for the public list: what members are told of it. All else does not stand in the room.
_TOLD_OF: Final[Mapping[str, Collection[str]]] = {
    "": ("new_publish",),
    "m.room.history_visibility": ("new_history",),
    "m.room.join_rules": ("new_join",),
    "m.room.power_levels": ("new_posting", "new_first", "new_pins", "new_media"),
    "m.room.retention": ("new_retention",),
}


class MemberNotices:
    """Decides what is told when another policy is put in force, and tells it in the room."""

    def __init__(self, core: Core, clock: Clock, speaker: Speaker) -> None:
        self._core = core
        self._clock = clock
        self._speaker = speaker

    def beside(self, before: Said, said: Said) -> tuple[Commit, Callable[[], None]]:
        """Return the rows to commit with `said` being put in force, and what starts on them afterwards."""
        name, now = self._core.config.homeserver.name, self._clock.now_ms()
        effects = [
            TellGroup(
                source=f"policy/{said.community.policy_digest}/{now}",
                rule=_RULE,
                lane=Lane(name, self._core.projection.place(said.community.id, group) or ""),
                community=said.community.id,
                group=group,
                policy=said.community.policy_digest,
                at_ms=now,
                items=(told,),
            )
            for group, told in felt(before.policy, said.policy).items()
        ]
        rows = Commit(outbox=self._core.outbox.rows(effects, now))
        return rows, lambda: self._core.outbox.take(effects, now)

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        """Tell it once the room is as it should be; of what another policy says otherwise by then, nothing."""
        assert isinstance(effect, TellGroup)
        governance = self._core.governance
        said, standing = governance.said, governance.standing
        if said is None or standing is None:
            return Refused("superseded")
        items = tuple(one for item in effect.items if (one := still_so(item, said.policy, effect.group)))
        if not items:
            return Refused("superseded")
        if self._clock.now_ms() - effect.at_ms > _NEWS_MS:
            return Refused("no_news")
        room_id = self._core.projection.place(effect.community, effect.group)
        community = governance.with_newcomers(said.community)
        present = self._core.provisioner.present(community, standing.people())
        told = frozenset(key for item in items for key in item)
        if room_id is None or any(self._keeps_waiting(change, effect.group, told) for change in present.changes):
            return Postponed("not_yet", min(_AGAIN_MS << min(attempt.number - 1, 20), _AGAIN_MOST_MS))
        done: Done = await self._speaker.say(room_id, effect, "changed.here", items, attempt)
        return done

    def _keeps_waiting(self, change: Change, group: str, told: frozenset[str]) -> bool:
        """Whether a change is still to be made before it is true what is told.

        Not where names are otherwise, nor where the policy leaves what somebody did by hand, unless that is what is told.
        """
        if change.room != group or not isinstance(change, SetListing | SetState):
            return False
        if isinstance(change, SetState) and (change.type == MANAGED_TYPE or aspect_of(change.type) == "look"):
            return False
        return not self._core.governance.left_alone(change) or not told.isdisjoint(_told_of(change))


def _told_of(change: SetListing | SetState) -> Collection[str]:
    """What members are told of what a change would put right."""
    return _TOLD_OF.get("" if isinstance(change, SetListing) else change.type, ())
