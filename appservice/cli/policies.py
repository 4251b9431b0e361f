"""How `inglenook plan` and `inglenook apply` speak with a person."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.text import Text

from appservice.operations.control import (
    ApplyAnswer,
    BadPolicy,
    PlanAnswer,
    PlanMoved,
    Progress,
    apply_policy,
    plan_policy,
)
from appservice.operations.errors import OperationFailed
from appservice.service.config import BadConfiguration, Config

OK, FAILED, BAD_INPUT = 0, 1, 2

_SIGNS = {"done": ("✓", "green"), "failed": ("✗", "red"), "held": ("…", "yellow")}
_CLASS_SIGNS = {"safe": "+", "disruptive": "!", "exposing": "!", "one_way": "!"}


def show_plan(
    config: Config, policy: Path | None, people: Path | None, out: Console, err: Console, *, audit: bool, as_json: bool
) -> int:
    """Print what would change; return the exit status."""
    try:
        planned = asyncio.run(plan_policy(config, *_files(config, policy, people), audit=audit))
    except (BadPolicy, BadConfiguration, OperationFailed) as error:
        return _explain(error, out, err, as_json=as_json)
    if as_json:
        out.print(json.dumps(planned.raw, indent=2), markup=False, highlight=False)
    else:
        _print_plan(planned, out)
    return OK


def carry_out(
    config: Config,
    policy: Path | None,
    people: Path | None,
    out: Console,
    err: Console,
    *,
    digest: str | None,
    ask: bool,
    as_json: bool,
) -> int:
    """Apply, and print what became of each change; return the exit status."""
    try:
        files = _files(config, policy, people)
        if ask and not as_json and sys.stdin.isatty():
            planned = asyncio.run(plan_policy(config, *files))
            _print_plan(planned, out)
            if input("Apply this? Type yes: ").strip().lower() != "yes":
                out.print("Nothing was changed.")
                return FAILED
            digest = planned.digest
        progress = None if as_json else lambda made: _print_progress(made, out)
        done = asyncio.run(apply_policy(config, *files, digest=digest, progress=progress))
    except (BadPolicy, BadConfiguration, OperationFailed) as error:
        return _explain(error, out, err, as_json=as_json)
    except (KeyboardInterrupt, EOFError):
        err.print("inglenook: what was begun goes on in the service; `inglenook plan` says what is left")
        return FAILED
    if as_json:
        out.print(json.dumps(asdict(done), indent=2), markup=False, highlight=False)
    else:
        _print_result(done, out)
    return OK if done.settled else FAILED


def _files(config: Config, policy: Path | None, people: Path | None) -> tuple[Path, Path | None]:
    if policy is not None:
        return policy, people
    if config.policy is None:
        raise OperationFailed("Name the policy file: the configuration has none.")
    return config.policy, people or config.people


def _print_plan(planned: PlanAnswer, out: Console) -> None:
    for finding in planned.advice:
        out.print(Text(str(finding)))
    for change in planned.changes:
        sign = _CLASS_SIGNS.get(change.change_class, "!")
        out.print(Text(f"  {sign} ", style="green" if sign == "+" else "yellow").append(change.words, style="default"))
    for note in planned.notes:
        out.print(Text(f"  i {note}", style="cyan"))
    out.print(Text(planned.summary, style="bold"))
    if planned.changes:
        out.print(Text(planned.digest, style="dim"))


def _print_progress(made: Progress, out: Console) -> None:
    sign, style = _SIGNS.get(made.outcome, ("?", "red"))
    why = f" ({made.why})" if made.why else ""
    out.print(Text(f"  {sign} ", style=style).append(f"{made.change}{why}", style="default"))


def _print_result(done: ApplyAnswer, out: Console) -> None:
    for note in done.notes:
        out.print(Text(f"  i {note}", style="cyan"))
    if not done.done and not done.undone and not done.remaining:
        out.print(Text("The policy is in force. Nothing had to be changed: 0 calls.", style="bold"))
        return
    more = "" if done.calls == done.planned_calls else f" ({done.planned_calls} were planned)"
    out.print(Text(f"The policy is in force. {done.done} changes made with {done.calls} calls{more}.", style="bold"))
    if not done.settled:
        left = max(len(done.undone), done.remaining)
        out.print(
            Text(f"✗ {left} changes are not made. `inglenook plan` says which; apply again to retry.", style="red")
        )


def _explain(
    error: BadPolicy | BadConfiguration | OperationFailed, out: Console, err: Console, *, as_json: bool
) -> int:
    if isinstance(error, BadPolicy):
        if as_json:
            found = [asdict(finding) for finding in error.findings]
            out.print(json.dumps(found, indent=2), markup=False, highlight=False)
        else:
            for finding in error.findings:
                err.print(Text(str(finding)))
        return BAD_INPUT
    err.print(Text(f"inglenook: {error}"))
    if isinstance(error, PlanMoved) and not as_json:
        _print_plan(error.plan, err)
    return BAD_INPUT if isinstance(error, BadConfiguration) else FAILED
