"""Other servers: what a policy that opens its community becomes, and what never leaves the homeserver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from policies.compile import compile_community, policy_digest
from policies.defaults import SHARED_SPACE
from policies.desired import DesiredCommunity, DesiredRoom
from policies.explain import explain_community, explain_room, rooms_to_explain
from policies.federation import Reach, homeserver_settings, reach_of_community, reach_of_group
from policies.intent import weakenings
from policies.load import load_policy
from policies.people import People, Person
from policies.schema import Policy
from policies.source import read_yaml
from tests.unit.plan.worlds import policy_with

HOME = "chat.example"
PARTNER, OTHER, STRANGER = "chat.partner.example", "chat.other.example", "chat.stranger.example"
VOUCHED = {"because": "Board minute 4", "approved_by": "deputy"}
PARTNERS = {"mode": "partners", "servers": [PARTNER, OTHER], **VOUCHED}
OPEN = {"mode": "open", "deny": ["chat.trouble.example"], **VOUCHED}
GROUPS = {
    "hello": "open low",
    "inside": "open medium",
    "lounge": "hybrid medium",
    "news": "announce low",
    "quiet": "closed medium",
    "grief": "closed high",
    "here": "hybrid low,federation=closed",
}


def policy(groups: Mapping[str, Any] = GROUPS, federation: Any = PARTNERS) -> Policy:
    return policy_with(groups, federation=federation)


def community(groups: Mapping[str, Any] = GROUPS, federation: Any = PARTNERS) -> DesiredCommunity:
    return compile_community(policy(groups, federation), People({}))


def acl(room: DesiredRoom) -> Mapping[str, object]:
    return room.state["m.room.server_acl", ""]


def links(of: DesiredCommunity, key: str) -> set[str]:
    """Every room that the state of a room names, given that ids are keys."""
    ids = {room.key: room.key for room in of.rooms}
    state = of.complete_state(key, ids)
    found = {state_key for (event_type, state_key), _ in state.items() if event_type.startswith("m.space.")}
    allow = state["m.room.join_rules", ""].get("allow", [])
    assert isinstance(allow, list)
    return found | {one["room_id"] for one in allow}


# What leaves, and what stays


def test_a_community_that_says_nothing_is_closed_and_each_of_its_rooms_stays() -> None:
    for federation in (None, "closed"):
        made = community({"hello": "open low", "news": "announce low"}, federation)
        assert not made.reach.federates
        for room in made.rooms:
            assert room.creation_content["m.federate"] is False
            assert acl(room) == {"allow": [HOME], "deny": [], "allow_ip_literals": False}
            assert room.addressed
        assert SHARED_SPACE not in {room.key for room in made.rooms}


def test_what_a_community_opens_leaves_and_nothing_else_does() -> None:
    made = community()
    leaves = {room.key for room in made.rooms if room.creation_content["m.federate"] is True}
    assert leaves == {SHARED_SPACE, "hello", "inside", "lounge", "news"}
    for room in made.rooms:
        allow = [HOME, OTHER, PARTNER] if room.key in leaves else [HOME]
        assert acl(room) == {"allow": allow, "deny": [], "allow_ip_literals": False}


def test_open_to_any_server_but_those_denied() -> None:
    made = community(federation=OPEN)
    assert acl(made.room("hello")) == {"allow": ["*"], "deny": ["chat.trouble.example"], "allow_ip_literals": False}
    assert acl(made.room("quiet"))["allow"] == acl(made.room("space"))["allow"] == [HOME]


def test_a_server_list_names_servers_without_their_ports_and_home_with_it_too() -> None:
    reach = Reach(f"{HOME}:8448", "partners", (f"{PARTNER}:8449",))
    assert reach.server_acl()["allow"] == [f"{HOME}:8448", HOME, PARTNER]
    # Also of a closed room: a partner's server must go on believing ours when its people are seen out.
    assert Reach(f"{HOME}:8448").server_acl()["allow"] == [f"{HOME}:8448", HOME]
    assert reach.admits(f"{PARTNER}:8449")
    assert not reach.admits(PARTNER)
    assert not Reach(HOME, "open", (), (f"{STRANGER}:1",)).admits(f"{STRANGER}:2")


@pytest.mark.parametrize(
    "written", ["chat.trouble.example", "Chat.TROUBLE.example", "chat.trouble.example.", "chat.trouble.EXAMPLE.:8448"]
)
@pytest.mark.parametrize("denied", ["chat.trouble.example", "chat.trouble.example.", "chat.trouble.example:8449"])
def test_a_server_that_is_kept_out_is_kept_out_however_its_name_is_written(written: str, denied: str) -> None:
    reach = Reach(HOME, "open", deny=(denied,))
    assert not reach.lets(f"@eve:{written}")
    assert reach.lets(f"@rosa:{PARTNER}")
    assert reach.server_acl()["deny"] == ["chat.trouble.example"]
    assert reach.covers(Reach(HOME, "open", deny=(written,)))


def test_a_partner_is_let_in_however_its_name_is_written_but_for_its_port() -> None:
    reach = Reach(HOME, "partners", (f"{PARTNER}.",))
    assert reach.server_acl()["allow"] == [HOME, PARTNER]
    for written in (PARTNER, PARTNER.upper(), f"{PARTNER}."):
        assert reach.lets(f"@rosa:{written}")
    assert not reach.lets(f"@rosa:{PARTNER}:8449")
    assert not reach.lets(f"@rosa:{OTHER}")


@pytest.mark.parametrize("server", ["chat.example", "chat.example:8449"])
def test_a_policy_that_would_keep_its_own_server_out_is_refused(server: str) -> None:
    with pytest.raises(AssertionError, match="is this community's own server"):
        policy(federation={**OPEN, "deny": [server]})


@pytest.mark.parametrize("federation", [PARTNERS, OPEN])
def test_no_room_that_leaves_names_one_that_stays(federation: Any) -> None:
    made = community(federation=federation)
    stays = {room.key for room in made.rooms if room.creation_content["m.federate"] is False}
    for room in made.rooms:
        if room.key not in stays:
            assert links(made, room.key).isdisjoint(stays), room.key
    assert links(made, SHARED_SPACE) == {"hello", "inside", "lounge", "news"}
    assert links(made, "space") == {SHARED_SPACE, "here"}


def test_people_of_partners_come_into_restricted_rooms_by_the_shared_space() -> None:
    made = community()
    for key in ("inside", "news"):
        assert made.room(key).join_through == (SHARED_SPACE,)
        assert made.room(key).parent == SHARED_SPACE


def test_what_only_some_partners_may_enter_is_not_shown_to_all_of_them() -> None:
    made = community(
        {"hello": "open low", "two": {"kind": "hybrid", "federation": {"mode": "partners", "servers": [PARTNER]}}}
    )
    assert acl(made.room("two"))["allow"] == [HOME, PARTNER]
    assert links(made, SHARED_SPACE) == {"hello"}
    assert links(made, "space") == {SHARED_SPACE, "two"}
    assert made.room("two").parent is None


def test_what_nobody_may_learn_of_has_no_address_while_servers_ask_where_one_leads() -> None:
    made = community()
    bare = {room.key for room in made.rooms if ("m.room.canonical_alias", "") not in room.state}
    assert bare == {"quiet", "grief", "moderators", "safeguarding", "ops"}
    assert bare == {room.key for room in made.rooms if not room.addressed}


def test_other_servers_are_given_no_past_unless_somebody_answers_for_it() -> None:
    made = community()
    for key in (SHARED_SPACE, "hello", "news"):
        assert made.room(key).state["m.room.history_visibility", ""] == {"history_visibility": "joined"}
    assert community(federation=None).room("hello").state["m.room.history_visibility", ""] == {
        "history_visibility": "shared"
    }
    wide = policy({"hello": {"kind": "open", "history": {"value": "shared", **VOUCHED}}})
    assert [(one.group, one.what) for one in weakenings(wide)] == [(None, "federation"), ("hello", "history")]


# Who may be there


@pytest.mark.parametrize(
    ("key", "server", "admitted"),
    [
        ("hello", HOME, True),
        ("hello", PARTNER, True),
        ("hello", STRANGER, False),
        ("here", HOME, True),
        ("here", PARTNER, False),
        ("lounge", PARTNER, True),
        ("quiet", PARTNER, False),
        ("moderators", PARTNER, False),
        ("space", PARTNER, False),
        (SHARED_SPACE, PARTNER, True),
        (SHARED_SPACE, STRANGER, False),
    ],
)
def test_people_are_admitted_by_their_server_first(key: str, server: str, admitted: bool) -> None:
    everything = Person(f"@sam:{server}", frozenset({"lead", "deputy"}), frozenset(GROUPS))
    assert community().room(key).membership.admits(everything) is admitted


def test_without_an_open_group_the_shared_space_is_for_who_is_approved_for_one_that_it_shows() -> None:
    made = community({"lounge": "hybrid low", "quiet": "closed low"})
    shared = made.room(SHARED_SPACE)
    assert shared.state["m.room.join_rules", ""] == {"join_rule": "invite"}
    assert shared.membership.admits(Person(f"@sam:{PARTNER}", groups=frozenset({"lounge"})))
    assert not shared.membership.admits(Person(f"@sam:{PARTNER}"))
    # Here approved people find everything: what they are approved for is in one of the two spaces.
    assert made.room("space").membership.admits(Person(f"@sam:{HOME}", groups=frozenset({"lounge"})))
    assert links(made, "space") == {SHARED_SPACE, "quiet"}


@pytest.mark.parametrize(
    ("group", "whole", "mode", "servers"),
    [
        (None, PARTNERS, "partners", (OTHER, PARTNER)),
        ("partners", PARTNERS, "partners", (OTHER, PARTNER)),
        ({"mode": "partners", "servers": [PARTNER]}, PARTNERS, "partners", (PARTNER,)),
        ({"mode": "partners", "servers": [PARTNER]}, OPEN, "partners", (PARTNER,)),
        ("open", OPEN, "open", ()),
        ("closed", OPEN, "closed", ()),
    ],
)
def test_a_group_takes_part_in_what_the_community_opens_or_in_less(
    group: Any, whole: Any, mode: str, servers: tuple[str, ...]
) -> None:
    made = policy({"hello": {"kind": "open", **({"federation": group} if group else {})}}, whole)
    reach = reach_of_group(made, made.groups["hello"])
    assert (reach.mode, reach.servers) == (mode, servers)
    assert reach_of_community(made).covers(reach)


def test_reaches_cover_what_lets_in_less() -> None:
    two, one = Reach(HOME, "partners", (OTHER, PARTNER)), Reach(HOME, "partners", (PARTNER,))
    anybody, most = Reach(HOME, "open"), Reach(HOME, "open", (), (PARTNER,))
    assert two.covers(one)
    assert anybody.covers(two)
    assert anybody.covers(most)
    assert most.covers(Reach(HOME))
    for narrow, wide in ((one, two), (two, anybody), (most, anybody), (most, one)):
        assert not narrow.covers(wide)


# Said in one way, whatever way it is written


def test_the_order_of_servers_means_nothing() -> None:
    turned = {**PARTNERS, "servers": [OTHER, PARTNER]}
    assert policy_digest(policy(federation=turned)) == policy_digest(policy())


def test_who_says_nothing_of_servers_has_the_digest_from_before_one_could() -> None:
    plain = policy_with({"hello": "open low"})
    assert "federation" not in plain.community.model_fields_set
    assert policy_digest(plain) == policy_digest(policy({"hello": "open low"}, None))
    assert policy_digest(plain) != policy_digest(policy({"hello": "open low"}))


@pytest.mark.parametrize(
    ("federation", "servers"), [(None, []), (PARTNERS, [OTHER, PARTNER]), (OPEN, None), ("closed", [])]
)
def test_the_homeserver_is_told_whom_to_talk_to_and_to_tell_them_nothing_else(federation: Any, servers: Any) -> None:
    told = homeserver_settings(reach_of_community(policy(federation=federation)))
    assert told["federation_domain_whitelist"] == servers
    assert not any(told[name] for name in told if name.startswith("allow_"))


# In plain words


def test_what_holds_of_other_servers_is_explained_with_where_it_comes_from() -> None:
    text = """schema: 1
