"""Room versions: the table, what is outside it, and how each version spells a level."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.room_versions import (
    HIGHEST_LEVEL,
    KNOWN_ROOM_VERSIONS,
    RoomVersion,
    is_user_id,
    room_version,
    room_version_of,
)

STEWARD, MEMBER = "@steward:house.example", "@member:house.example"
V1, V6, V12 = (room_version(number) for number in ("1", "6", "12"))
versions = st.sampled_from(KNOWN_ROOM_VERSIONS)

# No timed assertions: a slow machine is not a failed property.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.mark.parametrize(
    ("property_name", "expected"),
    [
        ("string_levels", "YYYYYYYYY---"),
        ("float_levels", "YYYYY-------"),
        ("notifications_guarded", "-----YYYYYYY"),
        ("aliases_need_no_power", "YYYYY-------"),
        ("creators_outrank_all", "-----------Y"),
        ("redacts_in_content", "----------YY"),
        ("knock", "------YYYYYY"),
        ("restricted", "-------YYYYY"),
        ("knock_restricted", "---------YYY"),
        ("room_id_has_server", "YYYYYYYYYYY-"),
        ("known", "YYYYYYYYYYYY"),
    ],
)
def test_each_room_version_has_what_its_page_says(property_name: str, expected: str) -> None:
    assert "".join("Y" if getattr(version, property_name) else "-" for version in KNOWN_ROOM_VERSIONS) == expected


def test_creator_redactions_and_tombstone_follow_the_version() -> None:
    assert [v.creator_from for v in KNOWN_ROOM_VERSIONS] == ["content"] * 10 + ["sender"] * 2
    assert [v.redaction_judged_by for v in KNOWN_ROOM_VERSIONS] == ["event ids"] * 2 + ["senders"] * 10
    assert [v.initial_tombstone_level for v in KNOWN_ROOM_VERSIONS] == [None] * 11 + [150]
    assert V6.join_rules == {"public", "invite"}
    assert V12.join_rules == {"public", "invite", "knock", "restricted", "knock_restricted"}


@pytest.mark.parametrize("identifier", ["13", "org.matrix.hydra.11", "", " 1", "01", 12, 1.0, True, None, ["1"], {}])
def test_an_unknown_version_is_read_like_the_strictest_and_says_so(identifier: object) -> None:
    version = room_version(identifier)
    assert not version.known
    assert version.identifier == (identifier if isinstance(identifier, str) else "")
    assert version.creators_outrank_all
    assert version.read_level("50") is None


def test_a_create_event_without_a_version_means_version_1() -> None:
    assert room_version_of({"creator": STEWARD}) == V1
    assert room_version_of({"room_version": "12"}) == V12
    assert not room_version_of({"room_version": 12}).known
    assert not room_version_of("nonsense").known


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MEMBER, True),
        ("@:house.example", True),
        ("@Alt Modisch\n:house.example", True),
        ("@a:[::1]:8448", True),
        ("@" + "a" * 300 + ":house.example", False),
        ("@" + "ä" * 126 + ":b", True),
        ("@" + "ä" * 127 + ":b", False),
        ("member:house.example", False),
        ("@member", False),
        ("@member:", False),
        ("@a\0:b", False),
        ("@a\ud800:b", False),
        ("", False),
    ],
)
def test_user_ids_are_told_from_other_text(text: str, expected: bool) -> None:
    assert is_user_id(text) is expected


@pytest.mark.parametrize(
    "value", ["", "+", "--5", "5.0", "1e3", "1_000", "٥٠", "+ 5", "fifty", "9" * 400, 10**309, True, None, [], {}]
)
def test_what_is_no_level_in_any_version(value: object) -> None:
    assert {version.read_level(value) for version in KNOWN_ROOM_VERSIONS} == {None}


def test_the_spellings_of_version_1_are_understood() -> None:
    spelt = {
        "100": 100,
        "000100": 100,
        "+100": 100,
        "-100": -100,
        " 00100 ": 100,
        5.114698e4: 51146,
        -0.9: 0,
        "0" * 5000: 0,
    }
    assert {value: V1.read_level(value) for value in spelt} == spelt
    assert V1.read_level(2**60) == 2**60
    assert V6.read_level(2**53) is None


@given(st.integers(-HIGHEST_LEVEL, HIGHEST_LEVEL), st.sampled_from(["{}", " {} ", "\t{}\n"]), versions)
def test_strings_are_levels_up_to_version_9_and_never_after(level: int, form: str, version: RoomVersion) -> None:
    assert version.read_level(level) == level
    assert version.read_level(form.format(level)) == (level if int(version.identifier) <= 9 else None)


@given(st.floats(), versions)
def test_floats_are_cut_up_to_version_5_and_never_levels_after(value: float, version: RoomVersion) -> None:
    expected = math.trunc(value) if math.isfinite(value) and int(version.identifier) <= 5 else None
    assert version.read_level(value) == expected
