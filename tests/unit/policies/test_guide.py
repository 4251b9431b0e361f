"""docs/policies.md: each example in it is accepted, and each key of the language stands in it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from policies.bundle import packed
from policies.defaults import CONDUCT_RULES
from policies.escalation import Escalation, LadderBlock, StepBlock
from policies.files import EXAMPLES
from policies.findings import has_errors
from policies.ladders import BUILT_IN
from policies.load import load_people, load_policy
from policies.schema import CodeOfConduct, Community, Group, RiskAssessment, Role
from policies.settings import (
    Drift,
    FederationSetting,
    JoinBlock,
    Limits,
    LimitSetting,
    MembershipBlock,
    PostingSetting,
    Setting,
)
from tests.support.paths import CHECKOUT

GUIDE = (CHECKOUT / "docs" / "policies.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
#: What fragments are put into; they begin at the top of a file, so that a reader knows where they belong.
BASE = (EXAMPLES / "leeds-carers.yaml").read_text(encoding="utf-8")


def merged(base: Any, more: Any) -> Any:
    if isinstance(base, dict) and isinstance(more, dict):
        return base | {key: merged(base.get(key), value) for key, value in more.items()}
    return more


def test_the_guide_has_examples() -> None:
    assert len(BLOCKS) >= 8
    assert GUIDE.count("```yaml") == len(BLOCKS)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][:30])
def test_an_example_of_the_guide_is_accepted(block: str) -> None:
    said = yaml.load(block, Loader=yaml.BaseLoader)
    if "people" in said:
        found = load_people(block, "guide", load_policy(BASE, "base").policy)
        assert not has_errors(found.findings), found.findings
    elif "community" in said and "groups" in said:
        assert load_policy(block, "guide").findings == ()
    elif "include" in said:
        files = dict.fromkeys(said["include"], b"{}\n")
        assert load_policy(packed(f"{BASE}\n{block}".encode(), files), "guide").findings == ()
    else:
        base = yaml.load(BASE, Loader=yaml.BaseLoader)
        assert said.keys() <= base.keys() | {"rules", "escalation", "drift"}
        text = yaml.safe_dump(_numbers(merged(base, said)))
        loaded = load_policy(text, "guide")
        assert loaded.policy is not None, loaded.findings
        assert loaded.findings == ()


_NUMBERS = ("schema", "level", "capacity", "percent", "of_at_least", "first_messages")


def _numbers(data: Any) -> Any:
    """What BaseLoader left as text, as a person who wrote it would mean it."""
    if isinstance(data, dict):
        return {key: int(one) if key in _NUMBERS else _numbers(one) for key, one in data.items()}
    return [_numbers(one) for one in data] if isinstance(data, list) else data


@pytest.mark.parametrize(
    "model",
    [
        *(
            Community,
            Group,
            Role,
            CodeOfConduct,
            RiskAssessment,
            Setting,
            FederationSetting,
            PostingSetting,
            Limits,
            LimitSetting,
        ),
        *(Escalation, LadderBlock, StepBlock, Drift, JoinBlock, MembershipBlock),
    ],
)
def test_every_key_of_the_language_stands_in_the_guide(model: Any) -> None:
    for name in model.model_fields:
        assert re.search(rf"`{name}`|\b{name}:", GUIDE), name


def test_every_example_file_stands_in_the_guide() -> None:
    for path in EXAMPLES.glob("*.yaml"):
        assert path.name.endswith(".people.yaml") or f"`{path.name}`" in GUIDE, path.name


def test_the_guide_names_no_rule_that_there_is_not() -> None:
    named = {name for block in BLOCKS for name in (yaml.safe_load(block).get("rules") or {})}
    assert named <= set(CONDUCT_RULES)


def test_the_ladders_of_the_guide_are_those_that_are_built_in() -> None:
    """The table is read by people who write none of their own."""
    table = GUIDE[GUIDE.index("## Who is called") :].split("\n\n")[2]
    told = {line.split("|")[1].strip(" `"): line.split("|")[5].strip() for line in table.splitlines()[2:]}
    assert told == {
        "conduct": "eight staffed hours",
        "help": "eight staffed hours",
        "serious": "one staffed hour",
        "danger": "15 minutes, day and night",
    }
    assert {band: {step.minutes for step in ladder.steps} for band, ladder in BUILT_IN.items()} == {
        "conduct": {480},
        "help": {480},
        "serious": {60},
        "danger": {15},
    }
