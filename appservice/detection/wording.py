"""How people write, brought to one spelling, and patterns of words that are found in it.

Pure. Both are data with a small language: `Spelling` reads `policies/rules/spelling-en.csv`, a pattern is described at
`Language.pattern`. A pattern is tried only where one of its rarer words stands; it has no open repetition, so that time
is linear in the text.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Generic, TypeVar

__all__ = ["Found", "Language", "Pattern", "Patterns", "Spelling", "Words"]

T = TypeVar("T")

#: Characters of a text that are searched: more than any message of a person.
MAX_TEXT: Final = 16_384
#: Words that a `*` in a pattern may stand for, at most.
MAX_SKIPPED: Final = 2
#: Letters of a word that is compared with those it may be a slip of.
_SHORTEST_NEARLY: Final = 6
_LONGEST_NEARLY: Final = 16
#: Words of one entry of the table of spellings, at most.
_LONGEST: Final = 3

_APOSTROPHES: Final = re.compile(r"['\u2018\u2019\u02bc`\u00b4]")
_DRAWN_OUT: Final = re.compile(r"([a-z])\1{2,}")
_DOUBLED: Final = re.compile(r"([a-z])\1")
#: Words of five letters and more: in shorter ones a letter more is another word (`off` and `of`, `feel` and `fell`).
_LONG: Final = re.compile(r"(?<![a-z])(?=[a-z]{5})[a-z]*?([a-z])\1[a-z]*")
_SENTENCE_ENDS: Final = re.compile(r"[.!?\n]")
#: Letters that people write as signs or digits, to hide a word from programs like this one, or for fun.
_LEET: Final = str.maketrans("013457@$", "oieastas")
_LEETED: Final = re.compile(r"(?<![a-z0-9@$])[a-z@$][a-z0-9@$]*[0-9@$][a-z0-9@$]*")


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text in one spelling, and in which sentence each stands."""

    words: Sequence[str]
    sentences: Sequence[int]

    def text(self, start: int = 0, end: int | None = None) -> str:
        """Words from `start` to before `end`, with a space around each."""
        return f" {' '.join(self.words[start:end])} "


class Spelling:
    """The table of spellings, with the columns written, meant. Raises ValueError with line and text.

    `written` is up to three words, or one sign; `meant` is what they stand for, nothing for words that only fill. A
    `~` before `written` stands for slips of a long word: one letter left out, added, or swapped with the next. A letter
    changed is no slip: it makes other words (`filling`, `hunting`).
    """

    def __init__(self, csv_text: str) -> None:
        self._meant: dict[str, tuple[str, ...]] = {}
        self._nearly: dict[str, str] = {}
        self._long: set[str] = set()
        self._longest: dict[str, int] = {}
        signs: list[str] = []
        for line, row in enumerate(csv.DictReader(io.StringIO(csv_text)), start=2):
            written, meant = (row.get("written") or "").strip(), tuple(_squeezed(row.get("meant") or "").split())
            if written.startswith("~"):
                word = _squeezed(written[1:])
                self._nearly |= dict.fromkeys([word, *_one_left_out(word), *_one_swapped(word)], word)
                self._long.add(word)
                continue
            if written and not written.isascii():
                signs.append(written)
            words = _squeezed(written).split()
            if not 1 <= len(words) <= _LONGEST or " ".join(words) in self._meant:
                raise ValueError(f"spellings, line {line}: {written!r} is not one to three words, or stands twice")
            self._meant[" ".join(words)] = meant
            self._longest[words[0]] = max(len(words), self._longest.get(words[0], 0))
        either = "|".join([r"[a-z0-9]+", r"[.!?\n]+", *map(re.escape, signs)])
        self._token = re.compile(either)

    def read(self, text: str) -> Words:
        """Return the words of a visible text as they are meant. Never raises; linear."""
        words: list[str] = []
        sentences: list[int] = []
        sentence = 0
        tokens = self._tokens(text)
        at = 0
        while at < len(tokens):
            if tokens[at] == ".":
                sentence += 1
                at += 1
                continue
            meant, taken = self._entry(tokens, at)
            words += meant
            sentences += [sentence] * len(meant)
            at += taken
        return Words(words, sentences)

    def _entry(self, tokens: Sequence[str], at: int) -> tuple[tuple[str, ...], int]:
        token = tokens[at]
        for length in range(min(self._longest.get(token, 0), len(tokens) - at), 0, -1):
            meant = self._meant.get(token if length == 1 else " ".join(tokens[at : at + length]))
            if meant is not None:
                return meant, length
        if _SHORTEST_NEARLY <= len(token) <= _LONGEST_NEARLY:
            if token in self._nearly:
                return (self._nearly[token],), 1
            for shorter in _one_left_out(token):
                if shorter in self._long:
                    return (shorter,), 1
        return (token,), 1

    def _tokens(self, text: str) -> list[str]:
        text = _APOSTROPHES.sub("", text[:MAX_TEXT].lower())
        text = _undoubled(_LEETED.sub(lambda found: found[0].translate(_LEET), text))
        tokens: list[str] = []
        spaced: list[str] = []
        for token in self._token.findall(text):
            if len(token) == 1 and "a" <= token <= "z":
                spaced.append(token)
                continue
            tokens += _closed(spaced)
            spaced = []
            tokens.append("." if token[0] in ".!?\n" else token)
        return tokens + _closed(spaced)


