"""How plans, and what became of them, look to a person: a table at a terminal, a line each in a pipe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from appservice.operations.control import (
    ApplyAnswer,
    BadPolicy,
    PastPlan,
    PlanAnswer,
    PlanMoved,
    PlannedChange,
    PlanRefused,
    Progress,
)
from appservice.operations.errors import BadInput, OperationFailed
from appservice.service.config import BadConfiguration
from policies.changes import CLASSES
from policies.plan import Plan
from policies.saved import differences

OK, FAILED, BAD_INPUT = 0, 1, 2

#: What goes wrong in commands about policies, for people.
Problem = BadPolicy | BadConfiguration | BadInput | OperationFailed
PROBLEMS = (BadPolicy, BadConfiguration, BadInput, OperationFailed)

_OUTCOMES = {"done": ("✓", "green"), "failed": ("✗", "red"), "held": ("…", "yellow")}
# Class -> its sign, and how it is called in the table.
_CLASSES = {
    "safe": ("+", "safe"),
    "disruptive": ("!", "disruptive: takes something away"),
    "exposing": ("!", "exposing: lets more people in, read, or write"),
    "one_way": ("!", "cannot be undone"),
}
_SAFE, _CAREFUL = "green", "yellow"


def print_plan(planned: PlanAnswer, out: Console) -> None:
    """Print a plan by class, what asks for most care last, beside the question that may follow."""
    for finding in planned.advice:
        out.print(Text(str(finding)))
    groups = [(name, [one for one in planned.changes if one.change_class == name]) for name in CLASSES]
    if out.is_terminal and planned.changes:
        out.print(_table((name, changes) for name, changes in groups if changes), soft_wrap=False)
    else:
        for name, changes in groups:
            for change in changes:
                out.print(_signed(_CLASSES[name][0], change.words, _style(name)))
    for note in planned.notes:
        out.print(Text(f"  i {note}", style="cyan"))
    for line in planned.stays:
        out.print(Text(f"  ≠ {line}", style="magenta"))
    out.print(Text(planned.summary, style="bold"))
    print_refusal(planned, out)
    if planned.changes:
        out.print(Text(planned.digest, style="dim"))


def print_refusal(planned: PlanAnswer, out: Console) -> None:
    """Print the figures for which a plan is refused, and how a person may insist; nothing if it is not."""
    for share in planned.plan.too_much():
        out.print(Text(f"✗ This is refused: {share.figures()}.", style="red"))
    _print_how_to_insist(planned, out)


def _print_how_to_insist(planned: PlanAnswer, out: Console) -> None:
    allow = " ".join(f"--allow {share.what}" for share in planned.plan.too_much())
    if allow:
        out.print(Text(f'  Is the people file whole? If it is meant so: {allow} --because "…"'))


def _table(groups: Iterable[tuple[str, list[PlannedChange]]]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("what changes, for whom")
    for name, changes in groups:
        sign, meaning = _CLASSES[name]
        table.add_row("", Text(f"{meaning} ({len(changes)})", style=f"bold {_style(name)}"))
        for change in changes:
            table.add_row(Text(sign, style=_style(name)), Text(change.words))
        table.add_section()
    return table


def _style(change_class: str) -> str:
    return _SAFE if change_class == "safe" else _CAREFUL


def _signed(sign: str, words: str, style: str) -> Text:
    return Text(f"  {sign} ", style=style).append(words, style="default")


def print_progress(made: Progress, out: Console) -> None:
    """Print what became of one change."""
    sign, style = _OUTCOMES.get(made.outcome, ("?", "red"))
    why = f" ({made.why})" if made.why else ""
    out.print(_signed(sign, f"{made.change}{why}", style))


def print_result(done: ApplyAnswer, out: Console) -> None:
    """Print what an apply came to."""
    for note in done.notes:
        out.print(Text(f"  i {note}", style="cyan"))
    if not done.done and not done.undone and not done.remaining:
        out.print(Text("The policy is in force. Nothing had to be changed: 0 calls.", style="bold"))
    else:
        more = "" if done.calls == done.planned_calls else f" ({done.planned_calls} were planned)"
        made = f"{_many(done.done, 'change')} made with {_many(done.calls, 'call')}{more}"
        out.print(Text(f"The policy is in force. {made}.", style="bold"))
    if not done.settled:
        left = max(len(done.undone), done.remaining)
        problem = f"✗ {_many(left, 'change')} not made. `inglenook plan` says which; apply again to retry."
        out.print(Text(problem, style="red"))
    if done.id is not None:
        out.print(Text(f"This was {done.id}. To go back: inglenook undo {done.id}"))


def print_history(plans: Sequence[PastPlan], out: Console) -> None:
    """Print what was applied, newest last."""
    rows = [_told(one) for one in plans]
    if not rows:
        out.print("Nothing was applied yet.")
    elif out.is_terminal:
        table = Table(box=SIMPLE_HEAD, show_edge=False)
        for column in ("plan", "when (UTC)", "what", "and then"):
            table.add_column(column, no_wrap=column != "what")
        for row in rows:
            table.add_row(*map(Text, row))
        out.print(table, soft_wrap=False)
    else:
        for row in rows:
            out.print(Text("  ".join(row).rstrip()))


def _told(one: PastPlan) -> tuple[str, str, str, str]:
    when = datetime.fromtimestamp(one.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    what = f"undoes {one.undoes}: {one.summary}" if one.undoes else one.summary
    return one.id, when, what, "" if one.stands else f"undone by {one.undone_by}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def explain(error: Problem, out: Console, err: Console, *, as_json: bool, approved: Plan | None = None) -> int:
    """Print what went wrong and return the exit status. approved: the plan from which a newer one differs, if known."""
    if isinstance(error, BadPolicy):
        if as_json:
            print_json([asdict(finding) for finding in error.findings], out)
        else:
            for finding in error.findings:
                err.print(Text(str(finding)))
        return BAD_INPUT
    err.print(Text(f"inglenook: {error}"))
    if isinstance(error, PlanMoved):
        why = [*error.why, *(differences(approved, error.plan.plan) if approved is not None else ())]
        if as_json:
            print_json({"problem": str(error), "why": why, "plan": error.plan.raw}, out)
        else:
            for line in why:
                err.print(Text(f"  ≠ {line}"))
            err.print(Text("What would be done now:"))
            print_plan(error.plan, err)
    elif isinstance(error, PlanRefused):
        if as_json:
            print_json({"problem": str(error), "plan": error.plan.raw}, out)
        else:
            _print_how_to_insist(error.plan, err)
    return BAD_INPUT if isinstance(error, BadConfiguration | BadInput) else FAILED


def print_json(value: object, out: Console) -> None:
    """Print JSON that another program can read."""
    out.print(json.dumps(value, indent=2), markup=False, highlight=False)
