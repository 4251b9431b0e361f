"""Starting a child that dies with us, reserving ports, and reading what a process costs (Linux: /proc)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from appservice.operations.errors import OperationFailed

_LOOPBACK = "127.0.0.1"

# Runs in the child's own Python, before it becomes the real program: no code of ours between fork and exec, which
# could deadlock on a lock that some other thread of the parent holds. 1 is PR_SET_PDEATHSIG, 9 is SIGKILL; the setting
# outlives execv. The parent may have died before it was made, hence the look at the parent's id.
_DIE_WITH_PARENT = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(1, 9, 0, 0, 0) != 0 or os.getppid() != int(sys.argv[1]):
    sys.exit("could not be bound to the life of its parent")
os.execv(sys.argv[2], sys.argv[2:])
"""

_reserved: dict[int, socket.socket] = {}


def spawn(
    python: Path,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    output: IO[bytes],
    keep_open: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `python` with `arguments` as a child that the kernel kills when the calling **thread** ends (Linux).

    Call it from a thread that lives as long as the child should, in practice the main one. The child has a process
    group of its own, so that Ctrl-C in a terminal reaches us first; its new files are readable by the owner only.

    Parameters: `environment`, all of the child's variables; `folder`, where it runs; `output`, takes stdout and stderr;
    `keep_open`, descriptors that the child inherits.
    """
    command = [str(python), *arguments]
    if sys.platform == "linux":
        command = [str(python), "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        cwd=folder,
        process_group=0,
        umask=0o077,
        pass_fds=tuple(keep_open),
    )


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody else gets before this process ends or `release_port` is called.

    The kernel picks it, and a socket stays bound to it without listening: a server that sets SO_REUSEADDR, as Synapse
    and asyncio do, may still listen there, while no one else is given the number, not even for a restart in between.
    """
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((_LOOPBACK, 0))
    port = int(holder.getsockname()[1])
    _reserved[port] = holder
    return port


def release_port(port: int) -> None:
    """Give back a port that `free_port` reserved; anything else is left alone."""
    holder = _reserved.pop(port, None)
    if holder is not None:
        holder.close()


def port_taken(port: int) -> bool:
    """Whether somebody listens on 127.0.0.1 at `port`."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((_LOOPBACK, port)) == 0


def cpu_seconds(pid: int) -> float:
    """Processor time (user and system, in seconds, resolution 10 ms) that process `pid` has used so far."""
    # The second field is the program's name in brackets and may hold blanks; utime and stime are fields 14 and 15.
    fields = _proc(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Memory (resident set, in bytes) that process `pid` holds now."""
    return int(_proc(pid, "statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _proc(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise OperationFailed(f"Cannot read /proc of process {pid}: it has ended, or this is not Linux.") from error
