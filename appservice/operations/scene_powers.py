"""Step c of the scene: what nobody can change in a room, whoever they are, and what stays theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from appservice.operations.scene_people import Account, Answer, NotSeen, quoted
from appservice.operations.scene_stage import (
    ADMIN,
    CREATE,
    DEPUTY,
    LEAD,
    LOUNGE,
    MEMBER,
    MEMBERSHIP,
    MODERATOR,
    OPEN,
    OPS,
    SECOND_ADMIN,
    SPACE,
    Stage,
    Witness,
    good,
    refused,
)

#: Who tries, in which room, who watches, and who reads again what the watcher saw.
_TRIALS = (
    (LEAD, LOUNGE, MEMBER, DEPUTY),
    (LEAD, OPEN, MODERATOR, DEPUTY),
    (ADMIN, OPEN, MODERATOR, DEPUTY),
    (ADMIN, SPACE, MODERATOR, DEPUTY),
    (ADMIN, OPS, SECOND_ADMIN, ADMIN),  # nobody else is there
)
#: State that governs a room, of which the report shows that it was left as it is.
_GOVERNS = frozenset(
    {
        CREATE,
        "m.room.power_levels",
        "m.room.join_rules",
        "m.room.history_visibility",
        "m.room.guest_access",
        "m.room.server_acl",
    }
)
_State = Mapping[tuple[str, str], Mapping[str, Any]]


async def step_c(stage: Stage, witness: Witness) -> None:
    """Lead (75) and admin (90) try to change what governs a room: refused. Name, topic and pins stay theirs."""
    for actor, key, seer, reader in _TRIALS:
        person, watcher, again = stage[actor], stage[seer], stage[reader]
        room_id, name = stage.room_ids[key], stage.community.room(key).name
        good(await person.join(room_id), f"{person.name} could not come into “{name}”")
        before = await watcher.state(room_id)
        for what, attempt in _attempts(person, room_id, before).items():
            refused(await attempt(), f"{person.name} could {what} in “{name}”")
        await _cannot_become_creator(person, room_id, before, name)
        _is_unchanged(before, await watcher.state(room_id), f"{person.name} changed", f"in “{name}”")
        for (event_type, _), event in before.items():
            if event_type in _GOVERNS:
                what = f"“{name}”: {event_type} is as it was after {person.name} tried to change it"
                await witness.saw(watcher, room_id, event, what, again)
        await _what_is_theirs(witness, person, room_id, watcher, again)


async def _cannot_become_creator(person: Account, room_id: str, before: _State, name: str) -> None:
    created = {**before[CREATE, ""]["content"], "additional_creators": [person.user_id]}
    answer = await person.put_state(room_id, CREATE, created)
    # No power makes a second create event right, so Synapse calls it a mistake and not forbidden.
    if (answer.status, answer.errcode) != (400, "M_INVALID_PARAM"):
        refused(answer, f"{person.name} could become a creator of “{name}”")


def _is_unchanged(before: _State, after: _State, changed: str, where: str) -> None:
    for place in before.keys() | after.keys():
        if place[0] == MEMBERSHIP:
            continue
        if before.get(place, {}).get("event_id") != after.get(place, {}).get("event_id"):
            raise NotSeen(f"{changed} {place[0]} {where}.")


def _attempts(person: Account, room_id: str, before: _State) -> dict[str, Callable[[], Awaitable[Answer]]]:
    """What is tried, by its words. Each is well formed, so that only a lack of power can refuse it."""
    levels = before["m.room.power_levels", ""]["content"]
    join_rule = "invite" if before["m.room.join_rules", ""]["content"]["join_rule"] == "public" else "public"

    def put(event_type: str, content: Mapping[str, Any]) -> Callable[[], Awaitable[Answer]]:
        return lambda: person.put_state(room_id, event_type, content)

    def upgrade(body: Mapping[str, Any]) -> Callable[[], Awaitable[Answer]]:
        return lambda: person.call("POST", f"/v3/rooms/{quoted(room_id)}/upgrade", body)

    def raised(level: int) -> Mapping[str, Any]:
        return {**levels, "users": {**levels["users"], person.user_id: level}}

    return {
        "raise their own power to 100": put("m.room.power_levels", raised(100)),
        "raise their own power to 150": put("m.room.power_levels", raised(150)),
        "loosen the power levels": put(
            "m.room.power_levels", {**levels, "events": {**levels["events"], "m.room.join_rules": 50}}
        ),
        "change the join rule": put("m.room.join_rules", {"join_rule": join_rule}),
        "change who reads what was said": put("m.room.history_visibility", {"history_visibility": "world_readable"}),
        "let guests in": put("m.room.guest_access", {"guest_access": "can_join"}),
        "encrypt": put("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}),
        "change the server list": put("m.room.server_acl", {"allow": ["*"]}),
        "close the room": put("m.room.tombstone", {"body": "moved", "replacement_room": "!elsewhere"}),
        "upgrade the room": upgrade({"new_version": "12"}),
        "upgrade the room as its creator": upgrade({"new_version": "12", "additional_creators": [person.user_id]}),
    }


async def _what_is_theirs(witness: Witness, person: Account, room_id: str, watcher: Account, again: Account) -> None:
    for event_type, content in (
        ("m.room.name", {"name": f"Named by {person.name}"}),
        ("m.room.topic", {"topic": "What we talk about here."}),
        ("m.room.pinned_events", {"pinned": [f"$pinned-by-{person.name}"]}),
    ):
        written = await person.put_state(room_id, event_type, content)
        good(written, f"{person.name} could not change {event_type}")
        event = (await watcher.state(room_id)).get((event_type, ""), {})
        if event.get("event_id") != written.content["event_id"]:
            raise NotSeen(f"{watcher.name} does not see {event_type} as {person.name} changed it.")
        await witness.saw(watcher, room_id, event, f"{person.name} changed {event_type}, which is theirs", again)
