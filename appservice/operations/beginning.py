"""Where the answers about a new community are kept while they are given, and where its first files are put."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
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
#: What is being written, while it is: whoever is cut off in between finds out by it what is ours.
WRITING: Final = ".inglenook-init-writing.json"
#: Before the last word of a text of ours: a mark by which we see that nobody changed it.
_MARK: Final = "(We wrote this. This is our mark: "
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
    "take_first_steps",
]


class CannotBegin(OperationFailed):
    """The folder cannot be used; says why and what to do."""


def signposts() -> tuple[Signpost, ...]:
    """Return the services that people may be pointed to, from the table that ships with the policies."""
    table = Path(policies.__file__).parent / "rules" / "signposts" / "en-GB.csv"
    return signposts_of(table.read_text(encoding="utf-8"))


def make_ready(folder: Path) -> bool:
    """Make the folder if need be; return whether what an earlier run was cut off in was taken away.

    Raises `CannotBegin` if it is none, or holds a policy: nothing is written over.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        cleared = _clear(folder)
        for name in (POLICY, PEOPLE):
            if os.path.lexists(folder / name):
                raise CannotBegin(f"There is a {name} in {folder} already. Choose an empty folder, or move it away.")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise CannotBegin(f"We may not write in {folder}. Choose a folder of your own.")
        return cleared
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
    note = folder / WRITING
    try:
        write_private(note, json.dumps({POLICY: policy, PEOPLE: people}))
    except (OSError, ValueError) as error:
        raise _refused(note, error) from None
    try:
        _create(to[1], people, PRIVATE_FILE)
        try:
            _create(to[0], policy, _SHARED_FILE)
        except BaseException:
            to[1].unlink(missing_ok=True)
            raise
    finally:
        note.unlink(missing_ok=True)
    return to


def _clear(folder: Path) -> bool:
    """Take away what a run of ours was cut off in: files that hold just what it was writing, or the beginning of it."""
    note = folder / WRITING
    if not note.is_file():
        return False
    try:
        writing = json.loads(note.read_bytes()[:MAX_KEPT])
    except (ValueError, RecursionError):
        writing = None
    ours: dict[str, str] = writing if isinstance(writing, dict) else {}
    found = {name: folder / name for name in (POLICY, PEOPLE) if (folder / name).is_file()}
    texts = {name: str(ours.get(name, "")).encode() for name in found}
    is_ours = {name: len(texts[name]) > 0 and texts[name].startswith(path.read_bytes()) for name, path in found.items()}
    whole = len(found) == 2 and all(found[name].read_bytes() == texts[name] for name in found)
    cut_off = bool(found) and all(is_ours.values()) and not whole
    if cut_off:
        for path in found.values():
            path.unlink()
    note.unlink()
    return cut_off


def put_first_steps(folder: Path, text: str) -> Path | None:
    """Write what to do first, over an earlier text of ours only. Returns where, or None if something else is there."""
    path = folder / FIRST_STEPS
    try:
        if os.path.lexists(path) and not _is_ours(path):
            return None
        write_private(path, f"{text}{_MARK}{_mark(text.encode())})\n")
    except (OSError, ValueError) as error:
        raise _refused(path, error) from None
    return path


def take_first_steps(folder: Path) -> bool:
    """Take away what an earlier run said to do first, which does not hold any more.

    Return False if a text of that sort stays there, since somebody changed it.
    """
    path = folder / FIRST_STEPS
    try:
        if not path.is_file():
            return True
        if _is_ours(path):
            path.unlink()
            return True
        with path.open("rb") as file:
            return not file.read(100).startswith(NOT_YET_TITLE.encode())
    except OSError as error:
        raise _refused(path, error) from None


def _is_ours(path: Path) -> bool:
    """Whether a text of ours stands there as we wrote it."""
    if not path.is_file() or path.is_symlink():
        return False
    with path.open("rb") as file:
        text, mark, rest = file.read(MAX_KEPT).rpartition(_MARK.encode())
    return bool(mark) and rest == f"{_mark(text)})\n".encode()


def _mark(text: bytes) -> str:
    return sha256(text).hexdigest()[:8]


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
