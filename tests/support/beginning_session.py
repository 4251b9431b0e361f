"""The session with `inglenook init` that the guide shows: what is typed, and how to print it anew."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.support.terminal import Terminal

#: What somebody types in the session that `docs/beginning.md` shows. Regenerate it with `python -m tests.support.beginning_session`.
SESSION = (
    "A group chat on our phones, and tea on Fridays.",
    "partly",
    "adults",
    "talk",
    "6",
    "They want to talk at night. New people did not find us.",
    "Big letters. Two of them have old phones.",
    "Hearth",
    "People who look after somebody at home talk with each other.",
    "",
    "both",
    "New people must find us, and then talk among few.",
    "The lounge",
    "?",
    "Somebody gives away a number. Somebody is unkind.",
    "medium",
    "chat.hearth.example",
    "copper-lark",
    "quiet-fern",
    "amber-kite",
    "",
    "weekdays 9am to 1pm",
    "weekdays 1pm to 5pm",
    "Sat 10am to noon",
    "01632 960123",
    "",
)


def main() -> None:
    """Print the session, for the guide."""
    with tempfile.TemporaryDirectory() as folder:
        terminal = Terminal(["init", "hearth"], Path(folder))
        terminal.answers(*SESSION).ends()
        terminal.close()
        sys.stdout.write(terminal.shown.strip() + "\n")


if __name__ == "__main__":
    main()
