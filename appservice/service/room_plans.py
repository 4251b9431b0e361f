"""Plans in rooms: made when somebody asks, shown on a card, done after a yes. Who may is asked anew at each step.

What was begun is taken up again after any death of ours: the card says in the end how it went.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import structlog

from appservice.effects import Speaker
from appservice.flow import (
    ApplyPlan,
    Attempt,
    Clock,
    Done,
    Effect,
    EndPlan,
    Executor,
    Lane,
    PlanCardEdit,
    PlanState,
    Postponed,
    Proposal,
    ProposePlan,
    Refused,
    Result,
)
from appservice.matrix import HomeserverError
from appservice.service.consent import Consent, Moved, Proposed
from appservice.service.consent import Refused as TooMuch
from appservice.service.history import NothingToUndo
from appservice.service.member_notices import MemberNotices
from appservice.service.plan_book import GOOD_FOR_MS, PlanBook
from appservice.service.plan_cards import PlanCards
from appservice.service.plan_lines import concerned, lines_of, set_lines, told
from appservice.service.policy_files import BadPolicy, Said
from appservice.store import StoreRefused
from policies.layers import Layer, layered, written_value
from policies.listed import listed_in
from policies.plan import Plan

if TYPE_CHECKING:
    from appservice.service.core import Core

log = structlog.get_logger()

#: Seconds between two looks at which plans are over.
_EVERY_S: Final = 1.0
#: ms until an apply is tried again that the homeserver or the store was not there for, or that came before we were ready.
_AGAIN_MS: Final = 1_000
#: States of plans by which something was, or is being, put in force.
_HAPPENED: Final = {PlanState.BEGUN, PlanState.DONE, PlanState.PARTLY}


@dataclass(frozen=True, slots=True)
class _Draft:
    """A plan that may be shown; undoes: the number of the apply that it takes back, if it is for that."""

    plan: Plan
    lines: tuple[dict[str, str], ...]
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is said instead of a plan: a text, with its values."""

    text: str
    values: Mapping[str, str]


