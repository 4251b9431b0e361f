"""Where the answers about a new community are kept while they are given, and where its first files are put."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import policies
from appservice.operations.errors import OperationFailed
from appservice.operations.files import PRIVATE_FILE, write_private
from policies.beginning import Signpost, signposts_of
from policies.beginning.writing import NOT_YET_TITLE

KEPT: Final = ".inglenook-init.json"
POLICY: Final = "policy.yaml"
PEOPLE: Final = "people.yaml"
FIRST_STEPS: Final = "what-to-do-first.txt"
MAX_KEPT: Final = 1024 * 1024  # bytes; two dozen answers are a few KiB

_SHARED_FILE: Final = 0o644  # the policy names nobody; the umask may take from it

__all__ = [
    "FIRST_STEPS",
    "KEPT",
    "PEOPLE",
    "POLICY",
    "CannotBegin",
    "forget",
    "keep",
    "kept",
    "make_ready",
    "put",
    "put_first_steps",
    "signposts",
]


class CannotBegin(OperationFailed):
    """The folder cannot be used; says why and what to do."""


def signposts() -> tuple[Signpost, ...]:
    """Return the services that people may be pointed to, from the table that ships with the policies."""
    table = Path(policies.__file__).parent / "rules" / "signposts" / "en-GB.csv"
    return signposts_of(table.read_text(encoding="utf-8"))


def make_ready(folder: Path) -> None:
    """Make the folder if need be. Raises `CannotBegin` if it is none, or holds a policy: nothing is written over."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (POLICY, PEOPLE):
            if os.path.lexists(folder / name):
                raise CannotBegin(f"There is a {name} in {folder} already. Choose an empty folder, or move it away.")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise CannotBegin(f"We may not write in {folder}. Choose a folder of your own.")
    except (OSError, ValueError) as error:
        raise _refused(folder, error) from None


def kept(folder: Path) -> dict[str, str]:
    """Return the answers that were typed before, by the keys of their questions. Raises `CannotBegin` if unreadable."""
    path = folder / KEPT
    try:
        if path.exists() and not path.is_file():
            raise CannotBegin(f"{path} is not a file. Move it away to begin.")
        with path.open("rb") as file:
            text = file.read(MAX_KEPT + 1)
        found = json.loads(text) if len(text) <= MAX_KEPT else None
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _refused(path, error) from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise CannotBegin(f"The answers kept in {path} cannot be read. Delete that file to begin again.")
    return found


def keep(folder: Path, typed: Mapping[str, str]) -> None:
    """Keep the answers typed so far, for their owner's eyes only."""
    try:
        write_private(folder / KEPT, json.dumps(typed, indent=2) + "\n")
    except (OSError, ValueError) as error:
        raise _refused(folder / KEPT, error) from None


def forget(folder: Path) -> None:
    """Delete the kept answers: what was answered stands in the files now."""
    try:
        (folder / KEPT).unlink(missing_ok=True)
    except OSError as error:
        raise _refused(folder / KEPT, error) from None


def put(folder: Path, policy: str, people: str) -> tuple[Path, Path]:
    """Write the two files, both or none, and never over another. Returns where they are."""
    to = folder / POLICY, folder / PEOPLE
    _create(to[1], people, PRIVATE_FILE)
    try:
        _create(to[0], policy, _SHARED_FILE)
    except BaseException:
        to[1].unlink(missing_ok=True)
        raise
    return to


def put_first_steps(folder: Path, text: str) -> Path | None:
    """Write what to do first, over an earlier text of ours only. Returns where, or None if something else is there."""
    path = folder / FIRST_STEPS
    try:
        if os.path.lexists(path):
            if not path.is_file():
                return None
            with path.open("rb") as file:
                if not file.read(100).startswith(NOT_YET_TITLE.encode()):
                    return None
        write_private(path, text)
    except (OSError, ValueError) as error:
        raise _refused(path, error) from None
    return path


def _create(path: Path, text: str, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise CannotBegin(f"There is a {path.name} in {path.parent} already. Move it away first.") from None
    except OSError as error:
        raise _refused(path, error) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _refused(path, error) from None
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _refused(path: Path, error: OSError | ValueError) -> CannotBegin:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return CannotBegin(f"{path} cannot be used: {why}. Choose a folder of your own.")
