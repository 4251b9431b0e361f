"""What a person agreed to when something is put in force, and how it ends if something else would be done."""

from __future__ import annotations

from dataclasses import dataclass

from appservice.service.history import Past
from appservice.service.policy_files import Said
from appservice.store import Commit
from policies.plan import Plan
from policies.saved import people_digest
from policies.thresholds import Danger, TooMuchAtOnce


class Moved(Exception):
    """A plan was approved, and another one would be made now: `plan`. `why` says which of the files has changed, if any."""

    def __init__(self, plan: Plan, why: tuple[str, ...] = ()) -> None:
        super().__init__("something has changed since the plan was made: look at it again")
        self.plan = plan
        self.why = why


class Refused(Exception):
    """`plan` takes from too many people at once: `too_much` has the figures."""

    def __init__(self, plan: Plan, too_much: TooMuchAtOnce) -> None:
        super().__init__(f"this takes from many people at once: {too_much}")
        self.plan = plan
        self.shares = too_much.shares


@dataclass(frozen=True, slots=True)
class Consent:
    """What the person who applies has agreed to.

    digest, policy, people: digests of the plan that was approved and of the files behind it; "" for whatever they are.
    allow: what may be taken from many people at once, and because of what; kept in the audit.
    """

    digest: str = ""
    policy: str = ""
    people: str = ""
    allow: frozenset[Danger] = frozenset()
    because: str = ""

    def check(self, said: Said, planned: Plan) -> None:
        """Raise `Moved` or `Refused` if this plan is not what was agreed to."""
        why = []
        if self.policy not in ("", planned.policy):
            why.append("The policy says something else than when the plan was made.")
        if self.people not in ("", people_digest(said.people)):
            why.append("The people file says something else than when the plan was made.")
        if why or self.digest not in ("", planned.digest):
            raise Moved(planned, tuple(why))
        try:
            planned.raise_if_unsafe(self.allow)
        except TooMuchAtOnce as too_much:
            raise Refused(planned, too_much) from None


@dataclass(slots=True)
class Proposed:
    """A plan that was proposed in a room and is put in force now: its number, and rows that become true with that.

    `within`: the group whose room alone it touches, "" for all. `written`: whether they have become true.
    """

    number: int
    rows: Commit
    within: str = ""
    written: bool = False


@dataclass(frozen=True, slots=True)
class Undoing:
    """What undoing an apply would be: the plan back, and what it cannot bring back, in plain words."""

    past: Past
    said: Said
    plan: Plan
    stays: tuple[str, ...]
