"""Whether somebody has looked at what may go wrong, before a plan exposes people or does what cannot be undone."""

from __future__ import annotations

from datetime import date

from policies.changes import Change, CreateRoom
from policies.creation import key_of
from policies.findings import Finding
from policies.including import read_policy
from policies.notes import Note
from policies.plan import Plan
from policies.schema import Policy
from policies.times import a_year_after

__all__ = ["assessment_lacking", "refusal_without_assessment", "risky", "with_assessment_note"]

_ADVICE = (
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
        if change.change_class in ("exposing", "one_way")
        and (key_of(change.room_id) is None or isinstance(change, CreateRoom))
    )


def assessment_lacking(policy: Policy, plan: Plan, today: date, last: date | None = None) -> str | None:
    """Return in a sentence why the risky changes of a plan may not be made yet; None if they may, or there are none.

    last: the day on which the last policy with such changes was put in force. A review from before that day was made
    of another community than this one has become, so it cannot speak for what comes next.
    """
    found = risky(plan)
    risk = policy.community.risk_assessment
    if not found:
        return None
    if risk is None:
        why = "there is no risk assessment"
    elif risk.reviewed > today:
        why = f"the risk assessment says that it was reviewed on {risk.reviewed}, which is still to come"
    elif a_year_after(risk.reviewed) < today:
        why = f"the risk assessment was last reviewed on {risk.reviewed}, more than a year ago"
    elif last is not None and risk.reviewed < last:
        why = (
            f"the risk assessment was last reviewed on {risk.reviewed}, before the last change of this sort was put in "
            f"force on {last}"
        )
    else:
        return None
    many = f"{len(found)} changes expose people or cannot be undone"
    one = "1 change exposes people or cannot be undone"
    return f"{many if len(found) > 1 else one}, and {why}"


def with_assessment_note(plan: Plan, lacking: str | None) -> Plan:
    """Return the plan with a note that it would be refused, if a risk assessment is lacking."""
    if lacking is None:
        return plan
    note = Note("not_assessed", None, f"This plan would be refused: {lacking}. {_ADVICE}")
    return Plan(plan.community, plan.policy, plan.changes, (*plan.notes, note))


def refusal_without_assessment(lacking: str, policy: bytes, filename: str) -> Finding:
    """Return the finding with which an apply is refused, at the place in the file where something must be written."""
    source = read_policy(policy, filename)
    return source.finding("error", ("community", "risk_assessment"), lacking, _ADVICE, key=True)
