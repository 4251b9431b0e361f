"""How `inglenook drift` looks to a person. It reads the store, and asks no service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from appservice.operations.drifts import list_drifts
from appservice.operations.errors import OperationFailed
from appservice.service.config import Config
from policies.defaults import DRIFT
from policies.plain_words import named

OK, FAILED = 0, 1

_DONE: Final[Mapping[str, str]] = {
    "seen": "is looked at",
    "put_back": "was put back",
    "stands": "stands, and people were told",
    "ignored": "stands",
    "failed": "could not be put back yet",
    "final": "cannot be put back",
}
_ABOUT: Final[Mapping[str, str]] = {aspect: default.words for aspect, default in DRIFT.items()}


def show_drifts(config: Config, out: Console, err: Console, *, as_json: bool) -> int:
    """Print what was changed by hand, newest first; return the exit status."""
    try:
        found = asyncio.run(list_drifts(config))
    except OperationFailed as error:
        err.print(Text(f"inglenook: {error}"))
        return FAILED
    if as_json:
        out.print(json.dumps({"drifts": found}, indent=2), markup=False, highlight=False)
        return OK
    for one in found:
        out.print(Text(_line(one)))
    if not found:
        out.print("Nothing was changed by hand.")
    return OK


def _line(one: Mapping[str, Any]) -> str:
    when = datetime.fromtimestamp(min(one["first_ms"], 253_402_300_799_000) / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    times = f", {one['times']} times" if one["times"] > 1 else ""
    about = _ABOUT.get(one["aspect"], one["aspect"])
    return f"{when}  {one['grp']}: {about} ({one['type']}), by {named(one['sender'])}{times}: {_DONE[one['done']]}"
