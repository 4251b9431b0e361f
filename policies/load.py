"""Policy and people files, from text to values or to findings with line, column and advice. Never raises for a mistake."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path as FilePath
from typing import Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from policies.contradictions import problem_of_version, problems_of_dates, problems_of_people, problems_of_policy
from policies.files import people_beside, read_file, read_part
from policies.findings import MAX_FINDINGS, Finding, did_you_mean, has_errors, in_order, shown
from policies.including import Composed, compose, read_policy
from policies.not_offered import NOT_OFFERED
from policies.people import People, PeopleFile, people_of
from policies.problems import Problem
from policies.schema import Group, Policy
from policies.source import Data, Path, Source, as_written, read_yaml
from policies.strict import AS_WRITTEN, WAS_ACCEPTED
from policies.versions import CURRENT, KNOWN, up_to_date, version_of
from policies.written import worded

_Model = TypeVar("_Model", bound=BaseModel)

_WANTED: Final[Mapping[str, str]] = {
    "string_type": "text",
    "int_type": "a whole number",
    "tuple_type": "a list",
    "model_type": "a block of keys",
    "model_attributes_type": "a block of keys",
    "mapping_type": "a block of keys",
    "dict_type": "a block of keys",
}

__all__ = [
    "Loaded",
    "LoadedFiles",
    "LoadedPeople",
    "compose_beside",
    "load_files",
    "load_people",
    "load_policy",
    "out_of_date",
]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy, if no finding is an error, and what was found, in the order of the file."""

    policy: Policy | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class LoadedPeople:
    """People, if no finding is an error, and what was found, in the order of the file."""

    people: People | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class LoadedFiles:
    """A policy with its people, and the findings of both files; `policy` or `people` is None where its file has errors."""

    policy: Policy | None
    people: People | None
    findings: tuple[Finding, ...]


def load_policy(text: str | bytes, filename: str, today: date | None = None, *, was_accepted: bool = False) -> Loaded:
    """Return the policy that a YAML text, or a bundle of them, states; `filename` is what findings call it. Never raises.

    With `today`, what is out of date is among the findings, as advice. `was_accepted`: an earlier version of this program
    put it in force. Then it is returned as long as it can be understood, although a rule of today may refuse it.
    """
    return _policy(read_policy(text, filename), today, was_accepted=was_accepted)


def _policy(source: Source, today: date | None, *, was_accepted: bool = False) -> Loaded:
    policy, findings = _validate(source, Policy, was_accepted)
    if policy is not None:
        findings += _located(source, problems_of_policy(policy))
        if today is not None:
            findings += _located(source, problem_of_version(policy))
            findings += _located(source, problems_of_dates(policy, today))
    refused = has_errors(findings) and not was_accepted
    return Loaded(None if refused else policy, in_order(findings))


def load_people(
    text: str | bytes, filename: str, policy: Policy | None = None, *, was_accepted: bool = False
) -> LoadedPeople:
    """Return the people that a YAML text names, checked against `policy` if there is one. Never raises.

    `was_accepted`: as in `load_policy`.
    """
    source = read_yaml(text, filename)
    file, findings = _validate(source, PeopleFile, was_accepted)
    if file is not None and policy is not None:
        findings += _located(source, problems_of_people(policy, file))
    refused = has_errors(findings) and not was_accepted
    people = people_of(file) if file is not None and not refused else None
    return LoadedPeople(people, in_order(findings))


def out_of_date(policy: Policy, text: str | bytes, filename: str, today: date) -> tuple[Finding, ...]:
    """Return what is out of date on this day in a policy that was loaded from `text`: advice, each at its place."""
    problems = list(problems_of_dates(policy, today))
    return tuple(_located(read_policy(text, filename), problems)) if problems else ()


