"""One room taking the place of another, in every world: it ends, goes on where it was cut off, and takes in nobody who may
not be there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from policies.changes import BringOver, Invite, KeepOut, LeaveOld, Retire
from policies.desired import DesiredCommunity, RoomKey
from policies.people import People
from policies.plan import Plan, plan
from policies.succession import predecessor_of
from tests.unit.plan.model_homeserver import ModelHomeserver
from tests.unit.plan.test_plan_properties import communities, homeservers
from tests.unit.plan.worlds import IDENTITIES, of_others

EXAMPLES = settings(max_examples=80, deadline=None)
_MEMBERSHIP = st.sampled_from(("join", "invite", "knock", "ban"))
_OF_OTHERS = st.fixed_dictionaries(
    {
        "version": st.sampled_from(("6", "10", "11")),
        "listed": st.booleans(),
        "members": st.dictionaries(st.sampled_from(("ana", "bea", "cat", "dan", "eve")), _MEMBERSHIP),
        "set": st.fixed_dictionaries(
            {},
            optional={
                "m.room.name": st.sampled_from(({"name": "Tea"}, {"name": 5}, {})),
                "m.room.topic": st.just({"topic": "On Tuesdays"}),
                "m.room.pinned_events": st.just({"pinned": ["$tea"]}),
                "m.room.join_rules": st.sampled_from(({"join_rule": "public"}, {"join_rule": "invite"}, {})),
                "m.room.tombstone": st.sampled_from(({"replacement_room": "!elsewhere"}, {})),
            },
        ),
    }
)
Wanted = tuple[DesiredCommunity, People]


def planned(server: ModelHomeserver, wanted: Wanted, asked: Mapping[RoomKey, str]) -> Plan:
    """What is planned when a person asked that these rooms be followed: forgotten, once that is under way."""
    observed = server.observe(wanted[0])
    open_ones = {
        key: server.rooms[room_id]
        for key, room_id in asked.items()
        if (room := observed.rooms.get(key)) is None or predecessor_of(room) != room_id
    }
    server_name = wanted[0].server
    sought = {f"#{wanted[0].room(key).alias_localpart}:{server_name}" for key in open_ones}
    addresses: dict[str, str | None] = {one: server.addresses[one] for one in sought & server.addresses.keys()}
    addresses |= dict.fromkeys(sought & server.refused_addresses)
    observed = replace(
        observed,
        predecessors={**observed.predecessors, **open_ones},
        addresses={**observed.addresses, **addresses},
    )
    return plan(*wanted, observed, IDENTITIES)


@st.composite
def asked(draw: st.DrawFn, server: ModelHomeserver, wanted: Wanted) -> dict[RoomKey, str]:
    """Rooms that stand, and that a person wants new ones for, or one that others made, and is adopted."""
    observed = server.observe(wanted[0])
    stand = [
        key
        for key, room in sorted(observed.rooms.items())
        if room.standing(IDENTITIES) == "governed"
        and key not in observed.predecessors
        and key in {one.key for one in wanted[0].rooms}
    ]
    found = {key: observed.rooms[key].room_id for key in stand if draw(st.booleans())}
    free = [key for key in stand if key not in found and key != "space"]
    if free and draw(st.booleans()):
        server.rooms["!adopted"] = replace(of_others(draw(_OF_OTHERS)), room_id="!adopted")
        found[draw(st.sampled_from(free))] = "!adopted"
    return found


@EXAMPLES
@given(homeservers(), communities(), st.data())
def test_when_a_room_has_taken_the_place_of_another_nothing_is_left_to_do(
    server: ModelHomeserver, wanted: Wanted, data: st.DataObject
) -> None:
    rooms = data.draw(asked(server, wanted))
    found = planned(server, wanted, rooms)
    before = dict(server.rooms)
    server.calls = 0
    server.apply(found)
    assert server.calls == found.calls
    again = planned(server, wanted, rooms)
    assert again.empty, again.describe()
    observed = server.observe(wanted[0])
    for key, old_id in rooms.items():
        new, old = observed.rooms[key], server.rooms[old_id]
        assert predecessor_of(new) == old_id
        assert old.state["m.room.tombstone", ""]["replacement_room"] == new.room_id
        for user_id, membership in before[old_id].members.items():
            if membership == "ban":
                assert new.members[user_id] in ("ban", "join", "invite")


@EXAMPLES
@given(homeservers(), communities(), st.data())
def test_a_succession_that_was_cut_off_goes_on_where_it_stopped(
    server: ModelHomeserver, wanted: Wanted, data: st.DataObject
) -> None:
    rooms = data.draw(asked(server, wanted))
    found = planned(server, wanted, rooms)
    made = data.draw(st.integers(0, len(found.changes)))
    server.apply(found, made)
    rest = planned(server, wanted, rooms)
    assert [change.describe() for change in rest.changes] == [change.describe() for change in found.changes[made:]]
    server.apply(rest)
    assert planned(server, wanted, rooms).empty


@EXAMPLES
@given(homeservers(), communities(), st.data())
def test_nobody_comes_along_who_may_not_be_there_and_the_old_room_is_closed_last(
    server: ModelHomeserver, wanted: Wanted, data: st.DataObject
) -> None:
    community, people = wanted
    found = planned(server, wanted, data.draw(asked(server, wanted)))
    assert Plan.from_record(found.record()) == found
    tombstones: set[RoomKey] = set()
    for change in found.changes:
        if isinstance(change, BringOver | Invite):
            assert community.room(change.room).membership.admits(people.get(change.user_id))
        if isinstance(change, Retire) and change.type == "m.room.tombstone":
            tombstones.add(change.room)
            continue
        assert change.room not in tombstones or isinstance(change, LeaveOld | Retire)
        assert not isinstance(change, KeepOut) or change.user_id not in IDENTITIES


@EXAMPLES
@given(homeservers(), communities(), st.data())
def test_who_may_not_be_in_a_room_any_more_does_not_stay_in_the_one_before_it(
    server: ModelHomeserver, wanted: Wanted, data: st.DataObject
) -> None:
    community, people = wanted
    rooms = data.draw(asked(server, wanted))
    server.apply(planned(server, wanted, rooms))
    left = data.draw(st.sets(st.sampled_from(sorted(people.by_id)))) if people.by_id else set()
    fewer = People({user_id: one for user_id, one in people.by_id.items() if user_id not in left})
    found = plan(community, fewer, server.observe(community), IDENTITIES)
    server.apply(found)
    assert plan(community, fewer, server.observe(community), IDENTITIES).empty
    for key, old_id in rooms.items():
        rule, old = community.room(key).membership, server.rooms[old_id]
        if rule.anyone or old_id == "!adopted":
            continue
        there = {user_id for user_id, is_in in old.members.items() if is_in in ("join", "invite")} - set(IDENTITIES)
        assert {user_id for user_id in there if not rule.admits(fewer.get(user_id))} == set()
