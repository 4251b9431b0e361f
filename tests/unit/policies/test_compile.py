"""Compiling: which rooms a policy wants, what stands in their state, who may be in them."""

from __future__ import annotations

import random
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from appservice.membership import Standing
from policies.compile import compile_community, policy_digest
from policies.conduct import modes_of_group, modes_of_groups
from policies.defaults import KINDS, RESERVED_KEYS, SHARED_SPACE, SYSTEM_ROOMS, TIERS
from policies.desired import LEFT_TO_PEOPLE, MANAGED_TYPE, DesiredCommunity, MembershipRule, SpaceChild
from policies.explain import explain_community
from policies.federation import Reach
from policies.files import EXAMPLES
from policies.including import read_policy
from policies.load import load_files, load_people, load_policy
from policies.people import People, Person
from policies.schema import Policy

DEMO = (EXAMPLES / "hearth-demo.yaml").read_text(encoding="utf-8")
AMINA, SAM = "@amina:hearth.example", "@sam:hearth.example"
DEMO_PEOPLE = (EXAMPLES / "hearth-demo.people.yaml").read_text(encoding="utf-8")

LIMITS = "accept_limits: {because: Board minute 4, approved_by: deputy}"
GROUPS = {
    "hello": "{name: A, purpose: P, kind: open, tier: low}",
    "inside": "{name: B, purpose: P, kind: open, tier: medium}",
    "lounge": "{name: C, purpose: P, kind: hybrid, tier: medium}",
    "quiet": "{name: D, purpose: P, kind: closed, tier: low}",
    "news": "{name: E, purpose: P, kind: announce, tier: low}",
    "deep": f"{{name: F, purpose: P, kind: closed, tier: high, {LIMITS}}}",
    "door": f"{{name: G, purpose: P, kind: hybrid, tier: high, {LIMITS}}}",
}


def demo() -> DesiredCommunity:
    loaded = load_files(EXAMPLES / "hearth-demo.yaml")
    assert loaded.policy is not None
    assert loaded.people is not None
    return compile_community(loaded.policy, loaded.people)


def policy_with(*groups: str) -> Policy:
    text = DEMO[: DEMO.index("groups:\n")] + "groups:\n" + "".join(f"  {g}: {GROUPS[g]}\n" for g in groups)
    policy = load_policy(text, "f").policy
    assert policy is not None
    return policy


def community_with(*groups: str, people: People | None = None) -> DesiredCommunity:
    return compile_community(policy_with(*groups), people or People({}))


def people(**roles_and_groups: tuple[str, str]) -> People:
    """name=("roles", "groups"), each separated by spaces."""
    persons = {}
    for name, (roles, groups) in roles_and_groups.items():
        user_id = f"@{name}:hearth.example"
        persons[user_id] = Person(user_id, frozenset(roles.split()), frozenset(groups.split()))
    return People(persons)


def test_rooms_come_in_one_order_space_groups_by_id_system_rooms() -> None:
    assert [room.key for room in demo().rooms] == ["space", "bereaved", "welcome", "moderators", "safeguarding", "ops"]


def test_the_closed_room_of_the_demo_is_exactly_this() -> None:
    room = demo().room("bereaved")
    governed = [
        *("m.room.power_levels", "m.room.join_rules", "m.room.history_visibility", "m.room.guest_access"),
        *("m.room.server_acl", "m.room.encryption", "m.room.tombstone", "m.room.canonical_alias", "m.room.retention"),
        *("m.room.policy", "m.space.parent", "m.beacon_info", "org.matrix.msc3672.beacon_info", "m.call.invite"),
        "im.vector.modular.widgets",
    ]
    topic = "For members whose caring has come to an end. Somebody you know will have asked you in."
    assert room.state == {
        ("m.room.name", ""): {"name": "After caring"},
        ("m.room.topic", ""): {"topic": topic},
        ("m.room.join_rules", ""): {"join_rule": "invite"},
        ("m.room.history_visibility", ""): {"history_visibility": "joined"},
        ("m.room.guest_access", ""): {"guest_access": "forbidden"},
        ("m.room.server_acl", ""): {"allow": ["hearth.example"], "deny": [], "allow_ip_literals": False},
        ("m.room.canonical_alias", ""): {"alias": "#hearth-bereaved:hearth.example"},
        ("m.room.power_levels", ""): {
            "users": {"@amina:hearth.example": 75, "@dewi:hearth.example": 75},
            "users_default": 0,
            "events_default": 0,
            "state_default": 150,
            "invite": 50,
            "kick": 50,
            "ban": 50,
            "redact": 50,
            "notifications": {"room": 50},
            "events": {
                **dict.fromkeys(governed, 150),
                **dict.fromkeys(("m.room.name", "m.room.topic", "m.room.avatar", "m.room.pinned_events"), 50),
                "m.reaction": 0,
                "m.room.redaction": 0,
            },
        },
        ("org.inglenook.managed", ""): {
            "community": "hearth",
            "group": "bereaved",
            "policy": demo().policy_digest,
        },
        ("m.room.retention", ""): {"max_lifetime": 365 * 24 * 3600 * 1000},
    }
    assert room.creation_content == {
        "m.federate": False,
        "org.inglenook.managed": {"community": "hearth", "group": "bereaved"},
    }
    assert (room.room_version, room.room_type, room.alias_localpart) == ("12", None, "hearth-bereaved")
    assert room.membership == MembershipRule(groups=("bereaved",), reach=Reach("hearth.example"))
    assert room.parent is None


