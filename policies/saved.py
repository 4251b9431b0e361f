"""A plan on paper: saved today, applied within the week, to the same community, and only if nothing has moved.

It holds changes and digests: no policy, no list of people beyond those it touches, and nothing that anybody wrote.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.changes import (
    AddAddress,
    BringOver,
    Change,
    Invite,
    KeepOut,
    Remove,
    Retire,
    SetListing,
    SetState,
    change_record,
)
from policies.people import People
from policies.plan import Plan

FORMAT: Final = 1
MARK: Final = "inglenook_plan"
GOOD_FOR_MS: Final = 7 * 24 * 3600 * 1000
"""ms that an approval lasts. Who still wants it makes it anew: if nothing has moved, it is the same plan."""
_CLOCKS_MS: Final = 5 * 60 * 1000  # that two clocks may differ
_SHOWN: Final = 20  # differences told one by one

__all__ = ["FORMAT", "GOOD_FOR_MS", "MARK", "SavedPlan", "UnusablePlan", "differences", "people_digest"]


class UnusablePlan(ValueError):
    """A file that is not a plan for us, or not any more; its words say why and what to do."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan with what it was made from.

    people: digest of the people file. server: name of the homeserver. made_ms: when. policy_file, people_file: where the
    two files lay, as whole paths.
    """

    plan: Plan
    people: str
    server: str
    made_ms: int
    policy_file: str
    people_file: str

    def record(self) -> dict[str, Any]:
        """Return it as JSON values, with a check over all of them; `from_record` reads them."""
        content = {
            MARK: FORMAT,
            "server": self.server,
            "made_ms": self.made_ms,
            "policy_file": self.policy_file,
            "people_file": self.people_file,
            "people": self.people,
            "plan": self.plan.record(),
        }
        return {**content, "check": _check(content)}

    @classmethod
    def from_record(cls, record: object) -> SavedPlan:
        """Return the saved plan that `record` wrote. Raises `UnusablePlan` for anything else, or anything changed."""
        if not isinstance(record, Mapping) or MARK not in record:
            raise UnusablePlan("this is no saved plan: make one with `inglenook plan --out FILE`")
        written_in = record[MARK]
        if isinstance(written_in, int) and written_in > FORMAT:
            raise UnusablePlan(
                f"a newer Inglenook has saved this plan (format {written_in}, this one reads {FORMAT}): "
                "apply it with that one, or make the plan anew"
            )
        content = {name: value for name, value in record.items() if name != "check"}
        try:
            if written_in != FORMAT or record.get("check") != _check(content):
                raise UnusablePlan(_DAMAGED)
            texts = [content.pop(name) for name in ("people", "server", "policy_file", "people_file")]
            made_ms, planned = content.pop("made_ms"), Plan.from_record(content.pop("plan"))
        except UnusablePlan:
            raise
        except (KeyError, ValueError, TypeError, RecursionError):
            raise UnusablePlan(_DAMAGED) from None
        if not all(isinstance(text, str) for text in texts) or type(made_ms) is not int or content.keys() != {MARK}:
            raise UnusablePlan(_DAMAGED)
        people, server, policy_file, people_file = texts
        return cls(planned, people, server, made_ms, policy_file, people_file)

    def usable(self, server: str, now_ms: int) -> None:
        """Raise `UnusablePlan` if it is for another homeserver than `server`, or not of the last seven days."""
        if self.server != server:
            raise UnusablePlan(f"this plan is for {self.server}, and this service looks after {server}")
        if now_ms - self.made_ms > GOOD_FOR_MS:
            days = (now_ms - self.made_ms) // (24 * 3600 * 1000)
            raise UnusablePlan(
                f"this plan is {days} days old, and a plan is good for seven: make it anew, and look at it again"
            )
        if self.made_ms - now_ms > _CLOCKS_MS:
            raise UnusablePlan("this plan was made in the future: look at the clock of this computer, and make it anew")


_DAMAGED: Final = "this plan is damaged, or was changed after it was saved: make it anew"


def _check(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def people_digest(people: People) -> str:
    """Return `sha256:` and the hex digest of who holds which roles and groups: the same for any order and spacing."""
    said = {user_id: [sorted(person.roles), sorted(person.groups)] for user_id, person in people.by_id.items()}
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def differences(then: Plan, now: Plan) -> tuple[str, ...]:
    """Return, in plain words, what would be done now that was not in the plan `then`, and the other way round."""
    found = list(_differences(then, now))
    more = len(found) - _SHOWN
    return (*found[:_SHOWN], f"… and {more} more.") if more > 0 else tuple(found)


def _differences(then: Plan, now: Plan) -> Iterator[str]:
    old, new = _by_aim(then), _by_aim(now)
    for aim, change in new.items():
        before = old.get(aim)
        if before is None:
            yield f"New: {change.describe()}"
        elif change_record(before) != change_record(change):
            if before.words() == change.words():
                yield f"Something else stands there than before: {change.describe()}"
            else:
                yield f"Different: {change.describe()} (The plan said: {before.words()})"
    for aim, change in old.items():
        if aim not in new:
            yield f"Not any more: {change.describe()}"


def _by_aim(plan: Plan) -> dict[tuple[str, ...], Change]:
    """The changes by what they are about, whatever they found and put there."""
    return {_aim(change): change for change in plan.changes}


def _aim(change: Change) -> tuple[str, ...]:
    if isinstance(change, SetState | Retire):
        return change.do, change.room, change.type, change.state_key
    if isinstance(change, Invite | Remove | BringOver | KeepOut):
        return change.do, change.room, change.user_id
    if isinstance(change, SetListing):  # of a room and of the one whose place it takes
        return change.do, change.room, str(change.over)
    return (change.do, change.room, change.address) if isinstance(change, AddAddress) else (change.do, change.room)
