"""The steps of the scene: what each plays, and what other people must then see. Raises `NotSeen` for what is missing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from appservice.operations.scene_people import Account, Answer, NotSeen, until
from policies.desired import MANAGED_TYPE, DesiredCommunity, DesiredRoom
from policies.files import EXAMPLES
from policies.people import People

LEAD, DEPUTY, ADMIN, SECOND_ADMIN = "copper-lark", "quiet-fern", "north-gate", "south-gate"
MODERATOR, MEMBER, LATE = "river-stone", "late-robin", "first-snow"
STRANGER, INVITED, FORCED, SHUT = "new-moon", "lone-swan", "stray-otter", "shut-clam"
OUTSIDERS: Final = (STRANGER, INVITED, FORCED, SHUT)

LOUNGE, CLOSED, OPEN, NEWS = "carers-lounge", "bereaved", "welcome", "digest"
_CREATE, _MEMBER = "m.room.create", "m.room.member"


@dataclass
class Stage:
    """The community, and the people in front of it. `room_ids` by key are found by people, not told by us."""

    community: DesiredCommunity
    people: People
    accounts: Mapping[str, Account]
    helper: str
    steward: str
    room_ids: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Account:
        return self.accounts[name]

    def address(self, key: str) -> str:
        """`#…:server` of a room."""
        return f"#{self.community.room(key).alias_localpart}:{self.community.server}"

    def allowed(self, room: DesiredRoom) -> list[Account]:
        """Those who are in a room from step a on: the people of the file who may be there, but for the late one."""
        return [
            self.accounts[user_id[1:].partition(":")[0]]
            for user_id, person in self.people.by_id.items()
            if room.membership.admits(person) and not user_id.startswith(f"@{LATE}:")
        ]


@dataclass
class Witness:
    """Writes down what was seen: by whom, which event. Each is read again by a second person."""

    seen: list[dict[str, str]] = field(default_factory=list)

    async def saw(self, by: Account, room_id: str, event: Mapping[str, Any], what: str, again: Account) -> None:
        """Take down that `by` saw `event`, once `again` got the same by its id. Raises: `NotSeen`."""
        event_id = str(event["event_id"])
        other = await again.event(room_id, event_id)
        if other is None and "state_key" in event:
            # Whoever came later may not read back, but sees what holds.
            other = (await again.state(room_id)).get((event["type"], event["state_key"]), {})
            other = other if other.get("event_id") == event_id else None
        if other is None or other.get("content") != event.get("content"):
            raise NotSeen(f"{again.name} does not get the event that {by.name} saw: {what}")
        for person, words in ((by, what), (again, f"{what} (read again)")):
            self.seen.append({"by": person.user_id, "room_id": room_id, "event_id": event_id, "what": words})


Step = Callable[[Stage, Witness], Awaitable[None]]


# -- a: the community is as it was written ---------------------------------------------------------------------------


async def step_a(stage: Stage, witness: Witness) -> None:
    """Space and rooms exist with exactly the state compiled; the closed room also equals what was written by hand."""
    lead = stage[LEAD]
    for room in stage.community.rooms:
        found = await lead.resolve(stage.address(room.key))
        if found is None:
            raise NotSeen(f"The address {stage.address(room.key)} leads nowhere.")
        stage.room_ids[room.key] = found
    for room in stage.community.rooms:
        for person in stage.allowed(room):
            _good(await person.join(stage.room_ids[room.key]), f"{person.name} could not come into “{room.name}”")
    for room in stage.community.rooms:
        await _room_is_as_compiled(stage, witness, room)
    await _closed_room_is_as_written(stage)


async def _room_is_as_compiled(stage: Stage, witness: Witness, room: DesiredRoom) -> None:
    reader, second = stage.allowed(room)[:2]
    room_id = stage.room_ids[room.key]
    state = await reader.state(room_id)
    wanted = stage.community.complete_state(room.key, stage.room_ids)
    held = {key: _content(event) for key, event in state.items() if key[0] not in {_CREATE, _MEMBER}}
    for key in wanted.keys() | held.keys():
        if wanted.get(key) != held.get(key):
            raise NotSeen(f"“{room.name}”: {key[0]} {key[1]} is not as it was compiled.".replace("  ", " "))
    created = state[_CREATE, ""]
    if not room.creation_content.items() <= created["content"].items() or created["sender"] != stage.steward:
        raise NotSeen(f"“{room.name}” was not made as it was compiled.")
    present = {key[1] for key, event in state.items() if key[0] == _MEMBER and event["content"]["membership"] == "join"}
    ours = {stage.helper, stage.steward}
    if present != ours | {person.user_id for person in stage.allowed(room)}:
        raise NotSeen(f"“{room.name}”: those who are in it are not those who may be.")
    for key, event in state.items():
        if key[0] != _MEMBER:
            await witness.saw(reader, room_id, event, f"“{room.name}”: {key[0]}", second)


async def _closed_room_is_as_written(stage: Stage) -> None:
    written = json.loads((EXAMPLES / "leeds-carers.closed-room.json").read_text(encoding="utf-8"))
    state = await stage[MODERATOR].state(stage.room_ids[CLOSED])
    held = {key[0]: _content(event) for key, event in state.items() if key[0] != _MEMBER}
    # The digest follows from every letter of the policy; nobody can write it by hand.
    held[MANAGED_TYPE] = {name: value for name, value in held[MANAGED_TYPE].items() if name != "policy"}
    if held != written:
        differ = sorted(name for name in held.keys() | written.keys() if held.get(name) != written.get(name))
        raise NotSeen(f"The closed room is not as it was written by hand: {', '.join(differ)}")


# -- b: who comes in, and how ----------------------------------------------------------------------------------------


async def step_b(stage: Stage, witness: Witness) -> None:
    """A stranger joins the open room, asks at the hybrid one, is refused by the closed one; the approved get in."""
    stranger, lead, member, late = stage[STRANGER], stage[LEAD], stage[MEMBER], stage[LATE]
    opened, lounge, closed = (stage.room_ids[key] for key in (OPEN, LOUNGE, CLOSED))
    _good(await stranger.join(stage.address(OPEN)), "The stranger could not come into the open room")
    event = await lead.membership(opened, stranger, "join")
    await witness.saw(lead, opened, event, "the stranger came into the open room", stage[MODERATOR])

    await _shows_no_closed_room(stage, stranger)
    _refused(await stranger.join(closed), "The stranger came into the closed room")
    _refused(await stranger.join(stage.address(CLOSED)), "The stranger came into the closed room by its address")
    _refused(await stranger.knock(closed), "The stranger could ask at the closed room")
    if stranger.user_id in await lead.members(closed):
        raise NotSeen("The stranger is in the closed room.")

    _refused(await stranger.join(lounge), "The stranger came into the hybrid room without a yes")
    _good(await stranger.knock(stage.address(LOUNGE)), "The stranger could not ask to come in")
    event = await member.membership(lounge, stranger, "knock")
    await witness.saw(member, lounge, event, "the stranger asks to come in", lead)
    await _is_let_in(stage, witness)

    _good(await late.join(closed), "Who is approved for the closed room could not come in")
    event = await lead.membership(closed, late, "join")
    await witness.saw(lead, closed, event, "an approved member came into the closed room", stage[MODERATOR])

    news = stage.room_ids[NEWS]
    _good(await stranger.join(stage.address("space")), "The stranger could not come into the space")
    _good(await stranger.join(stage.address(NEWS)), "The stranger could not come into the announcements")
    _refused(await stranger.write(news, "May I?"), "The stranger could write among the announcements")
    event = await lead.membership(news, stranger, "join")
    await witness.saw(lead, news, event, "the stranger reads the announcements, and cannot write", stage[MODERATOR])


async def _shows_no_closed_room(stage: Stage, stranger: Account) -> None:
    answer = await stranger.call("GET", f"/v1/rooms/{stage.room_ids['space']}/hierarchy")
    shown = {room["room_id"] for room in answer.content["rooms"]} if answer.good else set()
    if stage.room_ids[CLOSED] in shown:
        raise NotSeen("The space shows the closed room to a stranger.")


async def _is_let_in(stage: Stage, witness: Witness) -> None:
    """The team reads the card and types the word on it; the stranger finds an invite and comes in."""
    stranger, lead = stage[STRANGER], stage[LEAD]
    team, lounge = stage.room_ids["moderators"], stage.room_ids[LOUNGE]
    card = await lead.message(team, stage.helper, "add R-", stranger.user_id)
    await witness.saw(lead, team, card, "the card says who asks, and how to answer", stage[MODERATOR])
    word = "add " + str(card["content"]["body"]).partition("add ")[2].split()[0]
    _good(await lead.write(team, word), "The lead could not answer")

    async def invited() -> bool | None:
        return True if lounge in await stranger.invitations() else None

    await until(invited, "The stranger was not asked in after the lead's yes")
    _good(await stranger.join(lounge), "The stranger could not come in after the lead's yes")
    event = await stage[MEMBER].membership(lounge, stranger, "join")
    await witness.saw(stage[MEMBER], lounge, event, "the stranger came into the hybrid room after a yes", lead)


# -- c: what nobody can change ---------------------------------------------------------------------------------------


async def step_c(stage: Stage, witness: Witness) -> None:
    """Lead (75) and admin (90) try to change what governs a room: refused. Name, topic and pins stay theirs."""
    lead, admin = stage[LEAD], stage[ADMIN]
    for person, key, watcher in ((lead, LOUNGE, MEMBER), (lead, OPEN, MODERATOR), (admin, OPEN, MODERATOR)):
        room_id = stage.room_ids[key]
        await person.join(room_id)
        before = await stage[watcher].state(room_id)
        for what, attempt in _attempts(person, room_id, before).items():
            _refused(await attempt(), f"{person.name} could {what} in “{stage.community.room(key).name}”")
        after = await stage[watcher].state(room_id)
        for place, event in before.items():
            if place[0] == _MEMBER:
                continue
            if after.get(place, {}).get("event_id") != event["event_id"]:
                raise NotSeen(f"{person.name} changed {place[0]} in “{stage.community.room(key).name}”.")
            if place[0] in {"m.room.power_levels", "m.room.join_rules", "m.room.server_acl", _CREATE}:
                what = f"{place[0]} is as it was after {person.name} tried to change it"
                await witness.saw(stage[watcher], room_id, event, what, stage[DEPUTY])
        if after.keys() - before.keys():
            raise NotSeen(f"{person.name} wrote state that was not there before.")
        await _what_is_theirs(stage, witness, person, room_id, stage[watcher])


def _attempts(
    person: Account, room_id: str, before: Mapping[tuple[str, str], Mapping[str, Any]]
) -> dict[str, Callable[[], Awaitable[Answer]]]:
    """What is tried, by its words."""
    levels = before["m.room.power_levels", ""]["content"]
    raised = {**levels, "users": {**levels["users"], person.user_id: 100}}
    loose = {**levels, "events": {**levels["events"], "m.room.join_rules": 50}}
    created = {**before[_CREATE, ""]["content"], "additional_creators": [person.user_id]}
    sealed = {"algorithm": "m.megolm.v1.aes-sha2"}
    moved = {"body": "moved", "replacement_room": "!elsewhere"}

    def put(event_type: str, content: Mapping[str, Any]) -> Callable[[], Awaitable[Answer]]:
        return lambda: person.put_state(room_id, event_type, content)

    def upgrade(body: Mapping[str, Any]) -> Callable[[], Awaitable[Answer]]:
        return lambda: person.call("POST", f"/v3/rooms/{room_id}/upgrade", body)

    return {
        "raise their own power": put("m.room.power_levels", raised),
        "loosen the power levels": put("m.room.power_levels", loose),
        "change the join rule": put("m.room.join_rules", {"join_rule": "public", "changed": True}),
        "change who reads what was said": put("m.room.history_visibility", {"history_visibility": "world_readable"}),
        "let guests in": put("m.room.guest_access", {"guest_access": "can_join"}),
        "encrypt": put("m.room.encryption", sealed),
        "change the server list": put("m.room.server_acl", {"allow": ["*"]}),
        "close the room": put("m.room.tombstone", moved),
        "become its creator": put(_CREATE, created),
        "upgrade the room": upgrade({"new_version": "12"}),
        "upgrade the room as its creator": upgrade({"new_version": "12", "additional_creators": [person.user_id]}),
    }


async def _what_is_theirs(stage: Stage, witness: Witness, person: Account, room_id: str, watcher: Account) -> None:
    for event_type, content in (
        ("m.room.name", {"name": f"Named by {person.name}"}),
        ("m.room.topic", {"topic": "What we talk about here."}),
        ("m.room.pinned_events", {"pinned": [f"$pinned-by-{person.name}"]}),
    ):
        _good(await person.put_state(room_id, event_type, content), f"{person.name} could not change {event_type}")
        event = (await watcher.state(room_id))[event_type, ""]
        if event["sender"] != person.user_id:
            raise NotSeen(f"{watcher.name} does not see {event_type} as {person.name} changed it.")
        await witness.saw(
            watcher, room_id, event, f"{person.name} changed {event_type}, which is theirs", stage[DEPUTY]
        )


# -- d: who came by the wrong door -----------------------------------------------------------------------------------


async def step_d(stage: Stage, witness: Witness) -> None:
    """An outsider invited by hand, one forced in, one forced in who cannot be told: out, told, and a line to the team."""
    lead, watcher, second = stage[LEAD], stage[MODERATOR], stage[DEPUTY]
    closed, team = stage.room_ids[CLOSED], stage.room_ids["moderators"]

    invited = stage[INVITED]
    _good(await lead.invite(closed, invited), "The lead could not invite by hand")
    event = await watcher.membership(closed, invited, "leave")
    await witness.saw(watcher, closed, event, "an invite by hand was taken back", second)
    _refused(await invited.join(closed), "Who was invited by hand came in")
    room_id, event = await lead.told(stage.helper, "I took the invite back")
    await _saw_alone(witness, lead, room_id, event, "the inviter is told privately")
    card = await lead.message(team, stage.helper, "invite back", invited.user_id)
    await witness.saw(lead, team, card, "the team has a line about the invite", watcher)

    forced = stage[FORCED]
    await _force(stage, forced)
    event = await watcher.membership(closed, forced, "leave")
    await witness.saw(watcher, closed, event, "who was forced in is out again", second)
    room_id, event = await forced.told(stage.helper, "You did nothing wrong")
    await _saw_alone(witness, forced, room_id, event, "who was forced in is told privately")
    card = await lead.message(team, stage.helper, "took somebody out", forced.user_id, "told privately")
    await witness.saw(lead, team, card, "the team has a line about who was forced in", watcher)

    shut = stage[SHUT]
    path = f"/v3/user/{shut.user_id}/account_data/m.invite_permission_config"
    _good(await shut.call("PUT", path, {"default_action": "block"}), "An outsider could not close their door")
    await _force(stage, shut)
    event = await watcher.membership(closed, shut, "leave")
    await witness.saw(watcher, closed, event, "who was forced in, and cannot be told, is out again", second)
    card = await lead.message(team, stage.helper, "took somebody out", shut.user_id, "not reached")
    await witness.saw(lead, team, card, "the team knows that this one was not reached", watcher)
    if not {lead.user_id, watcher.user_id, second.user_id} <= await watcher.members(closed):
        raise NotSeen("Somebody who may be in the closed room is not there any more.")


# -- g: a plea ------------------------------------------------------------------------------------------------------


async def step_g(stage: Stage, witness: Witness) -> None:
    """A member writes that they cannot go on: nothing is removed, they are answered kindly, the lead is called."""
    member, lounge, team = stage[MEMBER], stage.room_ids[LOUNGE], stage.room_ids["safeguarding"]
    plea = await _writes(member, lounge, "I can't go on any more")
    room_id, event = await member.told(stage.helper, "You do not have to carry this alone", "116 123")
    await _saw_alone(witness, member, room_id, event, "who wrote is answered kindly, in a room that is open already")
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
    _good(answer, f"{person.name} could not write")
    return str(answer.content["event_id"])


async def _stands(stage: Stage, witness: Witness, room_id: str, event_id: str, what: str) -> None:
    event = await stage[LEAD].event(room_id, event_id)
    if event is None or not event["content"].get("body"):
        raise NotSeen(f"Not so: {what}.")
    await witness.saw(stage[LEAD], room_id, event, what, stage[DEPUTY])


async def _force(stage: Stage, person: Account) -> None:
    """What an administrator of the homeserver can do, who is in the room: put somebody in without asking."""
    path = f"/_synapse/admin/v1/join/{stage.room_ids[CLOSED]}"
    answer = await stage[DEPUTY].call("POST", path, {"user_id": person.user_id})
    _good(answer, "The administrator could not force anybody in")


async def _saw_alone(witness: Witness, person: Account, room_id: str, event: Mapping[str, Any], what: str) -> None:
    """A private message: only its reader can read it again, and nobody else may."""
    again = await person.event(room_id, str(event["event_id"]))
    if again is None:
        raise NotSeen(f"{person.name} cannot read again what was seen: {what}")
    witness.seen.append({"by": person.user_id, "room_id": room_id, "event_id": str(event["event_id"]), "what": what})


def _content(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event's content; of a topic only its words, beside which the homeserver writes them once more."""
    content = event["content"]
    return {"topic": content.get("topic")} if event["type"] == "m.room.topic" else content


def _good(answer: Answer, otherwise: str) -> None:
    if not answer.good:
        raise NotSeen(f"{otherwise} ({answer.status} {answer.content.get('errcode', '')}).")


def _refused(answer: Answer, otherwise: str) -> None:
    if answer.status not in {400, 403, 404}:
        raise NotSeen(f"{otherwise} ({answer.status}).")


STEPS: Final[Mapping[str, Step]] = {"a": step_a, "b": step_b, "c": step_c, "d": step_d, "g": step_g, "h": step_h}

#: By step, what makes exactly it fail when it is switched off: types of effects, keys of texts, protections.
SWITCHES: Final[Mapping[str, tuple[str, ...]]] = {
    "a": ("space_links",),
    "b": ("approve", "invite", "card.asks_to_join"),
    "c": ("power_levels",),
    "g": ("urgent_message", "urgent_card", "care.suicide"),
    "h": ("care_gate", "redact"),
    "d": ("remove", "your.not_in_group", "your.invite_withdrawn", "card.intruder", "card.invite_withdrawn"),
}

__all__ = ["OUTSIDERS", "STEPS", "SWITCHES", "Stage", "Step", "Witness"]
