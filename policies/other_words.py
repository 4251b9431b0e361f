"""What another policy says that changes no room: hours, duties, ladders, rules, capacities. Else no plan would tell of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from policies.explain import explain_community, explain_rooms
from policies.notes import Note
from policies.plain_words import quoted
from policies.schema import Policy
from policies.source import Source

_UNWRITTEN: Final = Source("", None, readable=True, places={}, findings=())
_OF_ROOMS: Final = ("name", "purpose", "what it is not", "group ")
"""What the community says that rooms show: their own changes tell of it, or their moderators have it in hand."""
_OF_GROUPS: Final = (
    "how many",
    "how often",
    "what newcomers write",
    "when somebody is there",
    "told to newcomers",
    "pictures and files",
    "rule ",
)
"""What a group says that no state of its room shows."""

__all__ = ["other_words"]


def other_words(before: Policy, after: Policy) -> tuple[Note, ...]:
    """Return a note for each thing that `after` says otherwise than `before`, and no change of a room tells."""
    if before is after or before == after:
        return ()
    return (*_community(before, after), *_groups(before, after))


def _community(before: Policy, after: Policy) -> Iterator[Note]:
    was, now = ({one.about: one.words for one in explain_community(policy, _UNWRITTEN)} for policy in (before, after))
    for about, words in _changed(was, now):
        if not about.startswith(_OF_ROOMS):
            yield Note("otherwise", None, _sentence(about, words))


def _groups(before: Policy, after: Policy) -> Iterator[Note]:
    found: dict[tuple[str, str | None], list[str]] = {}
    both = sorted(before.groups.keys() & after.groups.keys())
    explained = zip(*(explain_rooms(policy, _UNWRITTEN, both) for policy in (before, after)), strict=True)
    for group_id, values in zip(both, explained, strict=True):
        was, now = ({one.about: one.words for one in of_one if not one.matrix} for of_one in values)
        for about, words in _changed(was, now):
            if about.startswith(_OF_GROUPS):
                found.setdefault((about, words), []).append(group_id)
    for (about, words), group_ids in found.items():
        names = ", ".join(quoted(after.groups[group_id].name) for group_id in group_ids)
        yield Note("otherwise", group_ids[0] if len(group_ids) == 1 else None, f"{names}: {_sentence(about, words)}")


def _changed(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    for about in dict.fromkeys((*now, *was)):
        if was.get(about) != now.get(about):
            yield about, now.get(about)


def _sentence(about: str, words: str | None) -> str:
    if words is None:
        return f"From now on nothing is said any more of: {about}."
    return f"From now on, {about}: {words}"
