"""How `inglenook explain` speaks with a person. It reads a file, or the store, and asks no service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.text import Text

from appservice.operations.errors import OperationFailed
from appservice.operations.in_force import policy_in_force
from appservice.service.config import Config
from policies.bundle import packed
from policies.explain import Explained, explain_community, explain_room, rooms_to_explain
from policies.files import read_file
from policies.findings import Finding, did_you_mean, shown
from policies.including import read_policy
from policies.layers import Layer, layered
from policies.load import compose_beside, load_policy

OK, FAILED, BAD_INPUT = 0, 1, 2


def explain_file(group: str | None, policy: Path, out: Console, err: Console, *, as_json: bool) -> int:
    """Print what a policy file says of a group, or of the whole community; return the exit status."""
    read = read_file(policy)
    if read.data is None:
        return _refuse(read.findings, err)
    composed = compose_beside(policy, read.data)
    return _explain(group, packed(read.data, composed.parts), str(policy), out, err, as_json=as_json)


def explain_in_force(group: str | None, config: Config, out: Console, err: Console, *, as_json: bool) -> int:
    """Print the same of the policy that was applied last; return the exit status."""
    try:
        policy, name, layers = asyncio.run(policy_in_force(config))
    except OperationFailed as error:
        err.print(Text(f"inglenook: {error}"))
        return FAILED
    return _explain(group, policy, name, out, err, as_json=as_json, layers=layers)


def _explain(
    group: str | None,
    text: bytes,
    name: str,
    out: Console,
    err: Console,
    *,
    as_json: bool,
    layers: tuple[Layer, ...] = (),
) -> int:
    loaded = load_policy(text, name)
    if loaded.policy is None:
        return _refuse(loaded.findings, err)
    known = rooms_to_explain(loaded.policy)
    if group is not None and group not in known:
        err.print(Text(f'inglenook: there is no group "{shown(group)}". {did_you_mean(group, known)}'))
        return BAD_INPUT
    source = read_policy(text, name)
    laid = layered(loaded.policy, layers)
    told = (
        explain_community(laid.policy, source) if group is None else explain_room(laid.policy, source, group, laid.kept)
    )
    if as_json:
        out.print(json.dumps([asdict(one) for one in told], indent=2), markup=False, highlight=False)
    else:
        _print(told, out)
        if group is None:
            out.print(Text(f"Of one room: inglenook explain GROUP. There are: {', '.join(known)}.", style="dim"))
    return OK


def _refuse(findings: Iterable[Finding], err: Console) -> int:
    for finding in findings:
        err.print(Text(str(finding)))
    return BAD_INPUT


def _print(found: Iterable[Explained], out: Console) -> None:
    for one in found:
        words = " ".join(one.words.split())
        out.print(Text(f"{one.about}: ", style="bold").append(words, style="not bold"))
        out.print(Text(f"    from {one.origin}", style="dim"))
        if one.matrix:
            out.print(Text(f"    becomes {one.matrix}", style="dim"))
