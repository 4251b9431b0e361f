"""Asks Synapse's own authorization code: cases as JSON on stdin, one list of answers on stdout.

Run by Synapse's interpreter in a process of its own; nothing of ours imports it, and it imports nothing of ours.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from synapse import event_auth
from synapse.api.errors import SynapseError
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.events import make_event_from_dict

# What Synapse raises when a level is not a number: to a server, the event is refused as well.
REFUSALS = (SynapseError, ValueError, TypeError, AttributeError, OverflowError)


class Room:
    def __init__(self, version: str, create: dict[str, Any], power_levels: object, people: list[str]) -> None:
        self.version = KNOWN_ROOM_VERSIONS[version]
        self.numbered_ids = version in ("1", "2")
        self.count = 0
        sender = create["sender"]
        self.room_id = "!room:" + sender.partition(":")[2]
        self.state = {}
        create_event = self.event(sender, "m.room.create", create["content"], state_key="")
        if self.version.msc4291_room_ids_as_hashes:
            self.room_id = "!" + create_event.event_id[1:]
        self.add(create_event)
        for person in people:
            self.add(self.event(person, "m.room.member", {"membership": "join"}, state_key=person))
        self.add(self.event(sender, "m.room.join_rules", {"join_rule": "public"}, state_key=""))
        if power_levels is not None:
            self.add(self.event(sender, "m.room.power_levels", power_levels, state_key=""))

    def add(self, event: Any) -> None:
        self.state[event.type, event.state_key] = event

    def event(self, sender: str, event_type: str, content: object, **more: Any) -> Any:
        self.count += 1
        fields = {"type": event_type, "sender": sender, "content": content, "origin_server_ts": self.count, **more}
        fields |= {"auth_events": [], "prev_events": [], "depth": self.count, "hashes": {}, "signatures": {}}
        if event_type != "m.room.create" or not self.version.msc4291_room_ids_as_hashes:
            fields["room_id"] = self.room_id
        if self.numbered_ids:
            fields["event_id"] = f"${self.count}:" + sender.partition(":")[2]
        return make_event_from_dict(fields, self.version)

    def allows(
        self, sender: str, event_type: str, content: object, state: dict[str, str] | None = None, **more: Any
    ) -> bool:
        """Whether the authorization rules let the event pass; `state` gives memberships that differ from "join"."""
        try:
            current = dict(self.state)
            for person, membership in (state or {}).items():
                current["m.room.member", person] = self.event(
                    person, "m.room.member", {"membership": membership}, state_key=person
                )
            event_auth.check_state_dependent_auth_rules(
                self.event(sender, event_type, content, **more), current.values()
            )
        except REFUSALS:
            return False
        return True

    def allows_redaction(self, actor: str, author: str) -> bool:
        event_id = "$target" + (":" + author.partition(":")[2] if self.numbered_ids else "")
        if self.version.updated_redaction_rules:
            content, more = {"redacts": event_id}, {}
        else:
            content, more = {}, {"redacts": event_id}
        if not self.allows(actor, "m.room.redaction", content, **more):
            return False
        redaction = self.event(actor, "m.room.redaction", content, **more)
        # True from Synapse means "only one's own": its client API then compares the senders.
        only_own = event_auth.check_redaction(self.version, redaction, self.state)
        return not only_own or actor == author


def answer(case: dict[str, Any]) -> dict[str, Any]:
    room = Room(case["version"], case["create"], case["power_levels"], case["people"])
    actor, target = case["actor"], case["target"]

    def move(membership: str, before: str) -> bool:
        return room.allows(actor, "m.room.member", {"membership": membership}, {target: before}, state_key=target)

    def send(event_type: str, state_key: str | None) -> bool:
        more = {} if state_key is None else {"state_key": state_key}
        return room.allows(actor, event_type, {}, **more)

    power_levels = room.state.get(("m.room.power_levels", ""))
    return {
        "levels": {person: event_auth.get_user_power_level(person, room.state) for person in case["people"]},
        "required": [
            event_auth.get_send_level(event_type, "" if is_state else None, power_levels)
            for event_type, is_state in case["required"]
        ],
        "actions": [
            event_auth.get_named_level(room.state, name, default)
            for name, default in (("invite", 0), ("kick", 50), ("ban", 50), ("redact", 50))
        ],
        "send": [send(event_type, state_key) for event_type, state_key in case["send"]],
        "invite": move("invite", "leave"),
        "kick": move("leave", "join"),
        "ban": move("ban", "join"),
        "unban": move("leave", "ban"),
        "redact": room.allows_redaction(actor, target),
        "redact own": room.allows_redaction(actor, actor),
        "change": [room.allows(actor, "m.room.power_levels", content, state_key="") for content in case["changes"]],
    }


if __name__ == "__main__":
    json.dump([answer(case) for case in json.load(sys.stdin)], sys.stdout)
