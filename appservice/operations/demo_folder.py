"""The demo's own folder: whose it is, who uses it now, and what an earlier start left in it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from appservice.operations.errors import OperationFailed
from appservice.operations.files import private_folder, write_private
from appservice.service.config import BadConfiguration

_RECORD, LOCK = "demo.json", "lock"
#: In the scene's folder: what lies beside it was made by a scene, and the next one may wipe it.
SCENE_MARK = "made-by-the-scene"
_HOMESERVER, _SERVICE, _SYNAPSE = "homeserver", "service", "venv-synapse"
# `make bench` and the scene keep theirs in the same place.
_OURS = {_RECORD, LOCK, _HOMESERVER, _SERVICE, _SYNAPSE, "benchmarks", "scene", SCENE_MARK}

# Passwords are read from a terminal and typed by hand: syllables, no letters that look alike, six of 65 choices each.
_CONSONANTS, _VOWELS = "bdfghjkmnprst", "aeiou"


class Record(BaseModel):
    """What the demo remembers of itself, in `demo.json`, mode 0600.

    `passwords` by short name; `made` once rooms and accounts are all there; `shown` once the story was seen whole.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    passwords: Mapping[str, str]
    made: bool = False
    shown: bool = False


@dataclass(frozen=True)
class DemoFolder:
    """Where the demo's things lie. Only the process that `claim`ed the folder uses it."""

    path: Path

    @property
    def homeserver(self) -> Path:
        """Folder of the embedded homeserver."""
        return self.path / _HOMESERVER

    @property
    def service(self) -> Path:
        """Folder of our own service: configuration, store and log."""
        return self.path / _SERVICE

    @property
    def synapse_environment(self) -> Path:
        """Environment for Synapse where there is no checkout to keep it in."""
        return self.path / _SYNAPSE

    @property
    def record_file(self) -> Path:
        """Passwords, and how far an earlier start came."""
        return self.path / _RECORD

    def begin(self, names: Iterable[str]) -> tuple[Record, bool]:
        """Return the record, and whether an earlier start had to be thrown away.

        What was not finished once is made anew, with the same passwords: nobody can have used it yet.
        Raises: `OperationFailed` if the record is damaged.
        """
        old = self._read()
        if old is not None and old.made and self._whole():
            return old, False
        cut_off = old is not None and (self.homeserver.exists() or self.service.exists())
        kept = old.passwords if old is not None else {}
        record = Record(passwords={name: kept.get(name) or _password() for name in names})
        # First the record, then the rest: killed in between, the next start comes here again.
        self.write(record)
        for folder in (self.homeserver, self.service):
            if folder.exists():
                shutil.rmtree(folder)
        return record, cut_off

    def write(self, record: Record) -> None:
        """Keep `record`, whole or not at all."""
        write_private(self.record_file, record.model_dump_json(indent=2) + "\n")

    def _read(self) -> Record | None:
        if not self.record_file.exists():
            return None
        try:
            return Record.model_validate_json(self.record_file.read_bytes())
        except ValidationError:
            raise OperationFailed(
                f"{self.record_file} is damaged. To begin again, delete the folder {self.path}."
            ) from None

    def _whole(self) -> bool:
        return (self.homeserver / "homeserver.db").exists() and (self.service / "data" / "inglenook.db").exists()


@contextlib.contextmanager
def claim(directory: Path) -> Iterator[DemoFolder]:
    """Make `directory` the demo's own while the block runs; it becomes mode 0700.

    Raises: `BadConfiguration` if it cannot be used or holds other people's things, `OperationFailed` if another demo
    runs in it.
    """
    path = directory.absolute()
    try:
        _refuse_foreign(path)
        private_folder(path)
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be used ({error.strerror}): name another with --directory.") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                raise
            raise OperationFailed(
                f"Another demo runs in {path}: stop that one first, or name another folder with --directory."
            ) from None
        for left_over in path.glob(f".{_RECORD}.*"):
            left_over.unlink()
        yield DemoFolder(path)
    finally:
        os.close(lock)


def _refuse_foreign(path: Path) -> None:
    """A folder with anything else in it is not ours to lock up: `--directory ~` would shut a home to its services."""
    if not path.exists() or (path / _RECORD).is_file():
        return
    others = [e.name for e in path.iterdir() if e.name not in _OURS and not e.name.startswith(f".{_RECORD}.")]
    if others:
        raise BadConfiguration(
            f"{path} holds other things ({min(others)}): name an empty folder, or a new one, with --directory."
        )


def _password() -> str:
    syllables = [secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(6)]
    return "-".join("".join(syllables[start : start + 2]) for start in range(0, 6, 2))
