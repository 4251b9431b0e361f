"""The catalogue of all words, read once per process from `locales/`; a bad one is an error with key and line."""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO

from appservice.conversation.markup import BadMarkup, Paragraph, asks_for, parse

LOCALE = "en_GB"
FILE = "inglenook.po"
#: A line of the format; its reader forgives much, and loses a letter over an open quote.
_LINE = re.compile(r'\s*(?:#.*|(?:(?:msgid|msgid_plural|msgstr|msgstr\[\d\])\s+)?"(?:[^"\\]|\\[n"\\])*"\s*)?')
_ID = re.compile(r'msgid\s+"(.+)"\s*$')
_PLURAL_ID = re.compile(r'msgid_plural\s+"(.+)"\s*$')
_KEY = re.compile(r"[a-z_]+(\.[a-z_]+)*")


class BadCatalogue(ValueError):
    """The catalogue cannot be used: file and line, key, what is wrong."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """The paragraphs of one key, by plural form (one form if it does not count)."""

    line: int
    forms: tuple[tuple[Paragraph, ...], ...]


class Phrases:
    """All words of one language. `says` gives the paragraphs of a key for a count."""

    def __init__(self, phrases: Mapping[str, Phrase], form_of: Callable[[int], int]) -> None:
        self._phrases = phrases
        self._form_of = form_of

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self._phrases)

    def says(self, key: str, count: int = 1) -> tuple[Paragraph, ...]:
        forms = self._phrases[key].forms
        return forms[self._form_of(count)] if len(forms) > 1 else forms[0]

    def check(self, needs: Mapping[str, frozenset[str]]) -> None:
        """`needs` are all keys that are said, each with the values it gets. Raises BadCatalogue."""
        for key, given in needs.items():
            if key not in self._phrases:
                raise BadCatalogue(f"{FILE}: {key} is missing")
            taken = [asks_for(form) for form in self._phrases[key].forms]
            everything = frozenset[str]().union(*taken)
            for problem, names in (("asks for", everything - given), ("does not say", given - everything)):
                if names:
                    raise BadCatalogue(f"{self._where(key)} {problem} {', '.join(sorted(names))}")
        for key in sorted(self.keys - set(needs)):
            raise BadCatalogue(f"{self._where(key)} is said nowhere")

    def _where(self, key: str) -> str:
        return f"{FILE}:{self._phrases[key].line}: {key}"


@cache
def phrases() -> Phrases:
    """The words of this process."""
    return read(files("appservice.conversation").joinpath("locales", LOCALE, "LC_MESSAGES", FILE).read_bytes())


def read(data: bytes, locale: str = LOCALE) -> Phrases:
    """Read a catalogue. Raises BadCatalogue."""
    # Only who speaks needs Babel: 30 ms that `inglenook --help` does without.
    from babel.messages.plurals import get_plural
    from babel.messages.pofile import PoFileError, read_po

    lines = _lines_of_keys(data)
    try:
        catalogue = read_po(BytesIO(data), locale=locale, ignore_obsolete=True, abort_invalid=True)
    except (PoFileError, ValueError, IndexError, LookupError) as problem:
        raise BadCatalogue(f"{FILE}: cannot be read: {problem}") from problem
    if catalogue.num_plurals != get_plural(locale).num_plurals:
        raise BadCatalogue(f"{FILE}: the plural forms are not those of {locale}")
    found: dict[str, Phrase] = {}
    for message in catalogue:
        if not message.id:
            continue
        key = message.id if isinstance(message.id, str) else message.id[0]
        line = lines.get(key, 0)
        if message.fuzzy:
            raise BadCatalogue(f"{FILE}:{line}: {key} is marked as fuzzy")
        texts = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        found[key] = Phrase(line, tuple(_paragraphs(text, key, line) for text in texts or ("",)))
    if len(found) != len(lines):
        raise BadCatalogue(f"{FILE}: cannot be read: {', '.join(sorted(set(lines) ^ set(found)))}")
    return Phrases(found, gettext.c2py(catalogue.plural_expr))


def _lines_of_keys(data: bytes) -> dict[str, int]:
    """Where each key stands. What the reader of the format passes over in silence is an error."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise BadCatalogue(f"{FILE}: cannot be read: {problem}") from problem
    lines: dict[str, int] = {}
    last = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not _LINE.fullmatch(line):
            raise BadCatalogue(f"{FILE}:{number}: cannot be read: {line.strip()[:40]}")
        if plural := _PLURAL_ID.match(line):
            if plural[1] != last:
                raise BadCatalogue(f"{FILE}:{number}: {plural[1]} is not the key of its singular")
        elif found := _ID.match(line):
            last = found[1]
            if not _KEY.fullmatch(last):
                raise BadCatalogue(f"{FILE}:{number}: {last} is no key")
            if last in lines:
                raise BadCatalogue(f"{FILE}:{number}: {last} stands twice, first in line {lines[last]}")
            lines[last] = number
    return lines


def _paragraphs(text: str, key: str, line: int) -> tuple[Paragraph, ...]:
    if not text:
        raise BadCatalogue(f"{FILE}:{line}: {key} says nothing")
    try:
        return tuple(parse(paragraph) for paragraph in text.split("\n"))
    except BadMarkup as problem:
        raise BadCatalogue(f"{FILE}:{line}: {key}: {problem}") from problem
