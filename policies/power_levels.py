"""Who may do what in a room: reading, asking and changing power levels in room versions 1 to 12.

Pure and total: whatever stands in the events, reading them never raises. Rule numbers are those of the authorization
rules on the specification's page of room version 12, unless another version is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from policies.governed_rooms import (
    GOVERNED_EVENT_TYPES,
    GOVERNED_LEVEL,
    HIGHEST_HUMAN_LEVEL,
    governed_power_levels,
)
from policies.room_versions import RoomVersion, is_user_id

__all__ = [
    "CREATOR",
    "GOVERNED_EVENT_TYPES",
    "GOVERNED_LEVEL",
    "HIGHEST_HUMAN_LEVEL",
    "Action",
    "CreatorLevel",
    "Ignored",
    "Level",
    "LevelChange",
    "Objection",
    "PowerLevels",
    "governed_power_levels",
    "level_changes",
    "may_change_power_levels",
    "objections_to_power_levels",
    "read_power_levels",
]

Action: TypeAlias = Literal["invite", "kick", "ban", "redact", "notifications.room"]

# Values that hold where the power levels event, or the property in it, is missing (specification, m.room.power_levels).
_NAMED_DEFAULTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "users_default": 0,
        "events_default": 0,
        "state_default": 50,
        "ban": 50,
        "redact": 50,
        "kick": 50,
        "invite": 0,
    }
)
_NOTIFICATIONS_DEFAULT: Final = 50
_CREATOR_WITHOUT_EVENT: Final = 100
_NOT_A_LEVEL: Final = "not a level in this room version"


class CreatorLevel(Enum):
    """The power of a creator in room version 12: above every number, equal only to itself, and never a JSON number."""

    CREATOR = "creator"

    def __lt__(self, other: object) -> bool:
        return False if isinstance(other, int | CreatorLevel) else NotImplemented

    def __le__(self, other: object) -> bool:
        return self is other if isinstance(other, int | CreatorLevel) else NotImplemented

    def __gt__(self, other: object) -> bool:
        return self is not other if isinstance(other, int | CreatorLevel) else NotImplemented

    def __ge__(self, other: object) -> bool:
        return True if isinstance(other, int | CreatorLevel) else NotImplemented


CREATOR: Final = CreatorLevel.CREATOR
Level: TypeAlias = int | CreatorLevel


@dataclass(frozen=True, slots=True)
class Ignored:
    """A part of an event that was not used, by its place (`users/@a:b`) and the reason; its value is not repeated."""

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a server would refuse new power levels: the place, and the rule in words."""

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class LevelChange:
    """One person's level before and after."""

    user: str
    before: Level
    after: Level


