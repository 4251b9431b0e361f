"""Doors, agreement, expiry and removal: who is in which group."""

from __future__ import annotations

from appservice.membership.arrivals import Arrivals

__all__ = ["Arrivals"]