class RoomPlans:
    """The plans that people make in rooms of one running service."""

    def __init__(self, core: Core, clock: Clock, speaker: Speaker) -> None:
        self._core = core
        self._clock = clock
        self.book = PlanBook(core.config.homeserver.name, clock)
        self._cards = PlanCards(core, self.book, speaker)
        self.members = MemberNotices(core, clock, speaker)
        core.projection.plans = self.book
        self.executors: dict[str, Executor] = {
            "propose_plan": _Calls(self._propose),
            "apply_plan": _Calls(self._apply),
            "plan_card_edit": _Calls(self._edit),
            "tell_group": self.members,
        }
        self.recorders = {"take_plan": self.book.take, "end_plan": self.book.end}

    async def load(self) -> None:
        """Take up what an earlier life proposed. Raises `StoreRefused`."""
        await self.book.load(self._core.database)

    async def run(self) -> None:
        """Let plans end whose time is over, for the life of the process."""
        while True:
            await self.turn()
            await asyncio.sleep(_EVERY_S)

    async def turn(self) -> None:
        """Let end what is over now."""
        name = self._core.config.homeserver.name
        for one in self.book.due(self._clock.now_ms()):
            lane = Lane(name, one.cards[0][0] if one.cards else "")
            common: dict[str, Any] = {"source": f"timer/{one.id}", "rule": "plan_over", "lane": lane}
            common |= {"community": one.community, "number": one.number}
            try:
                await self._core.lanes.enact([EndPlan(**common), PlanCardEdit(**common)])
            except StoreRefused as error:
                log.warning("plan_end_waits", reason=error.reason)
                return

    # -- proposing -------------------------------------------------------------------------------------------------

    async def _propose(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, ProposePlan)
        if not self._core.ready:
            return Postponed("not_ready", _AGAIN_MS)
        if not self._cards.may(effect.community, effect.by, effect.group):
            return Refused("not_theirs")
        known = self.book.by_id(effect.key)
        if known is None:
            try:
                made = await self._draft(effect)
            except (HomeserverError, StoreRefused):
                return Postponed("away", _AGAIN_MS)
            if isinstance(made, _Answer):
                return await self._cards.answer(effect, made.text, made.values, attempt)
            known = await self._note(effect, made)
        if known.cards and not attempt.perhaps_sent:
            return Done(already=True)
        return await self._cards.show(effect, known, attempt)

    async def _draft(self, effect: ProposePlan) -> _Draft | _Answer:
        said = self._core.governance.said
        if said is None:
            return _Answer("plan.nothing", {})
        try:
            if effect.what == "set":
                return await self._setting(effect, said)
            if effect.what == "undo":
                return await self._undoing(effect, said)
            return await self._following(effect, said)
        except BadPolicy as error:
            return _Answer("plan.cannot", {"words": error.findings[0].message if error.findings else ""})
        except NothingToUndo as error:
            return _Answer("plan.cannot", {"words": error.words, "plan": error.instead})

    async def _following(self, effect: ProposePlan, said: Said) -> _Draft | _Answer:
        """What differs between the policy in force and the rooms."""
        _, planned = await self._core.governance.plan(said.files, within=effect.group)
        if not told(planned, effect.group):
            return _Answer("plan.nothing", self._waiting(effect))
        return self._drafted(effect, planned, [])

    def _waiting(self, effect: ProposePlan) -> dict[str, str]:
        names = [
            one.name
            for one in self.book.waiting(effect.community)
            if self._cards.may(effect.community, effect.by, one.group) and effect.group in ("", one.group)
        ]
        return {"waiting": ", ".join(names[:5])} if names else {}

    async def _setting(self, effect: ProposePlan, said: Said) -> _Draft | _Answer:
        group = said.written.groups.get(effect.group)
        values = {"setting": effect.key_set, "group": self._name(effect.group)}
        if group is None:
            return _Answer("plan.which_group", values)
        if (written := written_value(group, effect.key_set)) is not None:
            return _Answer("set.file_wins", values | {"value": written})
        layers, unfit = _with(said, effect)
        if unfit:
            return _Answer("set.not_here", values | {"words": unfit})
        if effect.key_set == "capacity" and isinstance(effect.value, int):
            listed = len(listed_in(effect.group, group, said.people))
            if listed > effect.value:
                return _Answer("set.more_are_listed", values | {"value": str(listed)})
        lines = set_lines(said.layers.kept, layers, self._name)
        if not lines:
            return _Answer("set.as_it_is", values)
        _, planned = await self._core.governance.plan(replace(said.files, layers=layers), within=effect.group)
        return self._drafted(effect, planned, lines)

    async def _undoing(self, effect: ProposePlan, said: Said) -> _Draft | _Answer:
        known = self.book.by_number(effect.community, effect.undoes) if effect.undoes is not None else None
        if known is not None and known.state not in _HAPPENED:
            return _Answer("plan.undo_not_done", {"plan": known.name})
        if known is not None and known.what == "plan":
            return _Answer("plan.undo_put_back", {"plan": known.name})
        found = await self._core.governance.plan_undo(effect.undoes, within=effect.group)
        lines = [{"part": "undoes", "undoes": found.past.applied.id}]
        lines += set_lines(said.layers.kept, found.said.layers.kept, self._name)
        draft = self._drafted(effect, found.plan, lines)
        lines = [*draft.lines, *({"part": "stays", "line": one} for one in found.stays)]
        # From now on it is about this one: "the newest" may be another by the time that somebody says yes.
        return replace(draft, lines=tuple(lines), undoes=found.past.applied.number)

    def _drafted(self, effect: ProposePlan, planned: Plan, first: list[dict[str, str]]) -> _Draft:
        lines = [
            *first,
            *lines_of(planned, effect.group, lambda people: self._cards.hides(effect.community, effect.by, people)),
        ]
        if any(note.kind == "not_assessed" for note in planned.notes):
            lines.append({"part": "unassessed"})
        lines += [{"part": "too_much", "words": share.figures()} for share in planned.too_much()]
        return _Draft(planned, tuple(lines))

    async def _note(self, effect: ProposePlan, draft: _Draft) -> Proposal:
        number = await self._core.governance.take_number()
        now = self._clock.now_ms()
        proposal = Proposal(
            id=effect.key,
            community=effect.community,
            number=number,
            what=effect.what,
            by=effect.by,
            at_ms=now,
            expires_ms=now + GOOD_FOR_MS,
            digest=draft.plan.digest,
            group=effect.group,
            key=effect.key_set,
            value=effect.value,
            undoes=draft.undoes,
            lines=draft.lines,
            about=concerned(draft.plan),
        )
        await self._core.database.insist(self.book.keep(proposal))
        return proposal

    async def _edit(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, PlanCardEdit)
        proposal = self.book.by_number(effect.community, effect.number)
        if proposal is not None:
            await self._cards.bring_up_to_date(effect, proposal, attempt)
        return Done(already=True)

    def _name(self, group: str) -> str:
        said = self._core.governance.said
        return said.policy.groups[group].name if said is not None and group in said.policy.groups else group

    # -- doing -----------------------------------------------------------------------------------------------------

    async def _apply(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, ApplyPlan)
        proposal = self.book.by_number(effect.community, effect.number)
        if proposal is None or proposal.state not in {PlanState.TAKEN, PlanState.BEGUN}:
            if proposal is not None:
                await self._cards.bring_up_to_date(effect, proposal, attempt)
            return Done(already=True)
        if not self._core.ready:
            return Postponed("not_ready", _AGAIN_MS)
        if proposal.state is PlanState.TAKEN:
            if not self._cards.may(effect.community, effect.by, proposal.group):
                return await self._ended(effect, proposal, PlanState.REFUSED, attempt, why="role")
            await self._cards.bring_up_to_date(effect, proposal, attempt)
        try:
            return await self._carried_out(effect, proposal, attempt)
        except (HomeserverError, StoreRefused):
            return Postponed("away", _AGAIN_MS)

    async def _carried_out(self, effect: ApplyPlan, proposal: Proposal, attempt: Attempt) -> Result:
        governance = self._core.governance
        try:
            if proposal.state is PlanState.BEGUN:
                await governance.keep(
                    again=not governance.settled
                )  # we were cut off: what is in force already is finished
            else:
                await self._begin(effect, proposal)
        except Moved:
            result = await self._ended(effect, proposal, PlanState.MOVED, attempt)
            await self._core.lanes.enact([self._once_more(effect, proposal)])
            return result
        except TooMuch as error:
            why = "; ".join(share.figures() for share in error.shares if share.too_much)
            return await self._ended(effect, proposal, PlanState.REFUSED, attempt, why=f"too_much {why}")
        except BadPolicy as error:
            why = error.findings[0].message if error.findings else ""
            return await self._ended(effect, proposal, PlanState.REFUSED, attempt, why=f"words {why}")
        except NothingToUndo as error:
            return await self._ended(effect, proposal, PlanState.REFUSED, attempt, why=f"words {error.words}")
        state = PlanState.DONE if governance.settled else PlanState.PARTLY
        return await self._ended(effect, proposal, state, attempt, left=governance.remaining)

    async def _begin(self, effect: ApplyPlan, proposal: Proposal) -> None:
        """Put in force what it says; from its commit on the plan has begun, whatever becomes of us."""
        governance = self._core.governance
        begun = replace(proposal, state=PlanState.BEGUN)
        rows = self.book.keep(begun)
        back = rows.undo.pop()
        proposed = Proposed(proposal.number, rows, proposal.group)
        consent = Consent(digest=proposal.digest)
        try:
            if proposal.what == "undo":
                await governance.undo(proposal.undoes, consent, proposed=proposed)
            elif proposal.what == "set":
                await governance.apply(
                    lambda said: replace(said.files, layers=_with(said, proposal)[0]), consent, proposed=proposed
                )
            else:
                await governance.apply(lambda said: said.files, consent, proposed=proposed)
        except BaseException:
            if not proposed.written:
                back()
            raise

    async def _ended(
        self, effect: ApplyPlan, proposal: Proposal, state: PlanState, attempt: Attempt, *, why: str = "", left: int = 0
    ) -> Result:
        lines = proposal.lines if state in {PlanState.DONE, PlanState.PARTLY} else ()
        now = self.book.by_number(proposal.community, proposal.number) or proposal
        ended = replace(now, state=state, why=why, left=left, lines=lines)
        await self._core.database.insist(self.book.keep(ended))
        await self._cards.bring_up_to_date(effect, ended, attempt)
        log.info("room_plan_ended", number=ended.number, state=str(state))
        return Done(already=True)

    def _once_more(self, effect: ApplyPlan, proposal: Proposal) -> ProposePlan:
        """Reality has moved: the same wish, as a new plan."""
        return ProposePlan(
            source=f"again/{proposal.id}",
            rule="plan_moved",
            lane=effect.lane,
            community=proposal.community,
            what=proposal.what,
            group=proposal.group,
            key_set=proposal.key,
            value=proposal.value,
            undoes=proposal.undoes,
            by=effect.by,
            room_id=effect.lane.room_id,
            at_ms=self._clock.now_ms(),
        )


def _with(said: Said, wanted: ProposePlan | Proposal) -> tuple[tuple[Layer, ...], str]:
    """What is set with what is wanted, and why that cannot be, if it cannot."""
    key = wanted.key_set if isinstance(wanted, ProposePlan) else wanted.key
    kept = [one for one in said.layers.kept if (one.group, one.key) != (wanted.group, key)]
    if wanted.value is None:
        return tuple(kept), ""
    new = Layer(wanted.group, key, wanted.value, wanted.by, wanted.at_ms)
    found = layered(said.written, (*kept, new))
    unfit = next((one.words for one in found.overruled if one.layer == new), "")
    return (*kept, new), unfit


class _Calls:
    """An executor that is one method."""

    def __init__(self, execute: Any) -> None:
        self.execute = execute
