"""Direct rooms, reach, roles held: who can be told something, and how."""

from __future__ import annotations

from appservice.people.concerns import Concerns
from appservice.people.direct_rooms import READABLE, DirectMessageExecutor, DirectRooms, EnsureDirectRoomExecutor
from appservice.people.greetings import Greetings
from appservice.people.invitations import AnswerInviteExecutor
from appservice.people.quiet import Quiet

__all__ = [
    "READABLE",
    "AnswerInviteExecutor",
    "Concerns",
    "DirectMessageExecutor",
    "DirectRooms",
    "EnsureDirectRoomExecutor",
    "Greetings",
    "Quiet",
]
