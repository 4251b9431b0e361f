"""Cards, prompts, words and taps, text catalogues: everything a person reads or answers."""

from __future__ import annotations

from appservice.conversation.cards import CardExecutor, Desk
from appservice.conversation.hours import opens_again, plain_hours
from appservice.conversation.texts import Catalogue, conduct_fields

__all__ = ["CardExecutor", "Catalogue", "Desk", "conduct_fields", "opens_again", "plain_hours"]
