"""Power levels: what holds for any content whatever, and examples from the specification's pages."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from policies.power_levels import (
    CREATOR,
    Action,
    PowerLevels,
    level_changes,
    may_change_power_levels,
    objections_to_power_levels,
    read_power_levels,
)
from policies.room_versions import (
    HIGHEST_LEVEL,
    KNOWN_ROOM_VERSIONS,
    RoomVersion,
    room_version,
)

STEWARD, GUARDIAN = "@steward:house.example", "@_c_guardian:house.example"
LEAD, MODERATOR, MEMBER = "@lead:house.example", "@moderator:house.example", "@member:house.example"
STRANGER = "@stranger:elsewhere.example"
PEOPLE = [LEAD, MODERATOR, MEMBER, STRANGER]
EVENT_TYPES = ["m.room.message", "m.room.topic", "m.room.power_levels", "m.room.tombstone", "m.room.redaction"]
CREATE = {"creator": STEWARD, "additional_creators": [GUARDIAN]}
V1, V5, V6, V9, V10, V11, V12 = (room_version(number) for number in ("1", "5", "6", "9", "10", "11", "12"))

# No timed assertions: a slow machine is not a failed property.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

names = (
    st.sampled_from([*PEOPLE, STEWARD, GUARDIAN, *EVENT_TYPES, "room", "", "@", "@half:\ud800", "x" * 300]) | st.text()
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**53, -(2**53), 10**400, 1e308, math.nan, math.inf, -math.inf, " +050 ", "9" * 400])
    | st.floats()
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
hostile_contents = json_values | st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("users_default", "events_default", "state_default", "ban", "kick", "invite"), json_values),
        **{name: json_values | st.dictionaries(names, json_values) for name in ("users", "events", "notifications")},
    },
)
# Some levels meet often, since the rules turn on equality.
levels = st.sampled_from([0, 50, 90, 100]) | st.integers(-5, 120)
contents = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("events_default", "state_default", "ban", "redact", "kick", "invite"), levels),
        "users_default": st.integers(-5, 60),
        "users": st.dictionaries(st.sampled_from(PEOPLE), levels),
        "events": st.dictionaries(st.sampled_from(EVENT_TYPES), levels),
        "notifications": st.dictionaries(st.sampled_from(["room", "org.example.ring"]), levels),
    },
)
versions = st.sampled_from(KNOWN_ROOM_VERSIONS)
people = st.sampled_from(PEOPLE)


@st.composite
def changes(draw: st.DrawFn) -> tuple[RoomVersion, str, dict[str, Any], dict[str, Any]]:
    """A version, somebody, the levels before, and the levels after a few entries were added, changed or removed."""
    before: dict[str, Any] = draw(contents)
    actor = draw(people)
    before["users"] = {**before.get("users", {}), actor: draw(levels.filter(lambda level: level >= 40))}
    after = copy.deepcopy(before)
    for _ in range(draw(st.integers(1, 3))):
        folder = draw(st.sampled_from(["users", "users", "users", "events", "notifications", ""]))
        choices = {"users": PEOPLE, "events": EVENT_TYPES, "notifications": ["room"], "": ["ban", "users_default"]}
        place = after.setdefault(folder, {}) if folder else after
        name = draw(st.sampled_from(choices[folder]))
        if draw(st.booleans()):
            place[name] = draw(levels)
        else:
            place.pop(name, None)
    return draw(versions), actor, before, after


def read(version: RoomVersion, content: object) -> PowerLevels:
    return read_power_levels(version, STEWARD, CREATE, content)


def permissions(powers: PowerLevels, actor: str, target: str, after: object) -> dict[str, bool]:
    return {
        **{f"send {name}": powers.may_send(actor, name) for name in EVENT_TYPES},
        **{f"set {name}": powers.may_send(actor, name, "") for name in EVENT_TYPES},
        "invite": powers.may_invite(actor),
        "kick": powers.may_kick(actor, target),
        "ban": powers.may_ban(actor, target),
        "unban": powers.may_unban(actor, target),
        "redact": powers.may_redact(actor, target),
        "change levels": may_change_power_levels(actor, powers, after),
    }


# Whatever the content


@given(
    st.sampled_from(KNOWN_ROOM_VERSIONS) | json_values.map(room_version),
    json_values,
    hostile_contents,
    hostile_contents,
    hostile_contents,
)
def test_no_content_makes_reading_asking_or_changing_raise(
    version: RoomVersion, sender: object, create: object, before: object, after: object
) -> None:
    powers = read_power_levels(version, sender, create, before)
    for person in [*PEOPLE, STEWARD, "", "no user id"]:
        assert isinstance(powers.level_of(person), int) or powers.level_of(person) is CREATOR
        assert set(permissions(powers, person, MEMBER, after).values()) <= {True, False}
        for objection in objections_to_power_levels(person, powers, after):
            objection.where.encode("utf-8")
    level_changes(powers, read_power_levels(version, sender, create, after))
    assert all(len(entry.where) < 1200 for entry in powers.ignored)


def test_nesting_of_ten_thousand_is_only_a_wrong_type() -> None:
    nested: Any = []
    for _ in range(10_000):
        nested = {"users": [nested]}
    powers = read(V12, {"users": {MEMBER: nested}, "ban": nested, "events": nested})
    assert [entry.where for entry in powers.ignored] == ["ban", "events/users", f"users/{MEMBER}"]
    assert powers.required_for_action("ban") == 50


@given(versions, contents, people, people, contents, st.integers(0, 200))
def test_a_higher_level_never_takes_a_permission_away(
    version: RoomVersion, content: dict[str, Any], actor: str, target: str, after: dict[str, Any], rise: int
) -> None:
    assume(actor != target)
    low = read(version, content)
    level = low.level_of(actor)
    assert isinstance(level, int)
    high = read(version, {**content, "users": {**content.get("users", {}), actor: level + rise}})
    before, raised = permissions(low, actor, target, after), permissions(high, actor, target, after)
    assert [name for name in before if before[name] and not raised[name]] == []


@given(changes())
def test_nobody_but_a_creator_gives_anyone_a_level_above_his_own(
    change: tuple[RoomVersion, str, dict[str, Any], dict[str, Any]],
) -> None:
    version, actor, content, after = change
    before, now = read(version, content), read(version, after)
    own, nobody = before.users[actor], "@nobody:elsewhere.example"
    # A default above one's own level lets one lift others by taking them off the list: the default was there before.
    assume(before.level_of(nobody) <= own)
    if may_change_power_levels(actor, before, after):
        event("allowed")
        raised = {person: now.level_of(person) for person in [*PEOPLE, nobody]}
        assert [p for p, level in raised.items() if level > before.level_of(p) and level > own] == []


@given(changes())
def test_an_allowed_change_leaves_equals_and_superiors_as_they_are(
    change: tuple[RoomVersion, str, dict[str, Any], dict[str, Any]],
) -> None:
    version, actor, content, after = change
    before, now = read(version, content), read(version, after)
    own = before.users[actor]
    superiors = {user: level for user, level in before.users.items() if level >= own and user != actor}
    if may_change_power_levels(actor, before, after):
        event("allowed")
        assert {user: now.users.get(user) for user in superiors} == superiors


@given(hostile_contents, hostile_contents, st.sampled_from([STEWARD, GUARDIAN]), st.sampled_from([*PEOPLE, GUARDIAN]))
def test_in_version_12_nobody_demotes_or_removes_a_creator(
    before: object, after: object, creator: str, actor: str
) -> None:
    powers = read(V12, before)
    assert powers.level_of(creator) is CREATOR
    assert read(V12, after).level_of(creator) is CREATOR
    assert not powers.may_kick(actor, creator)
    assert not powers.may_ban(actor, creator)
    assert not may_change_power_levels(actor, powers, {"users": {creator: 0}})
    assert powers.may_ban(creator, MEMBER)


@given(contents, contents)
def test_a_creator_in_version_12_may_always_change_the_levels(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert objections_to_power_levels(GUARDIAN, read(V12, before), after) == ()


@given(versions, contents)
def test_unchanged_levels_meet_no_objection_but_the_level_needed_to_write_them(
    version: RoomVersion, content: dict[str, Any]
) -> None:
    powers = read(version, content)
    for person in PEOPLE:
        assert may_change_power_levels(person, powers, content) == powers.may_send(person, "m.room.power_levels", "")


@given(versions, contents)
def test_well_formed_levels_are_all_used(version: RoomVersion, content: dict[str, Any]) -> None:
    assert read(version, content).ignored == ()


@given(versions, contents, people)
def test_a_demotion_by_removal_from_the_list_is_seen(
    version: RoomVersion, content: dict[str, Any], person: str
) -> None:
    default = content.get("users_default", 0)
    before = read(version, {**content, "users": {**content.get("users", {}), person: default + 50}})
    after = read(
        version, {**content, "users": {user: n for user, n in content.get("users", {}).items() if user != person}}
    )
    assert after.level_of(person) == default
    assert [(c.user, c.before, c.after) for c in level_changes(before, after)] == [(person, default + 50, default)]


# Levels


def test_the_creator_stands_above_every_number_and_equals_only_itself() -> None:
    assert max(10**400, CREATOR, 0) is CREATOR
    assert min(CREATOR, HIGHEST_LEVEL) == HIGHEST_LEVEL
    assert CREATOR >= CREATOR
    assert not CREATOR > CREATOR
    assert copy.deepcopy(CREATOR) is CREATOR
    with pytest.raises(TypeError):
        json.dumps(CREATOR)


def test_without_a_power_levels_event_the_creator_has_100_before_version_12() -> None:
    for version in KNOWN_ROOM_VERSIONS[:11]:
        assert read(version, None).level_of(STEWARD) == 100
        assert read(version, None).level_of(GUARDIAN) == 0
        assert read(version, {}).level_of(STEWARD) == 0
    assert read(V12, None).level_of(STEWARD) is read(V12, {}).level_of(GUARDIAN) is CREATOR


def test_before_version_11_the_creator_is_whom_the_content_names() -> None:
    create = {"creator": LEAD, "additional_creators": [MEMBER]}
    assert read_power_levels(V10, STEWARD, create, None).creators == {LEAD}
    assert read_power_levels(V11, STEWARD, create, None).creators == {STEWARD}
    assert read_power_levels(V12, STEWARD, create, None).creators == {STEWARD, MEMBER}
    assert read_power_levels(V10, STEWARD, {}, None).creators == frozenset()


def test_a_bad_list_of_additional_creators_makes_nobody_else_a_creator() -> None:
    powers = read_power_levels(V12, STEWARD, {"additional_creators": [GUARDIAN, "lead", 7, None, [LEAD]]}, {})
    assert powers.creators == {STEWARD, GUARDIAN}
    assert len(powers.ignored) == 4
    assert read_power_levels(V12, STEWARD, {"additional_creators": GUARDIAN}, {}).creators == {STEWARD}


def test_missing_levels_have_the_defaults_of_the_specification() -> None:
    without: list[dict[str, Any] | None] = [None, {}]
    actions: tuple[Action, ...] = ("invite", "kick", "ban", "redact", "notifications.room")
    for content in without:
        powers = read(V11, content)
        assert [powers.required_for_action(action) for action in actions] == [0, 50, 50, 50, 50]
        assert powers.required_for("m.room.topic", is_state=True) == 50
        assert powers.required_for("m.room.message", is_state=False) == 0


def test_what_is_ignored_is_named_without_its_value() -> None:
    powers = read(
        V10, {"ban": "50", "users": {MEMBER: "secret", "nobody": 5}, "events": [], "notifications": {"room": 1.5}}
    )
    assert [(entry.where, entry.why) for entry in powers.ignored] == [
        ("ban", "not a level in this room version"),
        ("events", "not an object"),
        ("notifications/room", "not a level in this room version"),
        (f"users/{MEMBER}", "not a level in this room version"),
        ("users/nobody", "not a user id"),
    ]


# Permissions


def test_state_keys_aliases_and_third_party_invites_have_rules_of_their_own() -> None:
    content = {"users": {LEAD: 90}, "invite": 20, "events": {"m.room.third_party_invite": 100}}
    old, new = read(V5, content), read(V6, content)
    assert not new.may_send(LEAD, "org.example.state", MEMBER)
    assert new.may_send(LEAD, "org.example.state", LEAD)
    assert old.may_send(MEMBER, "m.room.aliases", "house.example")
    assert not old.may_send(LEAD, "m.room.aliases", "elsewhere.example")
    assert not new.may_send(MEMBER, "m.room.aliases", "house.example")
    assert new.may_send(LEAD, "m.room.third_party_invite", "token")
    assert not new.may_send(MEMBER, "m.room.third_party_invite", "token")
    assert new.may_send(MEMBER, "m.room.member", MEMBER)
    assert not new.may_send(LEAD, "m.room.member", MEMBER)
    assert not new.may_send(LEAD, "m.room.create", "")


def test_equals_cannot_remove_each_other_and_unbanning_takes_kick_and_ban() -> None:
    powers = read(V11, {"users": {LEAD: 100, STEWARD: 100, MODERATOR: 50}, "kick": 60})
    assert not powers.may_kick(LEAD, STEWARD)
    assert not powers.may_ban(STEWARD, LEAD)
    assert powers.may_ban(MODERATOR, MEMBER)
    assert not powers.may_kick(MODERATOR, MEMBER)
    assert not powers.may_unban(MODERATOR, MEMBER)
    assert powers.may_unban(LEAD, MEMBER)


def test_ones_own_message_may_be_redacted_only_by_who_may_send_redactions() -> None:
    powers = read(V12, {"users": {MODERATOR: 50}, "events": {"m.room.redaction": 10}})
    assert not powers.may_redact(MEMBER, MEMBER)
    assert powers.may_redact(MODERATOR, MEMBER)
    assert not read(V12, {}).may_redact(MEMBER, MODERATOR)
    assert read(V12, {}).may_redact(MEMBER, MEMBER)


@pytest.mark.parametrize(
    ("actor", "change", "where"),
    [
        (MEMBER, {}, "m.room.power_levels"),
        (LEAD, {"users": {LEAD: 90, MODERATOR: 50, STRANGER: 95}}, None),
        (LEAD, {"users": {LEAD: 90, MODERATOR: 90, STRANGER: 95}}, None),
        (LEAD, {"users": {LEAD: 90, MODERATOR: 80, STRANGER: 95, MEMBER: 90}}, None),
        (LEAD, {"users": {LEAD: 90, MODERATOR: 80, STRANGER: 95, MEMBER: 91}}, f"users/{MEMBER}"),
        (LEAD, {"users": {LEAD: 10, MODERATOR: 80, STRANGER: 90}}, f"users/{STRANGER}"),
        (LEAD, {"users": {MODERATOR: 80, STRANGER: 95}}, None),
        (LEAD, {"users": {LEAD: 91, MODERATOR: 80, STRANGER: 95}}, f"users/{LEAD}"),
        (LEAD, {"users": {LEAD: 90, MODERATOR: 99, STRANGER: 95}}, f"users/{MODERATOR}"),
        (MODERATOR, {"users": {LEAD: 90, STRANGER: 95}}, None),
        (MODERATOR, {"users": {MODERATOR: 80, STRANGER: 95}}, f"users/{LEAD}"),
        (LEAD, {"ban": 90}, None),
        (LEAD, {"ban": 91}, "ban"),
        (LEAD, {"events": {}}, "events/m.room.tombstone"),
        (LEAD, {"notifications": {}}, "notifications/room"),
        (LEAD, {"notifications": {"room": "50"}}, "notifications/room"),
    ],
)
def test_changes_are_measured_at_the_level_of_who_makes_them(
    actor: str, change: dict[str, Any], where: str | None
) -> None:
    content = {
        "users": {LEAD: 90, MODERATOR: 80, STRANGER: 95},
        "events": {"m.room.power_levels": 80, "m.room.tombstone": 150},
        "notifications": {"room": 95},
    }
    wanted = {**content, **change}
    found = [objection.where for objection in objections_to_power_levels(actor, read(V10, content), wanted)]
    assert (where in found) if where else (found == [])


def test_an_equal_may_step_down_and_may_not_be_put_down() -> None:
    before = read(V10, {"users": {LEAD: 100, MODERATOR: 100}})
    assert may_change_power_levels(LEAD, before, {"users": {LEAD: 50, MODERATOR: 100}})
    assert may_change_power_levels(LEAD, before, {"users": {MODERATOR: 100}})
    assert not may_change_power_levels(LEAD, before, {"users": {LEAD: 100, MODERATOR: 50}})
    assert not may_change_power_levels(LEAD, before, {"users": {LEAD: 100}})


def test_notifications_are_guarded_from_version_6_on() -> None:
    content = {"users": {LEAD: 60}, "notifications": {"room": 90}}
    wanted = {**content, "notifications": {"room": 0}}
    assert may_change_power_levels(LEAD, read(V5, content), wanted)
    assert not may_change_power_levels(LEAD, read(V6, content), wanted)


def test_the_same_level_in_another_spelling_is_no_change() -> None:
    before = read(V9, {"users": {LEAD: "060", STRANGER: 100}, "ban": "100"})
    assert may_change_power_levels(LEAD, before, {"users": {LEAD: 60, STRANGER: " +100"}, "ban": 100})


def test_the_first_power_levels_of_a_room_may_give_any_level() -> None:
    assert may_change_power_levels(STEWARD, read(V11, None), {"users": {STEWARD: 1000}})
    assert not may_change_power_levels(MEMBER, read(V11, None), {"users": {STEWARD: 1000}})
