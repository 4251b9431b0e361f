"""Typer commands, thin."""

from __future__ import annotations

from appservice.cli.commands import app

__all__ = ["app"]
