"""Names of groups: people can tell each room from every other one."""

from __future__ import annotations

import pytest

from policies.files import EXAMPLES
from policies.findings import Finding
from policies.load import load_policy

DEMO = (EXAMPLES / "hearth-demo.yaml").read_text(encoding="utf-8")


def found(name: str) -> list[Finding]:
    """What is found where the second group of the example has this name; the first one is called Start here."""
    written = "    name: After caring\n"
    assert written in DEMO
    text = DEMO.replace(written, f'    name: "{name}"\n')
    lines = text.splitlines()
    findings = list(load_policy(text, "f").findings)
    assert all(lines[one.line - 1].strip().startswith("name:") and one.advice for one in findings)
    return findings


@pytest.mark.parametrize(
    "name",
    [
        "Start here",
        "START HERE",
        "Start  here",
        "Start\u00a0here",
        "\uff33tart here",
        "Start here\ufe0f",
        "\U0001d412tart here",
    ],
)
def test_two_groups_that_look_alike_do_not_load(name: str) -> None:
    findings = found(name)
    assert {one.severity for one in findings} == {"error"}
    assert any("two groups are called" in one.message for one in findings)


@pytest.mark.parametrize("name", ["Hearth: moderators", "hearth:  Safeguarding", "Hearth: OPS", "Hearth: shared"])
def test_a_group_that_is_called_like_a_room_of_the_house_does_not_load(name: str) -> None:
    [finding] = found(name)
    assert (finding.severity, finding.column) == ("error", 11)
    assert "is the name of a room that every community has" in finding.message


def test_a_group_that_is_called_like_the_community_is_advice_and_loads() -> None:
    [finding] = found("HEARTH")
    assert finding.severity == "advice"
    assert "called like the whole community" in finding.message


@pytest.mark.parametrize("name", ["Start there", "Starthere", "Start h\u00e8re", "Hearth moderators"])
def test_names_that_can_be_told_apart_are_free(name: str) -> None:
    assert found(name) == []
