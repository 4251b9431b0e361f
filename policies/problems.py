"""A problem in what a file says, at the path of the value that a person must look at; `load` gives it its line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from policies.findings import Severity
from policies.source import Path

__all__ = ["Problem", "repeated"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem at `path`; `key` if it is the key there that is wrong, not its value."""

    path: Path
    message: str
    advice: str
    severity: Severity = "error"
    key: bool = False


def repeated(words: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield each word of a list that stands further up already, with its number from 0. Linear: a list may be long."""
    seen: set[str] = set()
    for index, word in enumerate(words):
        if word in seen:
            yield index, word
        seen.add(word)
