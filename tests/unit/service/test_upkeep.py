"""Upkeep: what was purged is in no file of ours any more, whatever was in the way; the audit is anchored."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from appservice.flow import Origin
from appservice.matrix import parse_event
from appservice.service.upkeep import KEPT_MS, Upkeep
from appservice.store import AuditLine, Commit, verify
from tests.support.house import House, fresh_store, message, open_house, state_of
from tests.support.paths import POLICIES
from tests.support.waiting import eventually

SECRET = "Quillfeather"


def files_with(folder: Path, word: str) -> list[str]:
    """Names of the files below `folder` in which `word` stands, in UTF-8 or UTF-16."""
    patterns = (word.encode(), word.encode("utf-16-le"))
    return sorted(
        path.name for path in folder.rglob("*") if path.is_file() and any(one in path.read_bytes() for one in patterns)
    )


async def handled_after_waiting(house: House, times: int = 30, size: int = 3000) -> None:
    """Let messages with the secret wait for a room to be read, so that they are on disk, then be handled."""
    held = asyncio.Event()

    async def hold(call: Any) -> Any:
        if call.path.endswith("/state"):
            await held.wait()
        return None

    house.homeserver.script.first = hold
    house.homeserver.script.state["!new"] = state_of("!new")
    raw = [message(f"${n}", f"{SECRET} {n} " + "x" * size, "!new") for n in range(times)]
    await house.lanes.accept([house.input(parse_event(one), Origin.PUSH) for one in raw])
    assert files_with(house.database.path.parent, SECRET), "the text must have been on disk for this test to mean much"
    held.set()

    async def empty() -> bool:
        return house.lanes.waiting == 0

    await eventually(empty, "the lane is empty", within=10, every=0.01)


@pytest.mark.parametrize("size", [10, 3000, 60_000], ids=["in a page", "in some pages", "in many pages"])
async def test_a_handled_message_is_in_no_file_after_upkeep(tmp_path: Path, size: int) -> None:
    async with open_house(fresh_store(tmp_path), knows=()) as house:
        upkeep = Upkeep(house.database, house.clock)
        house.lanes.text_purged = upkeep.text_was_purged
        await upkeep.turn()
        await handled_after_waiting(house, size=size)
        await upkeep.turn()
        assert files_with(tmp_path, SECRET) == []


async def test_text_that_reached_the_main_file_is_overwritten_there(tmp_path: Path) -> None:
    """A checkpoint between journal and handling moves the text out of the log: deleting must zero it."""
    async with open_house(fresh_store(tmp_path), knows=()) as house:
        upkeep = Upkeep(house.database, house.clock)
        house.lanes.text_purged = upkeep.text_was_purged
        held = asyncio.Event()

        async def hold(call: Any) -> Any:
            if call.path.endswith("/state"):
                await held.wait()
            return None

        house.homeserver.script.first = hold
        house.homeserver.script.state["!new"] = state_of("!new")
        await house.lanes.accept([house.input(parse_event(message("$1", SECRET * 500, "!new")))])
        await house.database.truncate_log()
        assert files_with(tmp_path, SECRET) == ["inglenook.db"]
        held.set()

        async def empty() -> bool:
            return house.lanes.waiting == 0

        await eventually(empty, "the lane is empty", within=10, every=0.01)
        await upkeep.turn()
        assert files_with(tmp_path, SECRET) == []


async def test_a_message_handled_at_once_was_never_on_disk(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        await house.lanes.accept([house.input(parse_event(message("$1", f"bad {SECRET}")))])
        assert files_with(tmp_path, SECRET) == []


async def test_a_reader_in_the_way_only_delays_the_purge_to_the_next_turn(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path), knows=()) as house:
        upkeep = Upkeep(house.database, house.clock)
        house.lanes.text_purged = upkeep.text_was_purged
        await house.database.run(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=50"))
        with closing(sqlite3.connect(house.database.path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM journal").fetchone()
            await handled_after_waiting(house)
            await upkeep.turn()
            reader.execute("ROLLBACK")
        await upkeep.turn()
        assert files_with(tmp_path, SECRET) == []


async def test_text_that_a_killed_process_left_in_the_log_goes_at_the_first_turn_of_the_next(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    path = fresh_store(tmp_path / "first")
    async with open_house(path, knows=()) as house:
        await handled_after_waiting(house)
        # Copied while it is open: exactly what a killed process leaves behind.
        shutil.copytree(path.parent, tmp_path / "second")
    assert files_with(tmp_path / "second", SECRET)
    async with open_house(tmp_path / "second" / path.name, knows=()) as later:
        await Upkeep(later.database, later.clock).turn()
        assert files_with(tmp_path / "second", SECRET) == []


async def test_the_audit_is_anchored_at_the_first_turn_and_then_once_an_hour(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        upkeep = Upkeep(house.database, house.clock)
        for minutes in (0, 30, 59, 61, 90, 130):
            house.clock.now = 1_800_000_000_000 + minutes * 60_000
            await house.database.commit(Commit(audit=[AuditLine("lane", {"minute": minutes})]))
            await upkeep.turn()
        found = await house.database.run(verify)
        assert (found.anchors, found.problems) == (3, ())


async def test_ids_are_forgotten_when_nobody_can_repeat_them_any_more(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        upkeep = Upkeep(house.database, house.clock)
        await house.lanes.accept([house.input(parse_event(message("$1")))])
        await upkeep.turn()
        assert await house.questions.known(["$1"]) == {"$1"}
        house.clock.now += KEPT_MS + 1
        await upkeep.turn()
        assert await house.questions.known(["$1"]) == set()


async def test_a_store_that_refuses_does_not_end_the_upkeep(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        upkeep = Upkeep(house.database, house.clock)
        await house.database.run(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=20"))
        with closing(sqlite3.connect(house.database.path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await upkeep.turn()
            other.execute("ROLLBACK")
        await house.database.commit(Commit(audit=[AuditLine("lane", {"x": 1})]))
        await upkeep.turn()
        assert (await house.database.run(verify)).anchors == 1


# -- `inglenook audit verify` ------------------------------------------------------------------------------------------


def verify_command(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appservice", "audit", "verify", "--config", str(folder / "inglenook.yaml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_the_command_says_0_for_whole_chains_and_1_for_a_changed_line(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    config = {
        "homeserver": {"name": "hearth.example", "url": "http://127.0.0.1:9"},
        "listen": {"port": 1},
        "registration": "registration.yaml",
        "data": "data",
        "policy": str(POLICIES / "hearth-demo.yaml"),
    }
    (tmp_path / "inglenook.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    path = fresh_store(tmp_path / "data")
    async with open_house(path) as house:
        await house.lanes.accept([house.input(parse_event(message("$1", "bad")))])
        done = await asyncio.to_thread(verify_command, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "every chain is whole" in done.stdout
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM audit WHERE n = 1")
    done = await asyncio.to_thread(verify_command, tmp_path)
    assert done.returncode == 1
    assert "missing" in done.stdout
    assert "Traceback" not in done.stderr
