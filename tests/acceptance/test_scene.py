"""The scene as a person starts it, and that it notices when something is missing: exactly the step that should."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from appservice.operations import scene, scene_people
from appservice.operations.processes import free_port, release_port
from appservice.operations.scene_steps import STEPS, SWITCHES

pytestmark = pytest.mark.homeserver


@pytest.fixture
def port() -> Iterator[int]:
    port = free_port()
    yield port
    release_port(port)


def test_every_step_is_seen_by_people_and_read_again_by_others(tmp_path: Path, port: int) -> None:
    command = [sys.executable, "-m", "appservice", "demo", "--scene", "--json"]
    done = subprocess.run(
        [*command, "--directory", str(tmp_path / "demo"), "--port", str(port)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = json.loads(done.stdout)
    problems = [step.get("problem") for step in said["steps"]]
    assert (done.returncode, [step["step"] for step in said["steps"]]) == (0, list(STEPS)), problems
    for step in said["steps"]:
        assert set(step) == {"step", "ok", "seen", "ms"}
        assert step["ok"] is True
        for one in step["seen"]:
            assert set(one) == {"by", "room_id", "event_id", "what"}
            assert one["by"].startswith("@")
            assert one["event_id"].startswith("$")
        again = [one for one in step["seen"] if one["what"].endswith("(read again)")]
        first = {one["event_id"]: one["by"] for one in step["seen"] if not one["what"].endswith("(read again)")}
        assert len(again) >= 2
        assert all(one["by"] != first[one["event_id"]] for one in again)


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("a", "space_links"),
        ("b", "approve"),
        ("c", "power_levels"),
        ("d", "remove"),
        ("e", "edit_of_removed"),
        ("f", "touch_case"),
        ("g", "care.suicide"),
        ("g", "urgent_card"),
        ("h", "care_gate"),
        ("i", "gap_check"),
        ("i", "dedupe"),
    ],
)
async def test_with_that_switched_off_exactly_that_step_fails(
    step: str, name: str, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene_people, "PATIENCE_S", 20.0)  # what is switched off never comes
    assert name in SWITCHES[step]
    out = Console(file=io.StringIO())
    played = await scene.run_scene(tmp_path / "demo", port, out, as_json=True, without=[name])
    assert {one.step: one.ok for one in played} == {other: other != step for other in STEPS}, played
    (failed,) = (one for one in played if not one.ok)
    assert failed.problem


def test_a_name_that_cannot_be_switched_off_is_bad_input(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "appservice", "demo", "--scene", "--without", "gravity"]
    done = subprocess.run(
        [*command, "--directory", str(tmp_path / "demo")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "--without gravity" in done.stderr
    assert not (tmp_path / "demo").exists()
