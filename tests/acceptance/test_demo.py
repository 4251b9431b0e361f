"""`inglenook demo` as a newcomer meets it: the command as a process, what it prints, what it leaves behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from appservice.operations import accounts, demo, demo_people, demo_story
from appservice.operations.errors import OperationFailed
from appservice.operations.processes import free_port, release_port

pytestmark = pytest.mark.homeserver

INGLENOOK = Path(sys.executable).parent / "inglenook"
MARK = "INGLENOOK_TEST_RUN"
DEADLINE = 120  # seconds: the first start on a busy machine with two cores
STAYS = "press Ctrl-C"
PEOPLE = ("amina", "dewi", "morgan", "kit", "rosa", "sam")


@dataclass
class Run:
    """One start of the command. Its processes carry a mark in their environment, by which strays are found."""

    process: subprocess.Popen[bytes]
    mark: str
    printed: Path

    @property
    def text(self) -> str:
        return self.printed.read_text(encoding="utf-8")

    @property
    def words(self) -> str:
        """What it printed, as one line: where a line ends is no promise."""
        return " ".join(self.text.split())

    def prints(self, part: str) -> Run:
        """Wait until `part` is printed."""
        until = time.monotonic() + DEADLINE
        while part not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < until, self.text
            time.sleep(0.02)
        return self

    def ends(self) -> int:
        """Wait until it ends; return its exit status."""
        return self.process.wait(DEADLINE)

    def tell(self, number: signal.Signals) -> Run:
        self.process.send_signal(number)
        return self

    def alive(self, part: str = "") -> list[int]:
        """Processes of this run that live now, with `part` in their command line."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                environment = (folder / "environ").read_bytes()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"{MARK}={self.mark}".encode() in environment.split(b"\0") and part in command:
                found.append(int(folder.name))
        return found

    def is_gone(self) -> bool:
        """Wait until none of its processes live (those of a killed parent are ended by the kernel just after)."""
        until = time.monotonic() + DEADLINE
        while (left := self.alive()) and time.monotonic() < until:
            time.sleep(0.02)
        return not left


@dataclass
class Demo:
    """The command with one folder and one port."""

    folder: Path
    port: int
    outputs: Path

    def start(self, *arguments: str) -> Run:
        mark = uuid.uuid4().hex
        printed = self.outputs / f"{mark}.txt"
        with printed.open("wb") as output:
            process = subprocess.Popen(
                [INGLENOOK, "demo", "--directory", self.folder, "--port", str(self.port), *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, MARK: mark},
            )
        return Run(process, mark, printed)

    def check(self) -> Run:
        """`--check`, run to its end."""
        run = self.start("--check")
        run.ends()
        return run

    @property
    def record(self) -> dict[str, object]:
        return dict(json.loads((self.folder / "demo.json").read_bytes()))


