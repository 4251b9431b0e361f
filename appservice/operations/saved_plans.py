"""Saved plans as files: private, whole or not there, and never in the place of something else."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Final

import orjson

from appservice.operations.control import PlanAnswer
from appservice.operations.errors import BadInput
from appservice.operations.files import write_private
from appservice.service.config import Config
from policies.files import people_beside
from policies.saved import MARK, SavedPlan, UnusablePlan

__all__ = ["read_plan", "refuse_to_replace", "save_plan"]

#: Bytes of a saved plan: that of a thousand rooms, made from nothing, has some ten million.
MAX_PLAN: Final = 64 * 1024 * 1024


def save_plan(path: Path, planned: PlanAnswer, config: Config, policy: Path, people: Path | None) -> SavedPlan:
    """Write a plan to `path` (mode 0600), in the place of an older one if there is one. Raises `BadInput`."""
    refuse_to_replace(path)
    saved = SavedPlan(
        plan=planned.plan,
        people=planned.people,
        server=config.homeserver.name,
        made_ms=time.time_ns() // 1_000_000,
        policy_file=str(policy.resolve()),
        people_file=str((people or people_beside(policy)).resolve()),
    )
    try:
        write_private(path, json.dumps(saved.record(), indent=1) + "\n")
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror})") from None
    return saved


def refuse_to_replace(path: Path) -> None:
    """Raise `BadInput` if something else than a saved plan lies at `path`: a policy, perhaps."""
    try:
        if not path.parent.is_dir():
            raise BadInput(f"{path}: there is no folder {path.parent}")
        if path.exists() and (not path.is_file() or MARK not in path.open("rb").read(200).decode("utf-8", "replace")):
            raise BadInput(f"{path}: something else than a saved plan is there, and is left as it is")
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror})") from None


def read_plan(path: Path, config: Config) -> SavedPlan:
    """Return the plan saved at `path`. Raises `BadInput` for one that is damaged, foreign, newer or too old."""
    try:
        if path.exists() and not path.is_file():
            raise BadInput(f"{path}: this is not a file")
        with path.open("rb") as file:
            data = file.read(MAX_PLAN + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadInput(f"{path}: cannot be read ({why})") from None
    if len(data) > MAX_PLAN:
        raise BadInput(f"{path}: this is larger than any plan")
    try:
        record = orjson.loads(data)
    except ValueError:
        record = None
    try:
        saved = SavedPlan.from_record(record)
        saved.usable(config.homeserver.name, time.time_ns() // 1_000_000)
    except UnusablePlan as error:
        raise BadInput(f"{path}: {error}") from None
    return saved
