"""The body of createRoom for a desired room, and how ids of rooms that do not exist yet are written until they do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from policies.desired import Content, DesiredRoom, RoomKey, StateKey
from policies.observed import Identities

_PLACEHOLDER: Final = re.compile(r"\{room:([^{}]+)\}")
# Written by createRoom from other parts of its body.
_BESIDE_STATE: Final[frozenset[StateKey]] = frozenset(
    {("m.room.name", ""), ("m.room.topic", ""), ("m.room.canonical_alias", "")}
)
# Whose state key is the id of another room.
_LINKS: Final = frozenset({"m.space.child", "m.space.parent"})

Body = Mapping[str, Any]

__all__ = ["Body", "body_with_ids", "creation_body", "fill_id", "key_of", "placeholder", "with_ids"]


def creation_body(
    room: DesiredRoom,
    state: Mapping[StateKey, Content],
    identities: Identities,
    *,
    with_address: bool = True,
    predecessor: str | None = None,
) -> Body:
    """Return the whole createRoom body of a room: complete in one call but for the links that a space shows.

    state: what `DesiredCommunity.complete_state` returns; links to children come later, after people were asked in.
    with_address: whether the room gets its address; without, `m.room.canonical_alias` stays unset.
    predecessor: the id of the room whose place it takes.

    Power levels stand in `initial_state`: so they hold exactly, while Synapse mixes defaults of its own (`historical`)
    into a `power_level_content_override` (synapse/handlers/room.py, `_send_events_for_new_room`).
    """
    body: dict[str, Any] = {
        "preset": "private_chat",
        "room_version": room.room_version,
        "name": state["m.room.name", ""]["name"],
        "topic": state["m.room.topic", ""]["topic"],
        "invite": [identities.guardian],
        "creation_content": {
            **room.creation_content,
            "additional_creators": [identities.guardian, identities.custodian],
            **({"predecessor": {"room_id": predecessor}} if predecessor is not None else {}),
        },
        "initial_state": [
            {"type": event_type, "state_key": state_key, "content": dict(content)}
            for (event_type, state_key), content in state.items()
            if (event_type, state_key) not in _BESIDE_STATE and event_type != "m.space.child"
        ],
    }
    if with_address:
        body["room_alias_name"] = room.alias_localpart
    return body


def placeholder(key: RoomKey) -> str:
    """Return what stands for the id of the room with this key until it exists: `{room:KEY}`."""
    return f"{{room:{key}}}"


def fill_id(room_id: str, room_ids: Mapping[RoomKey, str]) -> str:
    """Return a room id as it is, and a placeholder's room id. Raises KeyError for a room without one."""
    key = key_of(room_id)
    return room_id if key is None else room_ids[key]


def key_of(room_id: str) -> RoomKey | None:
    """Return the key of the room that a placeholder stands for, None for a real room id."""
    match = _PLACEHOLDER.fullmatch(room_id)
    return match[1] if match else None


def with_ids(event_type: str, state_key: str, content: Content, change: Callable[[str], str]) -> tuple[str, Content]:
    """Return state key and content of a state event with `change` applied to each room id in it.

    Only where room ids belong: a room may well be called "{room:space}".
    """
    if event_type in _LINKS:
        return change(state_key), content
    if event_type == "m.room.tombstone" and isinstance(content.get("replacement_room"), str):
        return state_key, {**content, "replacement_room": change(str(content["replacement_room"]))}
    allow = content.get("allow") if event_type == "m.room.join_rules" else None
    if not isinstance(allow, list):
        return state_key, content
    return state_key, {**content, "allow": [{**one, "room_id": change(one["room_id"])} for one in allow]}


def body_with_ids(body: Body, change: Callable[[str], str]) -> Body:
    """Return a createRoom body with `change` applied to each room id in its initial state."""
    initial = []
    for event in body["initial_state"]:
        state_key, content = with_ids(event["type"], event["state_key"], event["content"], change)
        initial.append({**event, "state_key": state_key, "content": content})
    return {**body, "initial_state": initial}
