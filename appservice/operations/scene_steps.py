"""The steps of the scene: what each plays, and what other people must then see. Raises `NotSeen` for what is missing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final

from appservice.operations.scene_bot import step_e, step_f, step_i
from appservice.operations.scene_people import Account, NotSeen, quoted, until
from appservice.operations.scene_powers import step_c
from appservice.operations.scene_stage import (
    CLOSED,
    CREATE,
    DEPUTY,
    FORCED,
    INVITED,
    LATE,
    LEAD,
    LOUNGE,
    MEMBER,
    MEMBERSHIP,
    MODERATOR,
    NEWS,
    OPEN,
    SAFEGUARDING,
    SHUT,
    SPACE,
    STRANGER,
    TEAM,
    Stage,
    Witness,
    good,
    refused,
)
from policies.desired import MANAGED_TYPE, DesiredRoom
from policies.files import EXAMPLES

Step = Callable[[Stage, Witness], Awaitable[None]]

#: Codes that the homeserver gives as the reason why somebody is out.
_TAKEN_BACK, _NOT_ADMITTED = "invite_withdrawn", "not_admitted"


# -- a: the community is as it was written ---------------------------------------------------------------------------


async def step_a(stage: Stage, witness: Witness) -> None:
    """Space and rooms exist with exactly the state compiled; the closed room also equals what was written by hand."""
    await _everybody_comes(stage)
    for room in stage.community.rooms:
        await _room_is_as_compiled(stage, witness, room)
    await _closed_room_is_as_written(stage)
    shown = await _shown_in_space(stage, stage[STRANGER])
    if stage.room_ids[CLOSED] in shown or stage.room_ids[OPEN] not in shown:
        raise NotSeen("The space does not show a stranger the open room, or it shows the closed one.")


async def _everybody_comes(stage: Stage) -> None:
    """Find each room by its address, and go in. What fails costs only itself: later steps go on with the others."""
    problems = []
    for room in stage.community.rooms:
        found = await stage[LEAD].resolve(stage.address(room.key))
        if found is None:
            problems.append(f"The address {stage.address(room.key)} leads nowhere.")
            continue
        stage.room_ids[room.key] = found
        for person in stage.allowed(room):
            answer = await person.join(found)
            if not answer.good:
                problems.append(f"{person.name} could not come into “{room.name}” ({answer.status} {answer.errcode}).")
    if problems:
        raise NotSeen(" ".join(problems))


async def _room_is_as_compiled(stage: Stage, witness: Witness, room: DesiredRoom) -> None:
    reader, second = stage.allowed(room)[:2]
    room_id = stage.room_ids[room.key]
    state = await reader.state(room_id)
    wanted = stage.community.complete_state(room.key, stage.room_ids)
    held = {key: _content(event) for key, event in state.items() if key[0] not in {CREATE, MEMBERSHIP}}
    for key in wanted.keys() | held.keys():
        if wanted.get(key) != held.get(key):
            raise NotSeen(f"“{room.name}”: {key[0]} {key[1]} is not as it was compiled.".replace("  ", " "))
    created = {
        **room.creation_content,
        "room_version": room.room_version,
        "additional_creators": [stage.helper, stage.custodian],
    }
    if (state[CREATE, ""]["content"], state[CREATE, ""]["sender"]) != (created, stage.steward):
        raise NotSeen(f"“{room.name}” was not made as it was compiled.")
    held_by = {key[1]: event["content"]["membership"] for key, event in state.items() if key[0] == MEMBERSHIP}
    present = {user_id for user_id, membership in held_by.items() if membership == "join"}
    if present != {stage.helper, stage.steward} | {person.user_id for person in stage.allowed(room)}:
        raise NotSeen(f"“{room.name}”: those who are in it are not those who may be.")
    if not held_by.keys() - present <= {stage[LATE].user_id}:
        raise NotSeen(f"“{room.name}”: somebody was asked in who may not be there.")
    for key, event in state.items():
        if key[0] != MEMBERSHIP:
            await witness.saw(reader, room_id, event, f"“{room.name}”: {key[0]}", second)


async def _closed_room_is_as_written(stage: Stage) -> None:
    written = json.loads((EXAMPLES / "leeds-carers.closed-room.json").read_text(encoding="utf-8"))
    state = await stage[MODERATOR].state(stage.room_ids[CLOSED])
    held = {key[0]: _content(event) for key, event in state.items() if key[0] != MEMBERSHIP}
    # The digest follows from every letter of the policy; nobody can write it by hand.
    held[MANAGED_TYPE] = {name: value for name, value in held[MANAGED_TYPE].items() if name != "policy"}
    if held != written:
        differ = sorted(name for name in held.keys() | written.keys() if held.get(name) != written.get(name))
        raise NotSeen(f"The closed room is not as it was written by hand: {', '.join(differ)}.")


# -- b: who comes in, and how ----------------------------------------------------------------------------------------


async def step_b(stage: Stage, witness: Witness) -> None:
    """A stranger joins the open room, asks at the hybrid one, is refused by the closed one; the approved get in."""
    stranger, lead, member, late = stage[STRANGER], stage[LEAD], stage[MEMBER], stage[LATE]
    opened, lounge, closed = (stage.room_ids[key] for key in (OPEN, LOUNGE, CLOSED))
    good(await stranger.join(stage.address(OPEN)), "The stranger could not come into the open room")
    event = await lead.membership(opened, stranger, "join")
    await witness.saw(lead, opened, event, "the stranger came into the open room", stage[MODERATOR])

    refused(await stranger.join(closed), "The stranger came into the closed room")
    refused(await stranger.join(stage.address(CLOSED)), "The stranger came into the closed room by its address")
    refused(await stranger.knock(closed), "The stranger could ask at the closed room")
    if (MEMBERSHIP, stranger.user_id) in await lead.state(closed):
        raise NotSeen("The closed room knows of the stranger.")

    refused(await stranger.join(lounge), "The stranger came into the hybrid room without a yes")
    good(await stranger.knock(stage.address(LOUNGE)), "The stranger could not ask to come in")
    event = await member.membership(lounge, stranger, "knock")
    await witness.saw(member, lounge, event, "the stranger asks to come in", lead)
    await _is_let_in(stage, witness)

    good(await late.join(closed), "Who is approved for the closed room could not come in")
    event = await lead.membership(closed, late, "join")
    await witness.saw(lead, closed, event, "an approved member came into the closed room", stage[MODERATOR])

    good(await stranger.join(stage.address(SPACE)), "The stranger could not come into the space")
    if closed in await _shown_in_space(stage, stranger):
        raise NotSeen("The space shows the closed room to somebody in it.")
    await _reads_only(stage, witness)


async def _shown_in_space(stage: Stage, person: Account) -> set[str]:
    """Ids of the rooms that the space shows this person."""
    answer = await person.call("GET", f"/v1/rooms/{quoted(stage.room_ids[SPACE])}/hierarchy")
    good(answer, f"{person.name} could not look into the space")
    return {room["room_id"] for room in answer.content["rooms"]}


async def _reads_only(stage: Stage, witness: Witness) -> None:
    """The announcements: a moderator writes, the stranger reads, and cannot write."""
    stranger, moderator, lead, news = stage[STRANGER], stage[MODERATOR], stage[LEAD], stage.room_ids[NEWS]
    good(await stranger.join(stage.address(NEWS)), "The stranger could not come into the announcements")
    event = await lead.membership(news, stranger, "join")
    await witness.saw(lead, news, event, "the stranger came into the announcements", moderator)
    event = await stranger.message(news, moderator.user_id, await _announces(moderator, news))
    await witness.saw(stranger, news, event, "the stranger reads the announcements", lead)
    refused(await stranger.write(news, "May I?"), "The stranger could write among the announcements")
    if any(one["sender"] == stranger.user_id and one["type"] != MEMBERSHIP for one in await lead.newest(news)):
        raise NotSeen("Something by the stranger stands among the announcements.")


async def _announces(moderator: Account, news: str) -> str:
    text = "Tea on Tuesday, as every week."
    good(await moderator.write(news, text), "The moderator could not announce anything")
    return text


async def _is_let_in(stage: Stage, witness: Witness) -> None:
    """The team reads the card and types the word on it; the stranger finds an invite and comes in."""
    stranger, lead = stage[STRANGER], stage[LEAD]
    team, lounge = stage.room_ids[TEAM], stage.room_ids[LOUNGE]
    card = await lead.message(team, stage.helper, "add R-", stranger.user_id)
    await witness.saw(lead, team, card, "the card says who asks, and how to answer", stage[MODERATOR])
    word = "add " + str(card["content"]["body"]).partition("add ")[2].split()[0]
    good(await lead.write(team, word), "The lead could not answer")

    async def invited() -> bool | None:
        return True if lounge in await stranger.invitations() else None

    await until(invited, "The stranger was not asked in after the lead's yes")
    good(await stranger.join(lounge), "The stranger could not come in after the lead's yes")
    event = await stage[MEMBER].membership(lounge, stranger, "join")
    await witness.saw(stage[MEMBER], lounge, event, "the stranger came into the hybrid room after a yes", lead)


# -- d: who came by the wrong door -----------------------------------------------------------------------------------


async def step_d(stage: Stage, witness: Witness) -> None:
    """An outsider invited by hand, one forced in, one forced in who cannot be told: out, told, and a line to the team."""
    lead, watcher, second = stage[LEAD], stage[MODERATOR], stage[DEPUTY]
    closed, team = stage.room_ids[CLOSED], stage.room_ids[TEAM]
    approved = await watcher.members(closed)

    invited = stage[INVITED]
    good(await lead.invite(closed, invited), "The lead could not invite by hand")
    event = await _is_out(stage, invited, {_TAKEN_BACK})
    await witness.saw(watcher, closed, event, "an invite by hand was taken back", second)
    refused(await invited.join(closed), "Who was invited by hand came in")
    room_id, event = await lead.told(stage.helper, "I took the invite back")
    await witness.saw_alone(lead, room_id, event, "the inviter is told privately", watcher)
    card = await lead.message(team, stage.helper, "invite back", invited.user_id)
    await witness.saw(lead, team, card, "the team has a line about the invite", watcher)

    forced = stage[FORCED]
    event = await _force(stage, forced)
    await witness.saw(watcher, closed, event, "somebody was forced in", second)
    event = await _is_out(stage, forced, {_NOT_ADMITTED, _TAKEN_BACK})
    await witness.saw(watcher, closed, event, "who was forced in is out again", second)
    room_id, event = await forced.told(stage.helper, "You did nothing wrong")
    await witness.saw_alone(forced, room_id, event, "who was forced in is told privately", watcher)
    card = await lead.message(team, stage.helper, "took somebody out", forced.user_id, "told privately")
    await witness.saw(lead, team, card, "the team has a line about who was forced in", watcher)

    shut = stage[SHUT]
    path = f"/v3/user/{quoted(shut.user_id)}/account_data/m.invite_permission_config"
    good(await shut.call("PUT", path, {"default_action": "block"}), "An outsider could not close their door")
    event = await _force(stage, shut)
    await witness.saw(watcher, closed, event, "somebody who takes no invites was forced in", second)
    event = await _is_out(stage, shut, {_NOT_ADMITTED, _TAKEN_BACK})
    await witness.saw(watcher, closed, event, "who was forced in, and cannot be told, is out again", second)
    card = await lead.message(team, stage.helper, "took somebody out", shut.user_id, "not reached")
    await witness.saw(lead, team, card, "the team knows that this one was not reached", watcher)
    if await shut.rooms_with(stage.helper) or await shut.invitations():
        raise NotSeen("Who takes no invites was invited or put into a room.")
    if await watcher.members(closed) != approved:
        raise NotSeen("Those who are in the closed room are not those who were there.")


async def _is_out(stage: Stage, person: Account, codes: Collection[str]) -> Mapping[str, Any]:
    """Wait until a member sees that this person is not there; return the event, which gives one of `codes` as reason.

    Whoever is forced in is invited first, by the homeserver itself; either of the two may be what is answered.
    """
    event = await stage[MODERATOR].membership(stage.room_ids[CLOSED], person, "leave")
    if event["sender"] != stage.steward or event["content"].get("reason") not in codes:
        raise NotSeen(f"{person.name} is out, but not by us, or for another reason.")
    return event


async def _force(stage: Stage, person: Account) -> Mapping[str, Any]:
    """What an administrator of the homeserver can do, who is in the room: put somebody in without asking.

    Return the event of it, as a member sees it. The homeserver invites and then joins; an invite that is taken back
    between the two costs another try.
    """
    closed = stage.room_ids[CLOSED]

    async def put_in() -> bool | None:
        path = f"/_synapse/admin/v1/join/{quoted(closed)}"
        answer = await stage[DEPUTY].call("POST", path, {"user_id": person.user_id})
        if answer.status != 403:
            good(answer, "The administrator could not force anybody in")
        return answer.good or None

    async def come_in() -> Mapping[str, Any] | None:
        for event in await stage[MODERATOR].newest(closed):
            is_theirs = event["type"] == MEMBERSHIP and event.get("state_key") == person.user_id
            if is_theirs and event["content"].get("membership") == "join":
                return event
        return None

    await until(put_in, "The administrator could not force anybody in")
    return await until(come_in, f"{stage[MODERATOR].name} did not see {person.name} come in by force")


# -- g: a plea ------------------------------------------------------------------------------------------------------


async def step_g(stage: Stage, witness: Witness) -> None:
    """A member writes that they cannot go on: nothing is removed, they are answered kindly, the lead is called."""
    member, lounge, team = stage[MEMBER], stage.room_ids[LOUNGE], stage.room_ids[SAFEGUARDING]
    plea = await _writes(member, lounge, "I can't go on any more")
    room_id, event = await member.told(stage.helper, "You do not have to carry this alone", "116 123")
    what = "who wrote is answered kindly, in a room that is open already"
    await witness.saw_alone(member, room_id, event, what, stage[MODERATOR])
    card = await stage[DEPUTY].message(team, stage.helper, "Somebody may need you", member.user_id)
    if stage[LEAD].user_id not in card["content"].get("m.mentions", {}).get("user_ids", []):
        raise NotSeen("The card does not call the lead.")
    await witness.saw(stage[DEPUTY], team, card, "the urgent card calls the lead", stage[LEAD])
    await _stands(stage, witness, lounge, plea, "the plea was left as it is")


# -- h: pleas that look like rule breaks ----------------------------------------------------------------------------


async def step_h(stage: Stage, witness: Witness) -> None:
    """With a phone number, with an address, in a burst: nothing removed, nobody muted; an ordinary violation is."""
    lounge = stage.room_ids[LOUNGE]
    pleading, harmed, other = stage["high-meadow"], stage["long-evening"], stage[MODERATOR]
    written = [await _writes(pleading, lounge, "I can't go on. Jo has my keys, Jo is on 07700 900123")]
    written.append(
        await _writes(harmed, lounge, "He hit me again. I am at 12 Mill Lane, ring my sister on 07700 900124")
    )
    for words in ("please", "somebody", "are you there", "i am scared", "please answer", "07700 900124"):
        written.append(await _writes(harmed, lounge, words))
    ordinary = await _writes(other, lounge, "You can ring Jo on 07700 900125")

    async def removed() -> Mapping[str, Any] | None:
        event = await stage[MEMBER].event(lounge, ordinary)
        return event if event is not None and not event["content"] else None

    event = await until(removed, "The ordinary violation was not removed")
    await witness.saw(stage[MEMBER], lounge, event, "an ordinary violation in the same room was removed", stage[LEAD])
    for event_id in written:
        await _stands(stage, witness, lounge, event_id, "words of somebody in distress were left as they are")
    if not {pleading.user_id, harmed.user_id} <= await stage[MEMBER].members(lounge):
        raise NotSeen("Somebody in distress was taken out.")
    await _writes(harmed, lounge, "thank you")  # refused, had anybody muted them


async def _writes(person: Account, room_id: str, text: str) -> str:
    answer = await person.write(room_id, text)
    good(answer, f"{person.name} could not write")
    return str(answer.content["event_id"])


async def _stands(stage: Stage, witness: Witness, room_id: str, event_id: str, what: str) -> None:
    event = await stage[LEAD].event(room_id, event_id)
    if event is None or not event["content"].get("body"):
        raise NotSeen(f"Not so: {what}.")
    await witness.saw(stage[LEAD], room_id, event, what, stage[DEPUTY])


def _content(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event's content; of a topic only its words, beside which the homeserver writes them once more."""
    content = event["content"]
    return {"topic": content.get("topic")} if event["type"] == "m.room.topic" else content


STEPS: Final[Mapping[str, Step]] = {
    "a": step_a,
    "b": step_b,
    "c": step_c,
    "d": step_d,
    "e": step_e,
    "f": step_f,
    "g": step_g,
    "h": step_h,
    "i": step_i,
}

#: By step, what makes exactly it fail when it is switched off: types of effects, keys of texts, protections.
SWITCHES: Final[Mapping[str, tuple[str, ...]]] = {
    "a": ("space_links",),
    "b": ("approve", "invite", "card.asks_to_join"),
    "c": ("power_levels",),
    "d": ("remove", "your.not_in_group", "your.invite_withdrawn", "card.intruder", "card.invite_withdrawn"),
    "e": ("edit_of_removed", "removed.contact_details", "your.contact_details_removed"),
    "f": ("touch_case", "card_edit", "show_evidence", "case.not_yours", "case.show_not_yours"),
    "g": ("urgent_card", "care.suicide"),
    "h": ("care_gate",),
    "i": ("gap_check", "dedupe"),
}

__all__ = ["STEPS", "SWITCHES", "Step"]
