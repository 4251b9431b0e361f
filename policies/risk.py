"""Whether somebody has looked at what may go wrong, before a plan exposes people or does what cannot be undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Final, Literal, get_args

from policies.changes import Change, CreateRoom
from policies.creation import key_of
from policies.defaults import Tier
from policies.findings import Finding
from policies.including import read_policy
from policies.notes import Note
from policies.plain_words import quoted
from policies.plan import Plan
from policies.schema import Policy, RiskAssessment
from policies.times import a_year_after

__all__ = [
    "ADVICE",
    "advice_for_undo",
    "assessment_lacking",
    "is_risky_where_people_are",
    "lowered_tiers",
    "refusal_without_assessment",
    "risky",
    "with_assessment_note",
]

_OWN: Final = "own"
_RISKY: Final = ("exposing", "one_way")
ADVICE: Final = (
    'Think it over with the safeguarding lead, then write under community: "risk_assessment: {reviewed: YYYY-MM-DD, '
    'next: YYYY-MM-DD, by: lead}", with the day on which you did.'
)


def risky(plan: Plan) -> tuple[Change, ...]:
    """Return the changes of a plan that expose people or cannot be undone.

    What is done in a room that the plan makes is no such change: nobody is in it, and nothing was said there. But making
    one that can leave the homeserver is.
    """
    return tuple(
        change
        for change in plan.changes
        if is_risky_where_people_are(change) or (isinstance(change, CreateRoom) and change.change_class in _RISKY)
    )


def is_risky_where_people_are(change: Change) -> bool:
    """Return whether a change exposes people, or cannot be undone, in a room that is there already."""
    return change.change_class in _RISKY and key_of(change.room_id) is None


def lowered_tiers(before: Policy, after: Policy) -> tuple[str, ...]:
    """Return the names of groups whose tier is lower in `after`: fewer rules look there, and more people may see it."""
    tiers = get_args(Tier)
    return tuple(
        group.name
        for group_id, group in sorted(after.groups.items())
        if group_id in before.groups and tiers.index(group.tier) < tiers.index(before.groups[group_id].tier)
    )


def assessment_lacking(
    policy: Policy,
    plan: Plan,
    today: date,
    last: date | None = None,
    lowered: Sequence[str] = (),
    risk: RiskAssessment | Literal["own"] | None = _OWN,
) -> str | None:
    """Return in a sentence why the risky changes of a plan may not be made yet; None if they may, or there are none.

    last: the day on which the last policy with such changes was put in force. A review from before that day was made
    of another community than this one has become, so it cannot speak for what comes next.
    lowered: the groups that get a lower tier than they have, which is risky whatever changes in their rooms.
    risk: the assessment that counts, if it is not the policy's own.
    """
    found = risky(plan)
    if risk == _OWN:
        risk = policy.community.risk_assessment
    if not found and not lowered:
        return None
    if risk is None:
        why = "there is no risk assessment"
    elif risk.reviewed > today:
        why = f"the risk assessment says that it was reviewed on {risk.reviewed}, which is still to come"
    elif a_year_after(risk.reviewed) < today:
        why = f"the risk assessment was last reviewed on {risk.reviewed}, more than a year ago"
    elif risk.next < today:
        why = f"the risk assessment was to be reviewed again by {risk.next}"
    elif last is not None and risk.reviewed < last:
        why = (
            f"the risk assessment was last reviewed on {risk.reviewed}, before the last change of this sort was put in "
            f"force on {last}"
        )
    else:
        return None
    parts = [f"{quoted(name)} gets a lower tier" for name in lowered]
    if found:
        one = "1 change exposes people or cannot be undone"
        parts.insert(0, f"{len(found)} changes expose people or cannot be undone" if len(found) > 1 else one)
    return f"{', '.join(parts)}, and {why}"


def advice_for_undo(policy: Policy, number: str, today: date) -> str:
    """Return what to do where an undo lacks an assessment: the older file says it, and is applied."""
    by = policy.community.owners.safeguarding_lead
    written = f"risk_assessment: {{reviewed: {today}, next: {a_year_after(today)}, by: {by}}}"
    return (
        "Think it over with the safeguarding lead. Then take the policy file as it was before "
        f'{number}, write under community: "{written}", with the day on which you did, and apply that file: '
        "`inglenook apply FILE` does the same as this undo."
    )


def with_assessment_note(plan: Plan, lacking: str | None, advice: str = ADVICE) -> Plan:
    """Return the plan with a note that it would be refused, if a risk assessment is lacking."""
    if lacking is None:
        return plan
    note = Note("not_assessed", None, f"This plan would be refused: {lacking}. {advice}")
    return replace(plan, notes=(*plan.notes, note))


def refusal_without_assessment(lacking: str, policy: bytes, filename: str, advice: str = ADVICE) -> Finding:
    """Return the finding with which an apply is refused, at the place in the file where something must be written."""
    source = read_policy(policy, filename)
    return source.finding("error", ("community", "risk_assessment"), lacking, advice, key=True)
