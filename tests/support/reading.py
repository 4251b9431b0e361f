"""How hard a text is to read: sentences, syllables, and the Flesch-Kincaid grade (years of school in the US)."""

from __future__ import annotations

import re

_ENDS = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"[^\W_]+(?:['’.:-][^\W_]+)*")
_VOWELS = re.compile(r"[aeiouy]+")
#: A group of vowels that is two syllables.
_TWO = re.compile(r"i(?:a(?!l\b|n\b)|o(?!u|n)|um|et)|eo(?!p)|dea(?!d|f|l|th|r)|ua|uou|[aeo]ing|eate|creat(?!u)")
#: Somebody's id, or how a case or request is called: a name, however it is spelt.
_NAME = re.compile(r"\b[HSPR]-\w{4}\b|[@!#$][^\s:]+:[^\s:]+?(?=[.,]?(?:\s|$))")
#: Syllables of a digit that has not one.
_DIGITS = {"0": 2, "7": 2}


def sentences(text: str) -> list[str]:
    return [one for one in _ENDS.split(text) if _WORD.search(one)]


def words(text: str) -> list[str]:
    return _WORD.findall(text)


def syllables(word: str) -> int:
    """How many syllables an English word has, by its spelling: right for most, one off for some."""
    low = word.lower().replace("’", "'").replace("every", "evry")
    if "-" in low:
        return sum(syllables(part) for part in low.split("-"))
    if low.isdigit() and len(low) == 2:
        return 2
    if any(one.isdigit() for one in low):
        return max(1, sum(_DIGITS.get(one, 1) for one in low if one.isdigit()) + sum(map(str.isalpha, low)))
    low = re.sub(r"'(s|m|d|t|ll|re|ve)?$", "", low)
    count = len(_VOWELS.findall(low)) + len(_TWO.findall(low))
    silent = re.search(r"[^aeiouy]e$", low) and not re.search(r"[^aeiouylr]le$", low)
    silent = silent or re.search(r"(?<![td])ed$", low) or re.search(r"(?<![cszgx])(?<![cs]h)es$", low)
    silent = silent or re.search(r"[^aeiouy]e(ly|ful|less|ment|body|where)$", low)
    return max(1, count - bool(silent))


def grade(text: str) -> float:
    """Flesch-Kincaid grade; ids and references count as names of two syllables."""
    plain = _NAME.sub("Robin", text)
    said = words(plain)
    count = sum(map(syllables, said))
    return 0.39 * len(said) / len(sentences(plain)) + 11.8 * count / len(said) - 15.59
