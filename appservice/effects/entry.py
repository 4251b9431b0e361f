"""An effect in the outbox, with what is known of its attempts."""

from __future__ import annotations

from dataclasses import dataclass, field

from appservice.flow import Effect


@dataclass(slots=True, eq=False)
class Entry:
    """One open effect. Times in ms; `merged` are those that are said in the same breath."""

    effect: Effect
    created_ms: int
    attempts: int = 0
    unexpected: int = 0
    not_before_ms: int = 0
    merged: list[Effect] = field(default_factory=list)

    @property
    def wanted_at_ms(self) -> int:
        """When it is meant to become true; 0 for at once."""
        return int(getattr(self.effect, "not_before_ms", 0))
