"""Direct rooms, reach, roles held: who can be told something, and how."""

from __future__ import annotations

from appservice.people.direct_rooms import DirectMessageExecutor, DirectRooms, EnsureDirectRoomExecutor

__all__ = ["DirectMessageExecutor", "DirectRooms", "EnsureDirectRoomExecutor"]