def load_files(policy_path: FilePath, people_path: FilePath | None = None, today: date | None = None) -> LoadedFiles:
    """Return what the two files say; without `people_path`, people are sought beside the policy (`people_beside`)."""
    read = read_file(policy_path)
    loaded = Loaded(None, read.findings)
    if read.data is not None:
        loaded = _policy(compose_beside(policy_path, read.data).source, today)
    where = people_path or people_beside(policy_path)
    read = read_file(where)
    if read.data is None:
        return LoadedFiles(loaded.policy, None, (*loaded.findings, *read.findings))
    people = load_people(read.data, str(where), loaded.policy)
    return LoadedFiles(loaded.policy, people.people, (*loaded.findings, *people.findings))


def compose_beside(policy_path: FilePath, first: bytes) -> Composed:
    """Return what the file at `policy_path`, which holds `first`, says with the files that it includes from its folder."""
    return compose(first, str(policy_path), lambda name: read_part(policy_path.parent, name))


def _validate(source: Source, model: type[_Model], was_accepted: bool) -> tuple[_Model | None, list[Finding]]:
    findings = list(source.findings)
    if not source.readable:
        return None, findings
    if not isinstance(source.data, dict):
        message = f"the file holds {_kind_of(source.data)}, not keys and values"
        advice = f"Start from one of the examples: {', '.join(_known_keys(model))}."
        return None, [*findings, source.finding("error", (), message, advice)]
    if "schema" in source.data and version_of(source.data) is None:
        # Everything else would only be noise: the file may be right in a language that this program does not speak.
        version = source.data["schema"]
        known = " or ".join(map(str, KNOWN))
        message = f'schema "{shown(str(version))}" is unknown'
        advice = f"This program reads schema: {known}. A file for a later one needs a later program."
        if isinstance(version, str) and version in map(str, KNOWN):
            message, advice = f'schema "{version}" is text', f"Write it without quotes: schema: {version}."
        elif isinstance(version, bool) or not isinstance(version, int | str):
            message = f"{_kind_of(version)} stands where the version of the language is expected"
            advice = f"Write it as a number: schema: {CURRENT}."
        return None, [*findings, source.finding("error", ("schema",), message, advice)]
    try:
        return model.model_validate(up_to_date(source.data), context=AS_WRITTEN), findings
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False)
    # A list whose items are wrong has no items left, and is not too short for that.
    inside = {tuple(error["loc"][:-1]) for error in errors if isinstance(error["loc"][-1], int)}
    errors = [error for error in errors if error["type"] != "too_short" or error["loc"] not in inside]
    placed = sorted(errors, key=lambda error: (_mark_order(source, error), error["type"]))
    findings += [_finding(source, model, error) for error in placed[:MAX_FINDINGS]]
    if was_accepted:
        with suppress(ValidationError):
            return model.model_validate(up_to_date(source.data), context=WAS_ACCEPTED), findings
    return None, findings


def _located(source: Source, problems: Iterable[Problem]) -> list[Finding]:
    findings: list[Finding] = []
    errors = advice = 0
    for p in problems:
        errors += p.severity == "error"
        advice += p.severity == "advice"
        if p.severity == "error" or advice <= MAX_FINDINGS:
            findings.append(source.finding(p.severity, p.path, p.message, p.advice, key=p.key))
        if errors == MAX_FINDINGS:  # not before: an error behind much advice must still stop the file
            break
    return findings


def _path(error: ErrorDetails) -> tuple[Path, bool]:
    """Return the path of an error in the data, and whether it concerns the key."""
    path = tuple(error["loc"])
    if path and path[-1] == "[key]" and error["type"] != "extra_forbidden":
        return path[:-1], True
    return path, error["type"] in ("extra_forbidden", "missing")


def _mark_order(source: Source, error: ErrorDetails) -> tuple[int, int]:
    path, key = _path(error)
    mark = source.mark(path, key=key)
    return mark.line, mark.column


def _finding(source: Source, model: type[BaseModel], error: ErrorDetails) -> Finding:
    path, key = _path(error)
    message, advice = _worded(source, model, error, path)
    return source.finding("error", path, message, advice, key=key)


