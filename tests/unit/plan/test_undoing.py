"""Going back: the same planner makes the plan, the state before comes back, and what cannot is said."""

from __future__ import annotations

from hypothesis import given

from policies.changes import CreateRoom, SetState
from policies.desired import DesiredCommunity
from policies.movements import KEPT_FOR_EVER
from policies.observed import Observed
from policies.people import People
from policies.plan import Plan, plan
from policies.undoing import what_stays
from tests.unit.plan.model_homeserver import ModelHomeserver
from tests.unit.plan.test_plan_properties import EXAMPLES, communities, planned
from tests.unit.plan.worlds import IDENTITIES, community_with, people_of

Wanted = tuple[DesiredCommunity, People]
PEOPLE = people_of({"ana": "quiet", "bea": "quiet", "cat": "quiet"})


def said(groups: dict[str, str], people: People = PEOPLE) -> Wanted:
    return community_with(groups, people), people


def there_and_back(before: Wanted, after: Wanted, *, joined: bool = True) -> tuple[Plan, Plan, tuple[str, ...]]:
    """The plan from one to the other, the one back, and what stays. `joined`: everybody accepts each invite at once."""
    server = ModelHomeserver(IDENTITIES)
    server.apply(planned(server, before))
    if joined:
        everybody_comes(server)
    done = planned(server, after)
    server.apply(done)
    back = planned(server, before)
    return done, back, what_stays(done, back, before[0])


def everybody_comes(server: ModelHomeserver) -> None:
    for room_id, room in server.rooms.items():
        for user_id, membership in room.members.items():
            if membership == "invite":
                server._put_member(server.rooms[room_id], user_id, "join")


def test_who_was_removed_gets_a_new_invite_and_must_accept_it() -> None:
    groups = {"quiet": "closed medium"}
    _, back, stays = there_and_back(said(groups), said(groups, people_of({"ana": "quiet"})))
    assert {(change.do, change.room) for change in back.changes} == {("invite", "quiet"), ("invite", "space")}
    assert stays == (
        "2 people were removed and get a new invite: back only once it is accepted. What they missed meanwhile they may "
        "not see.",
        "What was said meanwhile stays.",
    )


def test_a_withdrawn_invite_is_no_removed_person() -> None:
    groups = {"quiet": "closed medium"}
    _, back, stays = there_and_back(said(groups), said(groups, people_of({"ana": "quiet"})), joined=False)
    assert {(change.do, change.room) for change in back.changes} == {("invite", "quiet"), ("invite", "space")}
    assert stays == ("What was said meanwhile stays.",)


def test_a_room_that_was_made_is_left_standing() -> None:
    before, after = {"quiet": "closed medium"}, {"quiet": "closed medium", "tea": "closed medium"}
    done, back, stays = there_and_back(said(before), said(after))
    assert any(isinstance(change, CreateRoom) and change.room == "tea" for change in done.changes)
    assert {change.room for change in back.changes if change.room == "tea"} == set()
    assert stays[0] == "The room “Tea” was made, and is not deleted: it stands, with who is in it."


def test_a_door_that_was_open_for_a_while_let_people_see_things() -> None:
    _, back, stays = there_and_back(said({"quiet": "closed medium"}), said({"quiet": "open medium"}))
    assert any(isinstance(change, SetState) and change.type == "m.room.join_rules" for change in back.changes)
    assert any("What they have seen, they have seen." in line for line in stays)


def test_what_cannot_be_undone_is_named() -> None:
    community, _ = said({"quiet": "closed medium"})
    encryption = SetState("quiet", "!q", "Quiet", "m.room.encryption", "", None, {"algorithm": "m.megolm.v1.aes-sha2"})
    done, back = Plan(community.id, "p", (encryption,)), Plan(community.id, "p", ())
    assert what_stays(done, back, community)[0].startswith("This stays: “Quiet”: Messages are encrypted from now on.")


@EXAMPLES
@given(communities(), communities())
def test_going_back_brings_back_the_state_of_every_room_that_the_policy_before_knows(
    before: Wanted, after: Wanted
) -> None:
    server = ModelHomeserver(IDENTITIES)
    server.apply(planned(server, before))
    was = dict(server.rooms)
    server.apply(planned(server, after))
    back = planned(server, before)
    server.apply(back)
    assert planned(server, before).empty
    for room_id, room in was.items():
        now = server.rooms[room_id]
        # A link or an address taken down leaves an empty one, and a lifetime taken back says that there is no end.
        kept = {
            key: content for key, content in now.state.items() if content and content != {"max_lifetime": KEPT_FOR_EVER}
        }
        assert kept == dict(room.state)
        present = {user for user, membership in room.members.items() if membership in ("join", "invite")}
        assert present <= {user for user, membership in now.members.items() if membership in ("join", "invite")}


def test_a_plan_back_is_an_ordinary_plan_and_can_be_refused() -> None:
    many = people_of({f"p{number}": "quiet" for number in range(20)})
    groups = {"quiet": "closed medium"}
    _, back, _ = there_and_back(said(groups, people_of({"p0": "quiet"})), said(groups, many))
    assert [share.figures() for share in back.too_much()] == ["95.00% is over 30.00% (19/20 people would be removed)"]


def test_nothing_observed_is_needed_to_say_what_stays() -> None:
    community, people = said({"quiet": "closed medium"})
    made = plan(community, people, Observed({}), IDENTITIES)
    assert what_stays(made, Plan(community.id, "p", ()), community) == ("What was said meanwhile stays.",)
