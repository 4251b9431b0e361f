"""Changes that expose people, or cannot be undone, wait for a risk assessment of the last year."""

from __future__ import annotations

from datetime import date

import pytest

from policies.compile import compile_community
from policies.observed import Observed
from policies.people import People
from policies.plan import Plan, plan
from policies.risk import assessment_lacking, lowered_tiers, refusal_without_assessment, with_assessment_note
from policies.schema import Policy
from policies.settings import HistorySetting
from tests.unit.plan.worlds import IDENTITIES, policy_with, settled

TODAY = date(2026, 11, 27)
NOBODY = People({})
CLOSED = {"quiet": "closed low"}


def policy(groups: dict[str, str], reviewed: str | None = None) -> Policy:
    if reviewed is None:
        return policy_with(groups)
    return policy_with(groups, risk_assessment={"reviewed": reviewed, "next": "2030-01-01", "by": "lead"})


def change(before: dict[str, str], after: dict[str, str], reviewed: str | None = None) -> tuple[Policy, Plan]:
    """The plan from a settled world of one policy to another."""
    wanted = policy(after, reviewed)
    world = settled(compile_community(policy(before), NOBODY), NOBODY)
    return wanted, plan(compile_community(wanted, NOBODY), NOBODY, world, IDENTITIES)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("closed low", "open low"),
        ("open low,history=joined", "open low"),
        ("closed low", "closed low,retention=30 days"),
        ("closed low,retention=90 days", "closed low,retention=30 days"),
        ("closed low,retention=30 days", "closed low"),
        ("closed low,posting=moderators", "closed low"),  # nobody reads more, but more people can hurt somebody
    ],
)
def test_what_exposes_or_cannot_be_undone_waits_for_an_assessment(before: str, after: str) -> None:
    wanted, found = change({"quiet": before}, {"quiet": after})
    lacking = assessment_lacking(wanted, found, TODAY)
    assert lacking is not None
    assert "there is no risk assessment" in lacking
    assessed, found = change({"quiet": before}, {"quiet": after}, "2026-09-01")
    assert assessment_lacking(assessed, found, TODAY) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("open low", "closed low"),
        ("open low", "open low,history=joined"),
        ("closed low", "closed low,posting=moderators"),
        ("closed low", "closed low,pins=nobody"),
        ("closed low", "closed low"),
    ],
)
def test_what_does_neither_needs_none(before: str, after: str) -> None:
    wanted, found = change({"quiet": before}, {"quiet": after})
    assert assessment_lacking(wanted, found, TODAY) is None


@pytest.mark.parametrize(
    ("reviewed", "why"),
    [
        ("2025-11-26", "more than a year ago"),
        ("2025-11-27", None),
        ("2026-11-27", None),
        ("2026-11-28", "still to come"),
    ],
)
def test_an_assessment_counts_for_a_year_and_not_in_advance(reviewed: str, why: str | None) -> None:
    wanted, found = change(CLOSED, {"quiet": "open low"}, reviewed)
    lacking = assessment_lacking(wanted, found, TODAY)
    assert (lacking is None) is (why is None)
    assert why is None or why in str(lacking)


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (date(2026, 9, 2), "before the last change of this sort was put in force on 2026-09-02"),
        (date(2026, 9, 1), None),
        (date(2026, 8, 31), None),
        (None, None),
    ],
)
def test_a_review_from_before_the_last_change_of_this_sort_counts_no_more(last: date | None, why: str | None) -> None:
    wanted, found = change(CLOSED, {"quiet": "open low"}, "2026-09-01")
    lacking = assessment_lacking(wanted, found, TODAY, last)
    assert (lacking is None) is (why is None)
    assert why is None or why in str(lacking)


def test_the_first_rooms_of_a_community_need_none() -> None:
    wanted = policy({"hello": "open low", "quiet": "closed low,retention=30 days"})
    found = plan(compile_community(wanted, NOBODY), NOBODY, Observed({}), IDENTITIES)
    assert found.changes
    assert assessment_lacking(wanted, found, TODAY) is None


def test_a_plan_says_that_it_would_be_refused_and_what_to_write() -> None:
    wanted, found = change(CLOSED, {"quiet": "open low"})
    told = with_assessment_note(found, assessment_lacking(wanted, found, TODAY))
    assert told.digest == found.digest
    note = told.notes[-1].text
    assert "4 changes expose people" in note
    assert "risk_assessment: {reviewed: YYYY-MM-DD" in note
    assert Plan.from_record(told.record()) == told
    assert with_assessment_note(found, None) is found


def test_the_refusal_names_the_place_in_the_file() -> None:
    text = b"schema: 1\ncommunity:\n  id: x\n  risk_assessment:\n    reviewed: 2020-01-01\n"
    finding = refusal_without_assessment("it is old", text, "policy.yaml")
    assert (finding.severity, finding.line, finding.text) == ("error", 4, "risk_assessment")
    missing = refusal_without_assessment("there is none", b"schema: 1\ncommunity:\n  id: x\n", "policy.yaml")
    assert missing.line == 2


def test_a_weaker_setting_is_a_note_of_every_plan_with_who_answers_for_it() -> None:
    said = HistorySetting(value="shared", because="Board minute 4", approved_by="deputy")
    group = policy(CLOSED).groups["quiet"].model_copy(update={"history": said})
    weak = policy(CLOSED).model_copy(update={"groups": {"quiet": group}})
    community = compile_community(weak, NOBODY)
    found = plan(community, NOBODY, settled(community, NOBODY), IDENTITIES)
    assert found.empty
    [note] = found.notes
    assert (note.kind, note.room) == ("weakened", "quiet")
    assert "those who come in can read all that was written before" in note.text
    assert note.text.endswith("The deputy answers for it: Board minute 4")


def test_a_lower_tier_waits_for_a_review_whatever_changes_in_rooms() -> None:
    before, after = policy({"quiet": "hybrid medium"}), policy({"quiet": "hybrid low"})
    assert lowered_tiers(before, after) == (after.groups["quiet"].name,)
    assert lowered_tiers(after, before) == ()
    nothing = Plan("carers", "sha256:0", ())
    assert assessment_lacking(after, nothing, TODAY, None, ("Quiet",)) == (
        "“Quiet” gets a lower tier, and there is no risk assessment"
    )
    assert assessment_lacking(after, nothing, TODAY) is None


def test_a_review_that_is_overdue_speaks_for_nothing_new() -> None:
    risk = {"reviewed": "2026-09-01", "next": "2026-11-26", "by": "lead"}
    wanted, found = policy_with({"quiet": "open low"}, risk_assessment=risk), change(CLOSED, {"quiet": "open low"})[1]
    assert "was to be reviewed again by 2026-11-26" in str(assessment_lacking(wanted, found, TODAY))
