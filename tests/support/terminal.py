"""A command at a pseudo-terminal: what it shows is read, and answers are typed, as a person would."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

INGLENOOK = Path(sys.executable).parent / "inglenook"
DEADLINE = 60  # seconds, on a busy machine
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# The first terminal that the leader of a session opens is its own: Ctrl-C then reaches the program as it would anybody's.
# Tests that were started in the background ignore it, and so would what they start.
_AT_ITS_OWN_TERMINAL = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.open(os.ttyname(0), os.O_RDWR); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """One run of `inglenook`; `shown` is all that it printed, and what was typed, without colours."""

    def __init__(self, arguments: Sequence[str | Path], folder: Path, **variables: str) -> None:
        ours, theirs = pty.openpty()
        kept = {name: value for name, value in os.environ.items() if name not in ("LC_ALL", "PYTHONIOENCODING")}
        environment: Mapping[str, str] = {**kept, "TERM": "dumb", "NO_COLOR": "1", "LANG": "C.UTF-8", **variables}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _AT_ITS_OWN_TERMINAL, INGLENOOK, *arguments],
            cwd=folder,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.ours = ours
        self.raw = b""
        self.prompts = 0

    @property
    def shown(self) -> str:
        return _CONTROLS.sub("", self.raw.decode("utf-8", "replace")).replace("\r", "")

    def asks(self) -> str:
        """Wait until it waits for an answer, and return all that it has shown."""
        until = time.monotonic() + DEADLINE
        while not self.shown.endswith("\n> ") or self.shown.count("\n> ") <= self.prompts:
            assert self._read(until), self.shown
        self.prompts = self.shown.count("\n> ")
        return self.shown

    def types(self, line: str | bytes) -> None:
        """Type a line and Enter."""
        os.write(self.ours, (line if isinstance(line, bytes) else line.encode()) + b"\n")

    def answers(self, *lines: str) -> Terminal:
        """Type each line when it is asked for."""
        for line in lines:
            self.asks()
            self.types(line)
        return self

    def presses(self, key: bytes) -> Terminal:
        self.asks()
        self._waits()
        os.write(self.ours, key)
        return self

    def _waits(self) -> None:
        """Wait until the program sleeps over its question. A Ctrl-C between its showing the question and its reading the
        answer is noticed by Python only with the next key: a person would press once more."""
        until = time.monotonic() + DEADLINE
        state = Path(f"/proc/{self.process.pid}/stat")
        while state.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "S":
            assert time.monotonic() < until, self.shown
            time.sleep(0.01)

    def presses_end_of_input(self) -> Terminal:
        """Press Ctrl-D, which ends the input, at a question that was waited for already."""
        os.write(self.ours, b"\x04")
        return self

    def ends(self) -> int:
        """Wait until it ends; return its exit status."""
        until = time.monotonic() + DEADLINE
        while self._read(until):
            pass
        return self.process.wait(DEADLINE)

    def dies(self) -> None:
        """Take it away while it waits for an answer, as a power cut would."""
        self.asks()
        self.process.kill()
        self.ends()

    def close(self) -> None:
        """Leave nothing behind, however a test went."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE)
        os.close(self.ours)

    def _read(self, until: float) -> bool:
        left = until - time.monotonic()
        assert left > 0, self.shown
        if not select.select([self.ours], [], [], left)[0]:
            return True
        try:
            more = os.read(self.ours, 65536)
        except OSError:  # how Linux says that nobody holds the other end any more
            return False
        self.raw += more
        return bool(more)
