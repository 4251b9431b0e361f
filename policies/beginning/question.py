"""What a question is, and how what was typed becomes its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.beginning.reading import NONE, NotUnderstood, Reader, Said, one_line
from policies.findings import did_you_mean, shown

Choices = Mapping[str, str]
"""What may be chosen: the word to write, and what it means."""

__all__ = ["Choices", "Question", "choice", "one_of", "read_several", "read_typed"]


def _always(said: Said) -> bool:
    return True


def _no_worry(value: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `empty` is what no answer means (None: it must be answered); `most` is above 1 for a list."""

    key: str
    part: int  # index in PARTS
    label: str  # in a few words, beside the answer
    words: str
    help: str
    read: Reader
    choices: Choices | None = None
    most: int = 1
    empty: str | None = None
    when: Callable[[Said], bool] = _always
    worry: Callable[[Any], str] = _no_worry  # what to think of again, "" if nothing


def read_typed(question: Question, text: str, said: Said) -> Any:
    """Return the value of a typed answer. Several stand with ";" between them. Raises `NotUnderstood`."""
    line = one_line(text)
    if not line:
        if question.empty is None:
            raise NotUnderstood("This needs an answer.", "Write ? for help.")
        line = question.empty
    if question.most == 1:
        return question.read(line, said)
    return read_several(question, line.replace("; ", ";").split(";"), said)


def read_several(question: Question, parts: Sequence[str], said: Said) -> tuple[Any, ...]:
    """Return the values of the items of a list. Raises `NotUnderstood`."""
    lines = [
        line for line in map(one_line, parts) if line and not (question.empty == "none" and line.casefold() in NONE)
    ]
    if len(lines) > question.most:
        raise NotUnderstood(f"These are {len(lines)}. {question.most} are the most.", "Please leave some out.")
    if not lines and question.empty is None:
        raise NotUnderstood("This needs an answer.", "Write ? for help.")
    return tuple(dict.fromkeys(question.read(line, said) for line in lines))


def one_of(choices: Choices) -> Reader:
    """Return what reads one of these words, or its number."""

    def read(text: str, said: Said) -> str:
        words = list(choices)
        if text.casefold() in words:
            return text.casefold()
        if text.isascii() and text.isdigit() and 0 < int(text[:3]) <= len(words):
            return words[int(text[:3]) - 1]
        raise NotUnderstood(f'"{shown(text)}" is none of these.', did_you_mean(text, words))

    return read


def choice(key: str, part: int, label: str, words: str, about: str, choices: Choices, **more: Any) -> Question:
    """Return a question that is answered by one of a few words."""
    return Question(key, part, label, words, about, one_of(choices), choices, **more)
