"""Doors, agreement, expiry and removal: who is in which group."""

from __future__ import annotations

from appservice.membership.arrivals import Arrivals
from appservice.membership.doors import Doors
from appservice.membership.greeting import GreetingExecutor
from appservice.membership.invitations import Invitations
from appservice.membership.newcomers import KEPT_MS, NewcomerBook, reference_of
from appservice.membership.removal import InviteExecutor, RemoveExecutor
from appservice.membership.standing import Standing
from appservice.membership.words import JoinWords

__all__ = [
    "KEPT_MS",
    "Arrivals",
    "Doors",
    "GreetingExecutor",
    "Invitations",
    "InviteExecutor",
    "JoinWords",
    "NewcomerBook",
    "RemoveExecutor",
    "Standing",
    "reference_of",
]
