"""Whether words stand in files, however they are written there: for promises about what is not on our disk."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def spellings(token: str) -> Iterator[tuple[str, bytes]]:
    """Every way in which a program may have written a token, by name."""
    plain = token.encode()
    yield "utf-8", plain
    yield "utf-16-le", token.encode("utf-16-le")
    yield "utf-16-be", token.encode("utf-16-be")
    yield "json escapes", "".join(f"\\u{ord(sign):04x}" for sign in token).encode()
    yield "json", json.dumps(token)[1:-1].encode()
    for shift in range(3):  # where it stands in what was encoded decides how it looks
        encoded = base64.b64encode(b"x" * shift + plain)
        start = -(-shift * 4 // 3)
        yield f"base64+{shift}", encoded[start + (1 if shift else 0) : len(encoded) // 4 * 4 - 4]
    yield "hex", plain.hex().encode()


def found_in(folder: Path, tokens: dict[str, str]) -> list[str]:
    """Return “file: name (spelling)” for each token that stands in a file below `folder`, also compressed."""
    found: list[str] = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        for what, raw in (("", data), *((" unpacked", part) for part in _unpacked(data))):
            for name, token in tokens.items():
                for spelling, pattern in spellings(token):
                    if pattern in raw:
                        found.append(f"{path.name}{what}: {name} ({spelling})")
    return found


def _unpacked(data: bytes) -> Iterator[bytes]:
    """Whatever zlib or gzip streams begin in the data."""
    for mark, window in ((b"\x1f\x8b\x08", 31), (b"\x78\x9c", 15), (b"\x78\xda", 15), (b"\x78\x01", 15)):
        start = data.find(mark)
        while start >= 0:
            with suppress(zlib.error):
                yield zlib.decompressobj(window).decompress(data[start:], 10_000_000)
            start = data.find(mark, start + 1)
