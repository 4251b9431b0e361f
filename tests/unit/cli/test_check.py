"""`inglenook check`: what a person who writes a policy is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from appservice.cli import app
from tests.support.paths import POLICIES

EXAMPLES = sorted(path for path in POLICIES.glob("*.yaml") if not path.name.endswith(".people.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_good_policy_is_called_good_with_what_it_makes(example: Path) -> None:
    done = CliRunner().invoke(app, ["check", str(example)])
    assert done.exit_code == 0, done.output
    assert "rooms" in done.output
    assert "people" in done.output


def test_a_mistake_is_told_with_file_line_and_advice_and_ends_with_two(tmp_path: Path) -> None:
    example = POLICIES / "hearth-demo.yaml"
    lines = example.read_text(encoding="utf-8").splitlines()
    number = next(n for n, line in enumerate(lines) if "kind: open" in line)
    lines[number] = lines[number].replace("kind: open", "kindd: open")
    bad = tmp_path / "hearth-demo.yaml"
    bad.write_text("\n".join(lines), encoding="utf-8")
    people = ["--people", str(POLICIES / "hearth-demo.people.yaml")]
    done = CliRunner().invoke(app, ["check", str(bad), *people])
    assert done.exit_code == 2
    assert f"hearth-demo.yaml:{number + 1}:" in done.output.replace("\n", "")
    assert "kind" in done.output
    findings = json.loads(CliRunner().invoke(app, ["check", str(bad), "--json", *people]).output)
    assert [one["advice"] for one in findings if one["line"] == number + 1]


def test_a_file_that_is_not_there_is_a_mistake_in_words(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["check", str(tmp_path / "none.yaml")])
    assert done.exit_code == 2
    assert "none.yaml" in done.output.replace("\n", "")
    assert "Traceback" not in done.output


_LOADED = """
import sys
from appservice.cli import app
try:
    app(["check", sys.argv[1]])
except SystemExit as ended:
    assert ended.code == 0, ended.code
unwanted = ("asyncio", "aiohttp", "sqlalchemy", "phonenumbers", "appservice.flow", "appservice.service.config")
print(*(name for name in unwanted if name in sys.modules), file=sys.stderr)
"""


def test_check_loads_nothing_that_asks_a_service_or_a_homeserver() -> None:
    """It is typed again and again while somebody writes, and nearly all its time was for what it does not use."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, str(POLICIES / "hearth-demo.yaml")], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == ""
