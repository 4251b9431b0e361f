"""Typer commands, thin."""
