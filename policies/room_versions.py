"""What differs between Matrix room versions 1 to 12, as far as power, membership and redactions are concerned.

A table of values and nothing else; the rules that read it stand in `power_levels`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

__all__ = [
    "HIGHEST_LEVEL",
    "KNOWN_ROOM_VERSIONS",
    "MANAGED_ROOM_VERSION",
    "RoomVersion",
    "is_user_id",
    "room_version",
    "room_version_of",
]


HIGHEST_LEVEL: Final = 2**53 - 1
"""The largest power level that canonical JSON can carry; the smallest is its negative."""

_LARGEST_DOUBLE: Final = int(1.7976931348623157e308)
_DIGITS_OF_LARGEST_DOUBLE: Final = 309
_USER_ID: Final = re.compile(r"@[^:\0]*:[^\0]+", re.DOTALL)
_USER_ID_MAX_BYTES: Final = 255


@dataclass(frozen=True, slots=True)
class RoomVersion:
    """The properties of one room version (specification, "Room Versions", pages v1 to v12).

    identifier: as in `content.room_version` of `m.room.create`.
    known: False for a version outside the table; such a room may be read, and must not be governed.
    string_levels: levels may be strings such as `" +050 "` (versions 1 to 9).
    float_levels: levels may be floats, cut at the decimal point (versions 1 to 5, before canonical JSON was enforced).
    notifications_guarded: changes of `notifications` are checked like those of `events` (6 and later, MSC2209).
    aliases_need_no_power: `m.room.aliases` is allowed to any server for its own name (1 to 5).
    creator_from: who created the room: `content.creator` (1 to 10) or the `sender` of the create event (11 and later).
    creators_outrank_all: creators, with `additional_creators`, stand above every level and may not be listed in
        `users` (12, MSC4289). Before, a creator has 100, and only while there is no power levels event.
    redaction_judged_by: whether a redaction may stand is decided by the authorization rules, from the servers in the
        event ids (1 and 2), or when it meets its target, from the senders' servers (3 and later).
    redacts_in_content: `redacts` stands in the redaction's `content`, before that at the top level (11 and later).
    knock, restricted, knock_restricted: join rules the version knows (7, 8, 10 and later).
    room_id_has_server: `!opaque:server`; False in 12, where the id is a hash and says nothing about a server (MSC4291).
    initial_tombstone_level: level of `m.room.tombstone` that a server must write when it creates a room of this
        version (12 and later); None where the specification says nothing.
    """

    identifier: str
    known: bool
    string_levels: bool
    float_levels: bool
    notifications_guarded: bool
    aliases_need_no_power: bool
    creator_from: Literal["content", "sender"]
    creators_outrank_all: bool
    redaction_judged_by: Literal["event ids", "senders"]
    redacts_in_content: bool
    knock: bool
    restricted: bool
    knock_restricted: bool
    room_id_has_server: bool
    initial_tombstone_level: int | None

    @property
    def join_rules(self) -> frozenset[str]:
        """The values of `join_rule` that have a meaning; servers accept others, and then nobody can join."""
        optional = {"knock": self.knock, "restricted": self.restricted, "knock_restricted": self.knock_restricted}
        return frozenset({"public", "invite"} | {rule for rule, exists in optional.items() if exists})

    def read_level(self, value: object) -> int | None:
        """Return the power level that a JSON value stands for in this version, or None if it is not one.

        Booleans never are. Strings hold decimal digits with an optional sign and surrounding whitespace; floats are
        cut at the decimal point (specification, room versions, "power_levels events accept values as ..."). Never
        raises.
        """
        level: int | None = None
        if type(value) is int:
            level = value
        elif self.float_levels and isinstance(value, float):
            return int(value) if math.isfinite(value) else None
        elif self.string_levels and isinstance(value, str):
            level = _level_in_words(value)
        if level is None:
            return None
        # Canonical JSON, enforced from version 6 on, bounds numbers and says nothing about what stands in a string.
        unbounded = self.float_levels or isinstance(value, str)
        return level if abs(level) <= (_LARGEST_DOUBLE if unbounded else HIGHEST_LEVEL) else None


def is_user_id(text: str) -> bool:
    """Whether a string can be a Matrix user id, `@localpart:server`, of at most 255 bytes.

    Accepts the historical ones, too, since rooms are full of them (specification, appendices, "Historical User IDs").
    """
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False
    return size <= _USER_ID_MAX_BYTES and _USER_ID.fullmatch(text) is not None


def _level_in_words(text: str) -> int | None:
    # Python's int() would also take "1_000" and other scripts' digits, and refuses some thousands of leading zeroes.
    text = text.strip()
    sign = -1 if text.startswith("-") else 1
    digits = text[1:] if text.startswith(("+", "-")) else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    digits = digits.lstrip("0")
    return sign * int(digits or "0") if len(digits) <= _DIGITS_OF_LARGEST_DOUBLE else None


def _numbered(number: int) -> RoomVersion:
    return RoomVersion(
        identifier=str(number),
        known=True,
        string_levels=number <= 9,
        float_levels=number <= 5,
        notifications_guarded=number >= 6,
        aliases_need_no_power=number <= 5,
        creator_from="content" if number <= 10 else "sender",
        creators_outrank_all=number >= 12,
        redaction_judged_by="event ids" if number <= 2 else "senders",
        redacts_in_content=number >= 11,
        knock=number >= 7,
        restricted=number >= 8,
        knock_restricted=number >= 10,
        room_id_has_server=number <= 11,
        initial_tombstone_level=150 if number >= 12 else None,
    )


_NEWEST: Final = 12
KNOWN_ROOM_VERSIONS: Final[tuple[RoomVersion, ...]] = tuple(_numbered(number) for number in range(1, _NEWEST + 1))
MANAGED_ROOM_VERSION: Final = KNOWN_ROOM_VERSIONS[-1]
"""The version of every room that we create: its creators cannot be demoted, kicked or banned."""

_BY_IDENTIFIER: Final = {version.identifier: version for version in KNOWN_ROOM_VERSIONS}


def room_version(identifier: object) -> RoomVersion:
    """Return the properties of a room version; never raises, whatever `identifier` is.

    A version outside the table (experimental, future, not a string) is read by the rules of version 12, the strictest,
    with `known=False`: its creators count as unremovable, so that nobody's power is thought smaller than it may be,
    and no id is taken apart. What may really be done there is for its homeserver to say.
    """
    text = identifier if isinstance(identifier, str) else ""
    return _BY_IDENTIFIER.get(text) or replace(MANAGED_ROOM_VERSION, identifier=text, known=False)


def room_version_of(create_content: object) -> RoomVersion:
    """Return the version of the room whose `m.room.create` event has this content.

    A content without `room_version` means version 1 (specification, `m.room.create`). Never raises.
    """
    if not isinstance(create_content, Mapping):
        return room_version(None)
    return room_version(create_content.get("room_version", "1"))
