"""Steps e, f and i of the scene: the bot in the room, the people who answer its cards, and what survives being killed."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from appservice.operations.scene_people import Account, Answer, NotSeen, quoted, until
from appservice.operations.scene_stage import (
    CLOSED,
    LATE,
    LEAD,
    LOUNGE,
    MEMBER,
    MODERATOR,
    SAFEGUARDING,
    SECOND_MODERATOR,
    TEAM,
    Stage,
    Witness,
    good,
)

_NUMBER: Final = "07700 900456"
#: Seconds within which all is acted on once the homeserver is back: the promise, and three times it is waited for.
PROMISE_S: Final = 10.0
#: Seconds within which it must have looked twice for lost messages; it does every five, or eight.
_LOOKS_WITHIN_S: Final = 60.0


async def step_e(stage: Stage, witness: Witness) -> None:
    """Another person's number, edited before, during and after: all gone; room, author and moderators are told."""
    author, lounge, team = stage[MEMBER], stage.room_ids[LOUNGE], stage.room_ids[TEAM]
    watcher, second = stage[LEAD], stage[MODERATOR]
    original = await _posts(author, lounge, f"You can ring Jo on {_NUMBER}")
    edits = [await _edits(author, lounge, original, f"You can ring Jo, really, on {_NUMBER}")]
    # Not waited for: these come before, while and after the first redaction is written.
    while not await _is_empty(watcher, lounge, original) and len(edits) < 40:
        edits.append(await _edits(author, lounge, original, f"Ring Jo: {_NUMBER}, edit {len(edits)}"))
    edits.append(await _edits(author, lounge, original, "Nothing to see, edited afterwards"))
    for event_id in (original, *edits):
        event = await _gone(watcher, lounge, event_id)
        await witness.saw(watcher, lounge, event, "another person's number, or an edit of it, is gone", second)
    notice = await watcher.message(lounge, stage.helper, "I removed")
    body = str(notice["content"]["body"])
    if (
        author.user_id in str(notice["content"])
        or _NUMBER in body
        or "Jo" in body
        or notice["content"]["msgtype"] != "m.notice"
    ):
        raise NotSeen("The notice in the room names or quotes somebody, or calls people.")
    await witness.saw(watcher, lounge, notice, "the room has a notice without name or quote", second)
    room_id, told = await author.told(stage.helper, "contact details", "appeal")
    await witness.saw_alone(author, room_id, told, "the author is told privately, with the way to appeal", second)
    card = await second.message(team, stage.helper, "H-0001", author.user_id, "ack H-0001")
    if _NUMBER in str(card["content"]):
        raise NotSeen("The card quotes what was removed.")
    await witness.saw(second, team, card, "the moderators have a card with a reference, and words to answer", watcher)


async def step_f(stage: Stage, witness: Witness) -> None:
    """One volunteer taps 👀, another closes by a word; who may not is refused kindly; the lead asks to see, and does."""
    first, other, lead, author = stage[MODERATOR], stage[SECOND_MODERATOR], stage[LEAD], stage[MEMBER]
    team, safeguarding, lounge = (stage.room_ids[key] for key in (TEAM, SAFEGUARDING, LOUNGE))
    card = await first.message(team, stage.helper, "H-0001", author.user_id)
    good(await _tap(first, team, card, "👀"), "The moderator could not tap the card")
    says = await _card_says(other, team, card, first.user_id, "has this")
    await witness.saw(other, team, says, "the card says who has it, once they tapped", lead)
    good(await _reply(other, team, card, "close resolved"), "The other moderator could not reply")
    says = await _card_says(first, team, card, "closed by", other.user_id)
    await witness.saw(first, team, says, "the card says that it is closed, by a typed word", lead)

    await _posts(author, lounge, f"Jo again: {_NUMBER}")
    card = await first.message(team, stage.helper, "H-0002", author.user_id)
    good(await _tap(other, team, card, "⬆️"), "The moderator could not pass the card on")
    newest = await lead.message(safeguarding, stage.helper, "H-0002", "passed on")
    passed = await lead.event(safeguarding, _original(newest)) or newest
    if lead.user_id not in passed["content"].get("m.mentions", {}).get("user_ids", []):
        raise NotSeen("Passed on, the card does not call the lead.")
    await witness.saw(
        lead, safeguarding, passed, "passed on, it calls the lead in the safeguarding room", stage["quiet-fern"]
    )

    good(await _tap(first, team, card, "👀"), "The moderator could not tap the old card")
    room_id, event = await first.told(stage.helper, "This is for others to do")
    await witness.saw_alone(first, room_id, event, "who may not is refused, kindly and alone", other)
    good(await first.write(team, "show H-0002 I would like to know"), "The moderator could not write")
    room_id, event = await first.told(stage.helper, "Only those who lead on safeguarding")
    await witness.saw_alone(first, room_id, event, "who may not see it is told whom to ask", other)
    if await _any(lead, safeguarding, stage.helper, f"{first.user_id} has this"):
        raise NotSeen("A tap without the role counted.")

    good(await lead.write(safeguarding, "show H-0002 a parent asked"), "The lead could not ask")
    room_id, event = await lead.told(stage.helper, "H-0002", f"Jo again: {_NUMBER}")
    await witness.saw_alone(lead, room_id, event, "the lead sees what was removed, privately, for a reason", first)


