"""The power levels of the rooms we govern: people do their work in them, and cannot touch what the policy holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.power_levels import (
    GOVERNED_EVENT_TYPES,
    PowerLevels,
    governed_power_levels,
    may_change_power_levels,
    read_power_levels,
)
from policies.room_versions import MANAGED_ROOM_VERSION

STEWARD, GUARDIAN = "@steward:house.example", "@_c_guardian:house.example"
LEAD, MEMBER = "@lead:house.example", "@member:house.example"
people = st.sampled_from([LEAD, MEMBER, "@moderator:house.example", "@stranger:elsewhere.example"])

# No timed assertions: a slow machine is not a failed property.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def read(content: object) -> PowerLevels:
    return read_power_levels(MANAGED_ROOM_VERSION, STEWARD, {"additional_creators": [GUARDIAN]}, content)


contents = st.fixed_dictionaries(
    {},
    optional={
        "users": st.dictionaries(people, st.integers(0, 90)),
        "events": st.dictionaries(st.sampled_from(sorted(GOVERNED_EVENT_TYPES)), st.integers(0, 150)),
        "state_default": st.integers(0, 150),
    },
)


@given(st.dictionaries(people, st.integers(-100, 90)), people, contents)
def test_in_a_governed_room_no_person_touches_what_is_governed(
    users: dict[str, int], person: str, after: object
) -> None:
    body = governed_power_levels(users, creators=[STEWARD, GUARDIAN])
    powers = read(json.loads(json.dumps(body)))
    assert powers.ignored == ()
    assert powers.level_of(person) == users.get(person, 0)
    assert not [name for name in GOVERNED_EVENT_TYPES if powers.may_send(person, name, "")]
    assert not powers.may_send(person, "org.example.new_state", "")
    assert not may_change_power_levels(person, powers, after)
    assert may_change_power_levels(STEWARD, powers, body)
    assert powers.may_kick(GUARDIAN, person)


def test_the_governed_body_is_the_one_measured_on_synapse() -> None:
    governed = dict.fromkeys(GOVERNED_EVENT_TYPES, 150)
    assert len(governed) == 15
    assert governed_power_levels({LEAD: 75}) == {
        "users": {LEAD: 75},
        **{"users_default": 0, "events_default": 0, "state_default": 150},
        **{"invite": 50, "kick": 50, "ban": 50, "redact": 50, "notifications": {"room": 50}},
        "events": governed
        | {"m.room.name": 50, "m.room.topic": 50, "m.room.avatar": 50, "m.room.pinned_events": 50}
        | {"m.reaction": 0, "m.room.redaction": 0},
    }


def test_the_lead_of_a_governed_room_may_do_her_work() -> None:
    powers = read(governed_power_levels({LEAD: 75}, events_default=50, events={"m.room.topic": 75}))
    assert powers.may_send(LEAD, "m.room.topic", "")
    assert powers.may_ban(LEAD, MEMBER)
    assert powers.may_unban(LEAD, MEMBER)
    assert powers.may_redact(LEAD, MEMBER)
    assert not powers.may_send(MEMBER, "m.room.message")
    assert powers.may_send(MEMBER, "m.reaction")


@pytest.mark.parametrize(
    ("users", "options", "message"),
    [
        ({LEAD: 91}, {}, "must be from -9007199254740991 to 90"),
        ({LEAD: True}, {}, "must be an integer"),
        ({LEAD: "50"}, {}, "must be an integer"),
        ({"lead": 50}, {}, "is not a user id"),
        ({STEWARD: 50}, {"creators": [STEWARD]}, "is a creator"),
        ({}, {"redact": 0}, "redact is 0"),
        ({}, {"kick": 0}, "kick is 0"),
        ({}, {"invite": 151}, "invite is 151"),
        ({}, {"events_default": -1}, "events_default is -1"),
        ({}, {"events": {"m.room.join_rules": 100}}, "the level of m.room.join_rules is 100"),
        ({}, {"events": {"m.room.topic": 50.0}}, "must be an integer"),
    ],
)
def test_a_body_that_would_loosen_the_house_is_refused(
    users: dict[str, int], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        governed_power_levels(users, **options)
