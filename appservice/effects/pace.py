"""When to say the quiet things: not while the homeserver is busy with everybody's messages, but never too late.

A homeserver on SQLite holds about 40 messages a second with one core; each write of ours competes with a member's. So
notices, messages and cards wait while writes take much longer than usual, and merge while they wait.
"""

from __future__ import annotations

from collections import deque
from statistics import median
from time import monotonic

#: A write this many times slower than the usual one means: busy.
_BUSY_FACTOR = 2.5
#: … and at least this much slower (ms), so that small numbers do not count.
_BUSY_AT_LEAST_MS = 60.0
#: Seconds after which the last slow write is no sign any more.
_STALE_S = 3.0
#: Seconds a quiet effect may be held back; the promise is delivery within 120 s, and draining takes some.
HOLD_AT_MOST_S = 70.0
#: Usual duration (ms) of a write before we have measured one.
_USUAL_AT_FIRST_MS = 50.0


class Pace:
    """Watches how long writes take; says whether a quiet effect may go."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=9)
        self._calm: deque[float] = deque([_USUAL_AT_FIRST_MS], maxlen=101)
        self._last = 0.0

    def observe(self, ms: float) -> None:
        """Take the duration of one write."""
        self._recent.append(ms)
        self._last = monotonic()
        if ms < self._limit():
            self._calm.append(ms)

    def _limit(self) -> float:
        usual = median(self._calm)
        return max(usual * _BUSY_FACTOR, usual + _BUSY_AT_LEAST_MS)

    @property
    def busy(self) -> bool:
        """Whether the homeserver is busier than usual, as far as the last seconds tell."""
        if not self._recent or monotonic() - self._last > _STALE_S:
            return False
        newest = list(self._recent)[-3:]
        return median(newest) > self._limit()

    def may_go(self, waited_s: float) -> bool:
        """Whether an effect that has waited so long may leave now."""
        return not self.busy or waited_s >= HOLD_AT_MOST_S
