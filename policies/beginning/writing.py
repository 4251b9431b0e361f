"""The first files of a community: a commented policy and its people, or what to do first.

What people typed stands only in double-quoted values and in comment lines that are wrapped here, each cleaned of line
breaks and of what cannot be seen: nothing of it can become a key, a value or a line of its own.
"""

from __future__ import annotations

import json
import re
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from policies.beginning.answers import Answers, compact, cover
from policies.beginning.judgement import Reason, Verdict, judge
from policies.beginning.questions import QUESTIONS
from policies.beginning.reading import is_visible
from policies.beginning.sensitive import telling_words
from policies.defaults import TIERS, Kind, Tier
from policies.hours import StaffedHours
from policies.versions import CURRENT
from policies.written import MAX_SLUG

WIDTH: Final = 100  # characters of a comment line
NOT_YET_TITLE: Final = "Not yet: what to do first"

_APPROVERS: Final = {"lead": "safeguarding_lead", "deputy": "deputy"}
_VERDICTS: Final = {"go": "go", "smaller": "smaller", "not_yet": "not yet"}
_DOORS: Final[Mapping[Kind, str]] = {
    "open": "anybody may come in, and read what was said before",
    "hybrid": "anybody sees that it exists and can ask; a person answers",
    "closed": "only people that you let in; nobody else learns of it",
    "announce": "people read here; moderators write",
}
_RISKS: Final[Mapping[Tier, str]] = {
    "low": "little can go wrong",
    "medium": "some can go wrong",
    "high": "much can go wrong",
}
# Of these questions the answers are kept for the team, in comments.
_RECORD: Final = frozenset(
    {"now", "works", "for_whom", "must", "asked", "learnt", "access", "purposes", "door", "door_why", "harm", "risk"}
    | {"accept", "accept_why", "lead_hours", "deputy_hours", "moderator_hours"}
)

__all__ = ["NOT_YET_TITLE", "first_steps", "in_words", "written"]


@dataclass(frozen=True, slots=True)
class _Group:
    key: str
    name: str
    purpose: str
    kind: Kind
    tier: Tier


def written(answers: Answers) -> tuple[str, str] | None:
    """Return the text of the policy and of the people file, or None if it is not yet time for them."""
    verdict = judge(answers)
    hours = cover(answers)
    if verdict.outcome == "not_yet" or hours is None or answers.lead is None or answers.deputy is None:
        return None
    groups = _groups(answers, {reason.key for reason in verdict.reasons})
    return "\n".join(_policy(answers, verdict, groups, hours)) + "\n", "\n".join(_people(answers, groups)) + "\n"


def first_steps(verdict: Verdict) -> str:
    """Return what to do before a community begins, as plain text."""
    lines = [NOT_YET_TITLE, ""]
    for number, reason in enumerate(verdict.reasons, start=1):
        lines += _wrapped(f"{number}. {reason.words} {reason.advice}", "", "   ")
    if verdict.pointers:
        lines += ["", "Who can help:"]
        lines += [f"- {one.name}: {one.contact} ({one.how})" for one in verdict.pointers]
    if verdict.advice:
        lines += ["", "Worth a thought:"]
        for reason in verdict.advice:
            lines += _wrapped(f"- {reason.words} {reason.advice}", "", "  ")
    return "\n".join([*lines, "", "When this has changed, type the same command again.", ""])


def _groups(answers: Answers, less: set[str]) -> tuple[_Group, ...]:
    """Return the groups to begin with: all that was asked for, less what `less` (keys of reasons) takes away."""
    purpose = answers.purposes[0] if answers.purposes else answers.name
    only_news = "talk" not in answers.must or "cover_medium" in less
    # Nobody can answer in it, so there is less that can go wrong.
    news_tier: Tier = answers.risk if answers.risk == "medium" and "cover_medium" not in less else "low"
    if only_news:
        words = purpose if "talk" not in answers.must else "What we want you to know. You cannot answer here yet."
        return (_Group("news", "News", words, "announce", news_tier),)
    closed = answers.door == "closed" or "door_at_high" in less
    kind: Kind = "closed" if closed else "open" if answers.door == "open" else "hybrid"
    groups = [_Group("talk", answers.group, purpose, kind, answers.risk)]
    if kind == "hybrid":
        words = "Say hello, and find out what else there is."
        groups.insert(0, _Group("welcome", _unlike(answers.group, "Start here"), words, "open", "low"))
    if "news" in answers.must and "no_news_at_high" not in less:
        groups.append(_Group("news", _unlike(answers.group, "News"), "What we want you to know.", "announce", "low"))
    return tuple(groups)


def _unlike(taken: str, wanted: str) -> str:
    """Return a name for a group of ours that differs from the one that people chose, however it is written."""
    return f"{wanted} (all)" if _clean(taken).casefold() == wanted.casefold() else wanted


