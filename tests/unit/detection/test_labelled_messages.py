"""What the rules find in messages that were written before anybody looked at the rules, half of them kept from their author.

Half A was read while the rules were written. Half B was only counted: its floors are what may be said of the rules.
"""

from __future__ import annotations

import pytest

from tests.support.labelled import Labelled, distress, private, share

#: Least share of signs found, and most harmless messages that raise an alarm, by half.
DISTRESS_FLOOR = {"A": 0.14, "B": 0.15}
DISTRESS_FALSE_ALARMS = {"A": 15, "B": 21}
PRIVATE_FLOOR = {"A": 0.87, "B": 0.76}
PRIVATE_FALSE_ALARMS = {"A": 8, "B": 7}


def harmful(of: tuple[Labelled, ...], half: str) -> list[Labelled]:
    return [one for one in of if one.half == half and one.harmful]


def false_alarms(of: tuple[Labelled, ...], half: str) -> list[str]:
    return [one.text for one in of if one.half == half and one.found and not one.harmful]


@pytest.mark.parametrize("half", ["A", "B"])
def test_as_many_signs_of_distress_are_found_as_is_said(half: str) -> None:
    assert share(harmful(distress(), half)) >= DISTRESS_FLOOR[half]


@pytest.mark.parametrize("half", ["A", "B"])
def test_few_harmless_messages_look_like_distress(half: str) -> None:
    assert len(false_alarms(distress(), half)) <= DISTRESS_FALSE_ALARMS[half]


@pytest.mark.parametrize("half", ["A", "B"])
def test_as_many_private_details_are_found_as_is_said(half: str) -> None:
    assert share(harmful(private(), half)) >= PRIVATE_FLOOR[half]


@pytest.mark.parametrize("half", ["A", "B"])
def test_few_harmless_messages_look_like_private_details(half: str) -> None:
    assert len(false_alarms(private(), half)) <= PRIVATE_FALSE_ALARMS[half]