@dataclass(frozen=True)
class PowerLevels:
    """The powers in one room at one moment, built by `read_power_levels`.

    version: the room's version.
    creators: the room's creators, `@user:server`; one in versions 1 to 11. May be empty where the create event is bad.
    has_event: whether the room has a power levels event at all.
    users, events, notifications: the levels that are stated, by user id, event type and notification key.
    named: the levels that are stated among `users_default`, `events_default`, `state_default`, `ban`, `redact`,
        `kick` and `invite`.
    ignored: what in the events was not used. A server of this version would have refused most of it.
    """

    version: RoomVersion
    creators: frozenset[str]
    has_event: bool
    users: Mapping[str, int]
    events: Mapping[str, int]
    notifications: Mapping[str, int]
    named: Mapping[str, int]
    ignored: tuple[Ignored, ...] = ()

    def level_of(self, user: str) -> Level:
        """Return the level of `@user:server`; `CREATOR`, above all numbers, for a creator in version 12."""
        if user in self.creators:
            if self.version.creators_outrank_all:
                return CREATOR
            if not self.has_event:
                return _CREATOR_WITHOUT_EVENT
        return self.users.get(user, self._named("users_default"))

    def required_for(self, event_type: str, is_state: bool) -> int:
        """Return the level needed to send an event of this type ("required power level" of the specification).

        `m.room.third_party_invite` needs the invite level (rule 7). For `m.room.member` and `m.room.create` the figure
        means nothing, since they never come to rule 8: ask `may_send` and its siblings.
        """
        if event_type == "m.room.third_party_invite":
            return self._named("invite")
        stated = self.events.get(event_type)
        if stated is not None:
            return stated
        return self._named("state_default" if is_state else "events_default")

    def required_for_action(self, action: Action) -> int:
        """Return the level needed to invite, kick, ban, redact what others sent, or notify a whole room (`@room`)."""
        if action == "notifications.room":
            return self.notifications.get("room", _NOTIFICATIONS_DEFAULT)
        return self._named(action)

    def may_send(self, user: str, event_type: str, state_key: str | None = None) -> bool:
        """Whether a joined user may send such an event; a `state_key`, even an empty one, makes it a state event.

        Of `m.room.member` only the user's own (a new display name) is answered here; whether somebody may come in,
        go, or be moved by others is a matter of join rules and of `may_invite`, `may_kick`, `may_ban`. For new power
        levels `may_change_power_levels` looks at their content, too.
        """
        if event_type == "m.room.create":
            return False
        if event_type == "m.room.member":
            return state_key == user
        if event_type == "m.room.aliases" and self.version.aliases_need_no_power:
            return bool(state_key) and state_key == _server_of(user)
        level = self.level_of(user)
        if event_type == "m.room.third_party_invite":
            return level >= self._named("invite")
        if state_key is not None and state_key.startswith("@") and state_key != user:
            return False
        return level >= self.required_for(event_type, state_key is not None)

    def may_invite(self, actor: str) -> bool:
        """Whether a joined `actor` may invite somebody who is neither in the room nor banned (rule 5.4)."""
        return self.level_of(actor) >= self._named("invite")

    def may_kick(self, actor: str, target: str) -> bool:
        """Whether a joined `actor` may remove `target` (rule 5.5). Leaving oneself needs no power: False for oneself."""
        level = self.level_of(actor)
        return level >= self._named("kick") and level > self.level_of(target)

    def may_ban(self, actor: str, target: str) -> bool:
        """Whether a joined `actor` may ban `target` (rule 5.6)."""
        level = self.level_of(actor)
        return level >= self._named("ban") and level > self.level_of(target)

    def may_unban(self, actor: str, target: str) -> bool:
        """Whether a joined `actor` may lift the ban of `target`: it takes both ban and kick (rules 5.5.3 and 5.5.4)."""
        return self.level_of(actor) >= self._named("ban") and self.may_kick(actor, target)

    def may_redact(self, actor: str, author: str) -> bool:
        """Whether a joined `actor` may redact an event that `author` sent (client-server API, "Redactions").

        The authorization rules alone would let anybody redact what was sent from the same homeserver, and trust that
        server to prevent it (version 1 rule 11, later "Handling redactions"). We answer as such a server does.
        """
        if not self.may_send(actor, "m.room.redaction"):
            return False
        return actor == author or self.level_of(actor) >= self._named("redact")

    def _named(self, name: str) -> int:
        return self.named.get(name, _NAMED_DEFAULTS[name])


def read_power_levels(
    version: RoomVersion,
    create_sender: object,
    create_content: object,
    power_levels_content: object | None,
) -> PowerLevels:
    """Read the powers in a room from its state, leaving out what cannot be understood. Never raises.

    create_sender, create_content: `sender` and `content` of `m.room.create`.
    power_levels_content: `content` of `m.room.power_levels`; None only if the room has no such event.

    A level that is missing, or is not one in this version (specification, room versions, "power_levels events accept
    values as strings" and "... as floats"), counts as not stated; it is noted in `ignored`. So does, in version 12, a
    level stated for a creator.
    """
    ignored: list[Ignored] = []
    creators = _read_creators(version, create_sender, create_content, ignored)
    return _read_content(version, creators, power_levels_content, ignored)


def _read_content(
    version: RoomVersion, creators: frozenset[str], power_levels_content: object | None, ignored: list[Ignored]
) -> PowerLevels:
    content: Mapping[object, object] = {}
    if isinstance(power_levels_content, Mapping):
        content = power_levels_content
    elif power_levels_content is not None:
        ignored.append(Ignored("content", "not an object"))

    named: dict[str, int] = {}
    for name in _NAMED_DEFAULTS:
        if name in content:
            level = version.read_level(content[name])
            if level is None:
                ignored.append(Ignored(name, _NOT_A_LEVEL))
            else:
                named[name] = level
    events = _read_map(version, "events", content, ignored)
    notifications = _read_map(version, "notifications", content, ignored)
    users = _read_map(version, "users", content, ignored)
    for user in list(users):
        if not is_user_id(user):
            ignored.append(Ignored(_place("users", user), "not a user id"))
            del users[user]
        elif version.creators_outrank_all and user in creators:
            ignored.append(Ignored(_place("users", user), "a creator may not be listed"))
            del users[user]
    return PowerLevels(
        version=version,
        creators=creators,
        has_event=power_levels_content is not None,
        users=MappingProxyType(users),
        events=MappingProxyType(events),
        notifications=MappingProxyType(notifications),
        named=MappingProxyType(named),
        ignored=tuple(ignored),
    )


