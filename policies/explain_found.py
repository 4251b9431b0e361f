"""How a group can be found, in words for `explain`. Pure."""

from __future__ import annotations

from typing import Final

from policies.desired import DesiredRoom

LISTED: Final = 'and "visibility": "public" in the homeserver\'s list of rooms'
"""What being in the list is in Matrix: no state of the room."""

__all__ = ["LISTED", "found_words", "why_found_so"]


def found_words(room: DesiredRoom, server: str) -> str:
    """Return a sentence or two on how a room on `server` can be found by those whom no space shows it."""
    if not room.addressed:
        return "It has no address, and no public list of rooms shows it."
    address = f"Its address is #{room.alias_localpart}:{server}."
    if not room.listed:
        return f"{address} No public list of rooms shows it."
    return (
        f"{address} The public list of rooms shows its name, its purpose and how many are in it to whoever has an account "
        "on this server."
    )


def why_found_so(default: str) -> tuple[str, str]:
    """Return where this default comes from, and why it is so."""
    if default == "nothing":
        why = "Servers answer each other what an address leads to, whatever the room says."
        return "the community lets in other servers", why
    return "unless the file says otherwise", "Who is given the address finds it, and nobody else."
