"""Effects as values: recorded and revived unchanged, said in one breath, without a member's words."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appservice.flow import (
    Card,
    DirectMessage,
    Effect,
    EnsureDirectRoom,
    Event,
    EventInput,
    Facts,
    Ghosts,
    Identity,
    Lane,
    Notice,
    Origin,
    Place,
    RoomFacts,
    effect_from_record,
)
from appservice.flow.effects import _TYPES
from appservice.service.detectors import personal_data
from policies.load import load_files
from tests.support.paths import POLICIES

text = st.text(st.characters(codec="utf-8"), max_size=20)
items = st.lists(st.dictionaries(text, text, max_size=3), max_size=5).map(tuple)
SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "lane": st.builds(Lane, text, text),
    "identity": st.sampled_from(Identity),
    "ordinal": st.integers(0, 99),
    "after": st.none() | text,
    "items": items,
}


def any_of(effect_type: type[Effect]) -> st.SearchStrategy[Effect]:
    """Effects of one type with whatever their fields may hold; all but `SPECIAL` are text."""
    return st.builds(effect_type, **{one.name: SPECIAL.get(one.name, text) for one in fields(effect_type)})


EVERY_TYPE = {name: any_of(effect_type) for name, effect_type in _TYPES.items() if name}
notices = any_of(Notice).map(lambda one: one if isinstance(one, Notice) else notice())


def notice(*said: dict[str, str], source: str = "$1") -> Notice:
    return Notice(source=source, rule="r", lane=Lane("h", "!r"), room_id="!r", text="t", items=said)


@pytest.mark.parametrize("name", EVERY_TYPE)
def test_an_effect_comes_back_from_its_record_as_it_was(name: str) -> None:
    @given(EVERY_TYPE[name])
    def check(effect: Effect) -> None:
        revived = effect_from_record(orjson.loads(orjson.dumps(effect.record())))
        assert revived == effect
        assert revived.key == effect.key
        assert revived.merge_key == effect.merge_key

    check()


SAM = "@sam:hearth.example"
TO_SAM: list[Effect] = [
    DirectMessage(source="$1", rule="r", lane=Lane("h", "!r"), text="t", user_id=SAM),
    Card(source="$1", rule="r", lane=Lane("h", "!r"), text="t", community="c", place="moderators", about=SAM),
    EnsureDirectRoom(source="$1", rule="r", lane=Lane("h", "!r"), user_id=SAM),
]


@pytest.mark.parametrize("effect", TO_SAM, ids=lambda effect: effect.type)
def test_an_effect_tells_whom_it_is_about_apart_from_its_description_so_that_they_can_be_forgotten(
    effect: Effect,
) -> None:
    assert effect.person == SAM
    assert SAM not in effect.describe()


@pytest.mark.parametrize("name", ["", "a type of a later version"])
def test_a_record_of_an_unknown_type_is_refused_as_such(name: str) -> None:
    record = notice().record() | {"type": name}
    with pytest.raises((KeyError, TypeError)):
        effect_from_record(record)


@pytest.mark.parametrize("damage", [{"lane": {}}, {"identity": "nobody"}, {"surprise": 1}])
def test_a_damaged_record_is_refused_with_an_error_that_the_outbox_expects(damage: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        effect_from_record(notice().record() | damage)


@given(notices, st.lists(notices, max_size=4))
def test_joining_keeps_the_key_and_says_everything_once(lead: Notice, others: list[Notice]) -> None:
    joined = lead.joined(tuple(others))
    assert joined.key == lead.key
    wanted = [item for one in (lead, *others) for item in one.items]
    assert all(item in wanted for item in joined.items)
    assert all(item in joined.items for item in wanted)


@given(notices, st.lists(notices, max_size=4))
def test_joining_the_same_again_changes_nothing(lead: Notice, others: list[Notice]) -> None:
    once = lead.joined(tuple(others))
    assert once.joined(tuple(others)) == once


def test_joining_keeps_the_order_in_which_things_were_decided() -> None:
    joined = notice({"n": "1"}).joined((notice({"n": "2"}), notice({"n": "1"}, {"n": "3"})))
    assert [item["n"] for item in joined.items] == ["1", "2", "3"]


def test_joining_loses_nobody_however_many_there_are() -> None:
    many = tuple(notice({"n": str(n)}) for n in range(300))
    assert len(notice().joined(many).items) == 300


def test_two_identities_never_speak_in_one_breath() -> None:
    one = notice()
    other = Notice(
        source="$1", rule="r", lane=Lane("h", "!r"), room_id="!r", text="t", items=(), identity=Identity.STEWARD
    )
    assert one.merge_key != other.merge_key
    assert one.key != other.key


# -- no member's words -------------------------------------------------------------------------------------------------

GHOSTS = Ghosts("@steward:hearth.example", "@guardian:hearth.example", "@custodian:hearth.example")
PHONE = "07700 900123"


@pytest.mark.parametrize("own", [True, False], ids=["their own number", "somebody else's number"])
@pytest.mark.parametrize("wrap", ["plain", "html", "caption", "edit"])
def test_no_effect_carries_a_word_of_the_message_that_caused_it(own: bool, wrap: str) -> None:
    loaded = load_files(POLICIES / "hearth-demo.yaml", POLICIES / "hearth-demo.people.yaml")
    assert loaded.policy is not None
    said = f"Quillfeather {'my number is' if own else 'ring Jo Quillfeather on'} {PHONE}"
    content: dict[str, Any] = {"msgtype": "m.text", "body": said}
    if wrap == "html":
        content |= {"format": "org.matrix.custom.html", "formatted_body": f"<b>{said}</b>"}
    elif wrap == "caption":
        content = {"msgtype": "m.image", "body": said, "filename": "cat.jpg", "url": "mxc://hearth.example/x"}
    elif wrap == "edit":
        content |= {"m.new_content": content, "m.relates_to": {"rel_type": "m.replace", "event_id": "$earlier"}}
    event = Event("$bad", "!group", "@sam:hearth.example", "m.room.message", content, 1)
    room = RoomFacts("!group", Place.GROUP, "hearth", "welcome")
    facts = Facts(now_ms=1, room=room, ghosts=GHOSTS, server_name="hearth.example")
    effects = list(personal_data(loaded.policy).handle(EventInput("hearth.example", event, Origin.PUSH, 1), facts))
    assert effects
    recorded = orjson.dumps([effect.record() for effect in effects]).decode()
    described = " ".join(effect.describe() for effect in effects)
    for word in ("Quillfeather", "07700", "900123", "900 123"):
        assert word not in recorded
        assert word not in described
