"""How much may be taken from people at once: the figures, the override, and what an emptied file comes to."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.compile import compile_community
from policies.limits import DANGERS, Limit, Limits
from policies.observed import Observed
from policies.people import People
from policies.plan import Plan, plan
from policies.thresholds import Share, TooMuchAtOnce
from tests.unit.plan.model_homeserver import ModelHomeserver
from tests.unit.plan.test_plan_properties import EXAMPLES, communities, homeservers, planned
from tests.unit.plan.worlds import IDENTITIES, community_with, edited, people_of, policy_with, settled, user

GROUPS = {"hello": "open low", "quiet": "closed medium", "lounge": "hybrid medium"}
MANY = people_of({f"p{number}": "quiet" for number in range(20)} | {f"m{number}": "moderator" for number in range(4)})


def first(count: int, of: People = MANY) -> People:
    """These people without the first `count` of them."""
    return People(dict(list(of.by_id.items())[count:]))


def between(before: People, after: People) -> Plan:
    """The plan for a settled world of one people file, when another one is applied."""
    world = settled(community_with(GROUPS, before), before)
    return plan(community_with(GROUPS, after), after, world, IDENTITIES)


def test_a_refusal_carries_the_figures() -> None:
    assert Share("removals", 42, 100).figures() == "42.00% is over 30.00% (42/100 people would be removed)"
    assert Share("demotions", 3, 3).figures() == "nobody would be left (3/3 people would lose power)"


def test_an_emptied_people_file_is_refused_with_the_figures() -> None:
    found = between(MANY, People({}))
    with pytest.raises(TooMuchAtOnce) as caught:
        found.raise_if_unsafe()
    assert "100.00% is over 30.00% (24/24 people would be removed)" in str(caught.value)
    assert "nobody would be left (4/4 people would lose power)" in str(caught.value)
    assert found.too_much({"removals"}) == (Share("demotions", 4, 4),)
    found.raise_if_unsafe({"removals", "demotions"})


def test_an_emptied_people_file_of_a_few_is_refused_too() -> None:
    few = people_of({"ana": "quiet", "bea": "quiet lounge", "cat": "lounge"})
    assert between(few, People({})).too_much() == (Share("removals", 3, 3),)


def test_one_person_of_a_few_may_go_as_on_any_other_day() -> None:
    few = people_of({"ana": "quiet", "bea": "quiet"})
    assert between(few, first(1, few)).too_much() == ()
    one = people_of({"ana": "quiet"})
    assert between(one, People({})).too_much() == ()


@pytest.mark.parametrize(("gone", "too_much"), [(7, False), (8, True)])
def test_of_24_people_seven_may_go_at_once_and_not_eight(gone: int, too_much: bool) -> None:
    found = between(MANY, first(gone))
    assert found.shares == (Share("removals", gone, 24),)
    assert bool(found.too_much()) is too_much


@pytest.mark.parametrize(
    ("limits", "too_much"), [("percent=20", True), ("percent=30", False), ("of_at_least=2", False)]
)
def test_a_policy_may_set_a_limit_of_its_own(limits: str, too_much: bool) -> None:
    name, value = limits.split("=")
    policy = policy_with(GROUPS, limits={"removals": {name: int(value)}})
    after = first(7)
    world = settled(community_with(GROUPS, MANY), MANY)
    found = plan(compile_community(policy, after), after, world, IDENTITIES)
    assert bool(found.too_much()) is too_much
    if too_much:
        assert found.shares[0].figures() == "29.17% is over 20.00% (7/24 people would be removed)"


def test_a_limit_from_fewer_people_on_counts_among_few() -> None:
    few = people_of({f"p{number}": "quiet" for number in range(5)})
    policy = policy_with(GROUPS, limits={"removals": {"of_at_least": 5}})
    world = settled(community_with(GROUPS, few), few)
    found = plan(compile_community(policy, first(2, few)), first(2, few), world, IDENTITIES)
    assert [share.figures() for share in found.too_much()] == ["40.00% is over 30.00% (2/5 people would be removed)"]
    assert between(few, first(2, few)).too_much() == ()


def test_a_looser_limit_is_a_note_with_who_answers_for_it() -> None:
    looser = {"percent": 45, "because": "A course ends", "approved_by": "deputy"}
    community = compile_community(policy_with(GROUPS, limits={"removals": looser}), MANY)
    found = plan(community, first(10), settled(community, MANY), IDENTITIES)
    assert found.too_much() == ()
    [note] = found.notes
    assert "removals may touch 45% of at least 10 people at once" in note.text
    assert note.text.endswith("The deputy answers for it: A course ends")


_LIMITS = st.builds(Limit, st.integers(1, 50), st.integers(2, 50))


@given(_LIMITS, _LIMITS, st.integers(0, 120), st.integers(0, 120))
def test_the_stricter_of_two_limits_refuses_whatever_one_of_them_refuses(
    one: Limit, other: Limit, affected: int, more: int
) -> None:
    def refuses(limit: Limit) -> bool:
        return Share("removals", affected, affected + more, limit.percent, limit.enough).too_much

    if refuses(one) or refuses(other):
        assert refuses(one.stricter(other))
    both = Limits(one, other).stricter(Limits(other, one))
    assert both.removals == both.demotions == one.stricter(other)


def test_people_of_open_rooms_do_not_thin_out_the_share_of_those_who_would_be_removed() -> None:
    world = settled(community_with(GROUPS, MANY), MANY)
    crowd = {f"guest{number}": "join" for number in range(500)}
    rooms = {key: edited(room, {"members": crowd}) if key == "hello" else room for key, room in world.rooms.items()}
    after = first(8)
    found = plan(community_with(GROUPS, after), after, replace(world, rooms=rooms), IDENTITIES)
    assert found.shares == (Share("removals", 8, 24),)


def test_a_person_in_many_rooms_counts_once_and_so_does_an_invite_that_is_withdrawn() -> None:
    people = people_of({f"p{number}": "quiet lounge" for number in range(12)})
    world = settled(community_with(GROUPS, people), people)
    rooms = {
        key: edited(room, {"members": {"p0": "invite"}}) if key == "quiet" else room
        for key, room in world.rooms.items()
    }
    after = first(1, people)
    found = plan(community_with(GROUPS, after), after, replace(world, rooms=rooms), IDENTITIES)
    assert len(found.changes) == 2
    assert found.shares == (Share("removals", 1, 12),)


def test_a_community_made_from_nothing_takes_nothing_from_anybody() -> None:
    assert plan(community_with(GROUPS, MANY), MANY, Observed({}), IDENTITIES).shares == ()


def test_shares_leave_the_digest_alone() -> None:
    found = between(MANY, People({}))
    assert replace(found, shares=()).digest == found.digest
    assert Plan.from_record(found.record()).shares == found.shares


@given(st.sampled_from(DANGERS), st.integers(0, 500), st.integers(1, 500))
def test_a_share_is_too_much_exactly_above_the_limit_or_when_nobody_of_a_few_is_left(
    what: str, affected: int, concerned: int
) -> None:
    affected = min(affected, concerned)
    share = Share(what, affected, concerned)  # type: ignore[arg-type]
    if concerned >= Limit().enough:
        assert share.too_much is (Fraction(affected, concerned) > Fraction(Limit().percent, 100))
    else:
        assert share.too_much is (affected == concerned and concerned >= 2)
    assert f"{affected}/{concerned}" in share.figures()


@EXAMPLES
@given(homeservers(), communities())
def test_nobody_is_removed_or_demoted_who_is_not_counted(
    server: ModelHomeserver, wanted: tuple[object, People]
) -> None:
    found = planned(server, wanted)  # type: ignore[arg-type]
    by_what = {share.what: share for share in found.shares}
    removed = {change.user_id for change in found.changes if change.do == "remove"}  # type: ignore[union-attr]
    assert by_what.get("removals", Share("removals", 0, 0)).affected == len(removed)
    for share in found.shares:
        assert 1 <= share.affected <= share.concerned
    assert user("steward") not in removed


@EXAMPLES
@given(homeservers(), communities(), st.sets(st.sampled_from(DANGERS)))
def test_an_override_lets_through_what_it_names_and_nothing_else(
    server: ModelHomeserver,
    wanted: tuple[object, People],
    allowed: set[str],
) -> None:
    found = planned(server, wanted)  # type: ignore[arg-type]
    left = {share.what for share in found.too_much(allowed)}  # type: ignore[arg-type]
    assert left == {share.what for share in found.too_much()} - allowed
    if left:
        with pytest.raises(TooMuchAtOnce):
            found.raise_if_unsafe(allowed)  # type: ignore[arg-type]
    else:
        found.raise_if_unsafe(allowed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("affected", "concerned", "too_much"),
    [(7, 9, True), (5, 9, True), (4, 9, False), (2, 3, True), (1, 1, False), (2, 2, True)],
)
def test_among_few_more_than_half_is_too_much_if_it_is_several(affected: int, concerned: int, too_much: bool) -> None:
    assert Share("removals", affected, concerned).too_much is too_much
