"""What demo and scene stand on: a free port, and the homeserver's program."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable
from pathlib import Path

from appservice.operations.environment import ensure_synapse, missing_pins
from appservice.operations.errors import OperationFailed
from appservice.operations.files import data_path

_PROJECT = Path(__file__).resolve().parents[2]
#: Seconds that a predecessor, killed just now, gets to let go of the port.
_PORT_PATIENCE_S = 3.0


async def synapse_python(elsewhere: Path, say: Callable[[str], None]) -> Path:
    """Return Python of Synapse's environment, made if it is missing: beside the project in a checkout, else `elsewhere`."""
    in_checkout = (_PROJECT / "pyproject.toml").exists() and (_PROJECT / "synapse-config").exists()
    environment = _PROJECT / ".venv-synapse" if in_checkout else elsewhere
    if missing_pins(data_path("requirements/synapse.txt").read_text(encoding="utf-8"), environment):
        say("Getting Synapse, the homeserver program. This is done once and needs the internet ...")
    return await asyncio.to_thread(ensure_synapse, environment)


async def port_free(port: int) -> None:
    """Wait a moment for `port` of 127.0.0.1 to be free. Raises: `OperationFailed`."""
    until = time.monotonic() + _PORT_PATIENCE_S
    while (taken := _cannot_listen(port)) is not None:
        if taken != errno.EADDRINUSE:
            raise OperationFailed(f"Port {port} may not be used by you: choose one from 1024 up, with --port.")
        if time.monotonic() > until:
            raise OperationFailed(f"Port {port} is in use. Stop what uses it, or choose another: --port {port + 1}")
        await asyncio.sleep(0.1)


def _cannot_listen(port: int) -> int | None:
    """The error number if nothing of ours could listen on `port`, else None."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError as error:
            return error.errno
    return None
