"""The environment of its own in which Synapse runs: made from pinned requirements, checked before each use.

Synapse never shares our environment: its pins and ours differ, and so does its licence (AGPL-3.0).
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

from appservice.operations.errors import OperationFailed
from appservice.operations.files import data_path

INSTALL_TIMEOUT = 900  # seconds: pip on a slow line
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)")


def ensure_synapse(venv: Path) -> Path:
    """Make sure that `venv` holds the pinned Synapse and everything it needs; install what is missing.

    Blocks for milliseconds if all is there, else for 5 to 90 seconds (uv or pip, network needed): call it through
    `asyncio.to_thread` where a loop must go on.

    Returns: the path of the environment's Python. Raises: `OperationFailed` with what to do.
    """
    requirements = data_path("requirements/synapse.txt")
    python = venv.absolute() / "bin" / "python"
    if not missing_pins(requirements.read_text(encoding="utf-8"), venv):
        return python
    uv = _find_uv()
    for command in _with_uv(uv, venv, python, requirements) if uv else _with_pip(venv, python, requirements):
        _run(command)
    missing = missing_pins(requirements.read_text(encoding="utf-8"), venv)
    if missing:
        raise OperationFailed(
            f"Synapse's environment {venv} is still incomplete after installing ({', '.join(missing)}): "
            "delete that folder and try again."
        )
    return python


def missing_pins(requirements: str, venv: Path) -> list[str]:
    """Those pins (`name==version`) of a requirements file that `venv` does not hold. An install that was cut off
    shows: a package counts once its RECORD, which is written last, is there."""
    installed = (
        {_normal(record.parent.name.removesuffix(".dist-info")) for record in venv.glob("lib/*/*/*.dist-info/RECORD")}
        if (venv / "bin" / "python").exists()
        else set()
    )
    pins = [pin for line in requirements.splitlines() if (pin := _PIN.match(line))]
    return [pin.group() for pin in pins if _normal(f"{pin['name']}-{pin['version']}") not in installed]


def _normal(name_and_version: str) -> str:
    # Names are written in several ways (PEP 503); "-" and "_" and "." mean the same.
    return re.sub(r"[-_.]+", "-", name_and_version).lower()


def _find_uv() -> Path | None:
    beside = Path(sys.executable).parent / "uv"
    if beside.exists():
        return beside
    if importlib.util.find_spec("uv") is not None:
        from uv import find_uv_bin

        return Path(find_uv_bin())
    found = shutil.which("uv")
    return Path(found) if found else None


def _with_uv(uv: Path, venv: Path, python: Path, requirements: Path) -> list[list[str]]:
    return [
        [str(uv), "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(venv)],
        [str(uv), "pip", "sync", "--quiet", "--python", str(python), str(requirements)],
    ]


def _with_pip(venv: Path, python: Path, requirements: Path) -> list[list[str]]:
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    return [
        [sys.executable, "-m", "venv", str(venv)],
        [*pip, "install", "--requirement", str(requirements)],
    ]


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OperationFailed(f"Could not install Synapse: {error}") from error
    if done.returncode == 0:
        return
    said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
    hint = (
        "Python's venv module is missing: on Debian or Ubuntu, apt-get install python3-venv."
        if "ensurepip" in said
        else "Check that this machine reaches the package index and has 400 MB free, then try again."
    )
    raise OperationFailed(f"Could not install Synapse. {hint}\n{said}")