async def step_i(stage: Stage, witness: Witness) -> None:
    """Killed between two messages, ten more while it is down: each handled once, in order; the homeserver the same."""
    author, watcher, second, room_id = stage[LATE], stage[MODERATOR], stage[LEAD], stage.room_ids[CLOSED]
    good(await author.join(room_id), f"{author.name} could not come in")
    written = [await _posts(author, room_id, f"one: {_NUMBER}")]
    await _gone(watcher, room_id, written[0])
    await stage.service.kill()
    for n in range(10):
        written.append(await _posts(author, room_id, f"while it was down, {n}: {_NUMBER}"))
        if n == 4:
            # Half of them are lost for good as pushes: an ordinary restart of the homeserver forgets its queue.
            await stage.homeserver.stop()
            await stage.homeserver.start()
    await stage.service.start()
    for event_id in written:
        event = await _gone(watcher, room_id, event_id)
        await witness.saw(watcher, room_id, event, "a message from while it was down is gone", second)
    card = await _card_with(watcher, stage, author, written)
    places = [place for event_id in written if (place := str(card).find(quoted(event_id))) >= 0]
    if places != sorted(places):
        raise NotSeen("The card does not have the messages in their order.")

    queued = [await _posts(author, room_id, f"with a full queue, {n}: {_NUMBER}") for n in range(10)]
    await stage.homeserver.kill()
    await stage.homeserver.start()
    began = asyncio.get_running_loop().time()
    for event_id in queued:
        event = await _gone(watcher, room_id, event_id)
        await witness.saw(watcher, room_id, event, "a message from before the homeserver was killed is gone", second)
    took = asyncio.get_running_loop().time() - began
    if took > 3 * PROMISE_S:
        raise NotSeen(f"It took {took:.0f} seconds from the homeserver's return.")
    await _looked_again(stage)
    await _each_once(watcher, room_id, [*written, *queued])


# -- what they do ----------------------------------------------------------------------------------------------------


def _original(event: Mapping[str, Any]) -> str:
    """The id that clients act on: of an edit, that of what it edits."""
    relation = event["content"].get("m.relates_to", {})
    return str(relation["event_id"] if relation.get("rel_type") == "m.replace" else event["event_id"])


async def _posts(person: Account, room_id: str, text: str) -> str:
    answer = await person.write(room_id, text)
    good(answer, f"{person.name} could not write")
    return str(answer.content["event_id"])


async def _send(person: Account, room_id: str, event_type: str, content: Mapping[str, Any]) -> Answer:
    path = f"/v3/rooms/{quoted(room_id)}/send/{quoted(event_type)}/{secrets.token_hex(8)}"
    return await person.call("PUT", path, content)


