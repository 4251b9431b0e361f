"""Keys name decisions: the same decision has the same key for ever, another one never has it."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appservice.flow import effect_key, transaction_id

#: What an identifier may hold; U+001F separates the parts and cannot stand in one.
part = st.text(st.characters(codec="utf-8", exclude_characters="\x1f"), max_size=30)
parts = st.tuples(part, part, part, part, part, st.integers(0, 1000))

DECISION = ("$event", "personal_data.phone", "redact", "$event", "guardian", 0)


@given(parts)
def test_the_same_decision_has_the_same_key(decision: tuple[str, str, str, str, str, int]) -> None:
    assert effect_key(*decision) == effect_key(*decision)


@given(parts, parts)
def test_two_decisions_share_a_key_only_if_they_are_the_same(
    one: tuple[str, str, str, str, str, int], other: tuple[str, str, str, str, str, int]
) -> None:
    assert (effect_key(*one) == effect_key(*other)) == (one == other)


@pytest.mark.parametrize("index", range(6), ids=["source", "rule", "type", "target", "identity", "ordinal"])
def test_a_key_differs_in_each_of_its_six_parts(index: int) -> None:
    changed: list[str | int] = list(DECISION)
    changed[index] = 1 if index == 5 else "another"
    assert effect_key(*changed) != effect_key(*DECISION)  # type: ignore[arg-type]


def test_text_cannot_move_from_one_part_of_a_key_into_the_next() -> None:
    assert effect_key("ab", "c", "t", "x", "i", 0) != effect_key("a", "bc", "t", "x", "i", 0)


@given(parts)
def test_a_key_is_fit_for_a_path_and_a_transaction_id(decision: tuple[str, str, str, str, str, int]) -> None:
    key = effect_key(*decision)
    assert re.fullmatch(r"[a-z2-7]{32}", key)
    assert re.fullmatch(r"ink-[a-z2-7]{32}-part", transaction_id(key, "part"))


def test_each_part_of_an_effect_has_a_transaction_id_of_its_own() -> None:
    assert len({transaction_id("key"), transaction_id("key", "1"), transaction_id("key", "2")}) == 3


def test_a_key_is_the_same_in_every_process_and_version() -> None:
    # A store written today must be read by the next version: this value may never change.
    assert effect_key(*DECISION) == "yuc6uimptxx3wq5helhpgncwqj3tby7q"
    program = f"from appservice.flow import effect_key; print(effect_key(*{DECISION!r}))"
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert out.stdout.strip() == effect_key(*DECISION)