def test_the_space_is_a_space_in_which_nobody_writes() -> None:
    space = demo().room("space")
    assert space.room_type == "m.space"
    assert space.creation_content["type"] == "m.space"
    assert space.state["m.room.power_levels", ""]["events_default"] == 100
    assert space.topic.endswith("Not a crisis service: in immediate danger call 999.")


@pytest.mark.parametrize(
    ("group", "join_rule", "history", "events_default"),
    [
        ("hello", "public", "shared", 0),
        ("inside", "restricted", "shared", 0),
        ("lounge", "knock", "joined", 0),
        ("quiet", "invite", "joined", 0),
        ("news", "restricted", "shared", 50),
        ("deep", "invite", "joined", 0),
        ("door", "knock", "joined", 0),
    ],
)
def test_kind_and_tier_decide_the_door_the_history_and_who_writes(
    group: str, join_rule: str, history: str, events_default: int
) -> None:
    state = community_with(*GROUPS).room(group).state
    assert state["m.room.join_rules", ""]["join_rule"] == join_rule
    assert state["m.room.history_visibility", ""] == {"history_visibility": history}
    assert state["m.room.guest_access", ""] == {"guest_access": "forbidden"}
    assert state["m.room.power_levels", ""]["events_default"] == events_default


def test_an_open_space_shows_neither_closed_groups_nor_those_of_tier_high() -> None:
    community = community_with(*GROUPS)
    space = community.room("space")
    assert space.state["m.room.join_rules", ""] == {"join_rule": "public"}
    assert space.membership.anyone
    assert space.children == tuple(
        SpaceChild(key, order)
        for key, order in (("hello", "00010"), ("inside", "00020"), ("lounge", "00030"), ("news", "00040"))
    )
    assert {room.key for room in community.rooms if room.parent == "space"} == {"hello", "inside", "lounge", "news"}


def test_a_space_without_open_groups_is_closed_and_shows_closed_groups_to_approved_people() -> None:
    space = community_with("lounge", "quiet", "news", "deep").room("space")
    assert space.state["m.room.join_rules", ""] == {"join_rule": "invite"}
    assert [child.key for child in space.children] == ["lounge", "news", "quiet"]
    assert space.membership.admits(Person("@a:hearth.example", groups=frozenset({"quiet"})))
    assert space.membership.admits(Person("@a:hearth.example", roles=frozenset({"moderator"})))
    assert not space.membership.admits(Person("@a:hearth.example"))


def test_people_of_a_high_tier_group_are_not_put_where_others_could_list_them() -> None:
    space = community_with("quiet", "deep").room("space")
    assert not space.membership.admits(Person("@a:hearth.example", groups=frozenset({"deep"})))


def test_announcements_reach_whoever_may_be_in_the_space() -> None:
    assert community_with("hello", "news").room("news").membership == MembershipRule(
        anyone=True, reach=Reach("hearth.example")
    )
    closed = community_with("quiet", "news")
    assert closed.room("news").membership == closed.room("space").membership


def test_system_rooms_are_for_holders_of_their_duty_and_the_owners() -> None:
    community = demo()
    assert {room.key: room.membership.roles for room in community.rooms if room.kind == "system"} == {
        "moderators": ("deputy", "lead", "moderator"),
        "safeguarding": ("deputy", "lead"),
        "ops": ("admin",),
    }
    for room in community.rooms:
        if room.kind == "system":
            assert room.state["m.room.join_rules", ""] == {"join_rule": "invite"}
            assert room.state["m.room.history_visibility", ""] == {"history_visibility": "joined"}
            assert room.parent is None
            assert room.tier is None
            assert not room.membership.admits(Person("@a:hearth.example", groups=frozenset({"bereaved"})))


