"""Whether somebody has looked at what may go wrong, for the plans of one community: before they expose people, or cannot be
undone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from appservice.flow import Clock
from appservice.service.history import History
from appservice.service.policy_files import BadPolicy, Said
from policies.plan import Plan
from policies.risk import (
    ADVICE,
    advice_for_undo,
    assessment_lacking,
    is_risky_where_people_are,
    lowered_tiers,
    refusal_without_assessment,
    with_assessment_note,
)
from policies.times import day_at


@dataclass(frozen=True, slots=True)
class Lacking:
    """Why a plan may not be made for want of a risk assessment, and what to do."""

    why: str
    advice: str

    def refusal(self, said: Said) -> BadPolicy:
        """Return what an apply of `said` ends with."""
        return BadPolicy(
            (refusal_without_assessment(self.why, said.files.policy, said.files.policy_name, self.advice),)
        )


class Assessing:
    """Judges plans by the risk assessments there are, on the day that it is."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock

    def today(self, said: Said) -> date:
        """Return what day it is, in the time zone of the staffed hours."""
        return _day(said, self._clock.now_ms())

    async def lacking(self, before: Said | None, said: Said, planned: Plan) -> Lacking | None:
        """Return why the plan of a policy may not be made. What is in force already stays so, whatever expires."""
        return None if said.same_as(before) else await self.unassessed(before, said, planned)

    async def unassessed(self, before: Said | None, said: Said, planned: Plan) -> Lacking | None:
        """Return why a plan may not be made, also one of the policy in force. Raises `StoreRefused`."""
        why = assessment_lacking(said.policy, planned, self.today(said), await self._last(said), _lowered(before, said))
        return Lacking(why, ADVICE) if why is not None else None

    async def lacking_at_first(self, said: Said, planned: Plan) -> Lacking | None:
        """Return why what the first policy would do in rooms that are there already may not be done yet."""
        changes = tuple(change for change in planned.changes if is_risky_where_people_are(change))
        return await self.unassessed(None, said, replace(planned, changes=changes))

    async def lacking_to_undo(self, now: Said, said: Said, planned: Plan, number: str) -> Lacking | None:
        """Return why going back from `now` to `said` may not be.

        The assessment of the one counts as well as that of the other: whoever made the newer one knew both.
        """
        today, last, lowered = self.today(said), await self._last(said), _lowered(now, said)
        risks = [one.policy.community.risk_assessment for one in (said, now)]
        risks.sort(key=lambda risk: risk.reviewed if risk is not None else date.min)
        reasons = [assessment_lacking(said.policy, planned, today, last, lowered, risk) for risk in risks]
        why = reasons[-1]
        return None if why is None or None in reasons else Lacking(why, advice_for_undo(said.policy, number, today))

    async def _last(self, said: Said) -> date | None:
        last_ms = await self._history.last_risky_ms(said.community.id)
        return _day(said, last_ms) if last_ms is not None else None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the first policy would do and does not, until somebody has looked at what may go wrong.

    count: how many changes that are, in rooms that were there before.
    """

    count: int

    def words(self) -> str:
        """Say it, with the way to go on."""
        what = "1 change waits" if self.count == 1 else f"{self.count} changes wait"
        return (
            f"{what} for a risk assessment, since rooms were there before us: `inglenook plan` says which. Write one into "
            "the policy file, then: inglenook apply FILE"
        )


def with_note(planned: Plan, lacking: Lacking | None) -> Plan:
    """Return the plan with a note that it would be refused, if it would be."""
    return planned if lacking is None else with_assessment_note(planned, lacking.why, lacking.advice)


def _lowered(before: Said | None, said: Said) -> tuple[str, ...]:
    return lowered_tiers(before.policy, said.policy) if before is not None else ()


def _day(said: Said, ms: int) -> date:
    return day_at(ms, said.policy.community.hours.zone)
