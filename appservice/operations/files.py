"""Finding the data that comes with the program, and writing files that only their owner may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from appservice.operations.errors import OperationFailed

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700

# Name of the data -> where it lies in a checkout, seen from the folder that holds `appservice`.
_IN_CHECKOUT = {
    "synapse_config": "synapse-config",
    "deploy": "deploy",
    "requirements/synapse.txt": "requirements/synapse.txt",
}


def data_path(name: str, *, package: Path | None = None) -> Path:
    """Find data that is shipped with the program, in an installed wheel or in a checkout (DESIGN 7.19).

    Parameters: `name`, one of `synapse_config`, `deploy`, `requirements/synapse.txt`; `package`, the folder of the
    package `appservice` (for tests; by default the one this module was imported from).
    Returns: an existing path. Raises: `OperationFailed` if the installation lacks it, `KeyError` for another name.
    """
    package = package or Path(__file__).resolve().parent.parent
    in_checkout = package.parent / _IN_CHECKOUT[name]
    # The wheel's folder first: beside an installed package, `deploy` could be anybody's.
    for candidate in (package / "_data" / name, in_checkout):
        if candidate.exists():
            return candidate
    raise OperationFailed(f"The file or folder {name} that belongs to Inglenook is missing: install Inglenook again.")


def private_folder(path: Path) -> Path:
    """Make `path` (and what leads to it) a folder that only its owner may enter. Returns `path`."""
    path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    path.chmod(PRIVATE_FOLDER)
    return path


def write_private(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` with mode 0600, whole or not at all, also when the power goes."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def replace_file(path: Path, text: str) -> None:
    """Write `text` (UTF-8) in the place of the file at `path`, who may read it as before. Raises OSError."""
    whole = path.resolve(strict=True)
    mode = whole.stat().st_mode & 0o777
    write_private(whole, text)
    whole.chmod(mode)


def secret_file(path: Path) -> str:
    """Read the secret in `path`; if there is none yet, make one (256 random bits) and write it with mode 0600."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32) + "\n")
    path.chmod(PRIVATE_FILE)
    return path.read_text(encoding="utf-8").strip()


def last_lines(path: Path, count: int = 15) -> str:
    """The last `count` lines of a log, or nothing if there is no such file. Reads 16 KiB at most."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 16384))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-count:])
