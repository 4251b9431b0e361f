"""Which rules about conduct a text breaks: phrases as data (`policies/rules/conduct-en.csv`), and the links beside them.

Pure. The words of members are folded once and searched with one automaton, whatever the number of rules. What somebody
quotes is not what they say: it is left out.
"""

from __future__ import annotations

import csv
import io
import re
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from appservice.detection.links import NONE, Links
from appservice.detection.phrases import MAX_TEXT, Found, Phrases, expanded, folded

#: Characters to each side of a phrase in which a word of `needs` or `unless` counts.
_AROUND: Final = 160
#: Phrases of one message whose surroundings are looked at: nobody means more.
_MOST: Final = 50
_COLUMNS: Final = ("rule", "severity", "phrase", "needs", "unless")
_QUOTED: Final = re.compile(
    r"“[^“”\n]{1,300}”|\"[^\"\n]{1,300}\"|(?<!\w)[‘'][^‘’'\n]{8,300}[’'](?!\w)|^>[^\n]*", re.MULTILINE
)
_LINKS: Final = {"<link>": "any", "<odd>": "odd", "<fake>": "fake"}
#: The rule that links can break without a word, and the set of words that makes it harmless.
_BY_LINK, _BUT = "phishing", "<warn>"
#: The set of words that deny what would make something harmless (`not a scam`): what ends with them does not count.
_DENIED: Final = "<denied>"


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that a message breaks, and how serious that is (1 to 4, DESIGN section 2)."""

    rule: str
    severity: int


@dataclass(frozen=True, slots=True)
class _Rule:
    """`needs` and `unless` are words beside it: those of a set by its name in angle brackets."""

    hit: Hit
    needs: tuple[str, ...]
    links: tuple[str, ...]
    unless: tuple[str, ...]


#: Where words stand that are beside something: the ends of each, in order, by how a rule names them.
_Beside = Mapping[str, Sequence[int]]


class ConductRules:
    """The phrases of a table with the columns rule, severity, phrase, needs, unless.

    A phrase counts if one of `needs` stands near it (`<link>`, `<odd>`, `<fake>`: the message has such a link), where
    there are any, and none of `unless`. A row whose rule is `define` adds to a set of words, which is named by its
    severity and written `<name>` in other rows. `rules` are the names that may stand in it. Raises ValueError with line
    and text.
    """

    def __init__(self, csv_text: str, rules: Collection[str]) -> None:
        phrases: list[tuple[str, _Rule | str]] = []
        beside: dict[str, str] = {}
        sets: set[str] = set(_LINKS)
        for line, row in enumerate(csv.DictReader(io.StringIO(csv_text)), start=2):
            rule, severity, phrase, needs, unless = ((row.get(column) or "").strip() for column in _COLUMNS)
            try:
                forms = expanded(phrase)
                if rule == "define":
                    sets.add(f"<{severity}>")
                    phrases += [(form, f"<{severity}>") for form in forms]
                    continue
                if rule not in rules or severity not in {"1", "2", "3", "4"}:
                    raise ValueError(f"{rule!r} {severity!r} is no rule and severity")
                wanted, harmless = _parts(needs, sets), _parts(unless, sets)
            except ValueError as error:
                raise ValueError(f"conduct rules, line {line}: {error}") from None
            beside.update((word, word) for word in (*wanted, *harmless) if not word.startswith("<"))
            links = tuple(_LINKS[one] for one in wanted if one in _LINKS)
            words = tuple(one for one in wanted if one not in _LINKS)
            made = _Rule(Hit(rule, int(severity)), words, links, harmless)
            phrases += [(form, made) for form in forms]
        self._phrases = Phrases([*phrases, *beside.items()])

    def look(self, text: str, links: Links = NONE) -> Mapping[str, Hit]:
        """Return the worst hit of each rule in a visible text with these links."""
        text = text[:MAX_TEXT]
        words = folded(_QUOTED.sub(" ", text) if _may_quote(text) else text)
        found, beside = self._found(words)
        worst: dict[str, Hit] = {}
        for one in found[:_MOST]:
            hit = one.what.hit
            known = worst.get(hit.rule)
            if (known is None or known.severity < hit.severity) and _counts(one, beside, links):
                worst[hit.rule] = hit
        if links.deceives and not beside.get(_BUT):
            worst.setdefault(_BY_LINK, Hit(_BY_LINK, 2))
        return worst

    def _found(self, words: str) -> tuple[list[Found[_Rule]], _Beside]:
        """Return the phrases in a folded text, and the words that stand beside something."""
        found: list[Found[_Rule]] = []
        ends: dict[str, list[int]] = {}
        for one in self._phrases.find(words):
            if isinstance(one.what, str):
                ends.setdefault(one.what, []).append(one.end)
            else:
                found.append(Found(one.start, one.end, one.what))
        if denied := frozenset(ends.get(_DENIED, ())):
            ends = {name: [end for end in where if end not in denied] for name, where in ends.items()}
        return found, ends


def _parts(text: str, sets: Collection[str]) -> tuple[str, ...]:
    parts = [one.strip() for one in text.split("|") if one.strip()]
    for part in parts:
        if part.startswith("<") and part not in sets:
            raise ValueError(f"there is no set {part}")
    return tuple(part if part.startswith("<") else folded(part).strip() for part in parts)


def _counts(found: Found[_Rule], beside: _Beside, links: Links) -> bool:
    rule = found.what

    def near(name: str) -> bool:
        ends = beside.get(name, ())
        first = bisect_left(ends, found.start - _AROUND)
        return first < len(ends) and ends[first] <= found.end + _AROUND

    wants = bool(rule.needs or rule.links)
    has = any(map(near, rule.needs)) or any(getattr(links, name) for name in rule.links)
    return (has or not wants) and not any(map(near, rule.unless))


def _may_quote(text: str) -> bool:
    return any(sign in text for sign in "\"'“‘>’")
