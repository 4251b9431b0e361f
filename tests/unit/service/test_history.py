"""Which apply may be undone: a pure decision over what was applied."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appservice.service.history import Applied, NothingToUndo, standing, to_undo


def applied(number: int, after: str, *, undoes: int | None = None, by: int | None = None) -> Applied:
    return Applied(number, number, "…", after, undoes, by, number > 1)


FIRST, SECOND, THIRD = applied(1, "a"), applied(2, "b"), applied(3, "c")


def test_the_newest_that_stands_is_undone_where_nobody_names_one() -> None:
    assert to_undo([FIRST, SECOND, THIRD], "c") is THIRD


def test_after_an_undo_the_one_before_is_next_and_the_undo_itself_only_by_name() -> None:
    undone, back = applied(3, "c", by=4), applied(4, "b", undoes=3)
    entries = [FIRST, SECOND, undone, back]
    assert to_undo(entries, "b") is SECOND
    assert to_undo(entries, "b", 4) is back


def test_what_something_later_stands_upon_is_refused_with_the_way() -> None:
    with pytest.raises(
        NothingToUndo, match=r"P-2 cannot be undone while something later stands: P-3.*inglenook undo P-3"
    ):
        to_undo([FIRST, SECOND, THIRD], "c", 2)


def test_what_is_undone_is_refused_with_the_way_back() -> None:
    with pytest.raises(NothingToUndo, match=r"P-3 is undone already, by P-4\. To have it back: inglenook undo P-4"):
        to_undo([FIRST, SECOND, applied(3, "c", by=4), applied(4, "b", undoes=3)], "b", 3)


def test_the_first_policy_is_refused_since_nothing_was_before_it() -> None:
    with pytest.raises(NothingToUndo, match="nothing before it"):
        to_undo([FIRST], "a")


def test_an_unknown_number_is_refused() -> None:
    with pytest.raises(NothingToUndo, match=r"There is no P-9\..* `inglenook plans` lists"):
        to_undo([FIRST, SECOND], "b", 9)


def test_nothing_is_left_to_undo_when_all_is_undone() -> None:
    with pytest.raises(NothingToUndo, match="Nothing is left"):
        to_undo([applied(2, "b", by=3), applied(3, "a", undoes=2)], "a")
    with pytest.raises(NothingToUndo, match="Nothing is left"):
        to_undo([], "a")


def test_what_came_into_force_in_another_way_is_not_taken_for_a_plan() -> None:
    with pytest.raises(NothingToUndo, match="What is in force is not what P-2 put there"):
        to_undo([FIRST, SECOND], "something else", 2)


def played(steps: Sequence[tuple[str, int]]) -> tuple[list[Applied], list[str]]:
    """Apply and undo as told; return what is recorded, and what was in force after each step, by a model of its own."""
    entries: list[Applied] = [applied(1, "v1")]
    before = {1: ""}
    states = ["v1"]
    for step, which in steps:
        number = len(entries) + 1
        if step == "apply":
            entries.append(applied(number, f"v{number}"))
            before[number] = states[-1]
            states.append(f"v{number}")
            continue
        try:
            found = to_undo(entries, states[-1], None if which == 0 else which)
        except NothingToUndo:
            continue
        entries[found.number - 1] = applied(found.number, found.after, undoes=found.undoes, by=number)
        entries.append(applied(number, before[found.number], undoes=found.number))
        before[number] = states[-1]
        states.append(before[found.number])
    return entries, states


@given(st.lists(st.tuples(st.sampled_from(("apply", "undo")), st.integers(0, 12)), max_size=25))
def test_whatever_is_applied_and_undone_the_recorded_state_is_that_in_force(steps: list[tuple[str, int]]) -> None:
    entries, states = played(steps)
    assert entries[-1].after == states[-1]
    # What stands, and is no undo, in order of numbers: the newest of it is in force.
    stands = [one for one in entries if one.undoes is None and standing(entries, one)]
    assert stands[-1].after == states[-1]


@given(st.lists(st.tuples(st.sampled_from(("apply", "undo")), st.integers(0, 12)), max_size=25))
def test_undoing_again_and_again_comes_to_the_first_policy(steps: list[tuple[str, int]]) -> None:
    entries, _ = played(steps)
    _, states = played([*steps, *[("undo", 0)] * (len(entries) + 1)])
    assert states[-1] == "v1"
