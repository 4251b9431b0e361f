"""What was applied, by number, each with what was in force before it: which of it may be undone, and towards what.

An apply that changes no word of policy and people (going on where one was cut off, putting right what somebody did by
hand) gets no number: there is nothing to go back to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from appservice.flow import Clock
from appservice.service.policy_files import PolicyFiles, Said
from appservice.store import Commit, Database, Questions
from policies.compile import policy_digest
from policies.layers import layers_from_json, layers_to_json
from policies.plan import Plan
from policies.risk import risky
from policies.saved import people_digest

__all__ = ["Applied", "History", "NothingToUndo", "Past", "plan_id", "standing", "to_undo"]


class NothingToUndo(Exception):
    """An undo that cannot be: `words` say why, `instead` names what can be undone, and its text says both at the server,
    where `typed` ends it."""

    def __init__(self, words: str, typed: str = "", instead: str = "") -> None:
        super().__init__(" ".join(part for part in (words, typed, instead and f"inglenook undo {instead}") if part))
        self.words = words
        self.instead = instead


#: Where what can be undone is found, at the server.
_LISTED = "`inglenook plans` lists what was applied."


@dataclass(frozen=True, slots=True)
class Applied:
    """One apply. follows: whether a policy was in force before it; after: what it put in force, as a digest."""

    number: int
    at_ms: int
    summary: str
    after: str
    undoes: int | None
    undone_by: int | None
    follows: bool

    @property
    def id(self) -> str:
        return plan_id(self.number)


@dataclass(frozen=True, slots=True)
class Past:
    """An apply that is to be undone: its plan, and the files that were in force before."""

    applied: Applied
    plan: Plan
    files: PolicyFiles


def plan_id(number: int) -> str:
    """Return how people call it, such as P-17."""
    return f"P-{number}"


def standing(entries: Sequence[Applied], entry: Applied) -> bool:
    """Whether it was not undone, or its undo was undone in its turn. Pure."""
    undo = next((other for other in entries if other.number == entry.undone_by), None)
    return entry.undone_by is None or (undo is not None and not standing(entries, undo))


def to_undo(entries: Sequence[Applied], in_force: str, number: int | None = None) -> Applied:
    """Return which apply may be undone: the one of this number, else the newest that stands and is no undo itself.

    entries: oldest first; in_force: what is in force, as in `Applied.after`. Pure. Raises `NothingToUndo`.
    """
    if number is None:
        found = next((one for one in reversed(entries) if one.undoes is None and standing(entries, one)), None)
        if found is None:
            raise NothingToUndo("Nothing is left to undo.", _LISTED)
    else:
        found = next((one for one in entries if one.number == number), None)
        if found is None:
            raise NothingToUndo(
                f"There is no {plan_id(number)}. What only put back what somebody changed by hand is not among what was "
                "applied: no word of the policy changed, so there is nothing to go back to.",
                _LISTED,
            )
    if not standing(entries, found):
        by = plan_id(found.undone_by or 0)
        raise NothingToUndo(f"{found.id} is undone already, by {by}.", "To have it back:", by)
    if not found.follows:
        raise NothingToUndo(
            f"{found.id} put the first policy in force: there is nothing before it to go back to. Rooms are never "
            "deleted by undoing; whoever wants them gone closes them by hand."
        )
    if found.after != in_force:
        later = [one for one in entries[entries.index(found) + 1 :] if standing(entries, one)]
        if not later:
            raise NothingToUndo(f"What is in force is not what {found.id} put there, so it cannot be undone.")
        ids = ", ".join(one.id for one in later)
        raise NothingToUndo(
            f"{found.id} cannot be undone while something later stands: {ids}.", "Undo the newest first:", later[-1].id
        )
    return found


class History:
    """Keeps what was applied to one community."""

    def __init__(self, homeserver: str, database: Database, questions: Questions, clock: Clock) -> None:
        self._homeserver = homeserver
        self._database = database
        self._numbering = asyncio.Lock()
        self._questions = questions
        self._clock = clock

    async def entries(self, community: str) -> list[Applied]:
        """Return what was applied, oldest first. Raises `StoreRefused`."""
        return [
            Applied(**row | {"follows": bool(row["follows"])}) for row in await self._questions.applied_plans(community)
        ]

    async def last_risky_ms(self, community: str) -> int | None:
        """Return when a policy that exposed people, or did what cannot be undone, was last put in force; None if never.

        Raises `StoreRefused`.
        """
        value = await self._questions.position(_risky_since(community))
        return int(value) if value is not None else None

    async def past(self, now: Said, number: int | None) -> Past:
        """Return what may be undone while `now` is in force. Raises `NothingToUndo`, `StoreRefused`."""
        found = to_undo(await self.entries(now.community.id), _digest(now), number)
        row = await self._questions.applied_plan(now.community.id, found.number)
        files = PolicyFiles(
            row["policy"], row["policy_name"], row["people"], row["people_name"], layers_from_json(row["layers"])
        )
        return Past(found, Plan.from_record(orjson.loads(row["plan"])), files)

    async def note(
        self, before: Said | None, said: Said, planned: Plan, undoes: int | None = None, number: int | None = None
    ) -> tuple[Commit, int | None]:
        """Return the rows to commit with `said` being put in force, and the number; None where no word has changed.

        number: the one under which it was proposed, if it was.
        """
        if before is not None and _digest(before) == _digest(said):
            return Commit(), None
        community = said.community.id
        if number is None:
            number = await self.take_number(community)
        files = before.files if before is not None else None
        row: dict[str, Any] = {
            "homeserver": self._homeserver,
            "community": community,
            "number": number,
            "at_ms": self._clock.now_ms(),
            "summary": planned.summary(),
            "plan": orjson.dumps(planned.record()),
            "after": _digest(said),
            "policy": files and files.policy,
            "policy_name": files and files.policy_name,
            "people": files and files.people,
            "people_name": files and files.people_name,
            "undoes": undoes,
            "undone_by": None,
            "layers": layers_to_json(before.layers.kept) if before is not None else None,
        }
        commit = Commit(applied_plans=[row])
        if risky(planned):
            commit.positions.append(
                {"homeserver": self._homeserver, "name": _risky_since(community), "value": str(self._clock.now_ms())}
            )
        if undoes is not None:
            commit.applied_plans.append(await self._questions.applied_plan(community, undoes) | {"undone_by": number})
        return commit, number

    async def take_number(self, community: str) -> int:
        """Return the number of the next plan that is proposed or applied; whatever becomes of it, no other gets it.

        Raises `StoreRefused`.
        """
        name = f"plan_number {community}"
        async with self._numbering:
            number = int(await self._questions.position(name) or 0) + 1
            row = {"homeserver": self._homeserver, "name": name, "value": str(number)}
            await self._database.commit(Commit(positions=[row]))
            return number


def _risky_since(community: str) -> str:
    return f"risky_since {community}"


def _digest(said: Said) -> str:
    return f"{policy_digest(said.policy)} {people_digest(said.people)}"
