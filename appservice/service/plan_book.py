"""The proposed plans of one homeserver: in memory for handlers, in the store with the commit of what moved them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, replace
from typing import Any, Final

import orjson

from appservice.flow import Clock, Effect, EndPlan, PlanState, Proposal, TakePlan
from appservice.store import Commit, Database, proposals

#: ms in which a plan can be said yes to.
GOOD_FOR_MS: Final = 24 * 3600 * 1000


class PlanBook:
    """`flow.Plans`, and how they move."""

    def __init__(self, homeserver: str, clock: Clock) -> None:
        self._homeserver = homeserver
        self._clock = clock
        self._plans: dict[tuple[str, int], Proposal] = {}
        self._cards: dict[tuple[str, str], tuple[str, int]] = {}

    async def load(self, database: Database) -> None:
        """Take up what an earlier life of ours proposed. Raises `StoreRefused`."""
        for record in await proposals(database, self._homeserver):
            self._put(_read(record))

    # -- flow.Plans ------------------------------------------------------------------------------------------------

    def by_number(self, community: str, number: int) -> Proposal | None:
        return self._plans.get((community, number))

    def by_card(self, room_id: str, event_id: str) -> Proposal | None:
        known = self._cards.get((room_id, event_id))
        return self._plans.get(known) if known is not None else None

    def open_in(self, room_id: str) -> Collection[Proposal]:
        now = self._clock.now_ms()
        return [
            one
            for one in self._plans.values()
            if one.state is PlanState.OPEN and one.expires_ms > now and any(room == room_id for room, _ in one.cards)
        ]

    # -- moving ----------------------------------------------------------------------------------------------------

    def by_id(self, proposal_id: str) -> Proposal | None:
        """Return the one that an effect has made already."""
        return next((one for one in self._plans.values() if one.id == proposal_id), None)

    def waiting(self, community: str) -> list[Proposal]:
        """Return what was to be set or taken back and waits for a yes, oldest first; what only follows is asked for anew."""
        now = self._clock.now_ms()
        found = [
            one
            for one in self._plans.values()
            if (one.community, one.state) == (community, PlanState.OPEN)
            and one.what in ("set", "undo")
            and one.expires_ms > now
        ]
        return sorted(found, key=lambda one: one.number)

    def due(self, now_ms: int) -> list[Proposal]:
        """Return the plans whose time is over and that nobody said yes to."""
        return [one for one in self._plans.values() if one.state is PlanState.OPEN and one.expires_ms <= now_ms]

    def take(self, effect: Effect) -> Commit:
        """Somebody said yes; return the row."""
        assert isinstance(effect, TakePlan)
        plan = self._plans.get((effect.community, effect.number))
        if plan is None or plan.state is not PlanState.OPEN:
            return Commit()
        return self.keep(replace(plan, state=PlanState.TAKEN, taken_by=effect.by))

    def end(self, effect: Effect) -> Commit:
        """Nobody said yes in time; return the row."""
        assert isinstance(effect, EndPlan)
        plan = self._plans.get((effect.community, effect.number))
        if plan is None or plan.state is not PlanState.OPEN:
            return Commit()
        return self.keep(replace(plan, state=PlanState.EXPIRED, lines=()))

    def keep(self, plan: Proposal) -> Commit:
        """Let a plan be as it is now; return the row, with which memory is put back if it is refused."""
        before = self._plans.get((plan.community, plan.number))
        self._put(plan)

        def undo() -> None:
            if self._plans.get((plan.community, plan.number)) is not plan:
                return  # it moved on since
            if before is not None:
                self._put(before)
            else:
                del self._plans[plan.community, plan.number]

        row = {
            "homeserver": self._homeserver,
            "community": plan.community,
            "number": plan.number,
            "at_ms": plan.at_ms,
            "record": orjson.dumps(asdict(plan)),
        }
        return Commit(proposals=[row], undo=[undo])

    def _put(self, plan: Proposal) -> None:
        self._plans[plan.community, plan.number] = plan
        for card in plan.cards:
            self._cards[card] = (plan.community, plan.number)


def _read(record: bytes) -> Proposal:
    fields: dict[str, Any] = orjson.loads(record)
    fields["state"] = PlanState(fields["state"])
    fields["lines"] = tuple(fields["lines"])
    fields["about"] = tuple(about) if (about := fields.get("about")) is not None else None
    fields["cards"] = tuple((room, event) for room, event in fields["cards"])
    return Proposal(**fields)