def objections_to_power_levels(actor: str, before: PowerLevels, after: object) -> tuple[Objection, ...]:
    """Return why `actor`, who is joined, may not replace the power levels by `after`; empty if nothing is against it.

    after: the whole new `content` of `m.room.power_levels`, anything; never raises.

    Rules 8 and 10. Stricter than versions 1 to 9 in one point: an unreadable level outside `users` is objected to,
    although the rules of those versions pass it over in silence.
    """
    objections: list[Objection] = []
    level = before.level_of(actor)
    needed = before.required_for("m.room.power_levels", is_state=True)
    if level < needed:
        objections.append(
            Objection("m.room.power_levels", f"needs level {needed}, and the sender has {_worded(level)}")
        )

    if not isinstance(after, Mapping):
        return (*objections, Objection("content", "not an object"))
    new = _read_content(before.version, before.creators, after, [])
    objections.extend(Objection(note.where, note.why) for note in new.ignored)
    if not before.has_event:
        return tuple(objections)

    stated = [("", before.named, new.named), ("events", before.events, new.events)]
    if before.version.notifications_guarded:
        stated.append(("notifications", before.notifications, new.notifications))
    for folder, old_levels, new_levels in stated:
        for name, old, wanted in _altered(old_levels, new_levels):
            where = _place(folder, name)
            if old is not None and old > level:
                objections.append(Objection(where, f"is {old}, above the sender's {_worded(level)}"))
            if wanted is not None and wanted > level:
                objections.append(Objection(where, f"would be {wanted}, above the sender's {_worded(level)}"))
    for user, old, wanted in _altered(before.users, new.users):
        where = _place("users", user)
        if user != actor and old is not None and old >= level:
            objections.append(Objection(where, f"has {old}, not below the sender's {_worded(level)}"))
        if wanted is not None and wanted > level:
            objections.append(Objection(where, f"would have {wanted}, above the sender's {_worded(level)}"))
    return tuple(objections)


def may_change_power_levels(actor: str, before: PowerLevels, after: object) -> bool:
    """Whether `actor`, who is joined, may replace the power levels by the content `after`."""
    return not objections_to_power_levels(actor, before, after)


def level_changes(before: PowerLevels, after: PowerLevels) -> tuple[LevelChange, ...]:
    """Return whose level differs, sorted by user id, among those whom either state names.

    A person who is no longer listed is among them, with the default as the level after. A changed `users_default`
    also concerns everybody whom neither names: compare `level_of` of a stranger.
    """
    people = sorted({*before.users, *before.creators, *after.users, *after.creators})
    levels = ((user, before.level_of(user), after.level_of(user)) for user in people)
    return tuple(LevelChange(user, old, new) for user, old, new in levels if old != new)


def _read_creators(
    version: RoomVersion, create_sender: object, create_content: object, ignored: list[Ignored]
) -> frozenset[str]:
    content: Mapping[object, object] = create_content if isinstance(create_content, Mapping) else {}
    if version.creator_from == "content":
        stated = [("m.room.create/creator", content.get("creator"))]
    else:
        stated = [("m.room.create/sender", create_sender)]
    if version.creators_outrank_all and "additional_creators" in content:
        additional = content["additional_creators"]
        where = "m.room.create/additional_creators"
        if isinstance(additional, list | tuple):
            stated.extend((where, user) for user in additional)
        else:
            ignored.append(Ignored(where, "not a list"))
    creators = set()
    for where, user in stated:
        if isinstance(user, str) and is_user_id(user):
            creators.add(user)
        else:
            ignored.append(Ignored(where, "not a user id"))
    return frozenset(creators)


def _read_map(
    version: RoomVersion, folder: str, content: Mapping[object, object], ignored: list[Ignored]
) -> dict[str, int]:
    levels: dict[str, int] = {}
    stated = content.get(folder, {})
    if not isinstance(stated, Mapping):
        ignored.append(Ignored(folder, "not an object"))
        return levels
    for name, value in stated.items():
        level = version.read_level(value)
        if not isinstance(name, str):
            ignored.append(Ignored(folder, "has a key that is no string"))
        elif level is None:
            ignored.append(Ignored(_place(folder, name), _NOT_A_LEVEL))
        else:
            levels[name] = level
    return levels


def _altered(old: Mapping[str, int], new: Mapping[str, int]) -> Iterator[tuple[str, int | None, int | None]]:
    """Yield what was added, changed or removed. A default that was not written down does not count as a value."""
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield name, old.get(name), new.get(name)


def _place(folder: str, name: str) -> str:
    # Names come from the network: they may be long, and hold halves of surrogate pairs that no log can write.
    readable = name[:255].encode("utf-8", "backslashreplace").decode("utf-8")
    return f"{folder}/{readable}" if folder else readable


def _worded(level: Level) -> str:
    return "creator power" if level is CREATOR else str(level)


def _server_of(user: str) -> str:
    return user.partition(":")[2]
