"""What can be tapped on a card: which sign does what, and for how long."""

from __future__ import annotations

from typing import Final

#: ms that a tap on a card counts; the words go on to do.
BUTTON_MS: Final = 14 * 24 * 3600 * 1000
#: What can be tapped on a card, and what it does. Each has a word beside it.
BUTTONS: Final = (("👀", "ack"), ("⬆", "escalate"))


def plain_key(key: str) -> str:
    """Return a reaction's key without the marks that keyboards add: how it is drawn, and the colour of a skin."""
    return "".join(sign for sign in key[:20] if sign not in "\ufe0e\ufe0f" and not "\U0001f3fb" <= sign <= "\U0001f3ff")
