"""YAML text to plain data, with the line and column of every key and value. Never raises for what a person wrote.

A small, safe YAML: one document, no anchors, aliases or own tags, no guessing (only `true`, `false`, `null` and whole
numbers are not text). It is bounded in bytes, values and depth while it is read, so that no file takes long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import yaml

from policies.files import MAX_BYTES
from policies.findings import MAX_FINDINGS, Finding, Severity, shown
from policies.yaml_problems import explain_problem

MAX_NODES: Final = 50_000  # keys and values: a thousand groups need about 15,000
MAX_DEPTH: Final = 12  # blocks inside blocks: the language needs five

Scalar = str | int | bool | None
Data = Scalar | tuple["Data", ...] | dict[str, "Data"]
Path = tuple[str | int, ...]

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where the wheel brings it: ten times faster
_CORE_TAGS: Final = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "bool", "null", "map", "seq")}
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")  # not 007 or +44: those are phone numbers, and stay text
_WORDS: Final[Mapping[str, Scalar]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# What nobody sees but what changes how a text reads or is counted: controls, overrides of writing direction, breaks that
# editors do not count as lines. Marks and joiners that real languages and emoji need (U+200C to U+200F) are allowed.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u115f\u1160\u180e\u200b\u2028-\u202e\u2060-\u2069\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
# How files begin that somebody may take for a text, since a program shows them as one.
_NO_TEXT: Final[tuple[tuple[bytes, str], ...]] = (
    (b"PK\x03\x04", "a document of a word processor, or a ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "a document of a word processor"),
    (b"{\\rtf", "a document of a word processor"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a packed file (gzip)"),
)
_NO_ANCHORS: Final = 'Write the value out in full where it is needed; text that starts with "&" or "*" needs quotes.'
_RETYPE: Final = "Delete the text around this place and type it again; copying from elsewhere brought it in."

__all__ = ["MAX_DEPTH", "MAX_NODES", "Data", "Mark", "Path", "Place", "Source", "as_written", "decoded", "read_yaml"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file: line and column from 1, the text that stands there, and the file if it is not the first one."""

    line: int
    column: int
    text: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands, and its key if it has one."""

    value: Mark
    key: Mark | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """What a file says: `data` (None if it could not be read to its end) and where each part of it stands."""

    file: str
    data: Data
    readable: bool
    places: Mapping[Path, Place]
    findings: tuple[Finding, ...]

    def mark(self, path: Path, *, key: bool = False) -> Mark:
        """Return where the value at `path` stands (its key if `key`, or the nearest thing around it that is written)."""
        path = as_written(self.data, path)
        for end in range(len(path), -1, -1):
            place = self.places.get(path[:end])
            if place is not None:
                # Of a block that is too large to quote, and of one that lacks something, the key is what a person sees.
                return place.key if place.key and (key or end < len(path)) else place.value
        return Mark(1, 1, "")

    def finding(self, severity: Severity, path: Path, message: str, advice: str, *, key: bool = False) -> Finding:
        """Return a finding about what stands at `path`."""
        mark = self.mark(path, key=key)
        # A block, or nothing at all, cannot be quoted: its key says what is meant.
        text = mark.text or self.mark(path, key=True).text
        return Finding(severity, mark.file or self.file, mark.line, mark.column, shown(text), message, advice)

    def where(self, path: Path) -> str:
        """Return `FILE:LINE` of the key at `path`."""
        mark = self.mark(path, key=True)
        return f"{mark.file or self.file}:{mark.line}"


def as_written(data: Data, path: Path) -> Path:
    """Return `path` without the keys that a short form leaves out: a list that stands where a block with it may stand."""
    written: list[str | int] = []
    for part in path:
        if isinstance(data, tuple) and isinstance(part, str):
            continue
        written.append(part)
        if isinstance(data, dict) and isinstance(part, str):
            data = data.get(part)
        elif isinstance(data, tuple) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            data = None
    return tuple(written)


def read_yaml(text: str | bytes, file: str) -> Source:
    """Return the data of a YAML text with positions, or findings that say why not; `file` is its name in findings.

    Mappings become dicts with text keys, sequences tuples. A duplicate key is an error, its first value stands.
    """
    try:
        reader = _Reader(file)
        decoded = reader.decode(text)
        reader.compose(decoded)
    except _Unreadable as problem:
        return Source(file, None, False, {}, (*reader.findings, problem.finding)[:MAX_FINDINGS])
    return Source(file, reader.data, True, reader.places, tuple(reader.findings))


def decoded(text: bytes, file: str) -> str:
    """Return the text that marks count in: without a byte order mark, lines ending in a line feed alone.

    Raises ValueError for what `read_yaml` cannot read.
    """
    try:
        return _Reader(file).decode(text)
    except _Unreadable as problem:
        raise ValueError(str(problem)) from None


class _Unreadable(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@dataclass(slots=True)
class _Block:
    path: Path
    items: dict[str, Data] | list[Data]
    key: Mark | None = None  # the key that waits for its value
    duplicate: bool = False  # whether that key was seen before in this block


@dataclass(slots=True)
class _Reader:
    file: str
    findings: list[Finding] = field(default_factory=list)
    places: dict[Path, Place] = field(default_factory=dict)
    data: Data = None

    def decode(self, text: str | bytes) -> str:
        """Return the text without a byte order mark; refuse what is too large, not UTF-8, or not printable."""
        start = Mark(1, 1, "")
        if len(text) > MAX_BYTES or (isinstance(text, str) and len(text.encode("utf-8", "replace")) > MAX_BYTES):
            raise self.stop(start, "the file is larger than 1 MiB", "Split it: a policy is a page or two of text.")
        if isinstance(text, bytes):
            for begins, what in _NO_TEXT:
                if text.startswith(begins):
                    advice = "Write the policy in a plain text editor, and save it as text."
                    raise self.stop(start, f"this is {what}, not a text file", advice)
            if text.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in text[:4]:
                raise self.stop(start, "the file is saved as UTF-16 or UTF-32", 'Save it as "UTF-8" in your editor.')
            raw = text
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                before = raw[: error.start].decode("utf-8", "replace")
                bad = f"byte 0x{raw[error.start]:02x}"
                raise self.stop(
                    _mark_after(before, bad),
                    f"{bad} is not UTF-8: the file was saved in another encoding",
                    'Save it again as "UTF-8" in your editor, then check accents, dashes and quotes.',
                ) from None
        if text.startswith("\ufeff"):
            text = text[1:]
            advice = 'Nothing breaks. To be rid of this line, save as "UTF-8", not "UTF-8 with BOM".'
            self.note("advice", start, "the file starts with a byte order mark", advice)
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        bad_character = _HIDDEN.search(text)
        if bad_character:
            mark = _mark_after(text[: bad_character.start()], bad_character.group())
            raise self.stop(mark, f"the invisible character {_name(bad_character.group())} may not stand here", _RETYPE)
        return text

    def compose(self, text: str) -> None:
        """Read the one document of `text` into `data` and `places`."""
        blocks: list[_Block] = []
        nodes = documents = 0
        for event in self.events(text):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.stop(_mark(event, "---"), "a second document starts here", 'Remove the line "---".')
            elif isinstance(event, yaml.AliasEvent):
                raise self.stop(_mark(event, f"*{event.anchor}"), "an alias (*) is not allowed", _NO_ANCHORS)
            elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
                nodes += 1
                if nodes > MAX_NODES:
                    advice = "Split the community, or remove what is repeated."
                    raise self.stop(_mark(event), f"the file has more than {MAX_NODES:,} keys and values", advice)
                self.refuse_anchors_and_tags(event)
                if isinstance(event, yaml.ScalarEvent):
                    self.scalar(blocks, event)
                else:
                    self.start(blocks, event)
                    if len(blocks) > MAX_DEPTH:
                        advice = "Take out the inner blocks: no part of the language is nested that deeply."
                        raise self.stop(_mark(event), f"blocks are nested more than {MAX_DEPTH} deep", advice)
            elif isinstance(event, yaml.CollectionEndEvent):
                items = blocks.pop().items
                self.put(blocks, tuple(items) if isinstance(items, list) else items)
        if not documents:
            advice = 'Start from one of the examples: each begins with "schema".'
            raise self.stop(Mark(1, 1, ""), "the file is empty", advice)

    def events(self, text: str) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            problem = explain_problem(error, text.split("\n"))
            raise self.stop(Mark(problem.line, problem.column, problem.text), problem.message, problem.advice) from None
        except (yaml.YAMLError, ValueError, OverflowError):
            raise self.stop(Mark(1, 1, ""), "the file is not YAML", "Start again from one of the examples.") from None

    def refuse_anchors_and_tags(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.anchor is not None:
            raise self.stop(_mark(event, f"&{event.anchor}"), "an anchor (&) is not allowed", _NO_ANCHORS)
        if event.tag is not None and event.tag not in _CORE_TAGS and event.tag != "!":
            message = f"the tag {shown(event.tag)} is not allowed"
            raise self.stop(_mark(event, event.tag), message, 'Remove it, or put text that starts with "!" in quotes.')

    def start(self, blocks: list[_Block], event: yaml.CollectionStartEvent) -> None:
        mark = _mark(event, "")
        if blocks and isinstance(blocks[-1].items, dict) and blocks[-1].key is None:
            advice = 'A key is one word before a colon; text with "{", "[", "?" or "-" in front needs quotes.'
            raise self.stop(mark, "a block or list cannot be a key", advice)
        path = self.path(blocks)
        self.place(blocks, path, mark)
        blocks.append(_Block(path, {} if isinstance(event, yaml.MappingStartEvent) else []))

    def scalar(self, blocks: list[_Block], event: yaml.ScalarEvent) -> None:
        text: str = event.value
        mark = _mark(event, text)
        hidden = _HIDDEN.search(text)
        if hidden:
            message = f"the text holds the invisible character {_name(hidden.group())}"
            self.note("error", mark, message, _RETYPE)
        block = blocks[-1] if blocks else None
        if block and isinstance(block.items, dict) and block.key is None:
            if text == "<<" and event.style in (None, ""):
                raise self.stop(mark, "a merge (<<) is not allowed", _NO_ANCHORS)
            block.key = mark
            block.duplicate = text in block.items
            if block.duplicate:
                first = self.places[(*block.path, text)].key
                where = f"line {first.line}" if first else "above"
                advice = "Keep one of the two: which of them would count is anybody's guess."
                self.note("error", mark, f'the key "{shown(text)}" stood already in {where}', advice)
            return
        self.place(blocks, self.path(blocks), mark)
        self.put(blocks, self.value(event, mark))

    def value(self, event: yaml.ScalarEvent, mark: Mark) -> Scalar:
        text: str = event.value
        kind = (event.tag or "").rpartition(":")[2]
        if event.style not in (None, "") or kind == "str":
            return text
        if text in _WORDS and kind in ("", "bool", "null"):
            return _WORDS[text]
        if _INTEGER.fullmatch(text) and kind in ("", "int"):
            return int(text)
        if kind in ("int", "bool", "null"):
            self.note("error", mark, f'"{shown(text)}" is not what the tag !!{kind} says', "Remove the tag.")
        return text

    def path(self, blocks: list[_Block]) -> Path:
        if not blocks:
            return ()
        block = blocks[-1]
        if isinstance(block.items, list):
            return (*block.path, len(block.items))
        return (*block.path, block.key.text if block.key else "")

    def place(self, blocks: list[_Block], path: Path, mark: Mark) -> None:
        self.places.setdefault(path, Place(mark, blocks[-1].key if blocks else None))

    def put(self, blocks: list[_Block], value: Data) -> None:
        if not blocks:
            self.data = value
            return
        block = blocks[-1]
        if isinstance(block.items, list):
            block.items.append(value)
        elif block.key is not None:
            if not block.duplicate:
                block.items[block.key.text] = value
            block.key = None

    def note(self, severity: Severity, mark: Mark, message: str, advice: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(
                Finding(severity, self.file, mark.line, mark.column, shown(mark.text), message, advice)
            )

    def stop(self, mark: Mark, message: str, advice: str) -> _Unreadable:
        return _Unreadable(Finding("error", self.file, mark.line, mark.column, shown(mark.text), message, advice))


def _mark(event: yaml.Event, text: str = "") -> Mark:
    start = event.start_mark
    return Mark(start.line + 1, start.column + 1, text) if start is not None else Mark(1, 1, text)


def _mark_after(before: str, text: str) -> Mark:
    return Mark(before.count("\n") + 1, len(before) - before.rfind("\n"), text)


def _name(character: str) -> str:
    return f"U+{ord(character):04X}"
