"""A problem in what a file says, at the path of the value that a person must look at; `load` gives it its line."""

from __future__ import annotations

from dataclasses import dataclass

from policies.findings import Severity
from policies.source import Path

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem at `path`; `key` if it is the key there that is wrong, not its value."""

    path: Path
    message: str
    advice: str
    severity: Severity = "error"
    key: bool = False
