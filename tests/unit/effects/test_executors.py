"""Executors: said once, marked with their effect's key, looked up where the homeserver may have forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from appservice.effects import KEY_FIELD, NoticeExecutor, RedactExecutor, Speaker
from appservice.effects import executors as module
from appservice.flow import Attempt, Done, Identity, Item, Lane, Notice, Redact, Refused, Rendered
from appservice.matrix import Actor, Rejected
from tests.support.house import GHOSTS, GROUP, SERVER
from tests.support.stub_homeserver import Call, ScriptedHomeserver

GUARDIAN, STEWARD = Actor(GHOSTS.guardian, "D"), Actor(GHOSTS.steward, "D")


class Counts:
    """A wording that says how many things it was asked to speak of."""

    def render(self, text: str, items: tuple[Item, ...]) -> Rendered:
        return Rendered(body=f"{text} {len(items)}", html=f"<p>{text} {len(items)}</p>")


@pytest.fixture
def homeserver() -> ScriptedHomeserver:
    return ScriptedHomeserver()


@pytest.fixture
def speaker(homeserver: ScriptedHomeserver) -> Speaker:
    return Speaker(homeserver, {Identity.GUARDIAN: GUARDIAN, Identity.STEWARD: STEWARD}, Counts())


def redact(identity: Identity = Identity.GUARDIAN) -> Redact:
    return Redact(
        source="$1", rule="r", lane=Lane(SERVER, GROUP), room_id=GROUP, event_id="$1", reason="r", identity=identity
    )


def notice(n: int = 1, room_id: str = GROUP) -> Notice:
    return Notice(
        source=f"${n}", rule="r", lane=Lane(SERVER, GROUP), room_id=room_id, text="removed", items=({"event": f"${n}"},)
    )


def bodies(homeserver: ScriptedHomeserver) -> list[str]:
    """What stands in the rooms, in the order it was sent."""
    return [str(content.get("body")) for _, content in homeserver.sent.values()]


def found(effect_key: str, sender: str = GHOSTS.guardian, event_id: str = "$earlier") -> dict[str, Any]:
    return {
        "event_id": event_id,
        "sender": sender,
        "type": "m.room.message",
        "content": {"body": "removed 1", KEY_FIELD: effect_key},
    }


# -- redactions --------------------------------------------------------------------------------------------------------


async def test_a_redaction_sent_twice_is_one_redaction(homeserver: ScriptedHomeserver, speaker: Speaker) -> None:
    executor = RedactExecutor(homeserver, speaker)
    first = await executor.execute(redact(), Attempt(1))
    second = await executor.execute(redact(), Attempt(2))
    assert isinstance(first, Done)
    assert first == second
    assert len(homeserver.sent) == 1
    ((actor, transaction),) = homeserver.sent
    assert actor == GHOSTS.guardian
    assert transaction == f"ink-{redact().key}"


async def test_two_identities_never_share_a_transaction_id(homeserver: ScriptedHomeserver, speaker: Speaker) -> None:
    """Synapse's memory of transaction ids ignores which ghost acts: only different ids keep them apart."""
    executor = RedactExecutor(homeserver, speaker)
    await executor.execute(redact(), Attempt(1))
    await executor.execute(redact(Identity.STEWARD), Attempt(1))
    transactions = [transaction for _, transaction in homeserver.sent]
    assert len(set(transactions)) == 2


async def test_in_doubt_a_message_that_is_empty_already_is_left_alone(
    homeserver: ScriptedHomeserver, speaker: Speaker
) -> None:
    async def gone(call: Call) -> Any:
        return {"event_id": "$1", "unsigned": {"redacted_because": {}}} if "/event/" in call.path else None

    homeserver.script.first = gone
    result = await RedactExecutor(homeserver, speaker).execute(redact(), Attempt(2, look_first=True))
    assert result == Done(already=True)
    assert homeserver.sent == {}


async def test_in_doubt_a_message_that_still_stands_is_redacted(
    homeserver: ScriptedHomeserver, speaker: Speaker
) -> None:
    async def stands(call: Call) -> Any:
        return {"event_id": "$1", "content": {"body": "x"}} if "/event/" in call.path else None

    homeserver.script.first = stands
    result = await RedactExecutor(homeserver, speaker).execute(redact(), Attempt(2, look_first=True))
    assert isinstance(result, Done)
    assert not result.already
    assert len(homeserver.sent) == 1


async def test_a_message_that_the_homeserver_does_not_have_cannot_be_redacted(
    homeserver: ScriptedHomeserver, speaker: Speaker
) -> None:
    async def vanished(_call: Call) -> Any:
        raise Rejected(404, "M_NOT_FOUND")

    homeserver.script.first = vanished
    result = await RedactExecutor(homeserver, speaker).execute(redact(), Attempt(2, look_first=True))
    assert result == Refused("vanished")


async def test_a_homeserver_in_trouble_is_not_taken_for_one_without_the_message(
    homeserver: ScriptedHomeserver, speaker: Speaker
) -> None:
    async def trouble(_call: Call) -> Any:
        raise Rejected(502, "")

    homeserver.script.first = trouble
    with pytest.raises(Rejected):
        await RedactExecutor(homeserver, speaker).execute(redact(), Attempt(2, look_first=True))


