"""The commands a person types. Each reads its options, calls an operation and prints what came of it.

Exit status: 0 done, 1 an operation failed, 2 bad input. Those that plan and apply stand in `planning`.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from appservice.cli.shared import (
    BAD_INPUT,
    DEFAULT_CONFIG,
    FAILED,
    ConfigOption,
    PolicyArgument,
    app,
    bad,
    configured,
    err,
    out,
)
from appservice.operations.errors import OperationFailed

audit_app = typer.Typer(help="The record of what was decided and done.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")


@app.command()
def check(
    policy: Annotated[Path, typer.Argument(help="The policy file.")],
    people: Annotated[Path | None, typer.Option(help="The people file; else the one beside the policy.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read a policy and its people, and say what is wrong, where, and what to do; exit status 2 if anything is."""
    from dataclasses import asdict

    from policies.compile import compile_community
    from policies.load import load_files

    loaded = load_files(policy, people, date.today())  # noqa: DTZ011  # the day where this person sits
    if as_json:
        out.print(json.dumps([asdict(finding) for finding in loaded.findings], indent=2), markup=False, highlight=False)
    else:
        for finding in loaded.findings:
            out.print(str(finding), markup=False, highlight=False)
    if loaded.policy is None or loaded.people is None:
        raise typer.Exit(BAD_INPUT)
    if not as_json:
        rooms = compile_community(loaded.policy, loaded.people).rooms
        out.print(f"[bold green]✓[/] {policy}: {len(rooms)} rooms, {len(loaded.people.by_id)} people", highlight=False)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where the files are put; it is made if need be.")] = Path(),
    answers: Annotated[Path | None, typer.Option(help="Take the answers from a YAML file, and ask nothing.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --answers: print JSON.")] = False,
) -> None:
    """Ask what a new community needs, and write its first policy, or say why not yet; exit status 1 if not yet."""
    from appservice.cli.beginning import begin

    raise typer.Exit(begin(folder, answers, out, err, as_json=as_json))


