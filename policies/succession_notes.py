"""Notes on what a new room does not get from the one whose place it takes, for the person who decides on that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policies.carrying import Carried
from policies.desired import DesiredRoom
from policies.notes import Note
from policies.observed import ObservedRoom
from policies.plain_words import named, quoted
from policies.succession import said_by_people

_SHOWN = 20  # people named one by one

__all__ = ["closed_by_others", "left_behind", "taken_over"]


def closed_by_others(room: DesiredRoom, old: ObservedRoom) -> Note:
    """A room of ours that we did not close."""
    text = (
        "was closed for good by somebody else. Where that leads is not followed: another room takes its place, and its "
        "people come along."
    )
    return Note("followed", room.key, f"The room of {quoted(room.name)} {text}")


def left_behind(room: DesiredRoom, carried: Carried, *, ours: bool) -> Iterator[Note]:
    """Yield notes on the people of an old room who do not come into the new one."""
    if carried.not_admitted and not ours:
        who = "may not be there by the policy and the people file, and stay outside"
        yield Note("left_behind", room.key, f"{quoted(room.name)}: {_people(carried.not_admitted)}: {who}.")
    if carried.elsewhere:
        who = "belong to other servers, which the room is closed to"
        yield Note("left_behind", room.key, f"{quoted(room.name)}: {_people(carried.elsewhere)}: {who}.")
    if carried.waiting:
        who = "wait for an answer to their request. Answer it before: else they have to ask again"
        yield Note("left_behind", room.key, f"{quoted(room.name)}: {_people(carried.waiting)}: {who}.")


def taken_over(room: DesiredRoom, old: ObservedRoom) -> Iterator[Note]:
    """Yield notes on which room that is, so that nobody takes over the wrong one, and on what stays behind in it."""
    name = quoted(room.name)
    called = said_by_people(old, "m.room.name", "name")
    there = sum(1 for membership in old.members.values() if membership == "join")
    which = f"called {quoted(called)}" if called is not None else "without a name"
    yield Note("taken_over", room.key, f"{name}: The old room is {named(old.room_id)}, {which}. {there} are in it now.")
    kept = (
        "What was written in the old room stays there. Whoever is in it can go on reading it; nothing of it is deleted."
    )
    yield Note("taken_over", room.key, f"{name}: {kept}")
    powers = "Who had power in the old room has it in the new one only by a role of the policy."
    yield Note("taken_over", room.key, f"{name}: {powers}")
    if old.state.get(("m.room.encryption", "")):
        text = "Messages in the old room are encrypted, so nobody could look after them. The new room is not encrypted."
        yield Note("taken_over", room.key, f"{name}: {text}")
    shown = sum(1 for key, content in old.state.items() if key[0] == "m.space.child" and content.get("via"))
    if shown:
        text = f"The rooms that the old space shows ({shown}) are not taken over with it. Adopt each, if it is meant to be."
        yield Note("taken_over", room.key, f"{name}: {text}")
    addresses = _addresses(old)
    if addresses:
        text = "go on leading to the old room, and from there to the new one"
        yield Note("taken_over", room.key, f"{name}: The addresses {', '.join(map(named, addresses))} {text}.")


def _addresses(old: ObservedRoom) -> list[str]:
    content = old.state.get(("m.room.canonical_alias", ""), {})
    more = content.get("alt_aliases")
    said = [content.get("alias"), *(more if isinstance(more, list | tuple) else ())]
    return sorted({one for one in said if isinstance(one, str) and one})[:_SHOWN]


def _people(user_ids: Sequence[str]) -> str:
    more = len(user_ids) - _SHOWN
    told = ", ".join(map(named, user_ids[:_SHOWN]))
    return f"{told} and {more} more" if more > 0 else told
