"""The commands that plan, apply and go back, for policies and for rooms that take the place of others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from appservice.cli.shared import DEFAULT_CONFIG, ConfigOption, PolicyArgument, app, bad, configured, err, out
from appservice.operations.errors import BadInput

if TYPE_CHECKING:
    from appservice.cli.rooms import Wish
    from appservice.operations.control import Override

PeopleOption = Annotated[Path | None, typer.Option(help="The people file; else the one beside the policy.")]


AllowOption = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="CLASS", help="Do it although it takes from many at once: removals, demotions."),
]
BecauseOption = Annotated[str, typer.Option("--because", help="With --allow: why, for the record; without names.")]
DigestOption = Annotated[str | None, typer.Option(help="Only if the plan is still the one with this digest.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, also at a terminal.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _override(allow: list[str] | None, because: str) -> Override:
    from appservice.cli.policies import override_of

    try:
        return override_of(allow or [], because)
    except BadInput as error:
        raise bad(str(error)) from None


@app.command()
def plan(
    policy: PolicyArgument = None,
    people: PeopleOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    save_to: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Save the plan, to be applied within seven days.")
    ] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="Read every room first, instead of trusting what we saw.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what would change on the homeserver if a policy were applied. Changes nothing."""
    from appservice.cli.policies import Screen, show_plan

    screen = Screen(out, err, as_json)
    raise typer.Exit(show_plan(configured(config), policy, people, screen, save_to=save_to, audit=audit))


@app.command()
def apply(
    policy: PolicyArgument = None,
    people: PeopleOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    saved: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="Do exactly what this saved plan says, or nothing.")
    ] = None,
    digest: DigestOption = None,
    allow: AllowOption = None,
    because: BecauseOption = "",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put a policy in force, and make the homeserver follow it. Given again, it goes on where it was cut off."""
    from appservice.cli.policies import Screen, carry_out

    override = _override(allow, because)
    if saved is not None and digest is not None:
        raise bad("--digest goes without --plan, which has its own")
    raise typer.Exit(
        carry_out(
            configured(config),
            policy,
            people,
            Screen(out, err, as_json),
            saved=saved,
            digest=digest,
            override=override,
            ask=not yes,
        )
    )


@app.command()
def drift(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List what somebody changed by hand of what the policy says, within sixty days: who, when, and what followed."""
    from appservice.cli.drifts import show_drifts

    raise typer.Exit(show_drifts(configured(config), out, err, as_json=as_json))


@app.command()
def plans(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List what was applied within a year: when, how much, and whether it was undone."""
    from appservice.cli.policies import Screen, show_history

    raise typer.Exit(show_history(configured(config), Screen(out, err, as_json)))


@app.command()
def undo(
    plan_id: Annotated[
        str | None, typer.Argument(metavar="PLAN", help="What to undo, such as P-17; else the newest that stands.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do, and what it cannot.")] = False,
    digest: DigestOption = None,
    allow: AllowOption = None,
    because: BecauseOption = "",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go back to the policy and people that were in force before something was applied, by a plan like any other."""
    from appservice.cli.policies import Screen
    from appservice.cli.policies import undo as go_back

    override = _override(allow, because)
    screen = Screen(out, err, as_json)
    raise typer.Exit(
        go_back(configured(config), plan_id, screen, dry_run=dry_run, digest=digest, override=override, ask=not yes)
    )


GroupArgument = Annotated[str, typer.Argument(help="The id of a group, or space, moderators, safeguarding, ops.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what it would change.")]


@dataclass(frozen=True, slots=True)
class _How:
    """How somebody wants it: only looked at, only if it is still the same plan, without being asked, for a program."""

    dry_run: bool
    digest: str | None
    yes: bool
    as_json: bool


def _have_followed(config: Path, wish: Wish, override: Override, how: _How) -> typer.Exit:
    from appservice.cli.policies import Screen
    from appservice.cli.rooms import have_followed

    screen = Screen(out, err, how.as_json)
    return typer.Exit(
        have_followed(
            configured(config),
            wish,
            screen,
            dry_run=how.dry_run,
            digest=how.digest,
            override=override,
            ask=not how.yes,
        )
    )


@app.command()
def upgrade(
    group: GroupArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: DryRunOption = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Although its room is as it should be.")] = False,
    digest: DigestOption = None,
    allow: AllowOption = None,
    because: BecauseOption = "",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give a group a new room, bring its people over, and close the old one for good."""
    from appservice.cli.rooms import Wish

    override = _override(allow, because)
    raise _have_followed(config, Wish(group, anyway=anyway), override, _How(dry_run, digest, yes, as_json))


@app.command()
def adopt(
    group: GroupArgument,
    room: Annotated[str, typer.Argument(help="The room or space that others made: its id or address.")],
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: DryRunOption = False,
    digest: DigestOption = None,
    allow: AllowOption = None,
    because: BecauseOption = "",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take over a room that others made: its people come to the group's room if they may, and it is closed for good."""
    from appservice.cli.rooms import Wish

    override = _override(allow, because)
    raise _have_followed(config, Wish(group, room), override, _How(dry_run, digest, yes, as_json))
