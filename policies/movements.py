"""Which way a change of a room's state goes: who can come in, read, take part or act, more or less than before.

Contents before a change may hold anything; what is not understood counts as the widest, so that it is tightened at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from policies.governed_rooms import HELD_LEVEL
from policies.power_levels import PowerLevels, level_changes, read_power_levels
from policies.room_versions import MANAGED_ROOM_VERSION

_ACTIONS: Final = ("invite", "kick", "ban", "redact", "notifications.room")
_UNKNOWN: Final = 9
_ENTRY: Final = {"invite": 0, "knock": 1, "restricted": 2, "knock_restricted": 2, "public": 3}
_HISTORY: Final = {"joined": 0, "invited": 1, "shared": 2, "world_readable": 3}
_GUESTS: Final = {"forbidden": 0, "can_join": 1}
# What holds while a room has no such event (specification, by event type); servers without an ACL admit every server.
_WITHOUT_EVENT: Final[Mapping[str, Mapping[str, object]]] = {
    "m.room.join_rules": {"join_rule": "invite"},
    "m.room.history_visibility": {"history_visibility": "shared"},
    "m.room.guest_access": {"guest_access": "forbidden"},
    "m.room.server_acl": {"allow": ["*"], "deny": [], "allow_ip_literals": True},
    "m.room.retention": {},
}

KEPT_FOR_EVER: Final = 2**53 - 1  # ms: the largest number that canonical JSON has

__all__ = ["KEPT_FOR_EVER", "Movement", "PowerMovement", "Shift", "kept_ms", "movement", "power_movement", "same"]


def same(left: object, right: object) -> bool:
    """Whether two JSON values are equal, with `1` and `true` told apart, as canonical JSON does."""
    if isinstance(left, Mapping):
        if not isinstance(right, Mapping) or len(left) != len(right):
            return False
        return all(name in right and same(value, right[name]) for name, value in left.items())
    if isinstance(left, list | tuple):
        if not isinstance(right, list | tuple) or len(left) != len(right):
            return False
        return all(same(one, other) for one, other in zip(left, right, strict=True))
    return type(left) is type(right) and left == right


@dataclass(frozen=True, slots=True)
class Movement:
    """Whether a change takes something away from people or servers, and whether it gives them something."""

    tightens: bool = False
    widens: bool = False


def movement(event_type: str, before: object, after: object) -> Movement:
    """Return which way join rules, history visibility, guest access, a server ACL or retention move, else nothing.

    before: the content that holds now, None if there is none.
    """
    if event_type not in _WITHOUT_EVENT:
        return Movement()
    old, new = (content if content is not None else _WITHOUT_EVENT[event_type] for content in (before, after))
    if event_type == "m.room.join_rules":
        return _entry(old, new)
    if event_type == "m.room.server_acl":
        return _servers(old, new)
    if event_type == "m.room.retention":
        # What was hidden for its age, and not deleted yet, can be read again when it is kept longer.
        return _moved(kept_ms(old), kept_ms(new))
    name, ranks = (
        ("history_visibility", _HISTORY) if event_type == "m.room.history_visibility" else ("guest_access", _GUESTS)
    )
    return _moved(_rank(ranks, _value(old, name)), _rank(ranks, _value(new, name)))


def kept_ms(content: object) -> int:
    """Return for how many ms `m.room.retention` has messages kept; `KEPT_FOR_EVER` where it does not say."""
    value = _value(content, "max_lifetime")
    return value if type(value) is int and 0 <= value < KEPT_FOR_EVER else KEPT_FOR_EVER


def _moved(before: int, after: int) -> Movement:
    return Movement(tightens=after < before, widens=after > before)


def _rank(ranks: Mapping[str, int], value: object) -> int:
    return ranks.get(value, _UNKNOWN) if isinstance(value, str) else _UNKNOWN


def _value(content: object, name: str) -> object:
    return content.get(name) if isinstance(content, Mapping) else None


def _entry(before: object, after: object) -> Movement:
    (old, old_ways), (new, new_ways) = _ways_in(before), _ways_in(after)
    if old != new:
        return _moved(old, new)
    return Movement(tightens=not old_ways <= new_ways, widens=not new_ways <= old_ways)


def _ways_in(content: object) -> tuple[int, frozenset[str]]:
    """Return the rank of a join rule, and what makes two of the same rank differ: who is let in, whether one may ask."""
    rule = _value(content, "join_rule")
    rank = _rank(_ENTRY, rule)
    if rule not in ("restricted", "knock_restricted"):
        return rank, frozenset()
    allow = _value(content, "allow")
    through = frozenset(
        str(_value(condition, "room_id")) for condition in (allow if isinstance(allow, list | tuple) else ())
    )
    if not through:  # nobody is let in by it: what remains is the invite, or the question
        return (_ENTRY["knock"] if rule == "knock_restricted" else _ENTRY["invite"]), through
    return rank, through | ({"ask"} if rule == "knock_restricted" else frozenset())


def _servers(before: object, after: object) -> Movement:
    (old_allow, old_deny, old_ip), (new_allow, new_deny, new_ip) = _acl(before), _acl(after)
    # Patterns are compared as texts, but for "*", which holds every other one.
    gained = frozenset() if "*" in old_allow else new_allow - old_allow
    lost = frozenset() if "*" in new_allow else old_allow - new_allow
    return Movement(
        tightens=bool(lost or new_deny - old_deny or (old_ip and not new_ip)),
        widens=bool(gained or old_deny - new_deny or (new_ip and not old_ip)),
    )


def _acl(content: object) -> tuple[frozenset[str], frozenset[str], bool]:
    allow, deny = _value(content, "allow"), _value(content, "deny")
    return (
        frozenset(map(str, allow)) if isinstance(allow, list | tuple) else frozenset({"*"}),
        frozenset(map(str, deny)) if isinstance(deny, list | tuple) else frozenset(),
        _value(content, "allow_ip_literals") is not False,
    )


@dataclass(frozen=True, slots=True)
class Shift:
    """A level before and after: of a person by user id, or of those whom nobody names by ""."""

    user_id: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class PowerMovement:
    """What new power levels mean: whose level goes up or down, and for what more or less power is needed.

    first: whether there were none before. tightened, widened: event types and names such as `events_default`.
    """

    first: bool
    raised: tuple[Shift, ...]
    lowered: tuple[Shift, ...]
    tightened: tuple[str, ...]
    widened: tuple[str, ...]


def power_movement(before: object, after: object) -> PowerMovement:
    """Return what a change of `m.room.power_levels` means in a managed room; `before` is None if there was no event."""
    old, new = (read_power_levels(MANAGED_ROOM_VERSION, None, None, content) for content in (before, after))
    shifts = [Shift("", _level(old, ""), _level(new, ""))]
    shifts += [
        Shift(change.user, _level(old, change.user), _level(new, change.user)) for change in level_changes(old, new)
    ]
    tightened: set[str] = set()
    widened: set[str] = set()
    for name, was, becomes in _thresholds(old, new):
        if becomes > was:
            tightened.add(name)
        elif becomes < was:
            widened.add(name)
    return PowerMovement(
        first=before is None,
        raised=tuple(shift for shift in shifts if shift.after > shift.before),
        lowered=tuple(shift for shift in shifts if shift.after < shift.before),
        tightened=tuple(sorted(tightened)),
        widened=tuple(sorted(widened)),
    )


def _level(levels: PowerLevels, user_id: str) -> int:
    """The level of a person. A newcomer who waits (`newcomers`) neither loses nor gains power by that."""
    return _seen(levels.users.get(user_id, levels.named.get("users_default", 0)))


def _seen(level: int) -> int:
    return 0 if level == HELD_LEVEL else level


def _thresholds(old: PowerLevels, new: PowerLevels) -> list[tuple[str, int, int]]:
    """Return what is needed for what, before and after. The empty type stands for all events that nobody names."""
    found = []
    for action in _ACTIONS:
        found.append((action, old.required_for_action(action), new.required_for_action(action)))
    for event_type in sorted({"", *old.events, *new.events}):
        for is_state, name in ((False, "events_default"), (True, "state_default")):
            was, becomes = (_seen(levels.required_for(event_type, is_state)) for levels in (old, new))
            found.append((event_type or name, was, becomes))
    return found