community:
  id: c
  name: C
  purpose: P.
  not_for: N.
  server: chat.example
  owners: {safeguarding_lead: lead, deputy: deputy}
  hours: Mon-Fri 09:00-17:00 Europe/London
  federation:
    mode: partners
    servers: [chat.partner.example]
    because: We run this with them.
    approved_by: safeguarding_lead
roles:
  lead: {level: 75, can: [moderate, safeguard, operate, approve_join]}
  deputy: {level: 75, can: [safeguard]}
groups:
  hello: {name: Hello, purpose: H., kind: open, tier: low}
  quiet: {name: Quiet, purpose: Q., kind: closed, tier: low}
  here: {name: Here, purpose: H., kind: hybrid, tier: low, federation: closed}
"""
    loaded, source = load_policy(text, "f"), read_yaml(text, "f")
    assert loaded.policy is not None, loaded.findings
    assert loaded.findings == ()
    assert SHARED_SPACE in rooms_to_explain(loaded.policy)

    def told(key: str) -> tuple[str, str]:
        found = explain_room(loaded.policy, source, key) if key else explain_community(loaded.policy, source)  # type: ignore[arg-type]
        [one] = [one for one in found if one.about == "other servers"]
        return one.words, str(one.origin)

    words, origin = told("")
    assert words.startswith("Only people of chat.example, chat.partner.example can take part.")
    assert origin == "f:10. The safeguarding lead answers for it: We run this with them."
    assert told("hello") == (words, origin)
    assert told("here") == ("Only people of chat.example can take part.", "f:21")
    words, origin = told("quiet")
    assert words.endswith("The room has no address, since other servers could ask where it leads.")
    assert "never leaves its homeserver" in origin
    assert "never leaves its homeserver" in told("safeguarding")[1]
    assert "chat.partner.example" in told(SHARED_SPACE)[0]
