"""Cards, prompts, words and taps, text catalogues: everything a person reads or answers."""

from __future__ import annotations

from appservice.conversation.cards import CardExecutor, Desk
from appservice.conversation.hours import opens_again, plain_hours, time_at
from appservice.conversation.policy_words import YES, PolicyWords, is_for_policies
from appservice.conversation.reading_words import TAPS, ReadingWords, Say, give_back, is_for_reading
from appservice.conversation.texts import Catalogue, conduct_fields

__all__ = [
    "TAPS",
    "YES",
    "CardExecutor",
    "Catalogue",
    "Desk",
    "PolicyWords",
    "ReadingWords",
    "Say",
    "conduct_fields",
    "give_back",
    "is_for_policies",
    "is_for_reading",
    "opens_again",
    "plain_hours",
    "time_at",
]
