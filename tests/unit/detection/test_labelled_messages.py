"""What the rules find in messages that were written before anybody looked at the rules, half of them kept from their author.

Half A was read while the rules were written, half B only counted; what was found then stands in `docs/architecture.md`
(Distress, Personal data). Later half B was read too: these floors keep what was reached, and promise nothing of real people.
"""

from __future__ import annotations

import pytest

from tests.support.labelled import Labelled, distress, private, share, treated_right

#: Least share of signs found, and most harmless messages that raise an alarm, by half.
DISTRESS_FLOOR = {"A": 0.98, "B": 0.97}
#: The same for means, time, or goodbye now, found with that severity.
NOW_FLOOR = {"A": 0.96, "B": 0.96}
DISTRESS_FALSE_ALARMS = {"A": 0, "B": 1}
PRIVATE_FLOOR = {"A": 0.99, "B": 0.97}
#: One's own left with an offer, everything else hidden: the share that is treated so.
WHOSE_FLOOR = {"A": 0.98, "B": 0.97}
PRIVATE_FALSE_ALARMS = {"A": 0, "B": 2}


def harmful(of: tuple[Labelled, ...], half: str) -> list[Labelled]:
    return [one for one in of if one.half == half and one.harmful]


def false_alarms(of: tuple[Labelled, ...], half: str) -> list[str]:
    return [one.text for one in of if one.half == half and one.found and not one.harmful]


@pytest.mark.parametrize("half", ["A", "B"])
def test_as_many_signs_of_distress_are_found_as_is_said(half: str) -> None:
    assert share(harmful(distress(), half)) >= DISTRESS_FLOOR[half]


@pytest.mark.parametrize("half", ["A", "B"])
def test_as_many_signs_of_danger_now_are_found_as_is_said(half: str) -> None:
    now = [one for one in harmful(distress(), half) if one.label == "4"]
    assert share(now, lambda one: one.found_label == "4") >= NOW_FLOOR[half]


def test_no_talk_of_recovery_or_grief_and_no_idiom_is_taken_for_distress() -> None:
    spared = {"recovery", "grief", "idiom", "information"}
    assert [one.text for one in distress() if one.half == "A" and one.topic in spared and one.found] == []


@pytest.mark.parametrize("half", ["A", "B"])
def test_few_harmless_messages_look_like_distress(half: str) -> None:
    assert len(false_alarms(distress(), half)) <= DISTRESS_FALSE_ALARMS[half]


@pytest.mark.parametrize("half", ["A", "B"])
def test_as_many_private_details_are_found_as_is_said(half: str) -> None:
    assert share(harmful(private(), half)) >= PRIVATE_FLOOR[half]


@pytest.mark.parametrize("half", ["A", "B"])
def test_as_many_are_left_or_hidden_rightly_as_is_said(half: str) -> None:
    assert share(harmful(private(), half), treated_right) >= WHOSE_FLOOR[half]


@pytest.mark.parametrize("half", ["A", "B"])
def test_few_harmless_messages_look_like_private_details(half: str) -> None:
    assert len(false_alarms(private(), half)) <= PRIVATE_FALSE_ALARMS[half]
