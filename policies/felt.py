"""What is different for the members of a group when another policy holds: what they feel, and nothing else. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from policies.defaults import HistoryVisibility
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
from policies.schema import CodeOfConduct, Group, Policy

__all__ = ["felt"]


def felt(before: Policy, after: Policy) -> Mapping[str, Mapping[str, str]]:
    """Return, by group, what its members should be told: what changed, and what holds from now on.

    Only of groups that were there before. What newcomers are told, names and people are no matter of these words. Of a
    code of conduct only its version is named here: what it says is told as it is when it is told.
    """
    found: dict[str, Mapping[str, str]] = {}
    whole = dict(_felt_everywhere(before.community.code_of_conduct, after.community.code_of_conduct))
    for group_id, group in sorted(after.groups.items()):
        was = before.groups.get(group_id)
        if was is None:
            continue
        told = dict(_felt(was, group, _history(before, was), _history(after, group))) | whole
        listed = publish_of(after, group) == "directory"
        if listed is not (publish_of(before, was) == "directory"):
            told["new_publish"] = "listed" if listed else "unlisted"
        if told:
            found[group_id] = told
    return found


def _felt_everywhere(was: CodeOfConduct | None, now: CodeOfConduct | None) -> Iterator[tuple[str, str]]:
    if was != now:
        yield "new_conduct", now.version if now is not None else "none"


def _history(policy: Policy, group: Group) -> HistoryVisibility:
    return history_of(group, federated=reach_of_group(policy, group).federates)


def _felt(
    was: Group, now: Group, history: HistoryVisibility, new_history: HistoryVisibility
) -> Iterator[tuple[str, str]]:
    if history != new_history:
        yield "new_history", new_history
    if join_rule_of(was) != join_rule_of(now):
        yield "new_join", join_rule_of(now)
    if posting_level_of(was) != posting_level_of(now):
        yield "new_posting", "moderators" if posting_level_of(now) else "everybody"
    if pause_of(was) != pause_of(now):
        pause = pause_of(now)
        yield "new_slow", str(pause) if pause is not None else "none"
    if first_messages_of(was) != first_messages_of(now):
        yield "new_first", str(first_messages_of(now) or "none")
    if words_only(was) != words_only(now):
        yield "new_media", "none" if words_only(now) else "allowed"
    if pins_of(was) != pins_of(now):
        yield "new_pins", pins_of(now)
    if kept(was) != kept(now):
        days = kept(now).days
        yield "new_retention", str(days) if days is not None else "none"
    if was.capacity != now.capacity:
        yield "new_capacity", str(now.capacity) if now.capacity is not None else "none"