def test_owners_are_in_the_safeguarding_room_whatever_their_roles_can() -> None:
    policy = load_policy(DEMO.replace("      - safeguard\n", ""), "f").policy
    assert policy is not None
    assert compile_community(policy, People({})).room("safeguarding").membership.roles == ("deputy", "lead")


def test_who_answers_for_safeguarding_can_act_on_the_cases_that_they_are_called_to() -> None:
    """Whatever else their role can do: nobody else may be there."""
    policy = load_policy(DEMO.replace("      - safeguard\n", ""), "f").policy
    assert policy is not None
    people = People({one: Person(one, roles) for one, roles in ((AMINA, frozenset({"lead"})), (SAM, frozenset[str]()))})
    rules = Standing("hearth.example", policy, compile_community(policy, people), people)
    assert rules.can("hearth", AMINA, "safeguard")
    assert rules.holders("hearth", "safeguard") == (AMINA,)
    assert not rules.can("hearth", SAM, "safeguard")
    (said,) = [one.words for one in explain_community(policy, read_policy(DEMO, "f")) if one.about == "role lead"]
    assert said.endswith("safeguard. Who answers for safeguarding can always act on a case.")


def test_nobody_has_power_in_a_room_that_they_may_not_be_in() -> None:
    staff = people(mo=("moderator", ""), lee=("lead", "quiet"), kit=("admin moderator", "quiet"), ann=("", "quiet"))
    community = community_with("hello", "quiet", people=staff)
    levels = {room.key: room.state["m.room.power_levels", ""]["users"] for room in community.rooms}
    assert levels["quiet"] == {"@lee:hearth.example": 75, "@kit:hearth.example": 90}
    assert levels["hello"] == {"@mo:hearth.example": 50, "@lee:hearth.example": 75, "@kit:hearth.example": 90}
    assert levels["safeguarding"] == {"@lee:hearth.example": 75}
    assert levels["ops"] == {"@kit:hearth.example": 90}


def test_a_role_that_the_policy_does_not_know_carries_no_power() -> None:
    community = community_with("hello", people=people(eve=("emperor", "")))
    assert community.room("hello").state["m.room.power_levels", ""]["users"] == {}


def test_name_and_topic_are_left_to_people_and_all_else_is_governed() -> None:
    for room in demo().rooms:
        assert room.state.keys() >= LEFT_TO_PEOPLE
    assert {("m.room.name", ""), ("m.room.topic", "")} == LEFT_TO_PEOPLE


def test_links_are_filled_in_as_rooms_get_ids() -> None:
    community = community_with("hello", "inside", "quiet")
    assert community.complete_state("inside", {})["m.room.join_rules", ""] == {"join_rule": "restricted", "allow": []}
    ids = {"space": "!space", "hello": "!hello"}
    inside = community.complete_state("inside", ids)
    assert inside["m.room.join_rules", ""] == {
        "join_rule": "restricted",
        "allow": [{"type": "m.room_membership", "room_id": "!space"}],
    }
    assert inside["m.space.parent", "!space"] == {"via": ["hearth.example"], "canonical": True}
    space = community.complete_state("space", ids)
    children = {key: content for key, content in space.items() if key[0] == "m.space.child"}
    assert children == {("m.space.child", "!hello"): {"via": ["hearth.example"], "order": "00010"}}
    assert not any(kind.startswith("m.space.") for kind, _ in community.complete_state("quiet", ids))


def test_filling_in_links_changes_nothing_that_was_compiled() -> None:
    community = community_with(*GROUPS)
    before = repr(community)
    community.complete_state("inside", {"space": "!space"})
    assert repr(community) == before


def test_no_person_stands_above_90_and_nothing_governed_below_150() -> None:
    for room in demo().rooms:
        levels = room.state["m.room.power_levels", ""]
        users = levels["users"]
        assert isinstance(users, dict)
        assert max(users.values(), default=0) <= 90
        assert levels["state_default"] == 150


def test_every_kind_tier_and_system_room_says_why_it_is_as_it_is() -> None:
    assert all(row.because for row in KINDS.values())
    assert all(row.because for row in TIERS.values())
    assert {room.key for room in SYSTEM_ROOMS} | {"space", SHARED_SPACE} == RESERVED_KEYS
    assert all(tier.needs_accept_limits == (name in ("high", "children")) for name, tier in TIERS.items())


