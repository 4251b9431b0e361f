"""`python -m benchmarks [NAME ...] [--repetitions N] [--quick]`: measure, print, write JSON, exit 1 if a bar is missed."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import shutil
import sys
from pathlib import Path
from time import monotonic
from types import ModuleType

import aiohttp
from rich.console import Console

from appservice.operations.environment import ensure_synapse
from appservice.operations.errors import OperationFailed
from benchmarks.figures import NOT_FOR_QUOTING, Figure, machine, show, write
from benchmarks.settings import Settings

NAMES = ("reaction", "load", "intake", "ready", "idle", "plan", "planner", "drift", "audit", "doors", "rules", "show")
_ROOT = Path(__file__).parent.parent
_MODULES = {"load": "burst"}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}; all without one")
    parser.add_argument("--repetitions", type=int, default=5, help="of what is repeated, interleaved (5)")
    parser.add_argument("--quick", action="store_true", help=f"a smoke run of about 4 minutes; {NOT_FOR_QUOTING}")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.names) - set(NAMES))
    if unknown or given.repetitions < 1:
        parser.error(f"no benchmark {', '.join(unknown)}" if unknown else "at least one repetition")
    console = Console(stderr=False, highlight=False)
    kept = _ROOT / ".inglenook" / "benchmarks"
    settings = Settings(
        repetitions=1 if given.quick else given.repetitions,
        quick=given.quick,
        work=kept / f"run-{os.getpid()}",
        worlds=kept / "worlds",
        synapse_python=ensure_synapse(_ROOT / ".venv-synapse"),
        say=lambda text: console.print(f"  … {text}", markup=False),
    )
    good = True
    for name in given.names or NAMES:
        console.print(f"\n{name}", style="bold")
        good = _measure(name, settings, console) and good
    return 0 if good else 1


def _measure(name: str, settings: Settings, console: Console) -> bool:
    module: ModuleType = importlib.import_module(f"benchmarks.{_MODULES.get(name, name)}")
    before, started = os.getloadavg(), monotonic()
    try:
        figure: Figure = asyncio.run(module.run(settings))
    except (OperationFailed, RuntimeError, TimeoutError, aiohttp.ClientError) as error:
        console.print(f"  FAIL {name} could not be measured: {error}", markup=False)
        return False
    finally:
        shutil.rmtree(settings.work, ignore_errors=True)
    write(
        figure, Path(__file__).parent / "results", machine(before), quick=settings.quick, took_s=monotonic() - started
    )
    show(figure, console, quick=settings.quick)
    return figure.holds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