def _worded(source: Source, model: type[BaseModel], error: ErrorDetails, path: Path) -> tuple[str, str]:
    kind, context = error["type"], error.get("ctx", {})
    around, last = path[:-1], str(path[-1]) if path else ""
    name, field = _field(model, path)
    advice = _advice(name, field)
    if kind == "policy":
        return worded(context["message"]), worded(context["advice"])
    if kind == "extra_forbidden":
        owner = _model_at(model, around)
        if owner is Group and last in NOT_OFFERED:
            return NOT_OFFERED[last]
        return f'unknown key "{shown(last)}"', did_you_mean(last, _known_keys(owner) if owner else ())
    if kind == "missing":
        return f'the key "{last}" is missing from {_name_of(as_written(source.data, around))}', advice
    path = as_written(source.data, path)
    value = _value(source.data, path)
    if kind == "literal_error":
        known = _literals(field)
        if isinstance(value, str):
            return f'"{shown(value)}" is not known here', did_you_mean(value, known)
        return f"{_kind_of(value)} stands where one of {', '.join(known)} is expected", advice
    if kind == "nothing":
        return f'nothing stands behind "{name}:"', f"Write what is meant, or remove the key. {advice}".strip()
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
        return f"{shown(str(value))} is out of range: {bound}", advice
    if kind in ("too_short", "too_long"):
        return f"{_name_of(path)} has {context['actual_length']} entries", advice
    if kind in _WANTED:
        if kind == "string_type" and isinstance(value, bool | int):
            advice = f'Put it in quotes: "{shown(str(value))}".'
        if kind == "int_type" and isinstance(value, str) and value.isdecimal() and len(value) < 10:
            advice = f"{advice} Write it without quotes: {name}: {shown(value)}"
        return f"{_kind_of(value)} stands where {_WANTED[kind]} is expected", advice
    return shown(error["msg"]), advice


def _advice(name: str, field: FieldInfo | None) -> str:
    if field is None:
        return "Compare it with the examples."
    example = f" Example: {name}: {field.examples[0]}" if field.examples else ""
    return f"{field.description or ''}{example}".strip()


def _name_of(path: Path) -> str:
    return ".".join(shown(str(part)) for part in path) or "the file"


def _kind_of(value: Data) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, tuple) else "a block of keys"


def _value(data: Data, path: Path) -> Data:
    for part in path:
        if isinstance(data, dict) and isinstance(part, str):
            data = data.get(part)
        elif isinstance(data, tuple) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def _known_keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _field(model: type[BaseModel], path: Path) -> tuple[str, FieldInfo | None]:
    """Return the nearest field of the language on the way to `path`: a list's item has none, so its list's counts."""
    for end in range(len(path), 0, -1):
        owner = _model_at(model, path[: end - 1])
        for name, field in owner.model_fields.items() if owner else ():
            if (field.alias or name) == path[end - 1]:
                return field.alias or name, field
    return "", None


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """Return the model of the block at `path`, following fields by their written name and mappings by any key."""
    annotation: Any = model
    for part in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            fields = {field.alias or name: field for name, field in annotation.model_fields.items()}
            if part not in fields:
                return None
            annotation = fields[str(part)].annotation
            if get_origin(annotation) in (Union, types.UnionType):
                annotation = get_args(annotation)[0]
        elif get_args(annotation) and issubclass(get_origin(annotation) or object, Mapping):
            annotation = get_args(annotation)[1]
        elif get_origin(annotation) is tuple and isinstance(part, int):
            annotation = get_args(annotation)[0]
        else:
            return None
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _literals(field: FieldInfo | None) -> tuple[str, ...]:
    annotation: Any = field.annotation if field else None
    if get_origin(annotation) in (tuple, Union, types.UnionType):
        annotation = get_args(annotation)[0]
    return tuple(str(value) for value in get_args(annotation))
