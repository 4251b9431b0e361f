"""Decide, cases, ladder: what happens when something is wrong. Never knows a card's words."""

from __future__ import annotations

from appservice.cases.requests import Requests

__all__ = ["Requests"]
