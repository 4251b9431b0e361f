"""What the YAML parser complains about, in words that somebody who has never heard of YAML can act on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import yaml

__all__ = ["Problem", "explain_problem"]

_CURLY: Final = re.compile("[\u2018\u2019\u201c\u201d]")
_STRAIGHT: Final = 'Put straight quotes (") round the whole text: curly ones, as word processors make them, are not.'
_TAB_INDENT: Final = re.compile(r"[ ]*\t")

# What the parser says (any of these words, of libyaml and of PyYAML), in which context, whether to look where something
# was opened, and our words for it; SIGN is the offending character.
_SAYINGS: Final[tuple[tuple[tuple[str, ...], str, bool, str, str], ...]] = (
    (
        ("end of stream",),
        "quoted scalar",
        True,
        "a quote is opened here and never closed",
        "Close it with the same kind of quote.",
    ),
    (
        ("',' or ']'", "',' or '}'"),
        "",
        True,
        "a bracket is opened here and not closed, or a comma is missing",
        "Close it on the same line, with commas between the items, or write one item a line without brackets.",
    ),
    (
        ("cannot start any token", "node content"),
        "",
        False,
        'text without quotes may not start with "SIGN"',
        'Put the text in quotes: "SIGN…".',
    ),
    (
        ("mapping values are not allowed",),
        "",
        False,
        "a colon stands where no value can start",
        'Put text that holds ": " in quotes; indent keys of one block alike; let a line above end in ":".',
    ),
    (
        ("expected key", "block end", "'-' indicator"),
        "",
        False,
        "the line does not fit into the block around it",
        "Indent it exactly as the lines above that belong to the same block; do not mix keys and list items.",
    ),
    (
        ("incompatible YAML", "directive", "did not find URI", "version number"),
        "",
        False,
        "a line that begins with % speaks to the YAML reader, which needs none",
        "Remove the line.",
    ),
    (
        ("document start",),
        "",
        False,
        "what stands above has ended, and this line belongs to nothing",
        'Write it as "key: value" at its place, without a line of dots or dashes before it.',
    ),
    (("expected ':'",), "", True, "a key has no colon behind it", 'Write "key: value", with a space after the colon.'),
    (
        ("escape",),
        "",
        False,
        "an unknown escape after a backslash",
        'In double quotes "\\" has a meaning of its own; use single quotes, or write "\\\\".',
    ),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A syntax problem: line and column from 1, the text there, what is wrong and what to do."""

    line: int
    column: int
    text: str
    message: str
    advice: str


def explain_problem(error: yaml.MarkedYAMLError, lines: list[str]) -> Problem:
    """Return the problem behind a parser's error in a text of these lines, at the place where a person must look.

    For something that was opened and never closed this is where it was opened, not the end of the file.
    """
    found = str(error.problem or "")
    at = _place(error.problem_mark) or _place(error.context_mark) or (1, 1)
    opened = _place(error.context_mark) or at
    line = lines[at[0] - 1] if at[0] <= len(lines) else ""
    # A line that starts with a tab derails the parser there or one line on.
    for number in (at[0], at[0] - 1):
        if 0 < number <= len(lines) and _TAB_INDENT.match(lines[number - 1]):
            return Problem(
                number, 1, lines[number - 1].lstrip(), "the line is indented with a tab",
                "Indent with spaces only, two for each step; most editors can be told to do so.",
            )  # fmt: skip
    sign = line[at[1] - 1 : at[1]]
    if "node content" in found and not sign:  # the text ends where an item could stand
        opened, found = _left_open(lines) or at, "',' or ']'" if "flow" in str(error.context) else ""
    for saying, in_context, where_opened, message, advice in _SAYINGS:
        if any(words in found for words in saying) and in_context in str(error.context):
            place = opened if where_opened else at
            if "mapping values" in found and _CURLY.search(line):
                curly = "a colon stands in text between curly quotes, which are no quotes here"
                return _at(place, lines, curly, _STRAIGHT)
            return _at(place, lines, message.replace("SIGN", sign), advice.replace("SIGN", sign))
    advice = "Compare the line and the one above it with the examples; text with special signs needs quotes."
    return _at(at, lines, "the line cannot be read", advice)


def _at(place: tuple[int, int], lines: list[str], message: str, advice: str) -> Problem:
    line, column = place
    text = lines[line - 1][column - 1 :] if line <= len(lines) else ""
    return Problem(line, column, text, message, advice)


def _left_open(lines: list[str]) -> tuple[int, int] | None:
    """Return the place of the last bracket that is not closed again."""
    closed = 0
    for number in range(len(lines), 0, -1):
        line = lines[number - 1]
        if line.lstrip().startswith("#"):
            continue
        for column in range(len(line), 0, -1):
            if line[column - 1] in "]}":
                closed += 1
            elif line[column - 1] in "[{":
                if not closed:
                    return number, column
                closed -= 1
    return None


def _place(mark: yaml.Mark | None) -> tuple[int, int] | None:
    return (mark.line + 1, mark.column + 1) if mark is not None else None
