"""Damages a file in every way that hands and transfers do, one at a time and the same each time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

_VALUES = (
    "",
    "null",
    "true",
    "12",
    "-1",
    "1.5",
    "1e400",
    ".nan",
    "0x10",
    "2026-11-24",
    "[]",
    "{}",
    '""',
    '" "',
    "[a, b]",
    "{a: b}",
    '"{room:space}"',
    '"<b>x</b> @room"',
    '"a\\u202Eb"',
    '"a\\u200Bb"',
    '"a\\nb"',
    f'"{"x" * 100_000}"',
    "&anchor x",
    "*anchor",
    "!!python/object/apply:os.system [ls]",
    "'never closed",
    "@reserved",
    "a: b: c",
    "|\n        lines\n        of text",
)


def lines_deleted(text: str) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    for n in range(len(lines)):
        yield "".join(lines[:n] + lines[n + 1 :])


def lines_doubled(text: str) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    for n in range(len(lines)):
        yield "".join(lines[: n + 1] + lines[n:])


def lines_swapped(text: str) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    for n in range(len(lines) - 1):
        yield "".join([*lines[:n], lines[n + 1], lines[n], *lines[n + 2 :]])


def lines_moved(text: str) -> Iterator[str]:
    """One sign to the right, and one to the left."""
    lines = text.splitlines(keepends=True)
    for n, line in enumerate(lines):
        for moved in (f" {line}", line.removeprefix(" "), f"\t{line.lstrip()}"):
            yield "".join([*lines[:n], moved, *lines[n + 1 :]])


def values_replaced(text: str) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    for n, line in enumerate(lines):
        name, colon, _ = line.partition(": ")
        if not colon or name.lstrip().startswith("#"):
            continue
        for value in _VALUES:
            yield "".join([*lines[:n], f"{name}: {value}\n", *lines[n + 1 :]])


def keys_misspelt(text: str) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    for n, line in enumerate(lines):
        key = line.strip().partition(":")[0]
        if len(key) > 2 and ":" in line and not key.startswith("#"):
            for wrong in (key[:-1], f"{key}x", key[1] + key[0] + key[2:], key.upper()):
                yield "".join([*lines[:n], line.replace(key, wrong, 1), *lines[n + 1 :]])


def signs_dropped(text: str) -> Iterator[str]:
    for n, sign in enumerate(text):
        if sign in "\"':-[]{}#@,\n":
            yield text[:n] + text[n + 1 :]


def cut_short(text: str) -> Iterator[bytes]:
    data = text.encode()
    for end in range(0, len(data), 7):
        yield data[:end]


def bytes_changed(text: str) -> Iterator[bytes]:
    data, chance = text.encode(), random.Random(20261124)
    for _ in range(1500):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 1, 3, 20))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        yield bytes(changed)


def saved_otherwise(text: str) -> Iterator[bytes]:
    """By another editor, or on another system."""
    yield b"\xef\xbb\xbf" + text.encode()
    yield text.replace("\n", "\r\n").encode()
    yield text.replace("\n", "\r").encode()
    yield text.encode("utf-16")
    yield text.encode("utf-32-be")
    yield text.encode().replace(b"a", b"\xe9", 1)
    yield text.encode() + b"\x00"
    yield text.encode() + b"---\nanother: document\n"
    yield b"%YAML 9.9\n---\n" + text.encode()
    yield b"<<: {a: b}\n" + text.encode()
    yield b""
    yield b"\n" * 100_000


KINDS: dict[str, Callable[[str], Iterator[str | bytes]]] = {
    "lines deleted": lines_deleted,
    "lines doubled": lines_doubled,
    "lines swapped": lines_swapped,
    "lines moved": lines_moved,
    "values replaced": values_replaced,
    "keys misspelt": keys_misspelt,
    "signs dropped": signs_dropped,
    "cut short": cut_short,
    "bytes changed": bytes_changed,
    "saved otherwise": saved_otherwise,
}
