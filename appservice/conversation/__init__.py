"""Cards, prompts, words and taps, text catalogues: everything a person reads or answers."""

from __future__ import annotations

from appservice.conversation.cards import CardExecutor, Desk
from appservice.conversation.hours import opens_again, plain_hours, time_at
from appservice.conversation.policy_words import YES, PolicyWords, is_for_policies
from appservice.conversation.texts import Catalogue, conduct_fields

__all__ = [
    "YES",
    "CardExecutor",
    "Catalogue",
    "Desk",
    "PolicyWords",
    "conduct_fields",
    "is_for_policies",
    "opens_again",
    "plain_hours",
    "time_at",
]
