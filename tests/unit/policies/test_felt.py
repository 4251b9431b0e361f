"""What members are told when another policy holds: what they feel, of groups that were there before."""

from __future__ import annotations

from typing import Any

import pytest

from policies.felt import felt
from policies.files import EXAMPLES
from policies.load import load_policy
from policies.schema import CodeOfConduct, Group, Policy

LISTED = {"value": "directory", "because": "Board minute 4", "approved_by": "deputy"}


def policy() -> Policy:
    found = load_policy((EXAMPLES / "leeds-carers.yaml").read_bytes(), "p.yaml").policy
    assert found is not None
    return found


def changed(group: str = "carers-lounge", **more: Any) -> Policy:
    said = policy()
    now = Group.model_validate(said.groups[group].model_dump(by_alias=True) | more)
    return said.model_copy(update={"groups": {**said.groups, group: now}})


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"history": "invited"}, {"new_history": "invited"}),
        ({"kind": "closed"}, {"new_join": "invite"}),
        ({"kind": "open"}, {"new_history": "shared", "new_join": "restricted"}),
        ({"posting": "moderators"}, {"new_posting": "moderators"}),
        ({"retention": "30 days"}, {"new_retention": "30"}),
        ({"capacity": 12}, {"new_capacity": "12"}),
        ({"posting": {"slow": "30s"}}, {"new_slow": "30s"}),
        ({"posting": {"first_messages": 3}}, {"new_first": "3"}),
        ({"media": "none"}, {"new_media": "none"}),
        ({"pins": "nobody"}, {"new_pins": "nobody"}),
        ({"publish": LISTED}, {"new_publish": "listed"}),
    ],
)
def test_what_members_feel_is_told_of_that_group_alone(more: dict[str, Any], told: dict[str, str]) -> None:
    assert felt(policy(), changed(**more)) == {"carers-lounge": told}


def test_what_goes_away_is_told_too() -> None:
    assert felt(changed(capacity=12, retention="30 days"), policy()) == {
        "carers-lounge": {"new_retention": "365", "new_capacity": "none"}  # as its tier has it
    }
    assert felt(changed(publish=LISTED), changed(publish="nothing")) == {"carers-lounge": {"new_publish": "unlisted"}}
    forever = {"value": "forever", "because": "Board minute 4", "approved_by": "deputy"}
    assert felt(policy(), changed(retention=forever)) == {"carers-lounge": {"new_retention": "none"}}
    assert felt(changed(media="none", pins="nobody"), policy()) == {
        "carers-lounge": {"new_media": "allowed", "new_pins": "moderators"}
    }


@pytest.mark.parametrize("what", [{"version": "2027-01"}, {"text": "Be kind, and ask first."}])
def test_another_code_of_conduct_is_told_in_each_group(what: dict[str, str]) -> None:
    said = policy()
    code = CodeOfConduct(version="2026-09", text="Be kind.")
    before, after, without = (
        said.model_copy(update={"community": said.community.model_copy(update={"code_of_conduct": one})})
        for one in (code, code.model_copy(update=what), None)
    )
    assert felt(before, after) == {key: {"new_conduct": what.get("version", "2026-09")} for key in said.groups}
    assert felt(before, without) == {key: {"new_conduct": "none"} for key in said.groups}
    assert felt(before, before) == {}


@pytest.mark.parametrize(
    "more",
    [{"welcome": "Hello."}, {"name": "Lounge"}, {"media": "allowed"}, {"purpose": "Talk."}, {"publish": "nothing"}],
)
def test_what_members_do_not_feel_is_not_told(more: dict[str, Any]) -> None:
    assert felt(policy(), changed(**more)) == {}


def test_a_group_that_is_new_or_gone_tells_nobody() -> None:
    said = policy()
    fewer = said.model_copy(update={"groups": {key: one for key, one in said.groups.items() if key != "welcome"}})
    assert felt(fewer, said) == {}
    assert felt(said, fewer) == {}
