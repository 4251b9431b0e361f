"""Phrases in a text, found all at once whatever their number: the folding of words, their patterns, and the search.

Pure. Patterns are data with a small language of their own (`expanded`); the search is an Aho-Corasick automaton.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import ahocorasick

__all__ = ["Found", "Phrases", "expanded", "folded"]

T = TypeVar("T")

#: Characters of a text that are searched: more than any message of a person.
MAX_TEXT: Final = 16_384
#: Written-out forms of one pattern: more would be a mistake in the data.
_MAX_FORMS: Final = 5_000

_APOSTROPHES = re.compile(r"['\u2018\u2019\u02bc`\u00b4]")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
#: Letters that people write as signs or digits, to hide a word from programs like this one, or for fun.
_LEET = str.maketrans("013457@$", "oieastas")
_HAS_LETTER = re.compile(r"[a-z]")
#: Three single letters or more in a row, spaced out.
_SPACED = re.compile(r"\b(?:[a-z] ){2,}[a-z]\b")


def folded(text: str) -> str:
    """Return the words of a text (`visible_text`) in one spelling: lower case, no apostrophes, signs for letters undone,
    spaced letters closed, a space between words and at both ends. Linear."""
    words = _APOSTROPHES.sub("", text[:MAX_TEXT].lower())
    words = " ".join(_unleeted(word) for word in words.split())
    words = _NOT_WORD.sub(" ", words)
    words = _SPACED.sub(lambda found: found[0].replace(" ", ""), words)
    return f" {words.strip()} "


def _unleeted(word: str) -> str:
    return word.translate(_LEET) if _HAS_LETTER.search(word) and not word[:1].isdigit() else word


def expanded(pattern: str) -> list[str]:
    """Return the folded phrases that a pattern stands for. `a|b` either (of single words), `word?` or none.

    Raises ValueError for a pattern that stands for nothing, or for more than anybody can mean.
    """
    choices: list[list[str]] = []
    for part in pattern.split():
        optional = part.endswith("?")
        words = [folded(word).strip() for word in part.removesuffix("?").split("|")]
        if not all(words):
            raise ValueError(f"{part!r} has an empty word")
        choices.append([*words, ""] if optional else words)
    forms = {" ".join(filter(None, form)) for form in itertools.islice(itertools.product(*choices), _MAX_FORMS + 1)}
    forms.discard("")
    if not forms or len(forms) > _MAX_FORMS:
        raise ValueError(f"{pattern!r} stands for {len(forms) or 'no'} phrases")
    return sorted(forms)


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """One phrase in a folded text: where it starts and ends, and what was put beside it."""

    start: int
    end: int
    what: T


class Phrases(Generic[T]):
    """Phrases to be searched for; each may stand for several things."""

    def __init__(self, phrases: Iterable[tuple[str, T]]) -> None:
        meant: dict[str, list[T]] = {}
        for phrase, what in phrases:
            meant.setdefault(f" {phrase} ", []).append(what)
        self._automaton = ahocorasick.Automaton()
        for phrase, whats in meant.items():
            self._automaton.add_word(phrase, (len(phrase), tuple(whats)))
        if meant:
            self._automaton.make_automaton()
        self._empty = not meant

    def find(self, text: str) -> Iterator[Found[T]]:
        """Yield what is in a folded text, in the order of where it ends."""
        if self._empty:
            return
        for last, (length, whats) in self._automaton.iter(text):
            for what in whats:
                yield Found(last - length + 2, last, what)
