"""What `escalation` means: the ladder of each band, built in or as a policy has it, and how one is weaker than built in. Pure.

A case stands on a rung: how often it was passed on. Who was called goes on to be called: each step adds people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from policies.duties import duties_of
from policies.escalation import BANDS, CARD_ONLY, OFFICES, SAME_AGAIN, Band, LadderBlock, StepBlock
from policies.schema import Policy

LEAD, DEPUTY = OFFICES
StepRoom = Literal["moderators", "safeguarding"]

BECAUSE: Final[Mapping[Band, str]] = MappingProxyType(
    {
        "conduct": "A rule was broken: moderators read it when they are there.",
        "help": "Somebody waits for a person: nobody's device rings until it was passed on.",
        "serious": "The lead knows what to do, and nobody carries it alone.",
        "danger": "Somebody may die: lead and deputy are called at once, day and night.",
    }
)
#: What stands in a ladder, in words.
BAND_WORDS: Final[Mapping[Band, str]] = MappingProxyType(
    {"conduct": "conduct", "help": "requests for help", "serious": "serious cases", "danger": "danger"}
)

__all__ = [
    "BAND_WORDS",
    "BECAUSE",
    "BUILT_IN",
    "DEPUTY",
    "LEAD",
    "Ladder",
    "Ladders",
    "Step",
    "band_of",
    "called_by",
    "duration",
    "ladders_of",
    "weaker_in",
]


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: roles and offices that are called in addition to those before, and the minutes until it passes on.

    called: () where the card stands alone, or where the same are called again. room: where the card stands from here.
    agreed: whether its roles may be called outside the staffed hours; the two offices always may.
    """

    called: tuple[str, ...]
    minutes: int
    room: StepRoom = "safeguarding"
    agreed: bool = False


@dataclass(frozen=True, slots=True)
class Ladder:
    """The steps of one band, at least one. Rungs count from 0; beyond the last one nobody is left to ask."""

    steps: tuple[Step, ...]

    def ended(self, rung: int) -> bool:
        """Whether nobody is left to ask on this rung."""
        return rung >= len(self.steps)

    def minutes(self, rung: int) -> int:
        """Return how long those on a rung have; beyond the last as on it."""
        return self.steps[min(rung, len(self.steps) - 1)].minutes

    def room(self, rung: int) -> StepRoom:
        """Return where the card of a case on this rung stands."""
        return "safeguarding" if self.ended(rung) else self.steps[rung].room

    def called(self, rung: int) -> tuple[Step, ...]:
        """Return the steps whose people are called on a rung; beyond the last, lead and deputy in any case."""
        end = (Step(OFFICES, 0),) if self.ended(rung) else ()
        return (*self.steps[: rung + 1], *end)

    def reaches(self, name: str) -> int | None:
        """Return after how many minutes a role or an office is called, None where no step calls it."""
        waited = 0
        for step in self.steps:
            if name in step.called:
                return waited
            waited += step.minutes
        return None

    @property
    def names(self) -> frozenset[str]:
        """All roles and offices that are on it."""
        return frozenset(name for step in self.steps for name in step.called)


Ladders = Mapping[Band, Ladder]

BUILT_IN: Final[Ladders] = MappingProxyType(
    {
        "conduct": Ladder((Step((), 480, "moderators"), Step((LEAD,), 480))),
        "help": Ladder((Step((), 480), Step(OFFICES, 480))),
        "serious": Ladder((Step((LEAD,), 60), Step((DEPUTY,), 60))),
        "danger": Ladder((Step(OFFICES, 15), Step((), 15))),
    }
)


def band_of(track: str, severity: int) -> Band:
    """Return which ladder a case is on, by its track (`conduct` or `concern`) and severity (1 to 4)."""
    if severity >= 4:
        return "danger"
    if severity == 3:
        return "serious"
    return "conduct" if track == "conduct" else "help"


def ladders_of(policy: Policy) -> Ladders:
    """Return the ladder of each band under a valid policy."""
    written = policy.escalation
    found: dict[Band, Ladder] = dict(BUILT_IN)
    for band in BANDS:
        block = written.of(band) if written is not None else None
        if block is not None and block.steps:
            found[band] = _ladder(policy, band, block)
    return MappingProxyType(found)


def called_by(policy: Policy, step: StepBlock) -> tuple[str, ...]:
    """Return whom a written step calls: a role that holds an office is called by the office. () for a card alone or again."""
    owners = policy.community.owners
    offices = {owners.safeguarding_lead: LEAD, owners.deputy: DEPUTY}
    names = (offices.get(name, name) for name in step.call if name not in (CARD_ONLY, SAME_AGAIN))
    return tuple(dict.fromkeys(names))


def _ladder(policy: Policy, band: Band, block: LadderBlock) -> Ladder:
    steps: list[Step] = []
    moved = band != "conduct"
    for number, written in enumerate(block.steps):
        called = called_by(policy, written)
        moved = moved or (number > 0 and any(_safeguards(policy, name) for name in called))
        room: StepRoom = "safeguarding" if moved else "moderators"
        steps.append(Step(called, written.within, room, written.outside_hours == "agreed"))
    return Ladder(tuple(steps))


def _safeguards(policy: Policy, name: str) -> bool:
    return name in OFFICES or "safeguard" in duties_of(policy, name)


def weaker_in(band: Band, ladder: Ladder) -> Iterator[str]:
    """Yield in plain words how a ladder protects people less than the built-in one."""
    built_in = BUILT_IN[band]
    fewer, wanted = len(ladder.steps), len(built_in.steps)
    if fewer < wanted:
        yield f"it has {fewer} {'step' if fewer == 1 else 'steps'}, and not {wanted}"
    for number, step in enumerate(ladder.steps, start=1):
        usual = built_in.minutes(number - 1)
        if step.minutes > usual:
            yield f"step {number} waits {duration(step.minutes)}, and not {duration(usual)}"
    whole, usual = (sum(step.minutes for step in one.steps) for one in (ladder, built_in))
    if whole > usual:
        yield f"it ends after {duration(whole)}, and not after {duration(usual)}"
    yield from _later(built_in, ladder)


def _later(built_in: Ladder, ladder: Ladder) -> Iterator[str]:
    """Yield which offices are not called, or are called later than built in: other roles do not stand in for them."""
    for office in OFFICES:
        usual, called = built_in.reaches(office), ladder.reaches(office)
        if usual is None:
            continue
        who = f"the {office.replace('_', ' ')}"
        if called is None:
            yield f"{who} is not on it"
        elif called > usual:
            yield f"{who} is called after {duration(called)}, and not {f'after {duration(usual)}' if usual else 'at once'}"


def duration(minutes: int) -> str:
    """Return a length of time in words: `15 minutes`, `1 hour`, `1 hour 30 minutes`."""
    hours, rest = divmod(minutes, 60)
    parts = [(hours, "hour"), (rest, "minute")]
    return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count)
