"""JSON from and to anybody: decoded leniently, tamed, and so always fit to be written down again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

#: Levels of nesting that are kept; deeper values become null. No honest event has ten.
_DEPTH = 60


def decode(body: bytes) -> Any:
    """Return the JSON in `body`; what only a strict parser minds (lone surrogates, bad UTF-8, NaN) is replaced.

    Raises ValueError, or RecursionError for nesting that no honest event has.
    """
    try:
        return orjson.loads(body)
    except ValueError:
        return tame(json.loads(body.decode("utf-8", "replace")))


def encode(value: Any) -> bytes:
    """Return `value` as JSON, tamed where it would not fit otherwise."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(tame(value))


def tame(value: Any, depth: int = _DEPTH) -> Any:
    """Return `value` with what cannot be written down replaced: too deep, too large a number, half a character."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else _float(value)
    if depth == 0:
        return None
    if isinstance(value, Mapping):
        return {readable(str(key)): tame(one, depth - 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [tame(one, depth - 1) for one in value]
    return None


def _float(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def readable(text: str) -> str:
    """Return `text` with halves of characters (lone surrogates) replaced."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8") if any("\ud800" <= c <= "\udfff" for c in text) else text
