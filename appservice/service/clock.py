"""The machine's clock, as the rest of the house asks for it."""

from __future__ import annotations

import time


class SystemClock:
    """`flow.Clock` on the machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000
