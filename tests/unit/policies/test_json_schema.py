"""The published JSON Schema: it takes what the loader takes, and tells editors of what the loader would refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from policies.files import EXAMPLES
from policies.json_schema import json_schema
from policies.source import read_yaml
from tests.unit.policies.test_explain import FULL
from tests.unit.policies.test_load_malformed import EXPECTED, FOLDER

POLICY, PEOPLE = Draft202012Validator(json_schema("policy")), Draft202012Validator(json_schema("people"))
OF_VERSION_1 = Draft202012Validator(json_schema("policy", 1))  # in which the damaged files are written
#: Mistakes that a schema can see: what stands where. References, contradictions and dates are the loader's.
SEEN = ("missing", "number", "type", "unknown", "value")
ALSO_SEEN = {
    "care-history-approved-by-a-moderator",
    "care-limits-approved-by-nobody",
    "reference-rule-misspelt",
    "care-children",
}


def data(content: bytes) -> Any:
    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return [plain(one) for one in value]
        return {key: plain(one) for key, one in value.items()} if isinstance(value, dict) else value

    return plain(read_yaml(content, "f").data)


def test_both_schemas_are_schemas() -> None:
    for validator in (POLICY, PEOPLE):
        Draft202012Validator.check_schema(validator.schema)
        assert validator.schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_valid(path: Path) -> None:
    validator = PEOPLE if path.name.endswith(".people.yaml") else POLICY
    assert [error.message for error in validator.iter_errors(data(path.read_bytes()))] == []


def test_a_policy_with_every_key_is_valid_in_words_and_in_blocks() -> None:
    assert POLICY.is_valid(data(FULL.encode()))
    assert POLICY.is_valid(data(FULL.replace("pins: nobody", "pins: {value: nobody}").encode()))
    assert not POLICY.is_valid(data(FULL.replace("pins: nobody", "pins: somebody").encode()))


@pytest.mark.parametrize(
    "name",
    sorted(name for name in EXPECTED if name.partition("-")[0] in SEEN) + sorted(ALSO_SEEN),
)
def test_what_stands_where_it_may_not_is_seen_by_editors_too(name: str) -> None:
    assert not OF_VERSION_1.is_valid(data((FOLDER / f"{name}.yaml").read_bytes()))


def test_the_schema_of_a_version_takes_files_of_that_version_only() -> None:
    text = (EXAMPLES / "leeds-carers.yaml").read_text(encoding="utf-8")
    old = data(text.replace("schema: 2", "schema: 1").encode())
    assert (POLICY.is_valid(data(text.encode())), OF_VERSION_1.is_valid(data(text.encode()))) == (True, False)
    assert (POLICY.is_valid(old), OF_VERSION_1.is_valid(old)) == (False, True)


def test_a_file_that_includes_others_need_not_hold_everything() -> None:
    assert POLICY.is_valid({"schema": 2, "include": ["groups.yaml"]})
    assert not POLICY.is_valid({"schema": 2})
    assert not POLICY.is_valid({"include": ["groups.yaml"]})


def test_every_key_is_described_with_an_example_that_is_data() -> None:
    def blocks(schema: Any) -> Any:
        if isinstance(schema, dict):
            yield from ([schema] if "properties" in schema else [])
            for value in schema.values():
                yield from blocks(value)
        elif isinstance(schema, list):
            for value in schema:
                yield from blocks(value)

    found = list(blocks(POLICY.schema))
    assert len(found) >= 8
    for block in found:
        assert block["additionalProperties"] is False
        for name, described in block["properties"].items():
            assert described["description"], name
            assert described["examples"], name
    role = POLICY.schema["$defs"]["Role"]["properties"]
    assert role["level"]["examples"] == [50]
    assert role["can"]["examples"] == [["moderate", "approve_join"]]
