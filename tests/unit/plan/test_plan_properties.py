"""What holds for every world: whatever people, crashes and administrators left behind, one apply puts it right."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from policies.changes import (
    PHASES,
    AddAddress,
    CreateRoom,
    HideAddress,
    Invite,
    JoinGuardian,
    Remove,
    SetListing,
    SetState,
)
from policies.compile import compile_community
from policies.creation import key_of
from policies.defaults import KINDS, TIERS
from policies.desired import LEFT_TO_PEOPLE, MANAGED_TYPE, DesiredCommunity
from policies.movements import KEPT_FOR_EVER, kept_ms, movement, power_movement
from policies.observed import ObservedRoom
from policies.people import People
from policies.plan import Plan, plan
from policies.power_levels import read_power_levels
from policies.room_versions import MANAGED_ROOM_VERSION
from policies.schema import Policy
from tests.unit.plan.model_homeserver import ModelHomeserver
from tests.unit.plan.worlds import IDENTITIES, people_of, policy_with, user

EXAMPLES = settings(max_examples=150, deadline=None)

_NAMES = ("ana", "bea", "cat", "dan", "eve", "pat:chat.partner.example", "una:chat.stranger.example")
_VOUCHED = {"because": "Board minute 4", "approved_by": "deputy"}
_FEDERATIONS: tuple[Mapping[str, Any] | None, ...] = (
    None,
    {"mode": "partners", "servers": ["chat.partner.example"], **_VOUCHED},
    {"mode": "open", "deny": ["chat.stranger.example"], **_VOUCHED},
)
_KINDS = (
    "open low",
    "open medium",
    "hybrid low",
    "hybrid medium",
    "hybrid high",
    "closed low",
    "closed high",
    "announce low",
)
#: What a policy may choose for a group of any kind; `!` marks what is weaker, and vouched for.
_CHOICES = (
    "",
    "posting=moderators",
    "pins=nobody",
    "pins=everybody!",
    "retention=90 days",
    "retention=30 days",
    "retention=forever!",
    "retention=3650 days!",
    "publish=nothing",
    "history=joined",
    "pins=nobody,retention=7 days,history=joined",
)
#: The same for groups that people are let into.
_CHOICES_BEHIND_A_DOOR = (
    "capacity=2",
    "capacity=50",
    "history=shared!",
    "history=invited!",
    "capacity=3,pins=everybody!",
)
#: The same for groups that whoever finds them can come into, or ask to.
_CHOICES_OF_WHAT_IS_FOUND = ("publish=directory!", "publish=directory!,history=joined", "publish=address")
_GROUP = st.one_of(
    st.tuples(st.sampled_from(_KINDS), st.sampled_from(_CHOICES)),
    st.tuples(
        st.sampled_from([kind for kind in _KINDS if kind.startswith(("hybrid", "closed"))]),
        st.sampled_from(_CHOICES_BEHIND_A_DOOR),
    ),
    st.tuples(st.sampled_from(("open low", "hybrid low", "hybrid medium")), st.sampled_from(_CHOICES_OF_WHAT_IS_FOUND)),
).map(",".join)
_GROUPS = st.dictionaries(st.sampled_from(("hello", "lounge", "quiet", "news")), _GROUP, min_size=1)
_ANY_MEMBERSHIP = st.sampled_from(("join", "invite", "knock", "ban", "left", None))
_GUARDIAN = st.fixed_dictionaries({"guardian": st.sampled_from(("join", "invite", "left", None))})
_JUNK: tuple[Mapping[str, Any], ...] = (
    {},
    {"allow": "x", "users": [], "via": 3},
    {"events": {"x": 1.5}, "join_rule": {}},
)
_CONTENTS: Mapping[tuple[str, str], tuple[Mapping[str, Any], ...]] = {
    ("m.room.join_rules", ""): (
        *({"join_rule": rule} for rule in ("public", "knock", "invite", "private", "banana")),
        {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": "!other"}, "x", {"room_id": 5}]},
        {"join_rule": "knock_restricted", "allow": []},
    ),
    ("m.room.history_visibility", ""): tuple(
        {"history_visibility": value} for value in ("world_readable", "shared", "invited", "joined", 7)
    ),
    ("m.room.guest_access", ""): ({"guest_access": "can_join"}, {"guest_access": "forbidden"}),
    ("m.room.server_acl", ""): ({"allow": ["*"]}, {"allow": [], "deny": ["x.example"]}, {"allow": ["chat.example"]}),
    ("m.room.power_levels", ""): (
        {"users": {user("ana"): 90, user("eve"): 100}, "events_default": 50, "users_default": 10},
        {"users": {user("bea"): "50"}, "events": {"m.room.name": 0, "org.example.x": 3}, "state_default": 0},
    ),
    ("m.room.canonical_alias", ""): ({"alias": "#else:chat.example"},),
    ("m.room.retention", ""): ({"max_lifetime": 86_400_000}, {"max_lifetime": 90 * 86_400_000}, {"max_lifetime": "x"}),
    ("m.room.name", ""): ({"name": "By hand"},),
    ("m.room.topic", ""): ({"topic": ""},),
    (MANAGED_TYPE, ""): (
        {"community": "carers", "group": "other"},
        {"community": "carers"},
        *(
            {"community": "carers", "group": group, "directory": said}
            for group in ("hello", "lounge")
            for said in ("unsure", 7)
        ),
    ),
    ("m.space.parent", "!other"): ({"via": ["chat.example"], "canonical": True}, {}),
    ("m.space.child", "!other"): ({"via": ["chat.example"]}, {"order": "1"}),
    ("org.example.poll", "x"): ({"on": True},),
}
_EDIT = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(sorted(_CONTENTS)), st.integers(0, 9)),
    st.tuples(st.just("unset"), st.sampled_from(sorted(_CONTENTS)), st.just(0)),
    st.tuples(st.just("members"), st.just(""), st.dictionaries(st.sampled_from(_NAMES), _ANY_MEMBERSHIP, min_size=1)),
    st.tuples(st.just("members"), st.just(""), _GUARDIAN),
    st.tuples(
        st.sampled_from(
            (
                "close",
                "delete",
                "estrange",
                "abandon",
                "drop",
                "steal",
                "refuse",
                "copy",
                "halve",
                "list",
                "unlist",
                "ask",
            )
        ),
        st.just(""),
        st.just(0),
    ),
)
_Value = TypeVar("_Value")


@st.composite
def peoples(draw: st.DrawFn, groups: Mapping[str, object]) -> People:
    words = st.lists(st.sampled_from(("admin", "lead", "deputy", "moderator", *groups)), max_size=3, unique=True)
    said = draw(st.dictionaries(st.sampled_from(_NAMES), words, min_size=2))
    return people_of({name: " ".join(of_one) for name, of_one in said.items()})


@st.composite
def communities(draw: st.DrawFn) -> tuple[DesiredCommunity, People]:
    policy = draw(policies())
    people = draw(peoples(policy.groups))
    return compile_community(policy, people), people


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """One in either version of the language."""
    federation = draw(st.sampled_from(_FEDERATIONS))
    return policy_with(draw(_GROUPS), version=draw(st.sampled_from((1, 2))), federation=federation)


@st.composite
def homeservers(draw: st.DrawFn) -> ModelHomeserver:
    """One on which some policy was applied, perhaps not to its end, and people and administrators did what they liked."""
    server = ModelHomeserver(IDENTITIES)
    server.rooms["!theirs"] = ObservedRoom(
        "!theirs",
        "",
        "12",
        frozenset({user("eve")}),
        {},
        {("m.room.name", ""): {"name": "Mine"}},
        {user("eve"): "join"},
    )
    if draw(st.integers(0, 5)):
        community, people = draw(communities())
        first = plan(community, people, server.observe(community), IDENTITIES)
        server.apply(first, draw(st.none() | st.integers(0, len(first.changes))))
    for edit in draw(st.lists(_EDIT, max_size=6)):
        ours = sorted(server.rooms.keys() - {"!theirs"})
        if ours:
            do_by_hand(server, server.rooms[draw(st.sampled_from(ours))], edit)
    server.calls = 0
    return server


def do_by_hand(server: ModelHomeserver, room: ObservedRoom, edit: tuple[str, Any, Any]) -> None:
    """What people, administrators and accidents do to one room."""
    what, where, value = edit
    address = str(room.state.get(("m.room.canonical_alias", ""), {}).get("alias"))
    if what == "set":
        contents = _CONTENTS[where] + _JUNK
        room = replace(room, state={**room.state, where: contents[value % len(contents)]})
    elif what == "unset":
        room = replace(room, state={key: content for key, content in room.state.items() if key != where})
    elif what == "members":
        members = {user(name): membership for name, membership in value.items()}
        kept = {user_id: membership for user_id, membership in room.members.items() if user_id not in members}
        room = replace(room, members=kept | {user_id: new for user_id, new in members.items() if new is not None})
    elif what == "close":
        tombstone = {"replacement_room": "!elsewhere"}
        room = replace(room, closed=True, state={**room.state, ("m.room.tombstone", ""): tombstone})
    elif what == "delete":
        room = replace(room, members=dict.fromkeys(room.members, "left"))
    elif what == "abandon":
        room = replace(room, members={**room.members, IDENTITIES.steward: "left"})
    elif what == "halve":
        first = dict(list(room.state.items())[: len(room.state) // 2])
        room = replace(room, state=first, members={IDENTITIES.steward: "join"})
    elif what == "estrange":
        room = replace(room, creators=frozenset({user("eve")}))
    elif what == "copy":
        server.rooms[room.room_id + "-again"] = replace(room, room_id=room.room_id + "-again")
    elif what in ("list", "unlist"):
        room = replace(room, listed=what == "list")
    elif what == "ask":
        server.look_at_list(server.rooms)
    elif what == "drop" and address in server.addresses:
        del server.addresses[address]
    elif what == "steal" and address in server.addresses:
        server.addresses[address] = "!theirs"
    elif what == "refuse":
        server.refused_addresses.add(address)
    # An address that leads elsewhere is not one that the room can go on carrying.
    if what in ("drop", "steal"):
        room = replace(
            room, state={key: content for key, content in room.state.items() if key != ("m.room.canonical_alias", "")}
        )
    server.rooms[room.room_id] = room


def planned(server: ModelHomeserver, wanted: tuple[DesiredCommunity, People]) -> Plan:
    return plan(*wanted, server.observe(wanted[0]), IDENTITIES)


@EXAMPLES
@given(homeservers(), communities())
def test_after_an_apply_there_is_nothing_to_do(
    server: ModelHomeserver, wanted: tuple[DesiredCommunity, People]
) -> None:
    server.apply(planned(server, wanted))
    again = planned(server, wanted)
    assert again.empty, again.describe()


@EXAMPLES
@given(homeservers(), communities())
def test_a_plan_takes_as_many_calls_as_it_says(
    server: ModelHomeserver, wanted: tuple[DesiredCommunity, People]
) -> None:
    found = planned(server, wanted)
    server.apply(found)
    assert server.calls == found.calls


@EXAMPLES
@given(homeservers(), communities(), st.data())
def test_an_apply_that_was_cut_off_goes_on_where_it_stopped(
    server: ModelHomeserver, wanted: tuple[DesiredCommunity, People], data: st.DataObject
) -> None:
    found = planned(server, wanted)
    made = data.draw(st.integers(0, len(found.changes)))
    server.apply(found, made)
    rest = planned(server, wanted)
    assert server.calls + rest.calls == found.calls
    assert [change.describe() for change in rest.changes] == [change.describe() for change in found.changes[made:]]
    server.apply(rest)
    assert planned(server, wanted).empty


@EXAMPLES
@given(homeservers(), communities(), st.randoms(use_true_random=False))
def test_the_order_of_rooms_people_and_state_means_nothing(
    server: ModelHomeserver, wanted: tuple[DesiredCommunity, People], chance: random.Random
) -> None:
    community, people = wanted
    observed = server.observe(community)
    mixed = replace(
        observed,
        rooms={
            key: replace(room, state=_shuffled(room.state, chance), members=_shuffled(room.members, chance))
            for key, room in _shuffled(observed.rooms, chance).items()
        },
        addresses=_shuffled(observed.addresses, chance),
    )
    one = plan(community, people, observed, IDENTITIES)
    other = plan(community, People(_shuffled(people.by_id, chance)), mixed, IDENTITIES)
    assert one == other
    assert one.digest == other.digest


@EXAMPLES
@given(homeservers(), communities())
def test_nothing_that_is_not_ours_is_touched(server: ModelHomeserver, wanted: tuple[DesiredCommunity, People]) -> None:
    before = dict(server.rooms)
    addresses = dict(server.addresses)
    found = planned(server, wanted)
    server.apply(found)
    for room_id, room in before.items():
        if room.standing(IDENTITIES) == "closed":  # one that is over leads to the one that takes its place
            out = {
                change.user_id for change in found.changes if isinstance(change, Remove) and change.room_id == room_id
            }
            kept = {user_id: member for user_id, member in room.members.items() if user_id not in out}
            assert server.rooms[room_id].members == kept  # who may not be there is seen out of the old room, too
            continue
        if room.standing(IDENTITIES) != "governed":
            assert server.rooms[room_id] == room
            continue
        after = server.rooms[room_id].state
        for key in room.state.keys() & {("org.example.poll", "x"), ("m.space.child", "!other")}:
            assert after[key] == room.state[key]
        # Names are people's, unless they were not even written while the room was made.
        whole = room.members.get(IDENTITIES.guardian) == "join" and (MANAGED_TYPE, "") in room.state
        for key in LEFT_TO_PEOPLE if whole and room.state[MANAGED_TYPE, ""].get("group") == room.key else ():
            assert after.get(key) == room.state.get(key)
    over = {old.room_id for old in server.rooms.values() if old.closed}
    hidden = {change.address for change in found.changes if isinstance(change, HideAddress)}
    bare = [room for room in (*wanted[0].rooms, *wanted[0].retired) if not room.addressed]
    assert hidden <= {f"#{room.alias_localpart}:{wanted[0].server}" for room in bare}
    assert addresses.keys() <= server.addresses.keys() | hidden
    kept = {one: room_id for one, room_id in addresses.items() if one not in hidden}
    assert all(server.addresses[one] == room_id or room_id in over for one, room_id in kept.items())
    assert all(key_of(change.room_id) or change.room_id in before for change in found.changes)


@EXAMPLES
@given(homeservers(), communities())
def test_nobody_is_removed_who_may_be_there_nor_asked_in_who_may_not(
    server: ModelHomeserver, wanted: tuple[DesiredCommunity, People]
) -> None:
    community, people = wanted
    for change in planned(server, wanted).changes:
        if isinstance(change, Invite | Remove):
            assert change.user_id not in IDENTITIES
            room = server.rooms.get(change.room_id)
            assert room is None or room.members.get(change.user_id) not in ("left", "ban")
            admitted = community.room(change.room).membership.admits(people.get(change.user_id))
            assert admitted is isinstance(change, Invite)


@EXAMPLES
@given(homeservers(), communities())
def test_nothing_is_widened_while_somebody_is_there_who_may_not_be(
    server: ModelHomeserver, wanted: tuple[DesiredCommunity, People]
) -> None:
    found = planned(server, wanted)
    phases = [PHASES.index(change.phase) for change in found.changes]
    assert all(one <= next_one for one, next_one in pairwise(phases))
    for change in found.changes:
        if isinstance(change, SetState):
            moved = movement(change.type, change.before, change.after)
            assert not moved.widens or change.phase == "publish"
            assert not moved.tightens or moved.widens or change.phase == "lock"
            shown = change.type == "m.space.child" and change.phase == "publish"  # to others than before
            assert moved.widens or shown or _lets_all_write(change) or change.change_class != "exposing"
            assert not moved.widens or change.change_class == "exposing"
        if isinstance(change, SetState) and change.type == "m.room.power_levels":
            lowered = power_movement(change.before, change.after).lowered
            assert not lowered or change.phase == "demote"
            assert not _lets_all_write(change) or change.change_class == "exposing"
            assert not lowered or _lets_all_write(change) or change.change_class == "disruptive"


def _lets_all_write(change: SetState) -> bool:
    """Whether people may write from now on who could not, in a room that had powers before."""
    if change.type != "m.room.power_levels":
        return False
    moved = power_movement(change.before, change.after)
    return "events_default" in moved.widened and not moved.first


@EXAMPLES
@given(homeservers(), communities())
def test_people_lose_first_then_are_asked_in_and_only_then_is_anything_exposed_or_advertised(
    server: ModelHomeserver, wanted: tuple[DesiredCommunity, People]
) -> None:
    taking, giving, showing = [], [], []
    for place, change in enumerate(planned(server, wanted).changes):
        state = change if isinstance(change, SetState) else None
        link = state is not None and state.type == "m.space.child" and state.after.get("via")
        if isinstance(change, CreateRoom):
            continue  # nobody is in it, and nothing leads to it yet
        # Powers are one event: one that takes from some and lets all write goes with what takes.
        shows = change.change_class == "exposing" and change.phase != "demote"
        if isinstance(change, AddAddress) or link or shows:
            showing.append(place)
        elif isinstance(change, Invite | JoinGuardian):
            giving.append(place)
        lowered = state is not None and state.type == "m.room.power_levels" and state.before is not None
        if isinstance(change, Remove) or (lowered and change.phase == "demote"):
            taking.append(place)
    assert not taking or not showing or max(taking) < min(showing)
    assert not giving or not showing or max(giving) < min(showing)


@EXAMPLES
@given(homeservers(), policies(), st.data())
def test_no_plan_leaves_a_room_weaker_than_its_kind_and_tier_have_it_but_where_somebody_answers_for_it(
    server: ModelHomeserver, policy: Policy, data: st.DataObject
) -> None:
    people = data.draw(peoples(policy.groups))
    community = compile_community(policy, people)
    server.apply(plan(community, people, server.observe(community), IDENTITIES))
    vouched = {(one.group, one.what) for one in community.weakenings}
    for room in server.observe(community).rooms.values():
        group = policy.groups.get(room.key)
        if group is None or room.standing(IDENTITIES) != "governed":
            continue
        kind, tier = KINDS[group.kind], TIERS[group.tier]
        history = room.state["m.room.history_visibility", ""]["history_visibility"]
        words = ("joined", "invited", "shared")
        assert words.index(str(history)) <= words.index(kind.history_visibility) or (room.key, "history") in vouched
        levels = read_power_levels(MANAGED_ROOM_VERSION, None, None, room.state["m.room.power_levels", ""])
        assert levels.required_for("m.room.message", False) >= kind.events_default
        assert levels.required_for("m.room.pinned_events", True) >= 50 or (room.key, "pins") in vouched
        kept = kept_ms(room.state.get(("m.room.retention", "")))
        usual = tier.kept_days * 86_400_000 if policy.schema_version > 1 else KEPT_FOR_EVER
        assert kept <= usual or (room.key, "retention") in vouched


def untrue(server: ModelHomeserver, community: DesiredCommunity) -> list[str]:
    """The keys of rooms that we govern and the list shows against the policy, or the other way round."""
    wanted = {room.key for room in community.rooms if room.listed}
    return [
        room.key
        for room in server.observe(community).rooms.values()
        if room.standing(IDENTITIES) == "governed" and bool(server.rooms[room.room_id].listed) != (room.key in wanted)
    ]


@EXAMPLES
@given(st.lists(st.tuples(communities(), st.integers(0, 60), st.integers(0, 3)), max_size=2), communities())
def test_what_the_list_shows_is_what_the_policy_says_wherever_others_were_cut_off(
    before: list[tuple[tuple[DesiredCommunity, People], int, int]], wanted: tuple[DesiredCommunity, People]
) -> None:
    server = ModelHomeserver(IDENTITIES)
    server.apply(planned(server, wanted))
    for other, made, calls in before:
        found = planned(server, other)
        server.apply(found, made)
        if (
            made < len(found.changes)
            and isinstance(begun := found.changes[made], SetListing)
            and not key_of(begun.room_id)
        ):
            server.cut_off(begun, calls)
    server.apply(planned(server, wanted))
    assert untrue(server, wanted[0]) == []


@EXAMPLES
@given(homeservers(), communities())
def test_what_somebody_listed_by_hand_is_found_when_the_list_is_read(
    server: ModelHomeserver, wanted: tuple[DesiredCommunity, People]
) -> None:
    server.look_at_list(server.rooms)
    server.apply(planned(server, wanted))
    assert untrue(server, wanted[0]) == []


@EXAMPLES
@given(homeservers(), communities())
def test_nobody_is_asked_in_beyond_the_places_of_a_group(
    server: ModelHomeserver, wanted: tuple[DesiredCommunity, People]
) -> None:
    community, _ = wanted
    before = {room_id: dict(room.members) for room_id, room in server.rooms.items()}
    server.apply(planned(server, wanted))
    for room in server.observe(community).rooms.values():
        places = next((one.capacity for one in community.rooms if one.key == room.key), None)
        asked = [
            user_id
            for user_id, membership in room.members.items()
            if membership == "invite" and before.get(room.room_id, {}).get(user_id) != "invite"
        ]
        present = [
            user_id
            for user_id, membership in room.members.items()
            if membership in ("join", "invite") and user_id not in IDENTITIES
        ]
        assert places is None or not asked or len(present) <= places or IDENTITIES.guardian in asked


@EXAMPLES
@given(homeservers(), communities())
def test_only_what_the_policy_knows_is_made_and_each_room_once(
    server: ModelHomeserver, wanted: tuple[DesiredCommunity, People]
) -> None:
    found = planned(server, wanted)
    made = [change.room for change in found.changes if isinstance(change, CreateRoom)]
    assert len(made) == len(set(made))
    retired = {room.key for room in wanted[0].retired}
    changed = {change.room for change in found.changes if not isinstance(change, SetListing) or change.listed}
    assert changed <= {room.key for room in wanted[0].rooms} | retired  # what is gone is only taken out of the list
    assert retired.isdisjoint(made)


@EXAMPLES
@given(homeservers(), communities())
def test_a_saved_plan_is_the_same_plan(server: ModelHomeserver, wanted: tuple[DesiredCommunity, People]) -> None:
    found = planned(server, wanted)
    assert Plan.from_record(found.record()) == found
    assert all("\n" not in line for line in found.describe())


@EXAMPLES
@given(homeservers(), communities(), homeservers())
def test_two_plans_have_one_digest_only_if_they_do_the_same(
    server: ModelHomeserver, wanted: tuple[DesiredCommunity, People], other: ModelHomeserver
) -> None:
    one, two = planned(server, wanted), planned(other, wanted)
    assert (one.digest == two.digest) is (one.record()["changes"] == two.record()["changes"])


def _shuffled(mapping: Mapping[str, _Value] | Mapping[Any, _Value], chance: random.Random) -> dict[Any, _Value]:
    items = list(mapping.items())
    chance.shuffle(items)
    return dict(items)