def _policy(answers: Answers, verdict: Verdict, groups: tuple[_Group, ...], hours: StaffedHours) -> Iterator[str]:
    yield "# The policy of a community: what it is, who looks after it, and its groups."
    yield "# Look through it with your team, change what is wrong, then try: inglenook check policy.yaml"
    yield "# Nobody is named in here: who holds which role stands in people.yaml."
    yield "#"
    yield "# What was asked before it began. This is a record for you; the program does not read these lines."
    yield from _record(answers)
    yield "#"
    yield from _wrapped(f"# The verdict: {_VERDICTS[verdict.outcome]}.", "", "#   ")
    for reason in verdict.reasons:
        yield from _reason(reason)
    if verdict.advice:
        yield "# Worth a thought:"
    for reason in verdict.advice:
        yield from _reason(reason)
    yield f"schema: {CURRENT}"
    yield ""
    yield "community:"
    yield f"  id: {_quoted(_id(answers))} # rooms are found by it for ever: change it now, or never"
    yield f"  name: {_quoted(answers.name)}"
    yield f"  purpose: {_quoted(answers.purposes[0] if answers.purposes else answers.name)}"
    yield f"  not_for: {_quoted(answers.not_for)}"
    yield f"  server: {_quoted(answers.server)} # for ever"
    yield "  owners: # roles, whose holders answer for the community"
    yield "    safeguarding_lead: lead"
    yield "    deputy: deputy"
    yield f"  hours: {_quoted(compact(hours))} # when somebody is there to read; members are told"
    if answers.contacts:
        yield "  allowed_contacts: # your own, which anybody may write"
        yield from (f"    - {_quoted(one)}" for one in answers.contacts)
    yield from _ROLES
    yield ""
    yield "groups:"
    for group in groups:
        yield f"  {group.key}:"
        yield f"    name: {_quoted(group.name)}"
        yield f"    purpose: {_quoted(group.purpose)}"
        yield f"    kind: {group.kind} # {_DOORS[group.kind]}"
        yield f"    tier: {group.tier} # {_RISKS[group.tier]}"
        yield f"    # Messages stay for {TIERS[group.tier].kept_days} days, then they are deleted for good."
        yield '    # For less time: write "retention: 30 days" here.'
        if group.tier == "high":
            yield "    accept_limits: # people can write to each other alone; that cannot be stopped yet"
            yield f"      because: {_quoted(answers.accept_why)}"
            yield f"      approved_by: {_APPROVERS[answers.accept]}"


_ROLES: Final = [
    "",
    "roles:",
    "  admin: # looks after the server and the rooms",
    "    level: 90",
    "    can:",
    "      - operate",
    "  lead: # leads on keeping people safe",
    "    level: 75",
    "    can:",
    "      - moderate",
    "      - approve_join",
    "      - safeguard",
    "  deputy: # stands in for the lead, also where a matter is about the lead",
    "    level: 75",
    "    can:",
    "      - moderate",
    "      - approve_join",
    "      - safeguard",
    "  moderator: # looks after the talk",
    "    level: 50",
    "    can:",
    "      - moderate",
]


def _people(answers: Answers, groups: tuple[_Group, ...]) -> Iterator[str]:
    yield "# Who holds which role in policy.yaml, and who may be in which group."
    yield "# This is about real people: keep it on the server, and do not share it with the policy."
    yield "# Only user names stand here, which are words that tell nothing of a person."
    if not any(group.kind == "open" for group in groups):
        yield "# To let somebody in, add their user name in the same way, with groups and without roles:"
        yield f"#   {_quoted(f'@two-words:{answers.server}')}:"
        yield f"#     groups: [{', '.join(group.key for group in groups)}]"
    yield "schema: 1"
    yield ""
    yield "people:"
    roles: dict[str, list[str]] = {}
    holders = (
        ("lead", [answers.lead]),
        ("deputy", [answers.deputy]),
        ("moderator", list(answers.moderators)),
        ("admin", list(answers.operators)),
    )
    for role, users in holders:
        for user in users:
            if user is not None:
                roles.setdefault(user, []).append(role)
    entered = [group.key for group in groups if group.kind in ("hybrid", "closed")]
    for user, held in roles.items():
        yield f"  {_quoted(user)}:"
        yield "    roles:"
        yield from (f"      - {role}" for role in held)
        if entered and held != ["admin"]:
            yield "    groups:"
            yield from (f"      - {key}" for key in entered)


def _record(answers: Answers) -> Iterator[str]:
    for question in QUESTIONS:
        value = getattr(answers, question.key)
        if question.key not in _RECORD or value in ("", ()):
            continue
        if question.key.startswith("accept") and answers.risk != "high":
            continue
        yield from _wrapped(f"# {question.label}: {in_words(value)}", "", "#   ")


def in_words(value: object) -> str:
    """Return the value of an answer on one line, as it was understood."""
    if value is None or value == ():
        return "none"
    if isinstance(value, StaffedHours):
        return compact(value)
    return _clean(" / ".join(map(str, value)) if isinstance(value, tuple) else str(value))


def _reason(reason: Reason) -> Iterator[str]:
    return _wrapped(f"# - {reason.words} {reason.advice}", "", "#   ")


def _wrapped(text: str, first: str, further: str) -> Iterator[str]:
    """Yield the text in lines; `textwrap` breaks only at spaces and at the width, and a cleaned text has no breaks."""
    yield from textwrap.wrap(_clean(text), WIDTH, initial_indent=first, subsequent_indent=further)


def _clean(text: str) -> str:
    """Return the text on one line, without what a YAML file may not hold or nobody can see."""
    seen = (sign if is_visible(sign) else " " for sign in text)
    return " ".join("".join(seen).split())


def _quoted(text: str) -> str:
    """Return a YAML value in double quotes: JSON's escapes are among YAML's."""
    return json.dumps(_clean(text), ensure_ascii=False)


def _id(answers: Answers) -> str:
    """Return an id from the name; a neutral one if the name tells something about people, or has no plain letters."""
    plain = unicodedata.normalize("NFKD", answers.name).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall(r"[a-z0-9]+", plain.replace("'", "")))[:MAX_SLUG].strip("-")
    return slug if slug and not telling_words(answers.name) else "community"
