"""Deterministic names for effects: the same decision has the same key, in every run of every process."""

from __future__ import annotations

import secrets
from base64 import b32encode
from hashlib import sha256

from appservice import switches

_SEPARATOR = "\x1f"  # cannot occur in a Matrix identifier


def effect_key(source: str, rule: str, effect_type: str, target: str, identity: str, ordinal: int) -> str:
    """Return the key (32 characters, a-z2-7) of an effect.

    Six parts decide it: which input caused it, by which rule, what kind of effect, on what, in whose name, and the how
    many-eth of those. The identity belongs in: Synapse's own memory of transaction ids ignores which ghost acts.
    """
    parts = _SEPARATOR.join((source, rule, effect_type, target, identity, str(ordinal)))
    return b32encode(sha256(parts.encode("utf-8", "surrogatepass")).digest()[:20]).decode("ascii").lower()


def transaction_id(key: str, part: str = "") -> str:
    """Return the transaction id of a request made for the effect `key`; `part` separates several requests of one."""
    if switches.off("dedupe"):
        key = f"{key}-{secrets.token_hex(4)}"
    return f"ink-{key}-{part}" if part else f"ink-{key}"
