"""The versions of the policy language: which there are, and what an older one meant, said in words of the newest.

A document is brought up to date before it is read into models, so that these know one meaning only. Nothing here touches
what a file looks like: `migrate` does, for a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from policies.source import Data

CURRENT: Final = 2
KNOWN: Final = (1, 2)

__all__ = ["CURRENT", "KNOWN", "up_to_date", "version_of"]


def version_of(document: Mapping[str, Data]) -> int | None:
    """Return the version in which a document says it is written; None for one that this program does not know."""
    version = document.get("schema", CURRENT)
    return version if type(version) is int and version in KNOWN else None


def up_to_date(document: Mapping[str, Data]) -> Mapping[str, Data]:
    """Return what a document of a known version means in the newest one. Pure, and total: it may be malformed.

    `schema` stays as it was written: a reason that an older version never asked for is not asked for later.
    """
    version = version_of(document) or CURRENT
    for step in _STEPS[version - 1 :]:
        document = step(document)
    return document


def _from_1_to_2(document: Mapping[str, Data]) -> Mapping[str, Data]:
    """Version 1 kept messages for ever unless a group said otherwise; in version 2 the tier says for how long."""
    groups = document.get("groups")
    if not isinstance(groups, dict):
        return document
    return {**document, "groups": {group_id: _kept_for_ever(group) for group_id, group in groups.items()}}


def _kept_for_ever(group: Data) -> Data:
    return {**group, "retention": "forever"} if isinstance(group, dict) and "retention" not in group else group


#: From each version to the next, in order.
_STEPS: Final[tuple[Callable[[Mapping[str, Data]], Mapping[str, Data]], ...]] = (_from_1_to_2,)