@dataclass(frozen=True)
class Pattern:
    """One pattern: `anchors` are words of which any text must have one to match it. It is compiled when it is first
    tried; most never are."""

    expression: str
    anchors: frozenset[str]

    @cached_property
    def regex(self) -> re.Pattern[str]:
        return re.compile(self.expression)


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """One pattern in `words[start:end]`, and what was put beside it."""

    start: int
    end: int
    what: T


class Language:
    """Reads patterns. `spelling` is that of the texts; sets of words are named before the patterns that use them."""

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling
        self._sets: dict[str, frozenset[str]] = {}
        self._uses: Counter[str] = Counter()
        self._read: dict[str, Pattern] = {}
        self._words: dict[str, Sequence[str]] = {}

    def name(self, name: str, words: str) -> None:
        """Name a set of words, `a|b|<another set>`. Raises ValueError for what is not single words."""
        self._sets[name] = self._one_of(words)

    def pattern(self, written: str) -> Pattern:
        """Read a pattern: `a|b` either word, `<name>` a word of a set, `a?` or none, `*` up to two words whatever.

        The part with the words that fewest patterns use is its anchor. Raises ValueError for a pattern that may be
        empty, or begin or end with any word.
        """
        if written in self._read:
            return self._read[written]
        parts: list[str] = []
        needed: list[frozenset[str]] = []
        for part in written.split():
            if part == "*":
                parts.append(rf"(?:\S+ ){{0,{MAX_SKIPPED}}}")
                continue
            words = self._one_of(part.removesuffix("?"))
            if not words:
                continue
            optional = part.endswith("?")
            parts.append(f"(?:{'|'.join(sorted(words))}) " if not optional else f"(?:(?:{'|'.join(sorted(words))}) )?")
            if not optional:
                needed.append(words)
                self._uses.update(words)
        if not needed or written.startswith("*") or written.endswith("*"):
            raise ValueError(f"{written!r} may be empty, or begin or end with any word")
        anchors = min(needed, key=lambda words: max(self._uses[word] for word in words))
        self._read[written] = Pattern(r"(?<= )" + "".join(parts), anchors)
        return self._read[written]

    def _one_of(self, alternatives: str) -> frozenset[str]:
        words: set[str] = set()
        for one in alternatives.split("|"):
            if one.startswith("<") and one.endswith(">"):
                if one[1:-1] not in self._sets:
                    raise ValueError(f"{one!r} is no set")
                words |= self._sets[one[1:-1]]
                continue
            read = self._words.get(one)
            if read is None:
                read = self._words[one] = self._spelling.read(one).words
            if len(read) > 1 or not one.strip():
                raise ValueError(f"{one!r} in {alternatives!r} is {len(read) or 'no'} words as it is read")
            words.update(read)  # a word that only fills is not there to be found
        return frozenset(words)


class Patterns(Generic[T]):
    """Patterns to be searched for, found in the order in which they are given."""

    def __init__(self, patterns: Iterable[tuple[Pattern, T]]) -> None:
        self._patterns = tuple(patterns)
        self._with: dict[str, list[int]] = {}
        for number, (pattern, _) in enumerate(self._patterns):
            for word in pattern.anchors:
                self._with.setdefault(word, []).append(number)

    def find(self, words: Words) -> Iterator[Found[T]]:
        """Yield what is in the words of a text. Only patterns one of whose anchors is there are tried."""
        present = self._with.keys() & words.words
        if not present:
            return
        text = words.text()
        for number in sorted({number for word in present for number in self._with[word]}):
            pattern, what = self._patterns[number]
            for found in pattern.regex.finditer(text):
                start = text.count(" ", 1, found.start())
                yield Found(start, start + found[0].count(" "), what)


def _squeezed(text: str) -> str:
    return _undoubled(_APOSTROPHES.sub("", text.lower()))


def _undoubled(text: str) -> str:
    """Drawn-out letters once (`sooo`), and doubled ones of longer words, where people slip (`killling`, `tomorow`)."""
    return _LONG.sub(lambda found: _DOUBLED.sub(r"\1", found[0]), _DRAWN_OUT.sub(r"\1", text))


def _one_left_out(word: str) -> list[str]:
    return [word[:n] + word[n + 1 :] for n in range(len(word))]


def _one_swapped(word: str) -> list[str]:
    return [word[:n] + word[n + 1] + word[n] + word[n + 2 :] for n in range(len(word) - 1)]


def _closed(letters: list[str]) -> list[str]:
    """Three single letters or more in a row are a word, spaced out."""
    return ["".join(letters)] if len(letters) > 2 else letters
