"""What going back to the policy before cannot bring back, in plain words. Pure: the plan back is made by `plan`."""

from __future__ import annotations

from collections.abc import Iterator

from policies.changes import CreateRoom, Invite, Remove
from policies.desired import DesiredCommunity
from policies.plain_words import quoted
from policies.plan import Plan

__all__ = ["what_stays"]


def what_stays(done: Plan, back: Plan, wanted: DesiredCommunity) -> tuple[str, ...]:
    """Return what cannot be undone of `done` by applying `back`, a sentence or two each.

    done: the plan that was applied; back: the plan towards the state before it; wanted: the community as it was before.
    """
    return tuple(_stays(done, back, wanted))


def _stays(done: Plan, back: Plan, wanted: DesiredCommunity) -> Iterator[str]:
    removed = {change.user_id for change in done.changes if isinstance(change, Remove) and not change.invited}
    asked = removed & {change.user_id for change in back.changes if isinstance(change, Invite)}
    if asked:
        yield (
            f"{_people(len(asked), 'was removed and gets', 'were removed and get')} a new invite: back only once "
            "it is accepted. What they missed meanwhile they may not see."
        )
    if removed - asked:
        yield (
            f"{_people(len(removed - asked), 'was removed and gets', 'were removed and get')} no invite: they come in "
            "by themselves, or somebody decided otherwise since."
        )
    kept = {room.key for room in wanted.rooms}
    for change in done.changes:
        if isinstance(change, CreateRoom) and change.room not in kept:
            yield f"The room {quoted(change.name)} was made, and is not deleted: it stands, with who is in it."
        elif change.change_class == "one_way":
            yield f"This stays: {change.describe()}"
    if any(change.change_class == "exposing" for change in done.changes):
        yield "For a while more people could come in, read or take part. What they have seen, they have seen."
    yield "What was said meanwhile stays."


def _people(count: int, one: str, many: str) -> str:
    return f"1 person {one}" if count == 1 else f"{count} people {many}"
