"""Ladders that are well formed and cannot be meant: nobody on them, who could not see the card, who was just called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from policies.duties import duties_of
from policies.escalation import BANDS, CARD_ONLY, OFFICES, SAME_AGAIN, Band, LadderBlock, StepBlock
from policies.findings import did_you_mean, shown
from policies.ladders import BAND_WORDS, BUILT_IN, Ladder, called_by, duration, ladders_of, weaker_in
from policies.people import People
from policies.problems import Problem
from policies.schema import Policy
from policies.source import Path

MAX_STEPS: Final = 5
LONGEST: Final[Mapping[Band, int]] = {"conduct": 2400, "help": 2400, "serious": 480, "danger": 60}
"""Minutes that one step may have at most, whoever answers for it."""

__all__ = ["LONGEST", "MAX_STEPS", "problems_of_ladders", "problems_of_those_called"]


def problems_of_ladders(policy: Policy) -> Iterator[Problem]:
    """Yield what cannot be meant in the ladders that a policy writes down."""
    written = policy.escalation
    if written is None and "escalation" not in policy.model_fields_set:
        return
    if written is None or all(written.of(band) is None for band in BANDS):
        advice = f"Name one of {', '.join(BANDS)}, or remove it: all is then as it is by itself."
        yield Problem(("escalation",), "escalation says nothing", advice, "advice", key=True)
    if written is None:
        return
    for band in BANDS:
        block = written.of(band)
        if block is not None:
            yield from _ladder(policy, band, block)


def _ladder(policy: Policy, band: Band, block: LadderBlock) -> Iterator[Problem]:
    path: Path = ("escalation", band)
    if not block.steps:
        advice = "Add a step, such as {call: safeguarding_lead, within: 30m}, or leave it out: it is then as by itself."
        yield Problem(path, f"this is a ladder without anybody on it: {band} calls nobody", advice, key=True)
        return
    if len(block.steps) > MAX_STEPS:
        advice = "Whoever waits must be told in the end that nobody came. Call more people at once."
        yield Problem(path, f"the ladder has {len(block.steps)} steps, {MAX_STEPS} are allowed", advice, key=True)
    problems = list(_steps(policy, band, block))
    yield from problems
    if not problems:  # what calls nobody cannot be compared
        yield from _weaker(path, band, block, ladders_of(policy)[band])


def _weaker(path: Path, band: Band, block: LadderBlock, ladder: Ladder) -> Iterator[Problem]:
    reasons = tuple(weaker_in(band, ladder))
    if reasons and not block.vouched:
        message = f"the ladder for {BAND_WORDS[band]} is weaker than by itself: {reasons[0]}"
        advice = (
            f'Write "{band}: {{steps: […], because: …, approved_by: safeguarding_lead}}", or leave {band} out: '
            f"{_by_itself(band)}"
        )
        yield Problem(path, message, advice, key=True)
    elif not reasons and block.approved_by is not None:
        message = f"the ladder for {BAND_WORDS[band]} is not weaker than by itself"
        yield Problem(
            path, message, f"Nobody needs to answer for it. Write only the steps below {band}.", "advice", key=True
        )


def _by_itself(band: Band) -> str:
    steps = BUILT_IN[band].steps
    return f"it then has {len(steps)} steps of {duration(steps[0].minutes)}."


def _steps(policy: Policy, band: Band, block: LadderBlock) -> Iterator[Problem]:
    before: tuple[str, ...] = ()
    rooms = [step.room for step in ladders_of(policy)[band].steps]
    for number, step in enumerate(block.steps):
        path: Path = ("escalation", band, "steps", number)
        if step.within > LONGEST[band]:
            most = duration(LONGEST[band])
            advice = f"Write {most} or less: somebody waits."
            yield Problem((*path, "within"), f"{duration(step.within)} is out of range: at most {most}", advice)
        yield from _words(path, band, number, step, before)
        called = called_by(policy, step)
        yield from _roles(policy, path, step)
        if step.outside_hours is not None and set(called) <= set(OFFICES):
            message = f"outside_hours says nothing here: step {number + 1} calls no role"
            advice = "Remove it. It speaks of roles; safeguarding_lead and deputy are called at any hour."
            yield Problem((*path, "outside_hours"), message, advice, key=True)
        if band == "danger" and number == 0 and step.call and not set(OFFICES) <= set(called):
            message = "in danger, the safeguarding lead and the deputy are both called first, at once"
            advice = (
                "Write call: [safeguarding_lead, deputy]; more roles may stand beside them. Nobody can change this."
            )
            yield Problem((*path, "call"), message, advice)
        elif called and set(called) <= set(before):
            message = f"step {number + 1} calls nobody but those who were called just before"
            advice = f'Name another role, or write "call: {SAME_AGAIN}" to call the same people once more.'
            yield Problem((*path, "call"), message, advice)
        yield from _blind(policy, path, band, step, "moderate" if rooms[number] == "moderators" else "safeguard")
        before = called or before


def _words(path: Path, band: Band, number: int, step: StepBlock, before: tuple[str, ...]) -> Iterator[Problem]:
    where: Path = (*path, "call")
    if not step.call:
        advice = "Name a role, safeguarding_lead or deputy; or remove the step."
        yield Problem(where, f"step {number + 1} calls nobody", advice, key=True)
    for word in (CARD_ONLY, SAME_AGAIN):
        if word in step.call and len(step.call) > 1:
            yield Problem(where, f"{word} stands beside others", f"Write {word} alone, or leave it out.")
    if CARD_ONLY in step.call and (number > 0 or band in ("serious", "danger")):
        message = f"step {number + 1} would only show the card, and somebody must be called here"
        advice = "Name a role, safeguarding_lead or deputy. card_only may only begin conduct and help."
        yield Problem(where, message, advice)
    if SAME_AGAIN in step.call and not before:
        advice = "Name a role, safeguarding_lead or deputy first."
        yield Problem(where, "nobody was called before, so nobody can be called again", advice)


def _roles(policy: Policy, path: Path, step: StepBlock) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in enumerate(step.call):
        where: Path = (*path, "call", index)
        if name in seen:
            yield Problem(where, f"{shown(name)} stands here twice", "Remove one of the two.")
        seen.add(name)
        if name not in (*OFFICES, CARD_ONLY, SAME_AGAIN) and name not in policy.roles:
            yield Problem(where, f'there is no role "{shown(name)}"', did_you_mean(name, (*policy.roles, *OFFICES)))


def _blind(policy: Policy, path: Path, band: Band, step: StepBlock, duty: str) -> Iterator[Problem]:
    """Yield who could not see the card of the case, or not act on it."""
    offices = _roles_of_offices(policy)
    for index, name in enumerate(step.call):
        role = policy.roles.get(offices.get(name, name))
        if role is None or duty in duties_of(policy, offices.get(name, name)):
            continue
        role_id, room = offices.get(name, name), "moderators" if duty == "moderate" else "safeguarding"
        message = f"the role {role_id} cannot {duty}, so it could not act on a card in the {room} room"
        advice = f'Add {duty} to what it can do: "can: [{", ".join((*role.can, duty))}]", or call another role.'
        if band == "conduct" and duty == "moderate":
            advice += " Cards about conduct begin in the moderators' room; those who safeguard come on the next step."
        yield Problem((*path, "call", index), message, advice)


def problems_of_those_called(policy: Policy, people: People) -> Iterator[Problem]:
    """Yield which steps nobody would answer, given who holds what. Lead and deputy are asked for elsewhere."""
    if policy.escalation is None:
        return
    for band, ladder in ladders_of(policy).items():
        if policy.escalation.of(band) is not None:
            yield from _unheld(band, ladder, _holders(policy, people))


def _holders(policy: Policy, people: People) -> Callable[[str], tuple[str, ...]]:
    offices = _roles_of_offices(policy)
    return lambda name: people.holders(offices.get(name, name))


def _unheld(band: Band, ladder: Ladder, holders: Callable[[str], tuple[str, ...]]) -> Iterator[Problem]:
    before: set[str] = set()
    for number, step in enumerate(ladder.steps):
        here = {person for name in step.called for person in holders(name)}
        for name in step.called:
            if name in OFFICES or holders(name):
                continue
            first = number == 0 and not here
            message = f'nobody holds the role "{shown(name)}", which step {number + 1} for {BAND_WORDS[band]} calls'
            advice = f"Give somebody the role: roles: [{shown(name)}]; or take it off the ladder."
            yield Problem(("people",), message, advice, "error" if first else "advice", key=True)
        if here and here <= before:
            message = f"step {number + 1} for {BAND_WORDS[band]} calls nobody but people who were called before"
            advice = "Give one of its roles to somebody else: passed on, it should reach another person."
            yield Problem(("people",), message, advice, "advice", key=True)
        before |= here


def _roles_of_offices(policy: Policy) -> dict[str, str]:
    owners = policy.community.owners
    return dict(zip(OFFICES, (owners.safeguarding_lead, owners.deputy), strict=True))
