"""What every change of a plan has. The changes themselves: `changes`, `listing`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from policies.desired import RoomKey
from policies.phases import ChangeClass, Phase
from policies.plain_words import quoted

__all__ = ["InRoom"]


@dataclass(frozen=True, slots=True)
class InRoom:
    """What every change has.

    room: the key of the room; room_id: its id, or the placeholder `{room:KEY}`; name: as the policy calls it.
    `calls`: how many calls to the homeserver making it takes.
    """

    do: ClassVar[str]
    calls: ClassVar[int] = 1
    _phase: ClassVar[Phase]
    _class: ClassVar[ChangeClass] = "safe"

    room: RoomKey
    room_id: str
    name: str

    @property
    def phase(self) -> Phase:
        """The phase in which it is made."""
        return self._phase

    @property
    def change_class(self) -> ChangeClass:
        """How much care it asks for."""
        return self._class

    def describe(self) -> str:
        """Return what the change means, in a line of plain words that begins with the room's name."""
        return f"{quoted(self.name)}: {self.words()}"

    def words(self) -> str:
        """Return what the change means, in sentences about the room."""
        raise NotImplementedError
