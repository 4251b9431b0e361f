"""What a handler may know besides its input: read-only views of the present, as of the input's turn in its lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Place(StrEnum):
    """What a room is to us."""

    GROUP = "group"
    SPACE = "space"
    MODERATORS = "moderators"
    SAFEGUARDING = "safeguarding"
    OPS = "ops"
    DIRECT = "direct"
    UNMANAGED = "unmanaged"


@dataclass(frozen=True, slots=True)
class RoomFacts:
    """One room as we know it.

    `community` and `group` come from the owner marker; `members` maps user ids to memberships (`join`, `invite`, …;
    who left long ago may be missing); `power_levels` and `create` are contents as sent, to be read by
    `policies.power_levels` only; `closed` tells that a tombstone stands.
    """

    room_id: str
    place: Place = Place.UNMANAGED
    community: str = ""
    group: str = ""
    members: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    power_levels: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    create: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    creator: str = ""
    room_version: str = ""
    closed: bool = False

    @property
    def managed(self) -> bool:
        return self.place is not Place.UNMANAGED


@dataclass(frozen=True, slots=True)
class Ghosts:
    """The user ids we act as: never moderated, never greeted."""

    steward: str
    guardian: str
    custodian: str

    def __contains__(self, user_id: object) -> bool:
        return user_id in (self.steward, self.guardian, self.custodian)


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts loaded for one input; `direct_rooms` maps user ids to their direct room with the guardian."""

    now_ms: int
    room: RoomFacts
    ghosts: Ghosts
    server_name: str
    direct_rooms: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