# One meaning, however it is written


def shuffled(data: Any, rng: random.Random) -> Any:
    if isinstance(data, dict):
        items = [(key, shuffled(value, rng)) for key, value in data.items()]
        rng.shuffle(items)
        return dict(items)
    if isinstance(data, list):  # every list of the language is a set
        return rng.sample(data, len(data))
    return data


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_compiling_does_not_depend_on_the_order_of_keys(rng: random.Random) -> None:
    policy_text = yaml.safe_dump(shuffled(yaml.safe_load(DEMO), rng), sort_keys=False)
    people_text = yaml.safe_dump(shuffled(yaml.safe_load(DEMO_PEOPLE), rng), sort_keys=False)
    policy = load_policy(policy_text, "f").policy
    assert policy is not None
    loaded = load_people(people_text, "p", policy)
    assert loaded.people is not None
    assert repr(compile_community(policy, loaded.people)) == repr(demo())


def test_comments_quotes_and_ways_to_write_hours_do_not_change_the_digest() -> None:
    text = "# note\n" + DEMO.replace("name: Hearth", 'name: "Hearth"').replace(
        "Mon-Fri 09", "mon-thu 9:00-17:00, Fri 9"
    )
    policy = load_policy(text, "f").policy
    assert policy is not None
    assert policy_digest(policy) == demo().policy_digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: Hearth", "name: Heart"),
        ("level: 50", "level: 51"),
        ("17:00", "17:30"),
        ("      - operate", "      - moderate"),
    ],
)
def test_whatever_the_policy_says_otherwise_changes_the_digest(old: str, new: str) -> None:
    policy = load_policy(DEMO.replace(old, new, 1), "f").policy
    assert policy is not None
    assert policy_digest(policy) != demo().policy_digest
    assert policy_digest(policy).startswith("sha256:")


RULES = """
rules:
  bullying: enforce
  hate: shadow
  phishing: {mode: shadow, because: It found too much., approved_by: deputy}
"""


def test_a_policy_that_names_no_rules_has_the_digest_from_before_rules_could_be_named() -> None:
    before = "sha256:27ad8e6530bced1be4530a3f5db7b23d"
    policy = load_policy(DEMO.replace("schema: 2", "schema: 1") + "\nrules: {}\n", "f").policy
    assert policy is not None
    assert policy_digest(policy).startswith(before)
    now = load_policy(DEMO + "\nrules: {}\n", "f").policy
    assert now is not None
    assert policy_digest(now) == demo().policy_digest != policy_digest(policy)


def test_the_order_of_rules_and_how_they_are_written_do_not_change_the_digest_and_what_they_say_does() -> None:
    turned = """
rules:
  phishing: {approved_by: deputy, mode: shadow, because: It found too much.}
  hate: {mode: shadow}
  bullying: enforce
"""
    digests = []
    for rules in (RULES, turned, RULES.replace("hate: shadow", "hate: enforce"), ""):
        policy = load_policy(DEMO + rules, "f").policy
        assert policy is not None
        digests.append(policy_digest(policy))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_rules_change_nothing_of_a_room_but_the_mark_of_the_policy() -> None:
    policy = load_policy(DEMO + RULES, "f").policy
    assert policy is not None
    loaded = load_people(DEMO_PEOPLE, "p", policy)
    assert loaded.people is not None
    with_rules = compile_community(policy, loaded.people)
    mark = (MANAGED_TYPE, "")
    for one, other in zip(with_rules.rooms, demo().rooms, strict=True):
        assert {key: one.state[key] for key in one.state if key != mark} == {
            key: other.state[key] for key in other.state if key != mark
        }


def test_the_tier_of_a_group_says_which_rules_look_there_and_a_rule_that_is_named_looks_everywhere() -> None:
    policy = load_policy(DEMO + RULES, "f").policy
    plain = load_policy(DEMO, "f").policy
    assert policy is not None
    assert plain is not None
    low = {"personal_data": "enforce", "phishing": "enforce", "self_harm_encouragement": "shadow"}
    assert modes_of_group(plain, "low") == low
    assert modes_of_group(plain, "medium") == low | {"bullying": "shadow", "hate": "shadow"}
    assert modes_of_group(policy, "low") == low | {"phishing": "shadow", "bullying": "enforce", "hate": "shadow"}
    assert set(modes_of_groups(plain)) == set(plain.groups)
