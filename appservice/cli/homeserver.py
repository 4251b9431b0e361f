"""How `inglenook homeserver-config` speaks with a person. It reads a file, or the store, and asks no server."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console
from rich.text import Text

from appservice.operations.errors import OperationFailed
from appservice.operations.federation_config import DEFAULT_PORT, homeserver_snippet, port_of
from appservice.operations.files import write_private
from appservice.operations.in_force import policy_in_force
from appservice.service.config import Config
from policies.files import read_file
from policies.findings import Finding
from policies.load import load_policy

OK, FAILED, BAD_INPUT = 0, 1, 2

__all__ = ["print_homeserver_config"]


def print_homeserver_config(
    policy: Path | None, config: Config | None, out: Console, err: Console, *, in_force: bool, save_to: Path | None
) -> int:
    """Print, or write to a file, what Synapse must be told for a policy; return the exit status.

    Without `policy` it is that of the configuration, or with `in_force` what was applied last.
    """
    try:
        text, name, findings = _read(policy, config, in_force=in_force)
    except OperationFailed as error:
        err.print(Text(f"inglenook: {error}"))
        return FAILED
    loaded = load_policy(text, name) if text is not None else None
    if loaded is None or loaded.policy is None:
        for finding in findings if loaded is None else loaded.findings:
            err.print(Text(str(finding)))
        return BAD_INPUT
    snippet = homeserver_snippet(loaded.policy, port_of(config.homeserver.url) if config is not None else DEFAULT_PORT)
    if save_to is None:
        out.print(Text(snippet), end="")
        return OK
    try:
        write_private(save_to, snippet)
    except OSError as error:
        err.print(Text(f"inglenook: {save_to} cannot be written ({error.strerror})"))
        return FAILED
    return OK


def _read(
    policy: Path | None, config: Config | None, *, in_force: bool
) -> tuple[bytes | None, str, tuple[Finding, ...]]:
    if in_force and config is not None:
        text, name, _ = asyncio.run(policy_in_force(config))
        return text, name, ()
    file = policy or (config.policy if config is not None else None)
    if file is None:
        raise OperationFailed("Name the policy file: the configuration has none.")
    read = read_file(file)
    return read.data, str(file), tuple(read.findings)
