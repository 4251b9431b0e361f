"""Findings: what is wrong, or could be better, in a file that a person wrote. Values only; nothing here raises."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "advice"]

MAX_FINDINGS = 50  # more would help nobody, and bounds the work that a hostile file can cause
MAX_SHOWN = 60  # characters of offending text shown
MAX_COMPARED = 64  # characters looked at for "did you mean": difflib is quadratic in the length of a word
MAX_CANDIDATES = 300  # words compared with, those of the most similar length: a file may hold thousands of ids

__all__ = ["MAX_FINDINGS", "Finding", "Severity", "did_you_mean", "has_errors", "in_order", "shown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem at one place. An `error` stops the file from loading, an `advice` does not.

    `line` and `column` count from 1, in characters; `text` is the offending text, shortened and on one line;
    `message` says what is wrong, `advice` what to do about it (never empty).
    """

    severity: Severity
    file: str
    line: int
    column: int
    text: str
    message: str
    advice: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}\n  {self.advice}"


def shown(text: str) -> str:
    """Return `text` fit for one line of a terminal: first line only, at most 60 characters, nothing invisible."""
    first, *rest = text[: MAX_SHOWN + 1].splitlines() or [""]
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in first[:MAX_SHOWN])
    return visible + ("…" if rest or len(first) > MAX_SHOWN or len(text) > len(first) else "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a sentence that names the known word nearest to `word`, or lists what is known."""
    short = word[:MAX_COMPARED]
    words = sorted(sorted(known, key=lambda w: (abs(len(w) - len(short)), w))[:MAX_CANDIDATES])
    close = difflib.get_close_matches(short.lower(), [w.lower() for w in words], n=1, cutoff=0.6)
    for candidate in words:
        if close and candidate.lower() == close[0]:
            return f'Did you mean "{shown(candidate)}"?'
    if not words:
        return "Remove it: nothing may stand here."
    listed = ", ".join(shown(w) for w in words[:12])
    return f"Known here: {listed}{', …' if len(words) > 12 else ''}."


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings in reading order, each once, at most `MAX_FINDINGS`; errors are never cut in favour of advice."""
    unique = sorted(set(findings), key=lambda f: (f.severity != "error", f.line, f.column, f.message))[:MAX_FINDINGS]
    return tuple(sorted(unique, key=lambda f: (f.file, f.line, f.column, f.message)))


def has_errors(findings: Iterable[Finding]) -> bool:
    """Return whether one of the findings stops the file from loading."""
    return any(f.severity == "error" for f in findings)
