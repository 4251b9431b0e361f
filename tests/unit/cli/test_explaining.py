"""`inglenook explain` and `inglenook schema`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from appservice.cli import app
from tests.support.paths import POLICIES

WILLOW = str(POLICIES / "willow.yaml")


def said(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    assert "Traceback" not in done.output
    return done.exit_code, done.output.replace("\n", " ")


def test_a_group_is_explained_with_lines_defaults_and_state() -> None:
    status, text = said("explain", "reading-room", WILLOW)
    assert status == 0
    assert "willow.yaml:" in text
    assert "from kind closed" in text
    assert 'becomes m.room.retention {"max_lifetime": 2592000000}' in text


def test_without_a_group_the_community_is_explained_and_its_rooms_are_named() -> None:
    status, text = said("explain", WILLOW)
    assert status == 0
    assert "risk assessment: Reviewed on 2026-11-02" in text
    assert "There are: space, reading-room, moderators, safeguarding, ops." in text


def test_json_says_the_same_and_names_nobody() -> None:
    status, text = said("explain", "reading-room", WILLOW, "--json")
    assert status == 0
    found = json.loads(text)
    assert {"about", "words", "origin", "matrix"} == set(found[0])
    assert "@" not in text, "no person stands in it"


@pytest.mark.parametrize("file", ["none.yaml", "bad.yaml"])
def test_a_file_that_cannot_be_read_ends_with_two_and_advice(file: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("schema: 1\ncommunity: [\n", encoding="utf-8")
    status, text = said("explain", "welcome", str(tmp_path / file))
    assert status == 2
    assert file in text


def test_a_group_that_there_is_not_ends_with_two_and_what_was_meant() -> None:
    status, text = said("explain", "reading-rom", WILLOW)
    assert status == 2
    assert 'Did you mean "reading-room"?' in text


def test_the_schema_is_printed_as_json() -> None:
    for option, title in (([], "A policy of Inglenook"), (["--people"], "The people of a policy")):
        status, text = said("schema", *option)
        assert status == 0
        assert json.loads(text)["title"].startswith(title)
