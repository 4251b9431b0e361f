"""Typer commands, thin."""

from __future__ import annotations

from appservice.cli import commands, planning
from appservice.cli.shared import app

__all__ = ["app", "commands", "planning"]
