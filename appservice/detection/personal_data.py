"""Whose personal data a message carries (DESIGN, section 7, items 1-3; CARE, rule 1). What follows: `conduct`.

Somebody else's number, or one of unclear owner, is removed, with a text that asks and does not accuse. A person's own
number stays: they are told that everybody can see it.
"""

from __future__ import annotations

from dataclasses import dataclass

NOBODYS, OWN, OTHERS = "nobody's", "own", "others"


@dataclass(frozen=True, slots=True)
class Details:
    """Whose personal data a message carries, and of which kinds (`identifiers.KINDS`)."""

    whose: str
    kinds: tuple[str, ...] = ()
