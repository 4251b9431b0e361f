"""The transactions endpoint, the gap check and the lanes: how inputs arrive, once and in order."""

from __future__ import annotations

from appservice.intake.endpoint import Endpoint
from appservice.intake.gap import GapCheck
from appservice.intake.lanes import Lanes
from appservice.intake.projection import MARKER_TYPE, Projection
from appservice.intake.restored import RestoreCheck

__all__ = ["MARKER_TYPE", "Endpoint", "GapCheck", "Lanes", "Projection", "RestoreCheck"]
