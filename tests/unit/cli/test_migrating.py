"""`inglenook migrate`, as a person types it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from appservice.cli import app
from tests.support.paths import POLICIES

OLD = (POLICIES / "leeds-carers.yaml").read_text(encoding="utf-8").replace("schema: 2", "schema: 1")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "ours.yaml"
    path.write_text(OLD, encoding="utf-8")
    path.chmod(0o640)
    shutil.copy(POLICIES / "leeds-carers.people.yaml", tmp_path / "ours.people.yaml")
    return path


def test_the_new_file_is_printed_and_the_old_one_stays(policy: Path) -> None:
    done = CliRunner().invoke(app, ["migrate", str(policy)])
    assert (done.exit_code, policy.read_text(encoding="utf-8")) == (0, OLD)
    assert done.stdout.count("retention: {value: forever") == 4
    assert "\nschema: 2\n" in done.stdout
    assert done.stderr.count("keeps messages for ever") == 4
    assert "What is in force stays in force meanwhile." in done.stderr


def test_written_it_takes_the_place_of_the_old_one_for_the_same_readers(policy: Path) -> None:
    printed = CliRunner().invoke(app, ["migrate", str(policy)]).stdout
    assert CliRunner().invoke(app, ["migrate", str(policy), "--write"]).exit_code == 0
    assert policy.read_text(encoding="utf-8") == printed
    assert policy.stat().st_mode & 0o777 == 0o640
    checked = CliRunner().invoke(app, ["check", str(policy)])
    assert (checked.exit_code, checked.output.count("the text is empty")) == (2, 4)
    filled = printed.replace('because: ""', "because: Minute 4").replace('approved_by: ""', "approved_by: deputy")
    policy.write_text(filled, encoding="utf-8")
    assert CliRunner().invoke(app, ["check", str(policy)]).exit_code == 0


def test_what_is_newest_already_is_left_alone() -> None:
    done = CliRunner().invoke(app, ["migrate", str(POLICIES / "willow.yaml")])
    assert (done.exit_code, done.stdout) == (0, "")
    assert "version 2 of the language, the newest" in done.stderr.replace("\n", " ")


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["migrate", str(tmp_path / "none.yaml")])
    assert done.exit_code == 2
    assert "there is no such file" in done.stderr


def test_the_schema_of_version_1_can_be_printed_still() -> None:
    one, two = (CliRunner().invoke(app, ["schema", *more]).stdout for more in (["--version", "1"], []))
    assert '"urn:inglenook:policy:1"' in one
    assert '"urn:inglenook:policy:2"' in two
