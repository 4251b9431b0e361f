"""Which rules about conduct a text breaks: phrases as data (`policies/rules/conduct-en.csv`), and the links beside them.

Pure. The words of members are folded once and searched with one automaton, whatever the number of rules. What somebody
quotes is not what they say: it is left out.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from appservice.detection.links import NONE, Links
from appservice.detection.phrases import MAX_TEXT, Phrases, expanded, folded

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
_BY_LINK, _BUT = "phishing", "warn"
#: The set of words that would make harmless what they deny, and so do not count.
_DENIED: Final = "denied"


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that a message breaks, and how serious that is (1 to 4, DESIGN section 2)."""

    rule: str
    severity: int


@dataclass(frozen=True, slots=True)
class _Rule:
    hit: Hit
    needs: tuple[str, ...]
    links: tuple[str, ...]
    unless: tuple[str, ...]


class ConductRules:
    """The phrases of a table with the columns rule, severity, phrase, needs, unless.

    A phrase counts if one of `needs` stands near it (`<link>`, `<odd>`, `<fake>`: the message has such a link), where
    there are any, and none of `unless`. A row whose rule is `define` adds to a set of words, which is named by its
    severity and written `<name>` in other rows. `rules` are the names that may stand in it. Raises ValueError with line
    and text.
    """

    def __init__(self, csv_text: str, rules: Collection[str]) -> None:
        phrases: list[tuple[str, _Rule]] = []
        self._sets: dict[str, list[str]] = {}
        for line, row in enumerate(csv.DictReader(io.StringIO(csv_text)), start=2):
            rule, severity, phrase, needs, unless = ((row.get(column) or "").strip() for column in _COLUMNS)
            try:
                forms = expanded(phrase)
                if rule == "define":
                    self._sets.setdefault(severity, []).extend(f" {form} " for form in forms)
                elif rule not in rules or severity not in {"1", "2", "3", "4"}:
                    raise ValueError(f"{rule!r} {severity!r} is no rule and severity")
                else:
                    made = self._rule(rule, severity, needs, unless)
                    phrases += [(form, made) for form in forms]
            except ValueError as error:
                raise ValueError(f"conduct rules, line {line}: {error}") from None
        self._phrases = Phrases(phrases)
        self._denied = self._sets.get(_DENIED, [])

    def _rule(self, rule: str, severity: str, needs: str, unless: str) -> _Rule:
        wanted = [one.strip() for one in needs.split("|") if one.strip()]
        return _Rule(
            Hit(rule, int(severity)),
            needs=tuple(folded(one) for one in wanted if one not in _LINKS),
            links=tuple(_LINKS[one] for one in wanted if one in _LINKS),
            unless=tuple(self._words(one.strip() for one in unless.split("|"))),
        )

    def _words(self, parts: Iterable[str]) -> Iterable[str]:
        for part in parts:
            if not part.startswith("<"):
                yield from (folded(part),) if part else ()
            elif part.strip("<>") in self._sets:
                yield from self._sets[part.strip("<>")]
            else:
                raise ValueError(f"there is no set {part}")

    def look(self, text: str, links: Links = NONE) -> Mapping[str, Hit]:
        """Return the worst hit of each rule in a visible text with these links."""
        text = text[:MAX_TEXT]
        words = folded(_QUOTED.sub(" ", text) if _may_quote(text) else text)
        worst: dict[str, Hit] = {}
        for found in itertools.islice(self._phrases.find(words), _MOST):
            rule, known = found.what, worst.get(found.what.hit.rule)
            if known is not None and known.severity >= rule.hit.severity:
                continue
            around = words[max(0, found.start - _AROUND) : found.end + _AROUND]
            if self._counts(rule, around, links):
                worst[rule.hit.rule] = rule.hit
        if links.deceives and _BY_LINK not in worst and not self._has(words, self._sets.get(_BUT, ())):
            worst[_BY_LINK] = Hit(_BY_LINK, 2)
        return worst

    def _counts(self, rule: _Rule, around: str, links: Links) -> bool:
        wants = bool(rule.needs or rule.links)
        has = any(one in around for one in rule.needs) or any(getattr(links, name) for name in rule.links)
        return (has or not wants) and not self._has(around, rule.unless)

    def _has(self, around: str, unless: Iterable[str]) -> bool:
        for denied in self._denied:
            around = around.replace(denied, " ")
        return any(one in around for one in unless)


def _may_quote(text: str) -> bool:
    return any(sign in text for sign in "\"'“‘>’")
