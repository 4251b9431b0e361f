"""The language as a JSON Schema (draft 2020-12), made from the models that read it: for editors, which complete and check.

It knows what stands where. References and contradictions only the loader knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel

from policies.defaults import TIERS
from policies.escalation import LadderBlock
from policies.people import PeopleFile
from policies.schema import Policy
from policies.settings import Setting
from policies.source import Data, read_yaml
from policies.versions import CURRENT

_MODELS: Final[Mapping[str, tuple[type[BaseModel], str]]] = {
    "policy": (Policy, "A policy of Inglenook: what a community is."),
    "people": (PeopleFile, "The people of a policy of Inglenook: who holds which role, and may be in which group."),
}

_SHORT_FORMS: Final[Mapping[str, str]] = {LadderBlock.__name__: "steps"}
"""Blocks of which one key may stand alone, in place of the whole."""

_NOTHING: Final[Mapping[str, str]] = {"type": "null"}

__all__ = ["json_schema"]


def json_schema(file: Literal["policy", "people"], version: int | None = None) -> dict[str, Any]:
    """Return the schema of one of the two files as JSON values; of a policy in this version, else in the newest.

    Versions differ in what a key means, or asks for, when it is left out: the keys are the same.
    """
    model, title = _MODELS[file]
    number = (version or CURRENT) if file == "policy" else 1
    made = model.model_json_schema(by_alias=True)
    if file == "policy":
        described = made["properties"]["schema"]
        kept = {name: value for name, value in described.items() if name not in ("enum", "type")}
        made["properties"]["schema"] = kept | {"const": number, "examples": [number]}
    blocks: dict[str, Any] = made.pop("$defs", {})
    if "Group" in blocks:  # what the loader refuses is not offered (CARE, rule 11)
        tier = blocks["Group"]["properties"]["tier"]
        tier["enum"] = [name for name in tier["enum"] if TIERS[name].offered]
    for setting in Setting.__subclasses__():
        if setting.__name__ in blocks:
            blocks[setting.__name__] = _word_or_block(setting, blocks[setting.__name__])
    for name, short in _SHORT_FORMS.items():
        if name in blocks:
            block = blocks[name]
            described = {"description": block.get("description", "")}
            blocks[name] = {"anyOf": [dict(block["properties"][short]), dict(block)], **described}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:inglenook:{file}:{number}"}
    if "include" in made["properties"]:
        split = {"required": ["include"]}
        made["anyOf"] = [{"required": [name for name in made["required"] if name != "schema"]}, split]
        made["required"] = ["schema"]
    whole = {**head, **made, "title": title, "$defs": blocks}
    result = _finished(whole)
    assert isinstance(result, dict)
    return result


def _word_or_block(setting: type[Setting], block: Mapping[str, Any]) -> dict[str, Any]:
    described = {"description": block.get("description", "")}
    word = {"enum": list(setting.words)} if setting.words else dict(block["properties"][setting.word])
    return {"anyOf": [word, dict(block)], **described}


def _finished(value: object) -> object:
    """Return the schema with examples as data, without titles made of names or nothing, and no keys but known ones."""
    if isinstance(value, list):
        return [_finished(one) for one in value]
    if not isinstance(value, dict):
        return value
    value = _without_nothing(value)
    made = {name: _finished(one) for name, one in value.items() if not _is_made_title(name, one, value)}
    examples = made.get("examples")
    if isinstance(examples, list):
        made["examples"] = [_data(one) for one in examples]
    if "patternProperties" in made:
        made["additionalProperties"] = False
    return made


def _without_nothing(value: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a key that may be left out as one of what may stand behind it: never nothing."""
    ways = value.get("anyOf")
    if not isinstance(ways, list) or _NOTHING not in ways:
        return value
    left = [way for way in ways if way != _NOTHING]
    kept = {name: one for name, one in value.items() if name not in ("anyOf", "default")}
    return {**left[0], **kept} if len(left) == 1 else {"anyOf": left, **kept}


def _is_made_title(name: str, one: object, around: Mapping[str, object]) -> bool:
    return name == "title" and isinstance(one, str) and "$schema" not in around


def _data(example: object) -> object:
    """Return what an example, which stands in the models as YAML, says."""
    if not isinstance(example, str):
        return example
    read = read_yaml(f"x: {example}", "example").data
    return _plain(read["x"]) if isinstance(read, dict) else example


def _plain(data: Data) -> object:
    if isinstance(data, tuple):
        return [_plain(one) for one in data]
    return {name: _plain(one) for name, one in data.items()} if isinstance(data, dict) else data
