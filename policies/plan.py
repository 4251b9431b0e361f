"""A plan: all changes between what a community should be and what is, as one value that can be read, counted and refused.

`plan` makes it. Applying it and observing again leaves nothing to do; that it holds for every world is tested.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.changes import CLASSES, Change, ChangeClass, change_from_record, change_record
from policies.desired import DesiredCommunity
from policies.notes import Note, note_from_record, note_record
from policies.observed import Identities, Observed
from policies.people import People
from policies.planner import Planner
from policies.thresholds import Danger, Share, TooMuchAtOnce, share_from_record, shares

RECORD_VERSION: Final = 1
_CLASS_WORDS: Final[Mapping[ChangeClass, str]] = {
    "safe": "safe",
    "disruptive": "disruptive",
    "exposing": "exposing",
    "one_way": "that cannot be undone",
}

__all__ = ["RECORD_VERSION", "Plan", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for one community.

    community: its id; policy: the digest of the policy behind it. changes: in the order in which they are to be made,
    each phase for all rooms before the next (`changes.PHASES`). notes: what a person should know, and nothing is done
    about. shares: of how many people it takes something, so that it can be refused.
    """

    community: str
    policy: str
    changes: tuple[Change, ...]
    notes: tuple[Note, ...] = ()
    shares: tuple[Share, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do; there may still be notes."""
        return not self.changes

    @property
    def calls(self) -> int:
        """How many calls to the homeserver applying it takes, exactly, if nothing has moved meanwhile."""
        return sum(change.calls for change in self.changes)

    @property
    def counts(self) -> dict[ChangeClass, int]:
        """How many changes there are of each class, none left out."""
        found = Counter(change.change_class for change in self.changes)
        return {change_class: found[change_class] for change_class in CLASSES}

    @property
    def digest(self) -> str:
        """`sha256:` and the hex digest of community, policy and changes, with what they found before them.

        The same for the same plan made again; another one as soon as reality or policy has moved so that other changes
        would follow. Notes do not count: nothing is done about them; nor do shares, which move with people who are not
        touched.
        """
        content = {key: value for key, value in self._content().items() if key not in ("notes", "shares")}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"

    def too_much(self, allowed: Collection[Danger] = ()) -> tuple[Share, ...]:
        """Return what the plan takes from too many people at once, beside what a person has `allowed`."""
        return tuple(share for share in self.shares if share.too_much and share.what not in allowed)

    def raise_if_unsafe(self, allowed: Collection[Danger] = ()) -> None:
        """Raise `TooMuchAtOnce`, with the figures, for a plan that must not be applied unless a person insists."""
        found = self.too_much(allowed)
        if found:
            raise TooMuchAtOnce(found)

    def summary(self) -> str:
        """Return one line that says how much is to be done, by class."""
        if self.empty:
            return "Nothing to do."
        rooms = len({change.room for change in self.changes})
        classes = ", ".join(f"{count} {_CLASS_WORDS[name]}" for name, count in self.counts.items() if count)
        return (
            f"{_many(len(self.changes), 'change')} in {_many(rooms, 'room')}, {_many(self.calls, 'call')}: {classes}."
        )

    def describe(self) -> tuple[str, ...]:
        """Return a line for each change, in order, then one for each note, in plain words that name people by user id."""
        return (*(change.describe() for change in self.changes), *(note.text for note in self.notes))

    def record(self) -> dict[str, Any]:
        """Return the plan as JSON values, with its digest; `from_record` reads them."""
        return {**self._content(), "digest": self.digest, "calls": self.calls}

    def _content(self) -> dict[str, Any]:
        return {
            "plan": RECORD_VERSION,
            "community": self.community,
            "policy": self.policy,
            "changes": [change_record(change) for change in self.changes],
            "notes": [note_record(note) for note in self.notes],
            "shares": [share.record() for share in self.shares],
        }

    @classmethod
    def from_record(cls, record: object) -> Plan:
        """Return the plan that `record` wrote. Raises ValueError for anything else, and where the digest does not fit."""
        if not isinstance(record, Mapping) or record.get("plan") != RECORD_VERSION:
            raise ValueError("this is not a saved plan that this program can read")
        changes, notes, parts = record.get("changes"), record.get("notes"), record.get("shares", [])
        community, policy = record.get("community"), record.get("policy")
        if not (isinstance(changes, list) and isinstance(notes, list) and isinstance(parts, list)):
            raise ValueError("the saved plan is damaged: its changes, its notes or its shares are not a list")
        if not (isinstance(community, str) and isinstance(policy, str)):
            raise ValueError("the saved plan is damaged: it does not say what it was made for")
        read = cls(
            community,
            policy,
            tuple(map(change_from_record, changes)),
            tuple(map(note_from_record, notes)),
            tuple(map(share_from_record, parts)),
        )
        if read.digest != record.get("digest"):
            raise ValueError("the saved plan was changed after it was made: its digest does not fit")
        return read


def plan(
    community: DesiredCommunity,
    people: People,
    observed: Observed,
    identities: Identities,
    leave: Callable[[Change], bool] = lambda _change: False,
) -> Plan:
    """Return what is to be done so that the homeserver holds the community as it should be. Pure: no I/O, no clock.

    community: as compiled from the policy and the same people. The order in which people and rooms are given means
    nothing. Rooms that are not ours, and state that no policy governs, are left alone; a room of ours whose group is
    gone from the policy is noted and left standing. leave: which changes are not to be made by this plan; they count for
    none of its shares.

    Raises ValueError if one of our identities is among the people.
    """
    changes, notes = Planner(community, people, observed, identities).decide()
    changes = tuple(change for change in changes if not leave(change))
    parts = shares(changes, community, observed, identities)
    return Plan(community.id, community.policy_digest, changes, notes, parts)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
