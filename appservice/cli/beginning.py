"""How `inglenook init` speaks with a person: one question at a time, `?` for help, `back`, and answers that are kept."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from appservice.operations.beginning import (
    FIRST_STEPS,
    KEPT,
    POLICY,
    CannotBegin,
    forget,
    keep,
    kept,
    make_ready,
    put,
    put_first_steps,
    signposts,
    take_first_steps,
)
from policies.beginning import (
    Answers,
    NotUnderstood,
    Question,
    Verdict,
    answers_of,
    first_steps,
    judge,
    read_answers,
    read_typed,
    relevant,
    written,
)
from policies.beginning.questions import PARTS
from policies.beginning.writing import in_words
from policies.files import read_file
from policies.findings import Finding, shown

OK, NOT_YET, BAD_INPUT = 0, 1, 2

_SAID: Final = {"go": "Go.", "smaller": "Smaller.", "not_yet": "Not yet."}
_COLOURS: Final = {"go": "bold green", "smaller": "bold yellow", "not_yet": "bold red"}

__all__ = ["begin"]


def begin(folder: Path, answers_file: Path | None, out: Console, err: Console, *, as_json: bool) -> int:
    """Ask, judge, and write the first files or what to do first; return the exit status."""
    _survive_any_terminal()
    try:
        if answers_file is not None:
            return _from_file(folder, answers_file, out, err, as_json=as_json)
        if as_json:
            raise CannotBegin("--json goes with --answers: a program cannot be asked questions.")
        if not sys.stdin.isatty():
            raise CannotBegin("This asks questions, and nobody is here to answer. Write them down: --answers FILE.yaml")
        _make_ready(folder, err)
        status = _conclude(folder, _Dialogue(folder, out).answers(), out, as_json=False)
        if status == OK:  # what was answered stands in the files now
            forget(folder)
        return status
    except CannotBegin as error:
        err.print(Text(f"inglenook: {error}"))
        return BAD_INPUT
    except (KeyboardInterrupt, EOFError):
        out.print()
        if (folder / KEPT).exists():
            out.print(Text(f"Your answers are kept in {folder / KEPT}. Type the same command to go on."))
        return NOT_YET


def _from_file(folder: Path, path: Path, out: Console, err: Console, *, as_json: bool) -> int:
    file = read_file(path)
    read = read_answers(file.data, str(path)) if file.data is not None else None
    findings = file.findings if read is None else read.findings
    if read is None or read.answers is None:
        _tell(findings, out, err, as_json=as_json)
        return BAD_INPUT
    _make_ready(folder, err)
    for finding in findings:
        err.print(Text(str(finding)))
    return _conclude(folder, read.answers, out, as_json=as_json)


def _make_ready(folder: Path, err: Console) -> None:
    if make_ready(folder):
        err.print(Text("The last time this was cut off while it wrote. What there was of it is taken away; we go on."))


def _tell(findings: tuple[Finding, ...], out: Console, err: Console, *, as_json: bool) -> None:
    if as_json:
        out.print(json.dumps([asdict(one) for one in findings], indent=2), markup=False, highlight=False)
        return
    for one in findings:
        err.print(Text(str(one)))


def _conclude(folder: Path, answers: Answers, out: Console, *, as_json: bool) -> int:
    verdict = judge(answers, signposts())
    files, stays = written(answers), False
    if files is None:
        path = put_first_steps(folder, first_steps(verdict))
        made = [] if path is None else [path]
    else:
        made = list(put(folder, *files))
        stays = not take_first_steps(folder)
    if as_json:
        said = {**asdict(verdict), "files": [str(path) for path in made]}
        out.print(json.dumps(said, indent=2), markup=False, highlight=False)
    else:
        _print_verdict(verdict, made, folder, out)
        if stays:
            out.print(Text(f"{FIRST_STEPS} is older, and does not hold any more. You changed it, so we left it there."))
    return NOT_YET if files is None else OK


def _print_verdict(verdict: Verdict, made: list[Path], folder: Path, out: Console) -> None:
    out.print()
    out.print(Text(_SAID[verdict.outcome], style=_COLOURS[verdict.outcome]))
    for reason in verdict.reasons:
        out.print(Text(f"- {reason.words} {reason.advice}"))
    if verdict.pointers:
        out.print(Text("\nWho can help:"))
    for one in verdict.pointers:
        out.print(Text(f"- {one.name}: {one.contact} ({one.how})"))
    if verdict.advice:
        out.print(Text("\nWorth a thought:"))
    for reason in verdict.advice:
        out.print(Text(f"- {reason.words} {reason.advice}"))
    out.print()
    for path in made:
        out.print(Text(f"Written: {path}"))
    if verdict.outcome != "not_yet":
        out.print(Text(f"Read them with your team. Then type: inglenook check {shlex.quote(str(folder / POLICY))}"))
    elif not made:
        out.print(Text(f"Nothing is written: {FIRST_STEPS} in {folder} is a file of yours."))
    else:
        out.print(Text("No policy is written. That is a good result too: nobody is put at risk."))


class _Back(Exception):
    """The person wants the question before."""


class _Dialogue:
    """The questions at a terminal. What was typed is kept after each answer, as typed, and read again at a new start."""

    def __init__(self, folder: Path, out: Console) -> None:
        self.folder = folder
        self.out = out
        self.typed = kept(folder)
        self.part = -1

    def answers(self) -> Answers:
        """Ask until all is answered and found right. Raises `KeyboardInterrupt` or `EOFError` if the person stops."""
        self.greet()
        chosen: Question | None = None
        while True:
            said = self.said()
            asked = relevant(said)
            question = chosen or next((one for one in asked if one.key not in said), None)
            chosen = None
            try:
                if question is not None:
                    self.ask(question, asked, said)
                    continue
                chosen = self.look_through(asked, said)
            except _Back:
                at = len(asked) if question is None else asked.index(question)
                chosen = asked[max(at - 1, 0)]
                continue
            answers = answers_of(said)
            if chosen is None and answers is not None:
                return answers

    def greet(self) -> None:
        """Say what will happen, or that it goes on."""
        if self.typed:
            self.out.print(Text("We go on where you stopped."))
        else:
            self.out.print(Text("We ask what a new community needs, one thing at a time."))
            self.out.print(Text("Then we say: go, smaller, or not yet. Nothing is sent anywhere."))
        self.out.print(Text("Write ? for help, or back for the question before. To take a break, press Ctrl-C."))

    def said(self) -> dict[str, Any]:
        """Return the values of all that was typed and still holds, for the questions that are asked."""
        said: dict[str, Any] = {}
        while True:
            fresh = [one for one in relevant(said) if one.key in self.typed and one.key not in said]
            question = next((one for one in fresh if self.holds(one, said)), None)
            if question is None:
                return said
            said[question.key] = read_typed(question, self.typed[question.key], said)

    def holds(self, question: Question, said: dict[str, Any]) -> bool:
        """Return whether what was typed can be understood; what is said before it may have changed meanwhile."""
        try:
            read_typed(question, self.typed[question.key], said)
        except NotUnderstood:
            return False
        return True

    def ask(self, question: Question, asked: tuple[Question, ...], said: dict[str, Any]) -> None:
        """Ask one question until it has an answer; keep it. Raises `_Back`."""
        if question.part != self.part:
            self.part = question.part
            self.out.print(Text(f"\n{PARTS[self.part]}", style="bold"))
        at = asked.index(question)
        # What comes later may have to change with this one, and is asked again then.
        earlier = {one.key: said[one.key] for one in asked[:at] if one.key in said}
        self.out.print(Text(f"\n{at + 1} of {len(asked)}. {question.words}"))
        for word, meaning in (question.choices or {}).items():
            self.out.print(Text(f"   {word:<12}{meaning}"))
        before = self.typed[question.key] if question.key in said else ""
        if before:
            now = shown(in_words(said[question.key]))
            self.out.print(Text(f"   Now: {now} (press Enter to keep it)", style="dim"))
        while True:
            line = self.line()
            if line == "?":
                self.out.print(Text(f"   {question.help}"))
                continue
            if line.casefold() == "back":
                raise _Back
            text = line or before
            try:
                worry = question.worry(read_typed(question, text, earlier))
            except NotUnderstood as problem:
                self.out.print(Text(f"   {problem.message} {problem.advice}"))
                continue
            if worry and text != before and not self.sure(worry):
                self.out.print(Text(f"   {question.words}"))
                continue
            self.typed[question.key] = text
            keep(self.folder, self.typed)
            return

    def sure(self, worry: str) -> bool:
        """Ask whether an answer is meant although there is something to think of."""
        self.out.print(Text(f"   {worry}"))
        self.out.print(Text("   Keep it all the same? Write yes or no."))
        return self.line().casefold() in ("yes", "y")

    def look_through(self, asked: tuple[Question, ...], said: dict[str, Any]) -> Question | None:
        """Show all answers; return the question to ask again, or None if all is right. Raises `_Back`."""
        self.part = -1
        self.out.print(Text("\nThese are your answers:", style="bold"))
        for number, question in enumerate(asked, start=1):
            self.out.print(Text(f"{number:>4}. {question.label}: {shown(in_words(said[question.key]))}"))
        self.out.print(Text("Are they right? Write the number of one to change it, or press Enter."))
        while True:
            line = self.line()
            if not line:
                return None
            if line.casefold() == "back":
                raise _Back
            if line.isascii() and line.isdigit() and 0 < int(line[:4]) <= len(asked):
                return asked[int(line[:4]) - 1]
            self.out.print(Text(f"   Write a number from 1 to {len(asked)}, or press Enter."))

    def line(self) -> str:
        """Return what the person types, without spaces around it. Raises `KeyboardInterrupt` or `EOFError`."""
        return input("> ").strip()


def _survive_any_terminal() -> None:
    """A terminal that cannot show a sign shows another; one that sends what is no text gets told so, not a traceback."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(errors="replace")