async def _edits(person: Account, room_id: str, target: str, text: str) -> str:
    answer = await _send(
        person,
        room_id,
        "m.room.message",
        {
            "msgtype": "m.text",
            "body": f"* {text}",
            "m.mentions": {},
            "m.new_content": {"msgtype": "m.text", "body": text},
            "m.relates_to": {"rel_type": "m.replace", "event_id": target},
        },
    )
    good(answer, f"{person.name} could not edit")
    return str(answer.content["event_id"])


async def _tap(person: Account, room_id: str, card: Mapping[str, Any], key: str) -> Answer:
    relation = {"rel_type": "m.annotation", "event_id": _original(card), "key": key}
    return await _send(person, room_id, "m.reaction", {"m.relates_to": relation})


async def _reply(person: Account, room_id: str, card: Mapping[str, Any], text: str) -> Answer:
    content = {"msgtype": "m.text", "body": text, "m.mentions": {}}
    relation = {"m.in_reply_to": {"event_id": _original(card)}}
    return await _send(person, room_id, "m.room.message", content | {"m.relates_to": relation})


# -- what they see ---------------------------------------------------------------------------------------------------


async def _is_empty(person: Account, room_id: str, event_id: str) -> bool:
    event = await person.event(room_id, event_id)
    return event is not None and not event["content"]


async def _gone(person: Account, room_id: str, event_id: str) -> Mapping[str, Any]:
    async def look() -> Mapping[str, Any] | None:
        event = await person.event(room_id, event_id)
        return event if event is not None and not event["content"] else None

    return await until(look, f"{person.name} still sees what should be gone")


async def _card_says(person: Account, room_id: str, card: Mapping[str, Any], *parts: str) -> Mapping[str, Any]:
    """Wait for an edit of a card that says all `parts`; return the edit."""

    async def look() -> Mapping[str, Any] | None:
        for event in await person.newest(room_id):
            content = event["content"]
            relation = content.get("m.relates_to", {})
            if event["sender"] != card["sender"] or relation.get("event_id") != _original(card):
                continue
            body = str(content.get("m.new_content", {}).get("body", ""))
            if all(part in body for part in parts):
                return event
        return None

    return await until(look, f"{person.name} does not see on the card: “{parts[0]}”")


async def _any(person: Account, room_id: str, by: str, part: str) -> bool:
    return any(event["sender"] == by and part in str(event["content"]) for event in await person.newest(room_id))


async def _card_with(
    person: Account, stage: Stage, about: Account, written: Sequence[str], least: int = 5
) -> Mapping[str, Any]:
    """Wait for a card about somebody that links at least so many of their messages; return its present words."""

    async def look() -> Mapping[str, Any] | None:
        card = await _newest_card(person, stage, about)
        linked = [event_id for event_id in written if quoted(event_id) in str(card)]
        return card if card is not None and len(linked) >= least else None

    return await until(look, "There is no card about who wrote, with their messages.")


async def _newest_card(person: Account, stage: Stage, about: Account) -> Mapping[str, Any] | None:
    """The present words of the newest card about somebody, as a moderator's client shows it."""
    for event in await person.newest(stage.room_ids[TEAM]):
        content = event["content"]
        words = content.get("m.new_content", content)
        if (
            event["sender"] == stage.helper
            and about.user_id in str(words.get("body", ""))
            and "H-" in str(words["body"])
        ):
            return dict(words)
    return None


async def _looked_again(stage: Stage) -> None:
    """Wait until the program has looked twice for lost messages: whatever would be done twice, is done by then."""

    async def looks() -> int:
        status = await stage.service.status()
        return int(status["gap_check"]["checks"]) if status is not None else 0

    enough = await looks() + 2
    end = time.monotonic() + _LOOKS_WITHIN_S
    while await looks() < enough:
        if time.monotonic() > end:
            raise NotSeen("The program does not look for lost messages.")
        await asyncio.sleep(0.2)


async def _each_once(person: Account, room_id: str, event_ids: list[str]) -> None:
    redacted = [
        event["content"].get("redacts") or event.get("redacts")
        for event in await person.newest(room_id)
        if event["type"] == "m.room.redaction"
    ]
    for event_id in event_ids:
        if redacted.count(event_id) != 1:
            raise NotSeen(f"A message was removed {redacted.count(event_id)} times.")