@app.command()
def explain(
    group: Annotated[
        str | None, typer.Argument(help="The id of a group, or space, moderators, safeguarding, ops.")
    ] = None,
    policy: PolicyArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    in_force: Annotated[bool, typer.Option("--in-force", help="What was applied last, instead of the file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what holds for a group, or for the community: each value in plain words, and where it comes from."""
    from appservice.cli.explaining import explain_file, explain_in_force

    if in_force:
        raise typer.Exit(explain_in_force(group, configured(config), out, err, as_json=as_json))
    if policy is None and group is not None and group.endswith((".yaml", ".yml")):
        policy, group = Path(group), None  # a file and no group
    file = policy or configured(config).policy
    if file is None:
        raise bad("name the policy file: the configuration has none")
    raise typer.Exit(explain_file(group, file, out, err, as_json=as_json))


@app.command()
def schema(
    people: Annotated[bool, typer.Option("--people", help="That of the people file instead.")] = False,
    version: Annotated[int, typer.Option(min=1, max=2, help="Of this version of the language.")] = 2,
) -> None:
    """Print the JSON Schema of the policy language, by which editors complete and check (docs/policies.md)."""
    from policies.json_schema import json_schema

    found = json_schema("people" if people else "policy", version)
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False))


@app.command()
def migrate(
    policy: Annotated[Path, typer.Argument(help="The policy file.")],
    write: Annotated[bool, typer.Option("--write", help="Put it in the place of the file.")] = False,
) -> None:
    """Print a policy file in the newest version of the language, meaning the same; with --write, replace it."""
    from appservice.cli.migrating import migrate_file

    raise typer.Exit(migrate_file(policy, out, err, write=write))


@app.command("homeserver-config")
def homeserver_config(
    policy: PolicyArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    in_force: Annotated[bool, typer.Option("--in-force", help="What was applied last, instead of the file.")] = False,
    save_to: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it to a file.")] = None,
) -> None:
    """Print what Synapse must be told so that it lets in the servers of a policy, and no others. Changes nothing."""
    from appservice.cli.homeserver import print_homeserver_config

    read = configured(config) if in_force or policy is None or config.exists() else None
    raise typer.Exit(print_homeserver_config(policy, read, out, err, in_force=in_force, save_to=save_to))


@app.command()
def serve(config: ConfigOption) -> None:
    """Run the service until it is told to stop (SIGTERM or Ctrl-C)."""
    from appservice.service.serve import main

    raise typer.Exit(main(["--config", str(config)]))


@app.command()
def demo(
    directory: Annotated[Path, typer.Option(help="Where the demo keeps everything.")] = Path(".inglenook"),
    port: Annotated[int, typer.Option(help="Port of the homeserver on 127.0.0.1.", min=1, max=65535)] = 8008,
    check: Annotated[bool, typer.Option("--check", help="Play the main job once, then stop; for tests.")] = False,
    scene: Annotated[
        bool, typer.Option("--scene", help="Play the whole scene in a fresh community, judge, stop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --scene: print JSON only.")] = False,
    without: Annotated[
        list[str] | None, typer.Option(help="With --scene: switch an effect off; the scene must notice. For tests.")
    ] = None,
) -> None:
    """Show the main job on a real homeserver on this computer. Ctrl-C stops everything; again goes on."""
    import asyncio

    from appservice.operations.demo import run_demo
    from appservice.service.config import BadConfiguration

    if not scene and (as_json or without):
        raise bad("--json and --without go with --scene")
    if scene and check:
        raise bad("--check does not go with --scene, which always plays once and stops")
    try:
        if scene:
            raise typer.Exit(_scene(directory, port, without or [], as_json=as_json))
        asyncio.run(run_demo(directory, port, out, stay=not check))
    except BadConfiguration as error:
        raise bad(str(error)) from None
    except OperationFailed as error:
        err.print(f"inglenook: {error}", markup=False)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(FAILED) from None


def _scene(directory: Path, port: int, without: list[str], *, as_json: bool) -> int:
    import asyncio

    from appservice.operations.scene import run_scene

    played = asyncio.run(run_scene(directory, port, out, as_json=as_json, without=without))
    if as_json:
        typer.echo(json.dumps({"steps": [one.record() for one in played]}, indent=2))
    return 0 if all(one.ok for one in played) else FAILED


@app.command()
def status(
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how the service is; exit status 1 if something needs a person."""
    import asyncio

    from appservice.operations.status import read_status
    from appservice.service.config import BadConfiguration

    try:
        found = asyncio.run(read_status(configured(config)))
    except BadConfiguration as error:
        raise bad(str(error)) from None
    if as_json:
        out.print(json.dumps(found.model_dump() | {"well": found.well}, indent=2), markup=False, highlight=False)
    else:
        _print_status(found.model_dump(), found.problems)
    raise typer.Exit(0 if found.well else FAILED)


def _print_status(found: dict[str, object], problems: list[str]) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    for section in ("live", "store"):
        values = found[section]
        if not isinstance(values, dict):
            continue
        for name, value in values.items():
            if name == "problems":
                continue
            parts = [f"{key} {one}" for key, one in value.items()] if isinstance(value, dict) else [str(value)]
            table.add_row(f"{section} {name}".replace("_", " "), ", ".join(parts).replace("_", " "))
    out.print(table)
    for problem in problems:
        out.print(f"[bold red]✗[/] {problem}")
    if not problems:
        out.print("[bold green]✓[/] all is well")


@audit_app.command("verify")
def audit_verify(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Recompute every chain of the audit; exit status 1 if a line was changed or is missing."""
    import asyncio

    from appservice.operations.audits import verify_audit

    read = configured(config)
    try:
        found = asyncio.run(verify_audit(read))
    except OperationFailed as error:
        err.print(f"inglenook: {error}", markup=False)
        raise typer.Exit(FAILED) from None
    out.print(f"{found.lines} lines in {found.lanes} chains, {found.anchors} anchors")
    for problem in found.problems:
        out.print(f"[bold red]✗[/] {problem}")
    if not found.problems:
        out.print("[bold green]✓[/] every chain is whole")
    raise typer.Exit(FAILED if found.problems else 0)
