"""Effects that a test may switch off, to see that something else notices. Costs nothing otherwise; never for real use."""

from __future__ import annotations

import os

#: Names given in INGLENOOK_WITHOUT, separated by commas: types of effects, keys of texts, handlers, and
#: the protections `space_links`, `care_gate`, `gap_check`, `dedupe` and `put_back` (what somebody changed by hand).
OFF = frozenset(name for name in os.environ.get("INGLENOOK_WITHOUT", "").split(",") if name)


def off(name: str) -> bool:
    """Return whether what is called `name` is switched off in this process."""
    return name in OFF
