"""Named moments at which a test may let the process die, as if its power had been cut. Costs nothing otherwise."""

from __future__ import annotations

import os
import signal

#: Every name that `reach` is called with; the chaos tests go through all of them.
POINTS = (
    "journal-before-commit",
    "journal-after-commit",
    "outbox-before-send",
    "outbox-after-send",
    "outbox-after-result",
    "gap-before-token",
    "gap-after-token",
)

_name, _, _count = os.environ.get("INGLENOOK_DIE_AT", "").partition(":")
_left = int(_count or "1")


def reach(point: str) -> None:
    """Die by SIGKILL if INGLENOOK_DIE_AT is `point` or `point:N` and this is the N-th time here."""
    global _left  # noqa: PLW0603 - a counter for one process, in tests only
    if point != _name:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
