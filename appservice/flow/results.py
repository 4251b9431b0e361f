"""What became of an effect, as its executor says it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    """The how many-eth attempt this is (from 1, over restarts).

    `look_first`: an earlier one may have reached the homeserver so long ago that its memory of transaction ids cannot be
    trusted, so look before you send. `untold`: what the effect waited for (`once`) was refused, so its person was not told.
    """

    number: int
    look_first: bool = False
    untold: bool = False

    @property
    def perhaps_sent(self) -> bool:
        """Whether an earlier attempt may have reached the homeserver."""
        return self.number > 1


@dataclass(frozen=True, slots=True)
class Done:
    """It is true now. `event_id` where it became an event; `already` where nothing had to be done."""

    event_id: str | None = None
    room_id: str | None = None
    already: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never be true by trying again; `code` is a Matrix error code or a short word of ours."""

    code: str


@dataclass(frozen=True, slots=True)
class Postponed:
    """Try again, not before `after_ms` from now (None: the outbox's own back-off). `code` says why."""

    code: str
    after_ms: int | None = None


Result = Done | Refused | Postponed
