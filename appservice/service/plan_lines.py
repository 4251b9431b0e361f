"""What a card says of a plan: the most careful changes first, a bounded number of them, none that its reader may not see. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

from policies.changes import CLASSES, BringOver, Change, Invite, KeepOut, Remove, SetState
from policies.desired import MANAGED_TYPE
from policies.layers import Layer
from policies.movements import power_movement
from policies.plan import Plan

#: Changes that stand on a card; more are counted.
SHOWN: Final = 8
#: Characters of one change.
_LONGEST: Final = 300

__all__ = ["SHOWN", "concerned", "lines_of", "loses", "set_lines", "told"]


def told(plan: Plan, group: str = "") -> list[Change]:
    """Return the changes that mean something to people, of one group or of all; the mark of the policy does not."""
    return [
        change
        for change in plan.changes
        if not (isinstance(change, SetState) and change.type == MANAGED_TYPE) and group in ("", change.room)
    ]


def loses(change: Change) -> frozenset[str]:
    """Return the user ids of those from whom a change takes something."""
    if isinstance(change, Remove):
        return frozenset({change.user_id})
    if isinstance(change, SetState) and change.type == "m.room.power_levels":
        return frozenset(shift.user_id for shift in power_movement(change.before, change.after).lowered)
    return frozenset()


def concerned(plan: Plan) -> tuple[str, ...]:
    """Return the user ids of those to whom a plan gives something, or from whom it takes something."""
    found: set[str] = set()
    for change in plan.changes:
        if isinstance(change, Invite | Remove | BringOver | KeepOut):
            found.add(change.user_id)
        elif isinstance(change, SetState) and change.type == "m.room.power_levels":
            moved = power_movement(change.before, change.after)
            found.update(shift.user_id for shift in (*moved.raised, *moved.lowered))
    return tuple(sorted(found))


def lines_of(plan: Plan, group: str, hidden: Callable[[Collection[str]], bool]) -> list[dict[str, str]]:
    """Return the items of a card: one a change, and one with how many more there are.

    hidden(people): whether the reader may not see what takes something from these.
    """
    seen = [change for change in told(plan, group) if not hidden(loses(change))]
    careful = sorted(seen, key=lambda change: -CLASSES.index(change.change_class))
    lines = [
        {"class": change.change_class, "line": _cut(change.describe()), "part": "change"} for change in careful[:SHOWN]
    ]
    if len(careful) > SHOWN:
        lines.append({"part": "more", "count": str(len(careful) - SHOWN)})
    return lines


def set_lines(before: Iterable[Layer], after: Iterable[Layer], name: Callable[[str], str]) -> list[dict[str, str]]:
    """Return an item for each key of a group that is set otherwise after than before."""
    old, new = ({(one.group, one.key): one for one in layers} for layers in (before, after))
    lines = []
    for group, key in sorted(old.keys() | new.keys()):
        was, now = old.get((group, key)), new.get((group, key))
        if (was.value if was else None) == (now.value if now else None):
            continue
        line = {"part": "set", "group": name(group), "setting": key}
        lines.append(line | ({"value": str(now.value)} if now is not None else {}))
    return lines


def _cut(words: str) -> str:
    said = " ".join(words.split())
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"
