"""Services that somebody may be pointed to: only what the table of signposts says (CARE, rule 10)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Signpost", "for_a_crisis", "for_children", "signposts_of"]

_CRISIS = ("Emergency services", "NHS urgent mental health help", "Samaritans")


@dataclass(frozen=True, slots=True)
class Signpost:
    """A service: what it is called, how it is reached, for whom, and when."""

    name: str
    contact: str
    channel: str
    for_whom: str
    hours: str


def signposts_of(table: str) -> tuple[Signpost, ...]:
    """Return the rows of `policies/rules/signposts/*.csv`, from its text; a row without a contact is left out."""
    return tuple(
        Signpost(*(row.get(field) or "" for field in ("name", "contact", "channel", "for_whom", "hours")))
        for row in csv.DictReader(io.StringIO(table))
        if row.get("contact")
    )


def for_a_crisis(signposts: Iterable[Signpost]) -> tuple[Signpost, ...]:
    """Return those that somebody in danger can ring."""
    return tuple(one for one in signposts if one.name in _CRISIS and one.channel.startswith("phone"))


def for_children(signposts: Iterable[Signpost]) -> tuple[Signpost, ...]:
    """Return those made for children and young people."""
    return tuple(one for one in signposts if one.for_whom.startswith("children"))
