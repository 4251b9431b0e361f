"""How `inglenook upgrade` and `inglenook adopt` speak with a person."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from appservice.cli.policies import Screen, ask_and_do, told_on
from appservice.cli.printing import OK, PROBLEMS, print_plan
from appservice.operations.control import ApplyAnswer, Override, PlanAnswer, follow, plan_following
from appservice.service.config import Config

__all__ = ["Wish", "have_followed"]


@dataclass(frozen=True, slots=True)
class Wish:
    """A new room for a `group` in the place of its own, or of `room` (id or address), which others made."""

    group: str
    room: str = ""
    anyway: bool = False


def have_followed(
    config: Config, wish: Wish, screen: Screen, *, dry_run: bool, digest: str | None, override: Override, ask: bool
) -> int:
    """Show what that would change, ask, and do it; return the exit status."""

    def look() -> PlanAnswer:
        return asyncio.run(plan_following(config, wish.group, wish.room, anyway=wish.anyway))

    def work(approved: str | None) -> ApplyAnswer:
        agreed = approved or digest
        done = follow(
            config,
            wish.group,
            wish.room,
            anyway=wish.anyway,
            digest=agreed,
            override=override,
            progress=told_on(screen),
        )
        return asyncio.run(done)

    if not dry_run:
        return ask_and_do(look, work, screen, override, ask=ask, question="Do this?")
    try:
        planned = look()
    except PROBLEMS as error:
        return screen.explain(error)
    if screen.as_json:
        screen.json(planned.raw)
    else:
        print_plan(planned, screen.out)
    return OK
