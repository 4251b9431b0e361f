"""The list of rooms that a homeserver shows: which rooms are in it, as far as that is known, and what puts that right. Pure.

No event tells that the list has changed, so our mark in a room says it: before a call that it is not certain, after it how
it is. What was cut off is made again, whatever is wanted by then, and nothing is believed that is not so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from policies.desired import MANAGED_TYPE, Content, RoomKey
from policies.in_room import InRoom
from policies.observed import ObservedRoom
from policies.phases import ChangeClass, Phase

_FIELD: Final = "directory"  # of the mark
_LISTED: Final = "listed"
_UNSURE: Final = "unsure"

__all__ = [
    "SetListing",
    "Unlist",
    "is_marked",
    "listed_mark",
    "listing_differs",
    "plain_mark",
    "uncertain",
    "uncertain_mark",
]


@dataclass(frozen=True, slots=True)
class Unlist(InRoom):
    """A room that others made, and that is over, is taken out of the homeserver's public list."""

    do: ClassVar[str] = "unlist"
    _phase: ClassVar[Phase] = "close"

    def words(self) -> str:
        return "The old room is taken out of the public list."


@dataclass(frozen=True, slots=True)
class SetListing(InRoom):
    """A room of ours is put into the homeserver's public list, or taken out of it, and its mark says so.

    before: the mark that holds now; after: the one that holds then. Between, it says that nothing is certain.
    over: whether another room takes the place of this one. by: which of us does it.
    """

    do: ClassVar[str] = "set_listing"
    calls: ClassVar[int] = 3
    type: ClassVar[str] = MANAGED_TYPE
    state_key: ClassVar[str] = ""

    listed: bool
    before: Content | None
    after: Content
    over: bool = False
    by: Literal["steward", "guardian"] = "steward"

    @property
    def phase(self) -> Phase:
        if self.listed:
            return "publish"
        return "close" if self.over else "lock"

    @property
    def change_class(self) -> ChangeClass:
        return "exposing" if self.listed else "safe"

    @property
    def between(self) -> Content:
        """The mark while it is not certain."""
        return uncertain_mark(self.after)

    def words(self) -> str:
        if self.listed:
            return (
                "The public list of rooms shows it: whoever has an account on this server can find it there, with its "
                "name, its purpose and how many are in it."
            )
        if not self.over and (self.before is None or self.before.get("group") != self.room):
            return (
                "It is marked as a room of this community, and it is made sure that no public list of rooms shows it."
            )
        what = "The old room" if self.over else "It"
        return f"{what} is not in the public list of rooms any more."


def listed_mark(mark: Content) -> Content:
    """Return the mark of a room that is in the list."""
    return {**mark, _FIELD: _LISTED}


def plain_mark(mark: Content) -> Content:
    """Return the mark of a room that is not in the list."""
    return {name: value for name, value in mark.items() if name != _FIELD}


def uncertain_mark(mark: Content) -> Content:
    """Return the mark of a room of which it is not certain whether it is in the list."""
    return {**mark, _FIELD: _UNSURE}


def is_marked(mark: Content | None, community: str, key: RoomKey) -> bool:
    """Whether a mark says which room it is in; what was emptied does not, and counts for nothing."""
    return mark is not None and (mark.get("community"), mark.get("group")) == (community, key)


def uncertain(mark: Content | None) -> bool:
    """Whether a mark says of itself that it is not certain: something was cut off, and is still to be made."""
    return isinstance(mark, Mapping) and mark.get(_FIELD) == _UNSURE


def listing_differs(present: ObservedRoom, mark: Content | None, *, listed: bool) -> bool:
    """Whether a room is, or may be, in the list where it should not, or the other way round.

    mark: what our own mark there says, None where it says nothing that can be believed. What was asked of the homeserver
    counts besides: somebody may have changed it by hand.
    """
    said = {None: False, _LISTED: True}.get(_value(mark)) if mark is not None else None
    return said is not listed or (present.listed is not None and present.listed is not listed)


def _value(mark: Content) -> str | None:
    value = mark.get(_FIELD)
    return value if value is None or isinstance(value, str) else _UNSURE
