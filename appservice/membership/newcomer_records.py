"""Newcomers and what waits of theirs, as rows of the store."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson

from appservice.flow import Newcomer, Words, WordsState


def newcomer_from(record: bytes) -> Newcomer:
    """Return a newcomer as they were written down."""
    fields: dict[str, Any] = orjson.loads(record)
    fields["cards"] = tuple((room, event) for room, event in fields["cards"])
    return Newcomer(**fields)


def newcomer_row(homeserver: str, newcomer: Newcomer) -> dict[str, Any]:
    """Return the row that says all we know of a newcomer."""
    return {
        "homeserver": homeserver,
        "community": newcomer.community,
        "grp": newcomer.group,
        "user_id": newcomer.user_id,
        "record": orjson.dumps(asdict(newcomer)),
    }


def words_from(row: dict[str, Any]) -> Words:
    """Return what was sent for reading as it was written down; not the words."""
    return Words(
        id=row["id"],
        community=row["community"],
        group=row["grp"],
        user_id=row["user_id"],
        at_ms=row["at_ms"],
        state=WordsState(row["state"]),
        shown=frozenset(orjson.loads(row["shown"])),
    )


def words_row(homeserver: str, words: Words, sealed: bytes = b"") -> dict[str, Any]:
    """Return the row that says where words stand; `sealed` is written down with the first."""
    return {
        "homeserver": homeserver,
        "id": words.id,
        "community": words.community,
        "grp": words.group,
        "user_id": words.user_id,
        "at_ms": words.at_ms,
        "state": str(words.state),
        "shown": orjson.dumps(sorted(words.shown)),
        "sealed": sealed,
    }
