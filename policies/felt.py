"""What is different for the members of a group when another policy holds: what they feel, and nothing else. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from policies.federation import reach_of_group
from policies.intent import (
    first_messages_of,
    history_of,
    join_rule_of,
    pause_of,
    pins_of,
    posting_level_of,
    publish_of,
    words_only,
)
from policies.keeping import kept
from policies.schema import Group, Policy

__all__ = ["felt", "still_so"]


def felt(before: Policy, after: Policy) -> Mapping[str, Mapping[str, str]]:
    """Return, by group, what its members should be told: what changed, and what holds from now on.

    Only of groups that were there before. What newcomers are told, names and people are no matter of these words. Of a
    code of conduct only its version is named here: what it says is told as it is when it is told.
    """
    found: dict[str, Mapping[str, str]] = {}
    for group_id, group in sorted(after.groups.items()):
        was = before.groups.get(group_id)
        if was is None:
            continue
        old = dict(_matters(before, was))
        told = {key: words for key, (value, words) in _matters(after, group) if value != old[key][0]}
        if told:
            found[group_id] = told
    return found


def still_so(told: Mapping[str, str], policy: Policy, group_id: str) -> Mapping[str, str]:
    """Return what of `told`, which an earlier policy made so, this policy says of a group as well."""
    group = policy.groups.get(group_id)
    if group is None:
        return {}
    said = {key: words for key, (_, words) in _matters(policy, group)}
    return {key: words for key, words in told.items() if said.get(key) == words}


def _matters(policy: Policy, group: Group) -> Iterator[tuple[str, tuple[object, str]]]:
    """Yield all that members of a group feel: what is compared, and what is told of it."""
    history = history_of(group, federated=reach_of_group(policy, group).federates)
    yield "new_history", (history, history)
    yield "new_join", (join_rule_of(group), join_rule_of(group))
    level = posting_level_of(group)
    yield "new_posting", (level, "moderators" if level else "everybody")
    pause = pause_of(group)
    yield "new_slow", (pause, str(pause) if pause is not None else "none")
    yield "new_first", (first_messages_of(group), str(first_messages_of(group) or "none"))
    yield "new_media", (words_only(group), "none" if words_only(group) else "allowed")
    yield "new_pins", (pins_of(group), pins_of(group))
    days = kept(group).days
    yield "new_retention", (kept(group), str(days) if days is not None else "none")
    yield "new_capacity", (group.capacity, str(group.capacity) if group.capacity is not None else "none")
    conduct = policy.community.code_of_conduct
    yield "new_conduct", (conduct, conduct.version if conduct is not None else "none")
    listed = publish_of(policy, group) == "directory"
    yield "new_publish", (listed, "listed" if listed else "unlisted")
