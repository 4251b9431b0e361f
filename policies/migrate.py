"""A policy file of an older version of the language, rewritten in the newest: what it means, order and comments stay.

Only what must be different is edited, character by character. Where the newest version asks for a reason and a name, a
place is left for them: nobody's name is invented here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from policies.findings import Finding
from policies.keeping import default_of, kept, longer_than_usual
from policies.load import load_policy
from policies.schema import Group, Policy
from policies.source import Data, Path, Source, decoded, read_yaml
from policies.versions import CURRENT

_VALUE: Final = '{{value: {}, because: "", approved_by: ""}}'

__all__ = ["Migrated", "migrated"]


@dataclass(frozen=True, slots=True)
class Migrated:
    """What became of a file. text: the whole new file, None if nothing was done.

    findings: why not, or, as advice at lines of the new file, what a person must fill in before it loads.
    """

    text: str | None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    length: int
    text: str


def migrated(text: bytes, filename: str) -> Migrated:
    """Return the file in the newest version; without text and findings if it is written in that. Never raises."""
    source = read_yaml(text, filename)
    if isinstance(source.data, dict) and source.data.get("schema") == CURRENT:
        return Migrated(None)  # also where it includes files, or has mistakes: `check` is for these
    loaded = load_policy(text, filename)
    if loaded.policy is None:
        return Migrated(None, loaded.findings)
    old = decoded(text, filename)
    new = old
    for edit in sorted(_edits(old, source, loaded.policy), key=lambda one: -one.start):
        new = new[: edit.start] + edit.text + new[edit.start + edit.length :]
    after = read_yaml(new, filename)
    if after.data != _expected(source, loaded.policy) or after.findings:
        message = "this file is written in a way that only a person can carry over"
        advice = f'Write "schema: {CURRENT}", then try "inglenook check": it says what is missing, line by line.'
        return Migrated(None, (source.finding("error", ("schema",), message, advice, key=True),))
    findings = tuple(_to_fill_in(after, group_id, group) for group_id, group in _unanswered(loaded.policy))
    return Migrated(new.replace("\n", "\r\n") if b"\r\n" in text else new, findings)


def _unanswered(policy: Policy) -> Iterator[tuple[str, Group]]:
    """Yield the groups that keep messages longer than the newest version lets them without a reason and a name."""
    for group_id, group in policy.groups.items():
        if longer_than_usual(group) and not (group.retention is not None and group.retention.vouched):
            yield group_id, group


def _edits(text: str, source: Source, policy: Policy) -> Iterator[_Edit]:
    lines = _starts(text)

    def offset(path: Path, *, key: bool = False) -> int:
        mark = source.mark(path, key=key)
        return lines[mark.line - 1] + mark.column - 1

    at = offset(("schema",))
    yield _Edit(at, len(str(policy.schema_version)), str(CURRENT))
    for group_id, group in _unanswered(policy):
        path: Path = ("groups", group_id)
        value = _VALUE.format(kept(group))
        if (*path, "retention") in source.places:
            at = offset((*path, "retention"))
            yield _Edit(at, _length(text, at, source.places[*path, "retention"].value.text), value)
        elif text[(at := _start(source, lines, path))] == "{":
            yield _Edit(at + 1, 0, f"retention: {value}, ")
        else:
            tier = source.mark((*path, "tier"))
            indent = " " * (source.mark((*path, "tier"), key=True).column - 1)
            end = lines[tier.line] - 1 if tier.line < len(lines) else len(text)
            why = f"as version {policy.schema_version} had it; left out, messages are kept for {default_of(group)}"
            yield _Edit(end, 0, f"\n{indent}retention: {value} # {why}")


def _start(source: Source, lines: list[int], path: Path) -> int:
    """Return where the block at `path` itself begins: at its bracket, or at its first key."""
    mark = source.places[path].value
    return lines[mark.line - 1] + mark.column - 1


def _starts(text: str) -> list[int]:
    """Return where each line begins."""
    starts = [0]
    while (end := text.find("\n", starts[-1])) >= 0:
        starts.append(end + 1)
    return starts


def _length(text: str, start: int, value: str) -> int:
    """Return how much of the text from `start` on says `value`, with its quotes if it has any; 0 if that is not clear."""
    quote = text[start] if text[start] in "\"'" else ""
    words = r"\s+".join(map(re.escape, value.split()))  # a long line may be broken between two words
    found = re.compile(f"{quote}{words}{quote}").match(text, start)
    return found.end() - start if found else 0


def _expected(source: Source, policy: Policy) -> Data:
    """Return what the new file must say: whatever else an edit did is an edit gone wrong."""
    assert isinstance(source.data, dict)
    groups = source.data["groups"]
    assert isinstance(groups, dict)
    kept_as_is = dict(groups)
    for group_id, group in _unanswered(policy):
        written = groups[group_id]
        assert isinstance(written, dict)
        answer: dict[str, Data] = {"value": str(kept(group)), "because": "", "approved_by": ""}
        kept_as_is[group_id] = {**written, "retention": answer}
    return {**source.data, "schema": CURRENT, "groups": kept_as_is}


def _to_fill_in(source: Source, group_id: str, group: Group) -> Finding:
    message = f"the group {group_id} keeps messages {'for ever' if kept(group).days is None else f'for {kept(group)}'}"
    advice = (
        f"Say why, and who of the owners answers for it (safeguarding_lead or deputy). Or take retention out: messages "
        f"are then kept for {default_of(group)}, and older ones are deleted for good."
    )
    return source.finding("advice", ("groups", group_id, "retention"), message, advice, key=True)
