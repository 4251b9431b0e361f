"""What a room is called, and says of itself, where that belongs to people and the policy says something else. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from policies.desired import LEFT_TO_PEOPLE, DesiredRoom
from policies.findings import shown
from policies.notes import Note
from policies.observed import ObservedRoom
from policies.plain_words import quoted
from policies.succession import said_by_people

_WORDS = {"name": "name", "topic": "purpose"}

__all__ = ["called_otherwise"]


def called_otherwise(room: DesiredRoom, present: ObservedRoom) -> Iterator[Note]:
    """Yield one note on a room whose name or purpose is not what the policy says; nothing is done about it."""
    said = []
    for key in sorted(LEFT_TO_PEOPLE):
        name = key[0].rpartition(".")[2]
        there, wanted = said_by_people(present, key[0], name) or "", str(room.state[key][name])
        if there != wanted:
            now = f"is “{shown(there)}” there" if there else "is empty there"
            said.append(f"its {_WORDS[name]} {now}, and “{shown(wanted)}” in the policy")
    if said:
        how = (
            "Nothing is done: both belong to those who moderate the room. They can change it there; or the policy has it "
            "put as the file says, with drift: {look: enforce}."
        )
        yield Note("called_otherwise", room.key, f"{quoted(room.name)}: {'; '.join(said)}. {how}")
