"""Drift: what somebody changed by hand of what the policy says, what it touches, and what follows. Pure.

What differs is what the planner would put right; here it gets its aspect and its answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from policies.changes import AddAddress, Change, SetListing, SetState
from policies.defaults import DRIFT, DriftAnswer, DriftAspect
from policies.desired import MANAGED_TYPE, DesiredCommunity, RoomKey, StateKey
from policies.listing import is_marked, uncertain
from policies.newcomers import differ_in_newcomers
from policies.observed import Identities, Observed
from policies.people import People
from policies.planner import Planner

_ASPECTS: Final[Mapping[str, DriftAspect]] = {
    **{event_type: aspect for aspect, default in DRIFT.items() for event_type in default.types},
    MANAGED_TYPE: "settings",
}
_FINAL: Final = ("m.room.encryption", "m.room.tombstone")
"""Once they stand they cannot be taken back: people are told, whatever the policy says."""
_NOBODY: Final = People({})

WINDOW_MS: Final = 3600 * 1000
"""What was put right longer ago than this is no part of a fight."""
AT_ONCE: Final = 3
"""So often in that time it is put right at once; somebody who tries again, or two programs, are waited for longer."""
FIRST_WAIT_MS: Final = 15 * 1000
TELL_AGAIN_MS: Final = WINDOW_MS
"""People are told of one room and aspect once in this time, however often it is changed."""

__all__ = [
    "AT_ONCE",
    "FIRST_WAIT_MS",
    "GOVERNED_TYPES",
    "TELL_AGAIN_MS",
    "WINDOW_MS",
    "Deviation",
    "answer_to",
    "aspect_of",
    "deviations",
    "is_left_alone",
    "wait_ms",
]

GOVERNED_TYPES: Final[Collection[str]] = _ASPECTS.keys()
"""Types of state of which a policy may say something."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """State of a room that is not as the policy says. `change` puts it right; None where nothing can. `reads_first` is
    whether newcomers may wait in that room."""

    key: StateKey
    aspect: DriftAspect
    answer: DriftAnswer
    change: SetState | SetListing | None
    reads_first: bool = False

    @property
    def of_newcomers(self) -> bool:
        """Whether it is only about who waits as a newcomer: that moves with people, and is nobody's doing."""
        change = self.change
        powers = self.reads_first and change is not None and change.type == "m.room.power_levels"
        return change is not None and powers and differ_in_newcomers(change.before, change.after)


def aspect_of(event_type: str) -> DriftAspect | None:
    """Return what a type of state is about; None for what no policy governs."""
    return _ASPECTS.get(event_type)


def answer_to(community: DesiredCommunity, event_type: str) -> DriftAnswer:
    """Return what follows when state of this type is changed by hand. The mark, by which a room is found, is kept always."""
    aspect = aspect_of(event_type)
    if event_type == MANAGED_TYPE:
        return "enforce"
    return community.drift[aspect] if aspect is not None else "ignore"


def is_left_alone(community: DesiredCommunity, change: Change) -> bool:
    """Whether a change, if it would put right what somebody did by hand, is left to a person who applies the policy."""
    if isinstance(change, AddAddress):
        return community.drift["links"] != "enforce"
    if isinstance(change, SetListing) and uncertain(change.before):
        return False  # we have begun it ourselves
    if isinstance(change, SetListing):
        return community.drift["settings"] != "enforce"
    return isinstance(change, SetState) and answer_to(community, change.type) != "enforce"


def deviations(
    community: DesiredCommunity, observed: Observed, identities: Identities, key: RoomKey
) -> tuple[Deviation, ...]:
    """Return how the state of one room differs from the policy. Members and other rooms are not looked at.

    observed: that room, and the rooms that it links to.
    """
    found = []
    reads_first = community.room(key).first_messages > 0
    present = observed.rooms.get(key)
    mark = present.state.get((MANAGED_TYPE, "")) if present is not None else None
    ours = is_marked(mark, community.id, key) and uncertain(mark)  # what we have begun is to be ended, and is no drift
    changes = Planner(community, _NOBODY, observed, identities).keep_state(key)
    listing = any(isinstance(change, SetListing) for change in changes)  # it writes the mark: none without its call
    for change in changes:
        aspect = aspect_of(change.type)
        if change.type == MANAGED_TYPE and (ours or (listing and isinstance(change, SetState))):
            continue
        if aspect is not None:
            answer = answer_to(community, change.type)
            found.append(Deviation((change.type, change.state_key), aspect, answer, change, reads_first))
    wanted = community.room(key).state
    for event_type in _FINAL:
        if present is not None and (event_type, "") not in wanted and present.state.get((event_type, "")):
            found.append(Deviation((event_type, ""), "settings", answer_to(community, event_type), None))
    return tuple(found)


def wait_ms(put_right: Sequence[int], now_ms: int) -> int:
    """Return how long to wait before one aspect of a room is put right again, after the times (ms) at which it was.

    The first ones follow at once. After that the wait doubles, so that a fight between two programs ends as a few events
    an hour.
    """
    lately = [at for at in put_right if at > now_ms - WINDOW_MS]
    if len(lately) < AT_ONCE:
        return 0
    doubled = min(len(lately) - AT_ONCE, 20)
    return max(0, min(lately[-1] + FIRST_WAIT_MS * (1 << doubled) - now_ms, WINDOW_MS))
