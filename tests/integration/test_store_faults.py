"""A store that cannot be written, for real: the service refuses, says so, keeps answering, and loses nothing."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio

from appservice.operations.status import read_status
from appservice.service.config import load_registration
from tests.support.community import VIOLATION, Community
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeCommunity

pytestmark = pytest.mark.homeserver

#: Bytes of the small disk: the store fits several times, a filler takes the rest.
DISK = 6 * 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, of 6 MB (a tmpfs). Mounting needs root; without, `PRAGMA max_page_count` in
    tests/unit/store/test_commits.py is what there is."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest_asyncio.fixture(loop_scope="session")
async def community(make_community: MakeCommunity) -> AsyncIterator[Community]:
    yield await make_community(start=False)


async def ask(community: Community, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Ask the service what the homeserver would ask it."""
    listen = community.service.config.listen
    token = load_registration(community.service.config.registration).hs_token
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20), headers=headers) as session:
        async with session.request(method, f"http://{listen.host}:{listen.port}{path}", json=body) as answer:
            return answer.status, await answer.json()


async def refuses(community: Community, reason: str) -> None:
    """Wait until the service says that its store refuses; then it must still answer everything else."""

    async def said() -> bool:
        status = await community.service.status()
        assert status is not None, "the service does not answer"
        return bool(status["store"]["refusing"] == reason)

    await eventually(said, f"status says “{reason}”", within=30)
    assert (await ask(community, "POST", "/_matrix/app/v1/ping", {"transaction_id": "1"}))[0] == 200
    status, answer = await ask(community, "PUT", "/_matrix/app/v1/transactions/99999", {"events": [invented()]})
    assert (status, answer["errcode"]) == (503, "M_UNKNOWN")
    found = await read_status(community.service.config)
    assert not found.well
    assert f"the store refuses to write: {reason}" in found.problems


def invented() -> dict[str, Any]:
    return {"event_id": "$invented", "room_id": "!nowhere", "type": "m.room.message", "content": {"body": "x" * 60_000}}


def fill(folder: Path) -> Path:
    """Write until nothing more fits."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return filler


async def test_a_full_disk_refuses_transactions_and_everything_is_done_once_when_there_is_room_again(
    community: Community, small_disk: Path
) -> None:
    data = community.service.config.data
    shutil.copytree(data, small_disk, dirs_exist_ok=True)
    shutil.rmtree(data)
    data.symlink_to(small_disk)
    await community.start()
    before = await community.say("sam", "welcome", VIOLATION)
    await community.redacted([before])
    filler = fill(small_disk)
    during = [await community.say("sam", "welcome", f"{VIOLATION} {n}") for n in range(3)]
    await refuses(community, "disk full")
    assert community.service.pid is not None
    filler.unlink()
    after = await community.say("rosa", "bereaved", VIOLATION)
    await community.all_told_once([before, *during, after])
    status = await community.service.status()
    assert status is not None
    assert status["store"]["refusing"] is None
    assert status["problems"] == []


async def test_a_locked_store_refuses_transactions_and_everything_is_done_once_when_it_is_released(
    community: Community,
) -> None:
    await community.start()
    with closing(sqlite3.connect(community.service.config.store, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        during = [await community.say("sam", "welcome", f"{VIOLATION} {n}") for n in range(3)]
        await refuses(community, "database locked")
        other.execute("ROLLBACK")
    await community.all_told_once(during)


async def test_a_store_that_refuses_while_effects_are_under_way_does_not_repeat_them(community: Community) -> None:
    """What became of a redaction cannot be written down; it is done, and must not be done again."""
    await community.start()
    sent = [await community.say("sam", "welcome", f"{VIOLATION} {n}") for n in range(5)]
    await community.redacted(sent[:1])
    with closing(sqlite3.connect(community.service.config.store, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        sent.append(await community.say("sam", "welcome", VIOLATION))
        await refuses(community, "database locked")
        other.execute("ROLLBACK")
    await community.all_told_once(sent)


async def test_a_service_killed_while_its_disk_is_full_starts_again_on_it_and_catches_up(
    community: Community, small_disk: Path
) -> None:
    data = community.service.config.data
    shutil.copytree(data, small_disk, dirs_exist_ok=True)
    shutil.rmtree(data)
    data.symlink_to(small_disk)
    await community.start()
    await community.settled()
    filler = fill(small_disk)
    sent = [await community.say("sam", "welcome", VIOLATION)]
    await refuses(community, "disk full")
    await community.service.kill()
    filler.unlink()
    await community.service.start()
    await community.all_told_once(sent)
