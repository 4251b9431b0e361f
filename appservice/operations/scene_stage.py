"""What the steps of the scene share: who plays, the community they stand in, and how is written down what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from appservice.operations.homeserver import EmbeddedHomeserver
from appservice.operations.scene_people import Account, Answer, NotSeen
from appservice.operations.service_process import ServiceProcess
from policies.desired import DesiredCommunity, DesiredRoom
from policies.people import People

LEAD, DEPUTY, ADMIN, SECOND_ADMIN = "copper-lark", "quiet-fern", "north-gate", "south-gate"
MODERATOR, SECOND_MODERATOR = "river-stone", "amber-kite"
MEMBER, LATE = "late-robin", "first-snow"
STRANGER, INVITED, FORCED, SHUT = "new-moon", "lone-swan", "stray-otter", "shut-clam"
OUTSIDERS: Final = (STRANGER, INVITED, FORCED, SHUT)

LOUNGE, CLOSED, OPEN, NEWS = "carers-lounge", "bereaved", "welcome", "digest"
SPACE, TEAM, SAFEGUARDING, OPS = "space", "moderators", "safeguarding", "ops"
CREATE, MEMBERSHIP = "m.room.create", "m.room.member"


@dataclass
class Stage:
    """The community, and the people in front of it. `room_ids` by key are found by people, not told by us."""

    community: DesiredCommunity
    people: People
    accounts: Mapping[str, Account]
    helper: str
    steward: str
    custodian: str
    homeserver: EmbeddedHomeserver
    service: ServiceProcess
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
        same = ("type", "sender", "state_key", "content")
        if other is None or any(other.get(part) != event.get(part) for part in same):
            raise NotSeen(f"{again.name} does not get the event that {by.name} saw: {what}.")
        self._write(by, room_id, event_id, what)
        self._write(again, room_id, event_id, f"{what} (read again)")

    async def saw_alone(self, by: Account, room_id: str, event: Mapping[str, Any], what: str, other: Account) -> None:
        """Take down a private message: its reader gets it again by its id, and `other` does not. Raises: `NotSeen`."""
        event_id = str(event["event_id"])
        if await by.event(room_id, event_id) is None:
            raise NotSeen(f"{by.name} cannot read again what was seen: {what}.")
        if await other.event(room_id, event_id) is not None:
            raise NotSeen(f"{other.name} can read what is private: {what}.")
        self._write(by, room_id, event_id, what)

    def _write(self, by: Account, room_id: str, event_id: str, what: str) -> None:
        self.seen.append({"by": by.user_id, "room_id": room_id, "event_id": event_id, "what": what})


def good(answer: Answer, otherwise: str) -> None:
    """Raises: `NotSeen`, saying `otherwise`, unless the homeserver did it."""
    if not answer.good:
        raise NotSeen(f"{otherwise} ({answer.status} {answer.errcode}).")


def refused(answer: Answer, otherwise: str) -> None:
    """Raises: `NotSeen`, saying `otherwise`, unless the homeserver forbade it: nothing but 403 says that."""
    if answer.status != 403:
        raise NotSeen(f"{otherwise} ({answer.status} {answer.errcode}).")
