"""What was set in a room, laid over the policy file before it is compiled: one key of one group each. Pure.

The file wins: what it says itself, no layer changes. A layer that the file overrules, or that does not fit it any more,
has no effect, and is told of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from policies.contradictions import Problem, problems_of_policy
from policies.findings import did_you_mean, shown
from policies.hours import HoursError, parse_hours
from policies.notes import Note
from policies.plain_words import quoted
from policies.schema import MAX_CAPACITY, MIN_CAPACITY, Group, Policy
from policies.times import TimeError, day_at, parse_pause
from policies.written import MAX_SENTENCE, worded

Value = str | int
Why = Literal["file", "gone", "unfit"]

__all__ = [
    "SETTABLE",
    "BadSetting",
    "Layer",
    "Layered",
    "Overruled",
    "Settable",
    "Value",
    "day_set",
    "layered",
    "layers_from_json",
    "layers_to_json",
    "notes_of",
    "setting_of",
    "with_layer",
    "written_value",
]


class BadSetting(ValueError):
    """What was typed cannot be set: `key` is what it names, "" if it names nothing that can be."""

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, slots=True)
class Layer:
    """One key of one group, as `by` (a user id) set it in a room, at `at_ms` (ms since 1970)."""

    group: str
    key: str
    value: Value
    by: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Settable:
    """A key that may be set in a room.

    path: where it stands in a group of the policy. read: from the words typed to the value as a file would have it; raises
    ValueError. off: words that mean that nothing is set. about: what it is, for whoever reads of it in a plan.
    whole: what the value is in this community, with what nobody types.
    """

    key: str
    path: tuple[str, ...]
    read: Callable[[str], Value]
    off: frozenset[str]
    about: str
    whole: Callable[[Policy, Value], Value] = lambda _policy, value: value


@dataclass(frozen=True, slots=True)
class Overruled:
    """A layer without effect: the file says the key itself, has no such group any more, or forbids it there (`words`)."""

    layer: Layer
    why: Why
    words: str = ""


@dataclass(frozen=True, slots=True)
class Layered:
    """A policy with what was set in rooms: the layers that hold, and those that do not."""

    policy: Policy
    kept: tuple[Layer, ...]
    overruled: tuple[Overruled, ...]


def _number(words: str) -> Value:
    if not (words.isascii() and words.isdigit() and len(words) <= 6 and MIN_CAPACITY <= int(words) <= MAX_CAPACITY):
        raise ValueError(f"a number from {MIN_CAPACITY} to {MAX_CAPACITY}")
    return int(words)


def _sentence(words: str) -> Value:
    said = " ".join(words.split()).strip("\"“”'")
    if not said or len(said) > MAX_SENTENCE:
        raise ValueError(f"one sentence of at most {MAX_SENTENCE} characters")
    return said


def _pause(words: str) -> Value:
    try:
        return str(parse_pause(words))
    except TimeError:
        raise ValueError("a number and its unit, from 5s to 6h") from None


def _hours(words: str) -> Value:
    for said in (words, f"{words} UTC"):  # the zone goes without saying: it is the community's
        try:
            parse_hours(said)
        except HoursError:
            continue
        return " ".join(words.split())
    raise ValueError("days and times, such as Tue 18:00-21:00")


def _in_the_zone(policy: Policy, value: Value) -> Value:
    try:
        parse_hours(str(value))
    except HoursError:
        return f"{value} {policy.community.hours.zone}"
    return value


SETTABLE: Final[Mapping[str, Settable]] = {
    one.key: one
    for one in (
        Settable("capacity", ("capacity",), _number, frozenset({"none", "off", "any"}), "how many people can be in it"),
        Settable("welcome", ("welcome",), _sentence, frozenset({"none", "off"}), "what newcomers are told"),
        Settable(
            "slow", ("posting", "slow"), _pause, frozenset({"none", "off"}), "how long each waits between messages"
        ),
        Settable("hours", ("hours",), _hours, frozenset({"none", "off"}), "when somebody looks after it", _in_the_zone),
    )
}
"""Every key that may be set in a room."""


def setting_of(key: str, words: str) -> tuple[Settable, Value | None]:
    """Return which key is meant, and the value that was typed for it; None for a word that takes it away.

    Raises `BadSetting`, with advice.
    """
    settable = SETTABLE.get(key.lower())
    if settable is None:
        raise BadSetting(f'"{shown(key)}" cannot be set in a room. {did_you_mean(key.lower(), SETTABLE)}')
    if words.strip().lower() in settable.off:
        return settable, None
    try:
        return settable, settable.read(words.strip())
    except ValueError as wrong:
        raise BadSetting(f"{settable.key} takes {wrong}", settable.key) from None


def written_value(group: Group, key: str) -> str | None:
    """Return what a group says of a key, as a file has it; None if it says nothing."""
    value: Any = group.model_dump(mode="json", by_alias=True)
    for part in SETTABLE[key].path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return None if value is None else str(value)


def with_layer(policy: Policy, layer: Layer) -> Policy:
    """Return the policy with one layer laid over it. Raises `BadSetting` where the language does not have such a value."""
    group = policy.groups[layer.group]
    said = group.model_dump(by_alias=True)
    block: dict[str, Any] = said
    *outer, last = SETTABLE[layer.key].path
    for part in outer:
        if not isinstance(block.get(part), dict):
            block[part] = {}
        block = block[part]
    block[last] = SETTABLE[layer.key].whole(policy, layer.value)
    try:
        changed = Group.model_validate(said)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_input=False)[0]
        context = error.get("ctx", {})
        words = ". ".join(worded(context[name]) for name in ("message", "advice") if name in context) or error["msg"]
        raise BadSetting(words, layer.key) from None
    return policy.model_copy(update={"groups": {**policy.groups, layer.group: changed}})


def layered(policy: Policy, layers: Iterable[Layer]) -> Layered:
    """Return a policy with what was set in rooms; the order of the layers means nothing, one key of a group has one."""
    kept: list[Layer] = []
    overruled: list[Overruled] = []
    for layer in sorted(layers, key=lambda one: (one.group, one.key)):
        group = policy.groups.get(layer.group)
        if group is None or layer.key not in SETTABLE:
            overruled.append(Overruled(layer, "gone"))
        elif (said := written_value(group, layer.key)) is not None:
            overruled.append(Overruled(layer, "file", said))
        else:
            kept.append(layer)
    if not kept:
        return Layered(policy, (), tuple(overruled))
    allowed = set(_errors(policy))
    whole, unfit = _laid(policy, kept)
    if not unfit and allowed.issuperset(_errors(whole)):
        return Layered(whole, tuple(kept), tuple(overruled))
    # Something does not go together: it is found one by one, so that the others go on to hold.
    now, holding = policy, []
    for layer in kept:
        then, unfit = _laid(now, [layer])
        wrong = unfit or [f"{one.message}. {one.advice}" for one in _errors(then) if one not in allowed]
        if wrong:
            overruled.append(Overruled(layer, "unfit", wrong[0]))
        else:
            now = then
            holding.append(layer)
    return Layered(now, tuple(holding), tuple(overruled))


def _laid(policy: Policy, layers: Iterable[Layer]) -> tuple[Policy, list[str]]:
    """The policy with the layers, and what the language says against some of them."""
    wrong: list[str] = []
    for layer in layers:
        try:
            policy = with_layer(policy, layer)
        except BadSetting as error:
            wrong.append(str(error))
    return policy, wrong


def _errors(policy: Policy) -> list[Problem]:
    return [one for one in problems_of_policy(policy) if one.severity == "error"]


def notes_of(found: Layered) -> tuple[Note, ...]:
    """Return a note for each layer without effect."""
    return tuple(_note(found.policy, one) for one in found.overruled)


def _note(policy: Policy, one: Overruled) -> Note:
    layer, group = one.layer, policy.groups.get(one.layer.group)
    name = quoted(group.name if group is not None else layer.group)
    day = day_set(policy, layer)
    begins = f"{name}: {layer.key} {shown(str(layer.value))}, set in the room on {day}, has no effect any more"
    if one.why == "file":
        return Note("overruled", layer.group, f"{begins}: the file says {layer.key} {shown(one.words)}.")
    if one.why == "unfit":
        return Note("overruled", layer.group, f"{begins}: {one.words}")
    return Note("overruled", None, f"{begins}: the policy has no such group or key.")


def day_set(policy: Policy, layer: Layer) -> date:
    """Return the day on which something was set, where the community is."""
    return day_at(layer.at_ms, policy.community.hours.zone)


def layers_to_json(layers: Iterable[Layer]) -> bytes:
    """Return layers for the store, the same for any order of them; `layers_from_json` reads them."""
    ordered = sorted(layers, key=lambda one: (one.group, one.key))
    return json.dumps([asdict(one) for one in ordered], sort_keys=True, separators=(",", ":")).encode()


def layers_from_json(data: bytes | None) -> tuple[Layer, ...]:
    """Return the layers that were stored; none for None. Raises ValueError for anything else."""
    return tuple(_ADAPTER.validate_json(data)) if data else ()


_ADAPTER: Final = TypeAdapter(list[Layer])
