"""Whose a telephone number is, from the words around it: the author's, somebody else's, or unclear.

Pure. The phrases are data (`policies/rules/ownership-en.csv`); the caller reads the file and hands in its text.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

__all__ = ["Ownership", "OwnershipRules", "is_of_a_place", "ownership_rules", "whose"]

REACH = 90  # characters to each side of a number in which a phrase may stand
MAX_GAP = 4  # words between a phrase and the number that leave them connected

_COLUMNS = ("whose", "where", "phrase")
_ALTERNATIVES = re.compile(r"(?:<[a-z_]+>|[a-z']+)(?:\|(?:<[a-z_]+>|[a-z']+))*")
_SLOT = re.compile(r"<([a-z_]+)>")
_SPACE = r"[^\w\n]{1,3}"
_APOSTROPHES = str.maketrans("\u2019\u2018\u02bc`", "''''")
_WORD = re.compile(r"\w+")
_FILLERS = frozenset({"is", "on", "at", "it", "its", "s", "was", "to", "please", "pls", "the", "this", "here", "m"})
_LONG_NUMBER = re.compile(r"[0-9](?:[ ().\-/]{0,3}[0-9]){6,}")


class Ownership(Enum):
    """Whose number it is (DESIGN section 7.2): own is offered to be removed, others' and unclear ones are redacted."""

    OWN = "own"
    OTHERS = "others"
    UNCLEAR = "unclear"


class Placed(Protocol):
    """Something that stands at `text[start:end]`."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _Phrase:
    whose: Ownership
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class OwnershipRules:
    """Phrases in front of a number and behind it, compiled; `places_*` name a public place right beside its number."""

    before: tuple[_Phrase, ...]
    after: tuple[_Phrase, ...]
    places_before: tuple[re.Pattern[str], ...] = ()
    places_after: tuple[re.Pattern[str], ...] = ()


def ownership_rules(csv_text: str) -> OwnershipRules:
    """The rules in the text of a table with the columns whose, where, phrase (and example, for the reader).

    `whose` is `own`, `others`, `place` (an office everybody may ring), or `define`, which names a set of words (`where` is its name). A phrase is made of
    words; `a|b` either, `word?` may be absent, `*` up to three words, `<name>` a word with a capital, `<someone>` a
    word not in `<not_someone>`, `<owner>` a word ending in s not in `<not_owner>`, `<set>` a defined set. Longer
    phrases win over shorter ones that stand as near. Raises `ValueError` with the line and the offending text.
    """
    sets = {"name": r"(?-i:[A-Z])[\w']*"}
    phrases: dict[str, list[_Phrase]] = {"before": [], "after": []}
    places: dict[str, list[re.Pattern[str]]] = {"before": [], "after": []}
    for line, row in enumerate(csv.DictReader(io.StringIO(csv_text)), start=2):
        owner, where, phrase = ((row.get(column) or "").strip() for column in _COLUMNS)
        if owner == "define":
            if not re.fullmatch(r"[a-z']+(?:\|[a-z']+)*", phrase):
                raise ValueError(f"ownership rules, line {line}: {phrase!r} is not a list of words")
            sets[where] = f"(?:{phrase})"
            if where == "not_someone":
                sets["someone"] = rf"(?!(?:{phrase})\b)[\w']+"
            elif where == "not_owner":
                sets["owner"] = rf"(?!(?:{phrase})\b)[\w']+(?:'s|s'|s)"
        elif owner == "place" and where in places:
            places[where].append(_compile(phrase, sets))
        elif owner in ("own", "others") and where in phrases:
            try:
                pattern = _compile(phrase, sets)
            except (KeyError, ValueError) as error:
                raise ValueError(f"ownership rules, line {line}: cannot read {error} in {phrase!r}") from error
            phrases[where].append(_Phrase(Ownership(owner), pattern))
        else:
            raise ValueError(
                f"ownership rules, line {line}: {owner!r}, {where!r} is not own or others, before or after"
            )
    return OwnershipRules(
        tuple(phrases["before"]), tuple(phrases["after"]), tuple(places["before"]), tuple(places["after"])
    )


def whose(text: str, finding: Placed, rules: OwnershipRules) -> Ownership:
    """Whose the number at `finding` in `text` is; the phrase nearest to it decides, UNCLEAR if none is near.

    Of two as near the longer decides (`my mum's number` over `mum's number`), then OTHERS: hiding somebody's own
    number for a moment does less harm than showing somebody else's. Never raises.
    """
    before = text[max(0, finding.start - REACH) : finding.start].translate(_APOSTROPHES)
    earlier = list(_LONG_NUMBER.finditer(before))
    before = before[earlier[-1].end() :] if earlier else before
    after = text[finding.end : finding.end + REACH].translate(_APOSTROPHES)
    later = _LONG_NUMBER.search(after)
    after = after[: later.start()] if later else after

    ranked: list[tuple[int, int, bool, Ownership]] = []
    for phrase in rules.before:
        for match in phrase.pattern.finditer(before):
            ranked.append(_rank(phrase.whose, match, before[match.end() :]))
    for phrase in rules.after:
        if (found := phrase.pattern.search(after)) is not None:
            ranked.append(_rank(phrase.whose, found, after[: found.start()]))
    if not ranked:
        return Ownership.UNCLEAR
    gap, _, _, owner = min(ranked, key=lambda entry: entry[:3])
    return owner if gap <= MAX_GAP else Ownership.UNCLEAR


def is_of_a_place(text: str, finding: Placed, rules: OwnershipRules) -> bool:
    """Whether the words right beside the number at `finding` say that it is a public place's. Never raises."""
    before = text[max(0, finding.start - REACH) : finding.start].translate(_APOSTROPHES)
    after = text[finding.end : finding.end + REACH].translate(_APOSTROPHES)
    gaps = [before[found.end() :] for one in rules.places_before for found in one.finditer(before)]
    gaps += [after[: found.start()] for one in rules.places_after if (found := one.search(after)) is not None]
    return any(all(word.lower() in _FILLERS for word in _WORD.findall(gap)) for gap in gaps)


def _rank(owner: Ownership, match: re.Match[str], between: str) -> tuple[int, int, bool, Ownership]:
    gap = sum(word.lower() not in _FILLERS for word in _WORD.findall(between))
    return gap, match.start() - match.end(), owner is Ownership.OWN, owner


def _compile(phrase: str, sets: dict[str, str]) -> re.Pattern[str]:
    parts: list[str] = []
    for part in phrase.split():
        optional = part.endswith("?")
        if part == "*":
            parts.append(rf"(?:[\w']+{_SPACE}){{0,3}}")
            continue
        words = part.removesuffix("?")
        if not _ALTERNATIVES.fullmatch(words):
            raise ValueError(repr(part))
        parts.append(rf"(?:(?:{_SLOT.sub(lambda slot: sets[slot[1]], words)})\b{_SPACE}){'?' if optional else ''}")
    if not parts:
        raise ValueError("an empty phrase")
    # A space is looked for behind each word; the sentence may also end with the phrase.
    return re.compile(r"\b" + "".join(parts).replace(rf"\b{_SPACE}", rf"\b(?:{_SPACE}|\Z)"), re.IGNORECASE)
