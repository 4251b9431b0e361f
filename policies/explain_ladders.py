"""The ladders of a community in plain words: who is called on each step, for how long, and what comes at the end. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.escalation import OFFICES, Band
from policies.ladders import BAND_WORDS, Ladder, Step, duration, ladders_of
from policies.schema import Policy

_END: Final = (
    "Nobody is left to ask: lead and deputy are called once more, and those who run the server are told that something "
    "waits. Whoever asked, or is in distress, is told that nobody has answered yet."
)

__all__ = ["ladder_words"]


def ladder_words(policy: Policy, band: Band) -> Iterator[tuple[str, int | None, str]]:
    """Yield (what it is about, number of the step or None for the end, in words) for each step of a band, and its end."""
    ladder = ladders_of(policy)[band]
    for number, step in enumerate(ladder.steps):
        yield f"{BAND_WORDS[band]}, step {number + 1}", number, f"{_who(ladder, number)} {_time(band, step)}"
    yield f"{BAND_WORDS[band]}, at the end", None, _END


def _who(ladder: Ladder, number: int) -> str:
    step = ladder.steps[number]
    room = "moderators'" if step.room == "moderators" else "safeguarding"
    if number == 0 and not step.called:
        return f"The card stands in the {room} room, and nobody's device rings."
    if not step.called:
        return "The same people are called again."
    said = f"Called in the {room} room: {', '.join(_named(name) for name in step.called)}."
    roles = [name for name in step.called if name not in OFFICES]
    if roles and step.agreed:
        return f"{said} Those with the role agreed to be called outside the staffed hours, too."
    if roles:
        return f"{said} Those with the role only in the staffed hours."
    return said


def _named(name: str) -> str:
    return f"the {name.replace('_', ' ')}" if name in OFFICES else f"all with the role {name}"


def _time(band: Band, step: Step) -> str:
    if band == "danger":
        return f"After {duration(step.minutes)}, day or night, it passes on."
    return f"After {duration(step.minutes)} of the staffed hours it passes on."
