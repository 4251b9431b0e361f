"""How `inglenook plan`, `apply`, `plans` and `undo` speak with a person."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from appservice.cli.printing import (
    FAILED,
    OK,
    PROBLEMS,
    Problem,
    explain,
    print_history,
    print_json,
    print_plan,
    print_progress,
    print_result,
)
from appservice.operations.control import (
    ApplyAnswer,
    Override,
    PlanAnswer,
    apply_policy,
    apply_saved,
    list_plans,
    plan_policy,
    plan_undo,
    undo_plan,
)
from appservice.operations.errors import BadInput, OperationFailed
from appservice.operations.saved_plans import read_plan, refuse_to_replace, save_plan
from appservice.service.config import Config
from policies.plan import Plan
from policies.thresholds import DANGERS

_PLAN_ID = re.compile(r"(?:[Pp]-?)?([0-9]{1,12})")
_PERSON = re.compile(r"@[^\s:@]{1,255}:\S")
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Screen:
    """Where to print, and whether as JSON."""

    out: Console
    err: Console
    as_json: bool

    def json(self, value: object) -> None:
        print_json(value, self.out)

    def explain(self, error: Problem, approved: Plan | None = None) -> int:
        return explain(error, self.out, self.err, as_json=self.as_json, approved=approved)


def override_of(allow: list[str], because: str) -> Override:
    """Return what a person allows. Raises `BadInput` for what cannot be taken so."""
    unknown = sorted(set(allow) - set(DANGERS))
    reason = " ".join(because.split())
    if unknown:
        raise BadInput(f"--allow {unknown[0]}: what can be allowed is {' or '.join(DANGERS)}")
    if bool(allow) != bool(reason):
        raise BadInput('--allow and --because "…" go together: the reason is kept with what was done')
    if reason and not any(map(str.isalnum, reason)):
        raise BadInput(f"--because {reason}: say why, in a few plain words: it is kept with what was done")
    if _PERSON.search(reason) or len(reason) > _LONGEST_REASON:
        raise BadInput(
            f"--because: in at most {_LONGEST_REASON} letters, and without names of people: it is kept for good"
        )
    return Override(frozenset(danger for danger in DANGERS if danger in allow), reason)


def number_of(plan_id: str | None) -> int | None:
    """Return the number of a plan's id such as P-17. Raises `BadInput`."""
    if plan_id is None:
        return None
    found = _PLAN_ID.fullmatch(plan_id.strip())
    if found is None or not int(found[1]):
        raise BadInput(f"{plan_id}: a plan that was applied is called P-1, P-2 and so on; see `inglenook plans`")
    return int(found[1])


def show_plan(
    config: Config, policy: Path | None, people: Path | None, screen: Screen, *, save_to: Path | None, audit: bool
) -> int:
    """Print what would change, and save it if asked to; return the exit status."""
    try:
        files = _files(config, policy, people)
        if save_to is not None:
            refuse_to_replace(save_to)
        planned = asyncio.run(plan_policy(config, *files, audit=audit))
        if save_to is not None:
            save_plan(save_to, planned, config, *files)
    except PROBLEMS as error:
        return screen.explain(error)
    if screen.as_json:
        screen.json(planned.raw)
        return OK
    print_plan(planned, screen.out)
    if save_to is not None:
        screen.out.print(Text(f"Saved, for seven days. To do exactly this: inglenook apply --plan {save_to}"))
    return OK


def carry_out(
    config: Config,
    policy: Path | None,
    people: Path | None,
    screen: Screen,
    *,
    saved: Path | None,
    digest: str | None,
    override: Override,
    ask: bool,
) -> int:
    """Apply a policy or a saved plan, and print what became of each change; return the exit status."""
    if saved is not None:
        return _carry_out_saved(config, saved, policy, people, screen, override)

    def look() -> PlanAnswer:
        return asyncio.run(plan_policy(config, *_files(config, policy, people)))

    def work(approved: str | None) -> ApplyAnswer:
        files = _files(config, policy, people)
        told = apply_policy(config, *files, digest=digest or approved, override=override, progress=told_on(screen))
        return asyncio.run(told)

    return ask_and_do(look, work, screen, override, ask=ask, question="Apply this?")


