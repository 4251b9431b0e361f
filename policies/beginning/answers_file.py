"""Answers from a YAML file instead of a terminal: the same readers, with line, column and advice for what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from policies.beginning.answers import Answers
from policies.beginning.question import Question, read_several, read_typed
from policies.beginning.questions import QUESTIONS, NotUnderstood, answers_of, relevant
from policies.findings import Finding, did_you_mean, has_errors, in_order, shown
from policies.source import Data, Path, read_yaml

_BY_KEY: Final = {question.key: question for question in QUESTIONS}

__all__ = ["AnswersRead", "read_answers"]


@dataclass(frozen=True, slots=True)
class AnswersRead:
    """The answers, if no finding is an error, and what was found, in the order of the file."""

    answers: Answers | None
    findings: tuple[Finding, ...]


def read_answers(text: str | bytes, filename: str) -> AnswersRead:
    """Return the answers of a YAML file; `filename` is what findings call it. Never raises for what is written in it."""
    source = read_yaml(text, filename)
    findings = list(source.findings)
    if not source.readable:
        return AnswersRead(None, in_order(findings))
    if not isinstance(source.data, dict):
        advice = 'Write the key of each question, a colon and the answer, like "asked: 5".'
        return AnswersRead(
            None, in_order([*findings, source.finding("error", (), "there are no answers in it", advice)])
        )
    for key in source.data:
        if key not in _BY_KEY:
            message = f'there is no question "{shown(key)}"'
            findings.append(source.finding("error", (key,), message, did_you_mean(key, _BY_KEY), key=True))
    said: dict[str, Any] = {}
    wrong: set[str] = set()
    for question in QUESTIONS:
        value = source.data.get(question.key)
        missing = question.key not in source.data
        if question not in relevant(said) or (missing and question.empty is None):
            continue
        try:
            said[question.key] = _read(question, "" if missing else value, said)
        except _WrongItem as problem:
            path: Path = (question.key, *problem.path)
            findings.append(source.finding("error", path, problem.message, problem.advice))
            wrong.add(question.key)
    for question in relevant(said):
        if question.key not in said and question.key not in wrong:
            message = f'there is no answer to "{question.key}": {question.words}'
            findings.append(source.finding("error", (), message, _wanted(question)))
    answers = None if has_errors(findings) else answers_of(said)
    return AnswersRead(answers, in_order(findings))


class _WrongItem(Exception):
    def __init__(self, message: str, advice: str, *path: int) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.path = path


def _read(question: Question, value: Data, said: dict[str, Any]) -> Any:
    if isinstance(value, tuple) and question.most > 1:
        return _read_list(question, value, said)
    if isinstance(value, int) and not isinstance(value, bool) and isinstance(question.choices, type(None)):
        value = str(value)
    if value is None and question.empty is not None:
        value = ""
    if not isinstance(value, str):
        raise _WrongItem(f"{_kind_of(value)} cannot be the answer here", _wanted(question))
    try:
        return read_typed(question, value, said)
    except NotUnderstood as problem:
        raise _WrongItem(problem.message, problem.advice) from None


def _read_list(question: Question, items: tuple[Data, ...], said: dict[str, Any]) -> Any:
    for index, item in enumerate(items):
        if not isinstance(item, str):
            raise _WrongItem(f"{_kind_of(item)} cannot be the answer here", _wanted(question), index)
        try:
            read_several(question, [item], said)
        except NotUnderstood as problem:
            raise _WrongItem(problem.message, problem.advice, index) from None
    try:
        return read_several(question, [str(item) for item in items], said)
    except NotUnderstood as problem:
        raise _WrongItem(problem.message, problem.advice) from None


def _wanted(question: Question) -> str:
    if question.choices:
        return f"Write {' or '.join(question.choices)}."
    return question.help


def _kind_of(value: Data) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false (in quotes it is a word)"
    if isinstance(value, int):
        return "a number"
    return "a list" if isinstance(value, tuple) else "a block of keys"
