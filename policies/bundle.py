"""A policy that is written in several files, as one value of bytes: so it is sent, put in force and kept as a whole.

A policy of one file is its own bytes. Nothing here reads a disk, or knows what the files say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from policies.files import MAX_BYTES

MAX_PARTS: Final = 50  # files beside the first
MAX_PART_NAME: Final = 200  # characters
MAX_BUNDLE: Final = MAX_BYTES + (MAX_PARTS + 1) * (MAX_PART_NAME + 20)
"""Bytes of the largest bundle whose files are not too large together."""

_MAGIC: Final = b"\x00inglenook bundle 1\n"  # no text that a person writes begins so
_HEAD: Final = re.compile(rb"([0-9]{1,8}) ([ -~]{0,200})\n")

__all__ = ["MAX_BUNDLE", "MAX_PARTS", "MAX_PART_NAME", "packed", "unpacked"]


def packed(first: bytes, parts: Mapping[str, bytes]) -> bytes:
    """Return one value for the first file and those that it includes, by name: the first file itself if there are none."""
    if not parts:
        return first
    files = {"": first, **dict(sorted(parts.items()))}
    return _MAGIC + b"".join(b"%d %s\n" % (len(data), name.encode()) + data for name, data in files.items())


def unpacked(policy: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Return the first file, and those that it includes by name. What is no bundle, or a damaged one, is a file."""
    if not policy.startswith(_MAGIC):
        return policy, {}
    files: dict[str, bytes] = {}
    at = len(_MAGIC)
    while at < len(policy):
        head = _HEAD.match(policy, at)
        if head is None or head.end() + int(head[1]) > len(policy):
            return policy, {}
        at = head.end() + int(head[1])
        files[head[2].decode()] = policy[head.end() : at]
    first = files.pop("", None)
    return (policy, {}) if first is None else (first, files)
