"""The only module of `policies` that touches the disk: reads files a person named, and asks the time zone database.

Nothing raises for a missing or unreadable file: that is a finding like any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from policies.findings import Finding

MAX_BYTES = 1024 * 1024  # bytes of one file: a policy for 1,000 groups is below 200 KiB

# "localtime" and "posixrules" also load, but mean whatever this machine means: a policy says where it is.
_ZONE_NAME = re.compile(r"UTC|[A-Z][A-Za-z0-9_+-]{0,30}(/[A-Za-z0-9_+-]{1,30}){1,2}")

EXAMPLES = Path(__file__).parent / "examples"
_SIGNPOSTS = Path(__file__).parent / "rules" / "signposts" / "en-GB.csv"

__all__ = [
    "EXAMPLES",
    "MAX_BYTES",
    "Read",
    "is_time_zone",
    "people_beside",
    "read_file",
    "read_part",
    "signposts",
    "time_zones",
]


@dataclass(frozen=True, slots=True)
class Read:
    """The bytes of a file (at most `MAX_BYTES` + 1, so that the reader can tell it is too large), or why there are none."""

    data: bytes | None
    findings: tuple[Finding, ...] = ()


def read_file(path: Path) -> Read:
    """Return the content of a regular file; a missing, unreadable or special one gives a finding at line 1."""
    try:
        if path.exists() and not path.is_file():
            return _unreadable(path, "this is not a file", "Name the policy file itself, not a folder or a device.")
        with path.open("rb") as stream:
            return Read(stream.read(MAX_BYTES + 1))
    except FileNotFoundError:
        return _unreadable(path, "there is no such file", "Check the spelling of the path, and the folder you are in.")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return _unreadable(path, f"the file cannot be read: {reason}", "Check who owns the file and its permissions.")


def read_part(folder: Path, name: str) -> Read:
    """Return the content of a file in `folder` or below, by its name with forward slashes; no link leads out of there."""
    part = folder / name
    try:
        inside = part.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, names that no disk takes
        return _unreadable(part, f"the file cannot be read: {error}", "Check the spelling of the path.")
    if not inside:
        return _unreadable(part, "this leads out of the folder of the policy", "Copy the file into the folder.")
    return read_file(part)


def people_beside(policy: Path) -> Path:
    """Return where the people of a policy stand: `NAME.people.yaml` beside `NAME.yaml` if it is there, else `people.yaml`."""
    folder = policy.parent if policy.name else policy  # "." and "/" have no name: somebody named a folder
    own = folder / f"{policy.stem}.people.yaml"
    return own if _is_there(own) else folder / "people.yaml"


def _is_there(path: Path) -> bool:
    """Whether a path leads to something; not, where nobody can say: a name too long, a folder that may not be entered."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


@lru_cache(maxsize=64)
def is_time_zone(name: str) -> bool:
    """Return whether `name` is a time zone of the IANA database, such as `Europe/London`, or `UTC`."""
    if not _ZONE_NAME.fullmatch(name):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """Return the names of all time zones a policy may use (for suggestions; reads some 600 small files once)."""
    return frozenset(name for name in available_timezones() if _ZONE_NAME.fullmatch(name))


def _unreadable(path: Path, message: str, advice: str) -> Read:
    return Read(None, (Finding("error", str(path), 1, 1, path.name, message, advice),))


def signposts() -> str:
    """Return the table of public helplines, as CSV: it comes with the program."""
    return _SIGNPOSTS.read_text(encoding="utf-8")
