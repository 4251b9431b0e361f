"""How a test takes a rule of ours away: what makes it true is replaced for as long as the test runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from appservice.conversation import phrases, texts

Patch = pytest.MonkeyPatch


def without(target: object, name: str, value: Any) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(target, name, value)


def both(*removals: Callable[[Patch], None]) -> Callable[[Patch], None]:
    def remove(patch: Patch) -> None:
        for one in removals:
            one(patch)

    return remove


def saying(key: str, old: str, new: str) -> Callable[[Patch], None]:
    """The words of a text are others."""

    def remove(patch: Patch) -> None:
        po = files("appservice.conversation").joinpath("locales", "en_GB", "LC_MESSAGES", "inglenook.po")
        start, entry, rest = po.read_text(encoding="utf-8").partition(f'msgid "{key}"\n')
        said, end, others = rest.partition("\nmsgid ")
        assert old in said, f"{key} does not say {old!r} any more: this removal removes nothing"
        changed = phrases.read((start + entry + said.replace(old, new) + end + others).encode())
        patch.setattr(texts, "phrases", lambda: changed)

    return remove