# -- texts -------------------------------------------------------------------------------------------------------------


async def test_a_text_carries_its_key_and_explicit_mentions(homeserver: ScriptedHomeserver, speaker: Speaker) -> None:
    await NoticeExecutor(speaker).execute(notice(), Attempt(1))
    ((_, content),) = homeserver.sent.values()
    assert content[KEY_FIELD] == notice().key
    assert content["m.mentions"] == {}
    assert content["format"] == "org.matrix.custom.html"


async def test_in_doubt_a_text_is_looked_for_by_its_key_before_it_is_said_again(
    homeserver: ScriptedHomeserver, speaker: Speaker
) -> None:
    homeserver.script.pages[GROUP] = [
        {"chunk": [found("another key", event_id="$other")], "end": "p1"},
        {"chunk": [found(notice().key)], "end": "p2"},
    ]
    result = await NoticeExecutor(speaker).execute(notice(), Attempt(2, look_first=True))
    assert result == Done(event_id="$earlier", room_id=GROUP, already=True)
    assert homeserver.sent == {}


async def test_a_member_who_writes_our_key_does_not_silence_us(
    homeserver: ScriptedHomeserver, speaker: Speaker
) -> None:
    homeserver.script.pages[GROUP] = [{"chunk": [found(notice().key, sender="@eve:evil.example")], "end": "p1"}]
    result = await NoticeExecutor(speaker).execute(notice(), Attempt(2, look_first=True))
    assert isinstance(result, Done)
    assert not result.already
    assert len(homeserver.sent) == 1


async def test_looking_for_an_earlier_text_has_an_end(homeserver: ScriptedHomeserver, speaker: Speaker) -> None:
    homeserver.script.pages[GROUP] = [{"chunk": [found("x", event_id=f"${n}")], "end": f"p{n}"} for n in range(50)]
    await NoticeExecutor(speaker).execute(notice(), Attempt(2, look_first=True))
    assert len([call for call in homeserver.calls if "/messages" in call.path]) <= 10


# -- notices that stand ------------------------------------------------------------------------------------------------


async def test_a_second_removal_soon_after_edits_the_notice_that_stands(
    homeserver: ScriptedHomeserver, speaker: Speaker
) -> None:
    executor = NoticeExecutor(speaker)
    first = await executor.execute(notice(1), Attempt(1))
    await executor.execute(notice(2), Attempt(1))
    assert isinstance(first, Done)
    assert bodies(homeserver) == ["removed 1", "* removed 2"]
    edit = list(homeserver.sent.values())[1][1]
    assert edit["m.relates_to"] == {"rel_type": "m.replace", "event_id": first.event_id}
    assert edit["m.new_content"]["body"] == "removed 2"
    assert edit["m.mentions"] == {}


async def test_a_third_removal_edits_the_first_notice_and_not_the_edit(
    homeserver: ScriptedHomeserver, speaker: Speaker
) -> None:
    executor = NoticeExecutor(speaker)
    first = await executor.execute(notice(1), Attempt(1))
    await executor.execute(notice(2), Attempt(1))
    await executor.execute(notice(3), Attempt(1))
    assert isinstance(first, Done)
    edit = list(homeserver.sent.values())[2][1]
    assert edit["m.relates_to"]["event_id"] == first.event_id
    assert edit["m.new_content"]["body"] == "removed 3"


async def test_another_room_gets_a_notice_of_its_own(homeserver: ScriptedHomeserver, speaker: Speaker) -> None:
    executor = NoticeExecutor(speaker)
    await executor.execute(notice(1), Attempt(1))
    await executor.execute(notice(2, "!other"), Attempt(1))
    assert bodies(homeserver) == ["removed 1", "removed 1"]


async def test_a_notice_that_stood_for_long_is_not_edited(
    homeserver: ScriptedHomeserver, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    executor = NoticeExecutor(speaker)
    await executor.execute(notice(1), Attempt(1))
    now += module.EDIT_WITHIN_S + 1
    await executor.execute(notice(2), Attempt(1))
    assert bodies(homeserver) == ["removed 1", "removed 1"]


async def test_the_same_edit_attempted_twice_is_one_edit_that_counts_once(
    homeserver: ScriptedHomeserver, speaker: Speaker
) -> None:
    executor = NoticeExecutor(speaker)
    await executor.execute(notice(1), Attempt(1))
    await executor.execute(notice(2), Attempt(1))
    await executor.execute(notice(2), Attempt(2))
    await executor.execute(notice(3), Attempt(1))
    assert bodies(homeserver) == ["removed 1", "* removed 2", "* removed 3"]


async def test_after_a_restart_an_edit_that_was_sent_already_is_not_taken_for_a_notice_to_edit(
    homeserver: ScriptedHomeserver, speaker: Speaker
) -> None:
    """Clients show no edit of an edit: what is added to it would be seen by nobody."""
    before = NoticeExecutor(speaker)
    await before.execute(notice(1), Attempt(1))
    edit = await before.execute(notice(2), Attempt(1))
    after = NoticeExecutor(speaker)
    await after.execute(notice(2), Attempt(2))
    await after.execute(notice(3), Attempt(1))
    assert isinstance(edit, Done)
    last = list(homeserver.sent.values())[-1][1]
    assert last.get("m.relates_to", {}).get("event_id") != edit.event_id
