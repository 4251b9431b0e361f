"""What contradicts itself in the further words of one group: its own hours, its pace, its form."""

from __future__ import annotations

from collections.abc import Iterator

from policies.intent import posting_level_of, words_only
from policies.problems import Problem
from policies.schema import Group, Policy
from policies.source import Path

__all__ = ["problems_of_hours", "problems_of_posting"]


def problems_of_hours(policy: Policy, path: Path, group: Group) -> Iterator[Problem]:
    """Yield what is wrong with the hours of the group at `path`. People are told them without a time zone."""
    usual, own = policy.community.hours, group.hours
    if own is None:
        return
    where: Path = (*path, "hours")
    if own.zone != usual.zone:
        message = f"the hours of this group are of {own.zone}, and those of the community of {usual.zone}"
        advice = f"Write them in {usual.zone}: people are told hours without a time zone, and could come in vain."
        yield Problem(where, message, advice)
    elif own == usual:
        yield Problem(
            where, "these are the community's hours", "Leave hours out: they hold anyway.", "advice", key=True
        )


def problems_of_posting(path: Path, group: Group) -> Iterator[Problem]:
    """Yield what is wrong with how often, and in what form, people may write in the group at `path`."""
    if words_only(group) and posting_level_of(group) > 0:
        message = "only those who moderate write here, and they may share pictures and files"
        yield Problem((*path, "media"), message, "Remove media, or let everybody write.")
    said = group.posting
    if said is None:
        return
    if said.slow is not None and posting_level_of(group) > 0:
        message = "only those who moderate write here, and nobody makes them wait"
        advice = "Remove slow, or let everybody write."
        yield Problem((*path, "posting", "slow"), message, advice, key=True)
    if said.who is None and said.slow is None:
        yield Problem((*path, "posting"), "posting says nothing", 'Write "who: moderators" or "slow: 30s".', key=True)
