"""What the demo tells a newcomer: how to sign in, what to try, who can read it, how to stop. Plain words."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from appservice.operations.demo_people import CAST
from policies.desired import DesiredCommunity


def guide(
    out: Console, *, url: str, passwords: Mapping[str, str], wanted: DesiredCommunity, record: Path, folder: Path
) -> None:
    """Print the page. `url` is the homeserver's address, `record` the file with the passwords."""
    room = {room.key: f"“{room.name}”" for room in wanted.rooms}
    closed = wanted.room("bereaved")
    _part(
        out,
        "Now look for yourself",
        "Use Element on this computer, or any other Matrix app. A phone cannot reach it.",
        "1. Choose “Sign in”. Change the homeserver to this address:",
        f"      {url}",
        "2. Type one of these names, just the short name, and its password:",
    )
    out.print()
    for part in CAST:
        _line(out, f"      {part.name:<8} {passwords[part.name]:<16} {part.called} {part.who}.")
    out.print()
    _line(out, "  To be two people at once, use two browsers, or a private window.")
    _part(
        out,
        "Things to try",
        f"1. As sam, write in {room['welcome']}: Ring Jo on 07700 900456",
        "   It goes. Then look for the private message that Sam gets.",
        "2. As sam, write: My number is 07700 900789",
        "   It stays, because it is Sam's own. Sam is told that all can see it.",
        f"3. As sam, try to join #{closed.alias_localpart}:{wanted.server}",
        "   That room is closed. Sam is kept out.",
        "4. As sam, answer the helper's private message with the word: help",
        f"   As amina, look in {room['safeguarding']}. A card there says that Sam asks for a person.",
        f"5. As morgan, look in {room['moderators']}.",
        "   A card there tells of what was taken away, and from whom.",
    )
    _part(
        out,
        "Who can read this",
        "The rooms are not encrypted. What is written in a room can be read by:",
        f"- everybody who is in that room (all who have an account may enter {room['welcome']}),",
        "- the helper program, which looks for phone numbers,",
        "- anybody who can open the files on this computer as you, or as its administrator.",
        "Nothing leaves this computer. The people are made up, and their numbers ring nowhere.",
        "Do not write anything real about real people here.",
    )
    _part(
        out,
        "Where things are",
        f"Everything lies in      {folder}",
        f"The passwords are in    {record}",
        "To stop                 press Ctrl-C",
        "To go on later          give the same command again",
        f"To remove it all        stop, then: rm -r {shlex.quote(str(folder))}",
    )
    out.print()


def _part(out: Console, title: str, *lines: str) -> None:
    out.print()
    out.print(title, style="bold", markup=False, highlight=False)
    for line in lines:
        _line(out, f"  {line}")


def _line(out: Console, text: str) -> None:
    out.print(text, markup=False, highlight=False)
