"""Members are told in plain words what is different for them, once a room and an apply, when it is true."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from appservice.effects import Speaker
from appservice.flow import Attempt, Clock, Done, Effect, Lane, Postponed, Refused, Result, TellGroup
from appservice.service.policy_files import Said
from appservice.store import Commit
from policies.changes import SetListing, SetState
from policies.desired import MANAGED_TYPE
from policies.felt import felt

if TYPE_CHECKING:
    from appservice.service.core import Core

#: ms until it is looked again whether it is true, and after which nobody is told any more: it is no news by then.
_AGAIN_MS: Final = 500
_NEWS_MS: Final = 24 * 3600 * 1000
_RULE: Final = "policy_changed"


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
        """Tell it once the room is as it should be; not at all where another policy holds by then."""
        assert isinstance(effect, TellGroup)
        governance = self._core.governance
        said, standing = governance.said, governance.standing
        if said is None or standing is None or said.community.policy_digest != effect.policy:
            return Refused("superseded")
        if self._clock.now_ms() - effect.at_ms > _NEWS_MS:
            return Refused("no_news")
        room_id = self._core.projection.place(effect.community, effect.group)
        community = governance.with_newcomers(said.community)
        present = self._core.provisioner.present(community, standing.people())
        open_still = any(
            change.room == effect.group
            and (isinstance(change, SetListing) or (isinstance(change, SetState) and change.type != MANAGED_TYPE))
            for change in present.changes
        )
        if room_id is None or open_still:
            return Postponed("not_yet", _AGAIN_MS)
        done: Done = await self._speaker.say(room_id, effect, "changed.here", effect.items, attempt)
        return done