def _demo(folder: Path) -> Iterator[Demo]:
    port = free_port()
    yield Demo(folder / "demo", port, folder)
    release_port(port)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Demo]:
    """A demo that was never started."""
    yield from _demo(tmp_path)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that has shown everything once, shared: leave it as it is."""
    for made in _demo(tmp_path_factory.mktemp("shown")):
        first = made.start("--check")
        assert first.ends() == 0, first.text
        first.printed.rename(made.outputs / "first.txt")
        assert first.is_gone()
        yield made


@pytest.fixture(scope="module")
def first_words(shown: Demo) -> str:
    return " ".join((shown.outputs / "first.txt").read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    "seen",
    [
        "made 6 rooms from it",
        "Rosa and Morgan came into “Start here”",
        "Rosa was asked into the closed room “After caring”. Amina sees her there.",
        "Sam, a stranger, came into the open room “Start here”. Rosa sees Sam.",
        "Sam tried to enter “After caring” and was kept out.",
        "Each person has a private room with the helper",
        "It is gone for Rosa.",
        "│ I removed a message here. Nobody is in trouble.",
        "│ Do you think this was wrong?",
        "│ Written by @sam:hearth.example.",
        "Sam's first message is still there",
        "All of it was seen",
        "Everything has stopped",
    ],
)
def test_the_first_start_shows_what_people_saw(first_words: str, seen: str) -> None:
    assert seen in first_words


def test_the_removal_is_shown_with_the_time_it_took(first_words: str) -> None:
    after = first_words.partition("Her program cannot get it back. (")[2]
    number, _, unit = after.partition(")")[0].partition(" ")
    assert number.isdigit()
    assert unit == "ms"


def test_only_the_owner_can_read_what_the_demo_keeps(shown: Demo) -> None:
    for path in [shown.folder, *shown.folder.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_the_key_that_opens_what_the_demo_removed_says_that_it_is_for_nobody_real(shown: Demo) -> None:
    (key,) = shown.folder.rglob("vault.key")
    assert key.read_text(encoding="utf-8").startswith("# DEMO KEY: made for a demo or a test, and for nothing else.")


def test_the_second_start_goes_on_with_the_same_community(shown: Demo) -> None:
    before = shown.record
    again = shown.check()
    assert again.process.returncode == 0, again.text
    assert "the rooms and people of last time" in again.words
    assert "It is gone for Rosa." in again.words
    assert "made 6 rooms" not in again.words
    assert "kept out" not in again.words
    assert shown.record == before
    assert again.is_gone()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_stays_until_told_to_stop_and_leaves_nothing(shown: Demo, number: signal.Signals) -> None:
    run = await asyncio.to_thread(shown.start().prints, STAYS)
    for name in PEOPLE:
        password = next(line.split()[1] for line in run.text.splitlines() if line.split()[:1] == [name])
        assert await accounts.login(f"http://127.0.0.1:{shown.port}", name, password)
    assert f"http://127.0.0.1:{shown.port}" in run.text
    assert "The rooms are not encrypted." in run.text
    assert str(shown.folder) in run.text

    run.tell(number)
    assert await asyncio.to_thread(run.ends) == 0, run.text
    assert "Everything has stopped" in run.text
    assert await asyncio.to_thread(run.is_gone)


def test_a_second_demo_in_the_same_folder_is_refused_and_the_first_goes_on(shown: Demo) -> None:
    run = shown.start().prints(STAYS)
    second = shown.check()
    assert second.process.returncode == 1
    assert "Another demo runs in" in second.words
    assert "Traceback" not in second.text
    assert run.process.poll() is None
    assert run.tell(signal.SIGINT).ends() == 0


def test_it_says_so_when_the_service_ends_by_itself(shown: Demo) -> None:
    run = shown.start().prints(STAYS)
    (service,) = [pid for pid in run.alive("appservice serve") if pid != run.process.pid]
    os.kill(service, signal.SIGKILL)
    assert run.ends() == 1
    assert "Inglenook ended by itself" in run.words
    assert run.is_gone()


def test_a_changed_password_keeps_nobody_out_but_fails_the_check(shown: Demo) -> None:
    record = shown.folder / "demo.json"
    before = record.read_text(encoding="utf-8")
    passwords = json.loads(before)["passwords"]
    record.write_text(before.replace(passwords["sam"], "not-sams-word"), encoding="utf-8")
    try:
        checked = shown.check()
        assert checked.process.returncode == 1
        assert "Sam could not sign in" in checked.words
        stayed = shown.start().prints(STAYS)
        assert "This could not be tried: Sam could not sign in" in stayed.words
        assert stayed.tell(signal.SIGINT).ends() == 0
    finally:
        record.write_text(before, encoding="utf-8")


async def test_a_message_that_stays_fails_the_demo(shown: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_story, "STILL_WORKS", "Good morning.")
    monkeypatch.setattr(demo_people, "PATIENCE", 3.0)
    with pytest.raises(OperationFailed, match="Rosa did not see Sam's message go away within 3 seconds"):
        await demo.run_demo(shown.folder, shown.port, Console(file=StringIO()), stay=False)


@pytest.mark.parametrize(
    ("moment", "begins_again"),
    [("The homeserver runs", True), ("Then Sam gave away", False)],
)
def test_killed_in_the_middle_it_leaves_no_process_and_the_next_start_shows_all(
    fresh: Demo, moment: str, begins_again: bool
) -> None:
    killed = fresh.start("--check").prints(moment).tell(signal.SIGKILL)
    killed.ends()
    passwords = fresh.record["passwords"]
    assert killed.is_gone()

    again = fresh.check()
    assert again.process.returncode == 0, again.text
    assert ("The last start was cut off" in again.words) is begins_again
    assert "Sam's first message is still there" in again.words
    assert fresh.record["passwords"] == passwords


def test_stopped_before_all_was_seen_it_does_not_claim_success(fresh: Demo) -> None:
    run = fresh.start("--check").prints("Inglenook shows itself").tell(signal.SIGINT)
    assert run.ends() == 1
    assert "Stopped before everything was seen." in run.words
    assert "Traceback" not in run.text
    assert run.is_gone()


def test_a_port_in_use_is_named_with_the_way_out(fresh: Demo) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        fresh.port = other.getsockname()[1]
        run = fresh.check()
    assert run.process.returncode == 1
    assert f"Port {fresh.port} is in use. Stop what uses it, or choose another: --port" in run.words
    assert "Traceback" not in run.text


def test_a_folder_that_cannot_be_made_is_bad_input(fresh: Demo) -> None:
    fresh.folder.write_text("a file", encoding="utf-8")
    fresh.folder = fresh.folder / "below"
    run = fresh.check()
    assert run.process.returncode == 2
    assert f"{fresh.folder} cannot be used" in run.words
    assert "Traceback" not in run.text


def test_a_folder_with_other_things_is_left_alone(fresh: Demo) -> None:
    fresh.folder.mkdir(mode=0o755)
    (fresh.folder / "letters.txt").write_text("mine", encoding="utf-8")
    run = fresh.check()
    assert run.process.returncode == 2
    assert "holds other things (letters.txt)" in run.words
    assert stat.S_IMODE(fresh.folder.stat().st_mode) == 0o755
    assert [path.name for path in fresh.folder.iterdir()] == ["letters.txt"]


def test_the_benchmarks_may_keep_their_worlds_beside_it(fresh: Demo) -> None:
    (fresh.folder / "benchmarks").mkdir(parents=True)
    run = fresh.start("--check").prints("Inglenook shows itself").tell(signal.SIGINT)
    assert run.ends() == 1
    assert (fresh.folder / "benchmarks").is_dir()


def test_a_damaged_record_says_what_to_delete(fresh: Demo) -> None:
    fresh.folder.mkdir()
    (fresh.folder / "demo.json").write_text("{", encoding="utf-8")
    run = fresh.check()
    assert run.process.returncode == 1
    assert "demo.json is damaged. To begin again, delete the folder" in run.words
    assert "Traceback" not in run.text
