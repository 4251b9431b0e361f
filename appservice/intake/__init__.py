"""The transactions endpoint, the gap check and the lanes: how inputs arrive, once and in order."""

from __future__ import annotations

from appservice.intake.endpoint import Endpoint
from appservice.intake.gap import GapCheck
from appservice.intake.lanes import Lanes
from appservice.intake.projection import (
    BLOCKED,
    FOR_FIELD,
    GONE,
    IGNORED,
    INVITED,
    LEFT,
    MARKER_TYPE,
    REACHED,
    REMOVED,
    Projection,
)
from appservice.intake.restored import RestoreCheck

__all__ = [
    "BLOCKED",
    "FOR_FIELD",
    "GONE",
    "IGNORED",
    "INVITED",
    "LEFT",
    "MARKER_TYPE",
    "REACHED",
    "REMOVED",
    "Endpoint",
    "GapCheck",
    "Lanes",
    "Projection",
    "RestoreCheck",
]
