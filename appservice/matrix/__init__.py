"""The homeserver client, the admin capability and typed events. Parses, never trusts."""

from __future__ import annotations

from appservice.matrix.admin import AdminCapability, Attitude
from appservice.matrix.client import Actor, HomeserverClient, wait_until_up
from appservice.matrix.errors import HomeserverError, Rejected, Unreachable
from appservice.matrix.events import parse_event
from appservice.matrix.json import decode, encode
from appservice.matrix.watch import Watch

__all__ = [
    "Actor",
    "AdminCapability",
    "Attitude",
    "HomeserverClient",
    "HomeserverError",
    "Rejected",
    "Unreachable",
    "Watch",
    "decode",
    "encode",
    "parse_event",
    "wait_until_up",
]
