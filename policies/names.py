"""Names of rooms that people cannot tell apart: alike to the eye, or to a screen that reads them out. Pure."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator

from policies.defaults import SYSTEM_ROOMS
from policies.findings import shown
from policies.problems import Problem
from policies.schema import Policy

_INVISIBLE = ("Cf", "Cc", "Mn")
"""Signs that take no room of their own: joiners, directions, variants. Accents are one sign with their letter by then."""

__all__ = ["looks", "problems_of_names"]


def looks(name: str) -> str:
    """Return what a name looks like: the same for names that differ only in case, in width, or in what nobody sees."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    spaced = (" " if sign.isspace() else sign for sign in folded)
    seen = "".join(sign for sign in spaced if unicodedata.category(sign) not in _INVISIBLE)
    return " ".join(seen.split())


def problems_of_names(policy: Policy) -> Iterator[Problem]:
    """Yield the groups whose names people cannot tell from that of another group, a room of the house, or the whole."""
    community = policy.community.name
    house = {looks(f"{community}: {room}") for room in (*(one.name for one in SYSTEM_ROOMS), "shared")}
    groups: dict[str, list[str]] = defaultdict(list)
    for group in policy.groups.values():
        groups[looks(group.name)].append(group.name)
    for group_id, group in policy.groups.items():
        path, look = ("groups", group_id, "name"), looks(group.name)
        if len(groups[look]) > 1:
            same = len(set(groups[look])) == 1
            advice = "Give each group a name of its own: people could write into the wrong one."
            how = "two groups are called" if same else "to the eye, two groups are called"
            yield Problem(path, f'{how} "{shown(group.name)}"', advice)
        if look in house:
            message = f'"{shown(group.name)}" is the name of a room that every community has'
            yield Problem(
                path, message, "Give the group another name: people could tell the wrong ones what is private."
            )
        elif look == looks(community):
            message = f'the group is called like the whole community: "{shown(group.name)}"'
            yield Problem(path, message, "Give the group a name of its own: the space is called so, too.", "advice")
