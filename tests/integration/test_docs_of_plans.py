"""Every example of docs/plans.md is typed, in order, and prints what the guide says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.charity import ALIASES, SERVER_NAME, Charity

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "plans.md"


def examples() -> Iterator[tuple[str, list[str]]]:
    """Each command of the guide, with the lines that it should print."""
    for block in re.findall(r"```console\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            yield command, [line for line in lines if line.strip()]


async def test_every_example_of_the_guide_prints_what_it_says(make_homeserver: MakeHomeserver, tmp_path: Path) -> None:
    homeserver = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await homeserver.make_steward_admin()
    charity = await Charity.make(tmp_path / "charity", homeserver)
    try:
        await charity.service.start()
        await charity.apply()
        said = yaml.safe_load(charity.people.read_text(encoding="utf-8"))
        said["people"][f"@new-moon:{SERVER_NAME}"] = {"groups": ["carers-lounge"]}
        with_one_more = yaml.safe_dump(said)
        cut_short = yaml.safe_dump({**said, "people": dict(list(said["people"].items())[:2])}, sort_keys=False)
        played = 0
        for command, lines in examples():
            shortened = command == "inglenook apply policy.yaml"
            refused = shortened or command.startswith("inglenook upgrade")
            charity.people.write_text(cut_short if shortened else with_one_more, encoding="utf-8")
            exit_status, printed = await charity.command(*command.split()[1:], folder=charity.folder)
            assert exit_status == (1 if refused else 0), f"{command}\n{printed}"
            for line in lines:
                pattern = ".*".join(re.escape(part) for part in line.split("…"))
                assert re.search(f"^{pattern}$", printed, re.MULTILINE), f"{command}: {line}\n{printed}"
            played += 1
        assert played == 8
    finally:
        await charity.stop()
