"""How much a plan may take from people at once: figures that refuse it, and the names by which a person may insist.

A file that was emptied by mistake, a list exported without its end, a role misspelt: each asks to remove or demote far
more people than anybody means to. What people are given is not limited here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from policies.changes import Change, Remove, SetState
from policies.desired import DesiredCommunity
from policies.limits import DANGERS, Danger, Limit
from policies.movements import power_movement
from policies.observed import Identities, Observed
from policies.power_levels import read_power_levels
from policies.room_versions import MANAGED_ROOM_VERSION

SEVERAL: Final = 2
"""Below `Limit.enough` a share says little: more than half counts, if it is several; one person alone is an ordinary day."""

_WORDS: Final = {"removals": "would be removed", "demotions": "would lose power"}

__all__ = ["DANGERS", "SEVERAL", "Danger", "Share", "TooMuchAtOnce", "share_from_record", "shares"]


@dataclass(frozen=True, slots=True)
class Share:
    """Of the people `concerned`, how many are `affected`; each counts once, in however many rooms.

    For removals: of those in, or invited to, rooms that one must be approved for. For demotions: of those with power in
    any room. `limit_percent` and `enough` are the limit that they are judged by.
    """

    what: Danger
    affected: int
    concerned: int
    limit_percent: int = Limit().percent
    enough: int = Limit().enough

    @property
    def percent(self) -> float:
        """The share in percent; 0 where nobody is concerned."""
        return 100 * self.affected / self.concerned if self.concerned else 0.0

    @property
    def too_much(self) -> bool:
        """Whether this may only be done if a person insists."""
        if self.concerned >= self.enough:
            return 100 * self.affected > self.limit_percent * self.concerned
        if self.what == "demotions":  # few have power, and roles are dealt out anew at once
            return self.affected == self.concerned >= SEVERAL
        return self.affected >= SEVERAL and 2 * self.affected > self.concerned

    def figures(self) -> str:
        """Return the figures behind it, such as `42.00% is over 30.00% (42/100 people would be removed)`."""
        people = f"{self.affected}/{self.concerned} people {_WORDS[self.what]}"
        if not self.too_much:
            return people
        if self.concerned < self.enough:
            return f"{'nobody would be left' if self.affected == self.concerned else 'it is more than half'} ({people})"
        return f"{self.percent:.2f}% is over {self.limit_percent:.2f}% ({people})"

    def record(self) -> dict[str, Any]:
        """Return it as JSON values; `share_from_record` reads them."""
        return asdict(self)


class TooMuchAtOnce(Exception):
    """A plan takes from more people than it may: `shares` say what, of how many."""

    def __init__(self, shares: tuple[Share, ...]) -> None:
        super().__init__("; ".join(share.figures() for share in shares))
        self.shares = shares


def shares(
    changes: Iterable[Change], community: DesiredCommunity, observed: Observed, identities: Identities
) -> tuple[Share, ...]:
    """Return how large a part of the people each danger touches; nothing for a danger that touches nobody. Pure."""
    removed: set[str] = set()
    demoted: set[str] = set()
    for change in changes:
        if isinstance(change, Remove):
            removed.add(change.user_id)
        elif isinstance(change, SetState) and change.type == "m.room.power_levels" and change.before is not None:
            demoted.update(shift.user_id for shift in power_movement(change.before, change.after).lowered)
    demoted -= {"", *identities}
    found = []
    if removed:
        found.append(_share("removals", removed, _present(community, observed, identities), community))
    if demoted:
        found.append(_share("demotions", demoted, _with_power(community, observed, identities), community))
    return tuple(found)


def _share(what: Danger, affected: set[str], others: set[str], community: DesiredCommunity) -> Share:
    limit = community.limits.of(what)
    return Share(what, len(affected), len(affected | others), limit.percent, limit.enough)


def _present(community: DesiredCommunity, observed: Observed, identities: Identities) -> set[str]:
    """Who is in, or invited to, a room from which somebody could be removed: an open one would thin out every share."""
    found: set[str] = set()
    for room in community.rooms:
        present = observed.rooms.get(room.key)
        if present is not None and not room.membership.anyone and present.standing(identities) == "governed":
            for one in (present, *observed.earlier.get(room.key, ())):
                found.update(user_id for user_id, is_in in one.members.items() if is_in in ("join", "invite"))
    return found.difference(identities)


def _with_power(community: DesiredCommunity, observed: Observed, identities: Identities) -> set[str]:
    found: set[str] = set()
    for room in community.rooms:
        present = observed.rooms.get(room.key)
        content = present.state.get(("m.room.power_levels", "")) if present is not None else None
        if content is None or present is None or present.standing(identities) != "governed":
            continue
        levels = read_power_levels(MANAGED_ROOM_VERSION, None, None, content)
        ordinary = levels.named.get("users_default", 0)
        found.update(user_id for user_id, level in levels.users.items() if level > ordinary)
    return found.difference(identities)


def share_from_record(record: object) -> Share:
    """Return the share that `Share.record` wrote. Raises ValueError for anything else."""
    return _ADAPTER.validate_python(record, extra="forbid")


_ADAPTER = TypeAdapter(Share)
