"""Waiting for a condition with a deadline, never for luck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds until a condition counts as never true. Generous: it only costs time where something is wrong.
DEADLINE = 60.0


class NeverHappened(AssertionError):
    """The condition was not met before the deadline; the message says what was seen last."""


async def eventually(
    condition: Callable[[], Awaitable[T | None]], what: str, within: float = DEADLINE, every: float = 0.05
) -> T:
    """Return the first true value of `await condition()`.

    An `AssertionError` in the condition counts as "not yet". Parameters: `within` and `every` in seconds, `what` for
    the message. Raises: `NeverHappened` with the last value or assertion.
    """
    until = time.monotonic() + within
    last: object = None
    while True:
        try:
            value = await condition()
            if value:
                return value
            last = value
        except AssertionError as error:
            last = error
        if time.monotonic() > until:
            raise NeverHappened(f"{what}: not within {within:.0f} s; last seen: {last!r}")
        await asyncio.sleep(every)
