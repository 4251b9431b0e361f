"""What a benchmark returns: measures, bars that hold or not, and under which circumstances it was measured."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from appservice.operations.files import data_path
from benchmarks.samples import Summary, rounded

NOT_FOR_QUOTING = "quick run: too few samples, not for quoting"


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise about one value, `at_most` or `at_least` a limit; `value` None means that it could not be measured."""

    text: str
    value: float | None
    at_most: float | None = None
    at_least: float | None = None

    @property
    def holds(self) -> bool:
        if self.value is None:
            return False
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    def verdict(self) -> str:
        """Return in words whether it holds, and by how much it is missed."""
        limit = self.at_most if self.at_most is not None else self.at_least
        if self.value is None or limit is None:
            return "not measured"
        sign = "≤" if self.at_most is not None else "≥"
        shown = f"{rounded(self.value):g} {sign} {rounded(limit):g}"
        if self.holds:
            return f"holds: {shown}"
        apart = abs(self.value - limit)
        share = f" ({apart / limit:.0%})" if limit else ""
        return f"MISSED by {rounded(apart):g}{share}: {shown} does not hold"

    def record(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        limits = {"at_most": self.at_most, "at_least": self.at_least}
        limits = {name: value for name, value in limits.items() if value is not None}
        value = None if self.value is None else rounded(self.value)
        return {"bar": self.text, "value": value, **limits, "holds": self.holds, "verdict": self.verdict()}


@dataclass(slots=True)
class Figure:
    """One benchmark's outcome. `facts` are single numbers, `notes` say how it was measured and what is void."""

    name: str
    measures: dict[str, Summary] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return all(bar.holds for bar in self.bars)


def machine(load_before: Sequence[float]) -> dict[str, Any]:
    """Return what the machine is, without a name or a path of it."""
    pin = re.search(
        r"^matrix-synapse==(\S+)", data_path("requirements/synapse.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load_average_before": [rounded(value) for value in load_before],
        "load_average_after": [rounded(value) for value in os.getloadavg()],
        "python": platform.python_version(),
        "synapse": pin.group(1) if pin else "unknown",
        "system": f"{platform.system()} {platform.machine()}",
    }


def write(figure: Figure, folder: Path, circumstances: Mapping[str, Any], *, quick: bool, took_s: float) -> Path:
    """Write `figure` as JSON into `folder` and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "name": figure.name,
        "command": f"python -m benchmarks {figure.name}" + (" --quick" if quick else ""),
        "quotable": not quick,
        "holds": figure.holds,
        "bars": [bar.record() for bar in figure.bars],
        "measures": {name: summary.record() for name, summary in figure.measures.items()},
        "facts": {name: _plain(value) for name, value in figure.facts.items()},
        "notes": [*figure.notes, *([NOT_FOR_QUOTING] if quick else [])],
        "machine": dict(circumstances),
        "took_s": rounded(took_s),
    }
    path = folder / f"{figure.name}.json"
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def show(figure: Figure, console: Console, *, quick: bool) -> None:
    """Print `figure` as a short table with its bars below."""
    table = Table(title=f"{figure.name}{' (quick: not for quoting)' if quick else ''}", title_justify="left")
    for heading in ("measure", "n", "median", "p95", "min", "max", "spread"):
        table.add_column(heading, justify="left" if heading == "measure" else "right")
    for name, one in figure.measures.items():
        values = (one.median, one.p95, one.least, one.most)
        table.add_row(
            f"{name} [{one.unit}]".replace("[", r"\["), str(one.n), *(f"{v:.4g}" for v in values), f"{one.spread:.0%}"
        )
    if figure.measures:
        console.print(table)
    for name, value in figure.facts.items():
        console.print(f"  {name}: {_plain(value)}", highlight=False, markup=False)
    for note in figure.notes:
        console.print(f"  note: {note}", highlight=False, markup=False)
    for bar in figure.bars:
        console.print(f"  {'ok  ' if bar.holds else 'FAIL'} {bar.text}: {bar.verdict()}", highlight=False, markup=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