def _carry_out_saved(
    config: Config, saved: Path, policy: Path | None, people: Path | None, screen: Screen, override: Override
) -> int:
    try:
        read = read_plan(saved, config)
    except PROBLEMS as error:
        return screen.explain(error)

    def work(_: str | None) -> ApplyAnswer:
        return asyncio.run(apply_saved(config, read, policy, people, override=override, progress=told_on(screen)))

    return _do(work, None, screen, approved=read.plan)


def undo(
    config: Config,
    plan_id: str | None,
    screen: Screen,
    *,
    dry_run: bool,
    digest: str | None,
    override: Override,
    ask: bool,
) -> int:
    """Go back to what was in force before an apply; return the exit status."""
    try:
        number = number_of(plan_id)
        if dry_run or number is None:
            back = asyncio.run(plan_undo(config, number))
            number = number_of(back.undoes)
        if dry_run:
            if screen.as_json:
                screen.json(back.raw)
            else:
                screen.out.print(Text(f"To undo {back.undoes}:"))
                print_plan(back, screen.out)
            return OK
    except PROBLEMS as error:
        return screen.explain(error)

    def work(approved: str | None) -> ApplyAnswer:
        told = undo_plan(config, number, digest=digest or approved, override=override, progress=told_on(screen))
        return asyncio.run(told)

    def look() -> PlanAnswer:
        return asyncio.run(plan_undo(config, number))

    status = ask_and_do(look, work, screen, override, ask=ask, question=f"Undo P-{number}?")
    if status == OK and not screen.as_json:
        screen.out.print(Text("Your policy file is as it was: change it too, or the next apply brings this back."))
    return status


def show_history(config: Config, screen: Screen) -> int:
    """Print what was applied; return the exit status."""
    try:
        plans = asyncio.run(list_plans(config))
    except PROBLEMS as error:
        return screen.explain(error)
    if screen.as_json:
        screen.json({"plans": [asdict(one) for one in plans]})
    else:
        print_history(plans, screen.out)
    return OK


def ask_and_do(
    look: Callable[[], PlanAnswer],
    work: Callable[[str | None], ApplyAnswer],
    screen: Screen,
    override: Override,
    *,
    ask: bool,
    question: str,
) -> int:
    """At a terminal, show the plan and ask first; what is then done is what was shown."""
    if not ask or screen.as_json or not sys.stdin.isatty():
        return _do(work, None, screen)
    try:
        planned = look()
        print_plan(planned, screen.out)
        if planned.plan.too_much(override.allow):
            return FAILED
        if input(f"{question} Type yes: ").strip().lower() != "yes":
            screen.out.print("Nothing was changed.")
            return FAILED
    except PROBLEMS as error:
        return screen.explain(error)
    except (KeyboardInterrupt, EOFError):
        screen.out.print("Nothing was changed.")
        return FAILED
    return _do(work, planned.digest, screen, approved=planned.plan)


def _do(
    work: Callable[[str | None], ApplyAnswer], digest: str | None, screen: Screen, approved: Plan | None = None
) -> int:
    try:
        done = work(digest)
    except PROBLEMS as error:
        return screen.explain(error, approved)
    except KeyboardInterrupt:
        screen.err.print("inglenook: what was begun goes on in the service; `inglenook plan` says what is left")
        return FAILED
    if screen.as_json:
        screen.json(asdict(done))
    else:
        print_result(done, screen.out)
    return OK if done.settled else FAILED


def told_on(screen: Screen) -> Callable[..., None] | None:
    return None if screen.as_json else lambda made: print_progress(made, screen.out)


def _files(config: Config, policy: Path | None, people: Path | None) -> tuple[Path, Path | None]:
    if policy is not None:
        return policy, people
    if config.policy is None:
        raise OperationFailed("Name the policy file: the configuration has none.")
    return config.policy, people or config.people


__all__ = ["Screen", "ask_and_do", "carry_out", "override_of", "show_history", "show_plan", "told_on", "undo"]
