"""What every benchmark is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """`work` is emptied after each benchmark; `worlds` keeps prepared homeservers between runs; `say` shows progress."""

    repetitions: int
    quick: bool
    work: Path
    worlds: Path
    synapse_python: Path
    say: Callable[[str], None]
