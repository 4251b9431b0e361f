"""`include`: a policy in several files read as one. Each value keeps the file and the line in which it stands.

Pure: who calls says how a file is fetched. Included files lie in the folder of the first one, or below it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Final

from policies.bundle import MAX_PART_NAME, MAX_PARTS, unpacked
from policies.files import MAX_BYTES, Read
from policies.findings import MAX_FINDINGS, Finding, has_errors, shown
from policies.source import MAX_NODES, Data, Mark, Path, Place, Source, read_yaml
from policies.versions import CURRENT, version_of

MAX_NESTED: Final = 4  # files that include files that include files

_NAME: Final = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._-]*/)*[A-Za-z0-9_][A-Za-z0-9._-]*\.ya?ml")
_BUNDLED: Final = Read(
    None, (Finding("error", "", 1, 1, "", "this file is not there", "Apply the whole policy again."),)
)

Fetch = Callable[[str], Read]
"""Reads an included file by its name, as seen from the folder of the first file."""

__all__ = ["Composed", "Fetch", "compose", "read_policy"]


@dataclass(frozen=True, slots=True)
class Composed:
    """What all files together say, and the bytes of those that were included, by name; `whole` if none is missing or wrong."""

    source: Source
    parts: dict[str, bytes]
    whole: bool = True


def read_policy(policy: str | bytes, filename: str) -> Source:
    """Return what a policy says: a text, or the bytes of one with the files that it includes. Never raises."""
    if isinstance(policy, str):
        return compose(policy, filename, lambda _name: _BUNDLED).source
    first, parts = unpacked(policy)
    return compose(first, filename, lambda name: Read(parts[name]) if name in parts else _BUNDLED).source


def compose(first: str | bytes, filename: str, fetch: Fetch) -> Composed:
    """Return what a file says together with the files that it includes, and those that they include. Never raises."""
    source = read_yaml(first, filename)
    if not isinstance(source.data, dict) or "include" not in source.data or not source.readable:
        return Composed(source, {})
    composer = _Composer(filename, fetch, size=len(first))
    if version_of(source.data) not in (None, CURRENT):
        advice = (
            f'Carry the file over first ("inglenook migrate"), or write "schema: {CURRENT}" if you know what changes.'
        )
        composer.refuse(source, ("include",), f"include came with version {CURRENT} of the language", advice, key=True)
    else:
        composer.add(source, "", ())
    readable = not has_errors(composer.findings)
    findings = tuple((*source.findings, *composer.findings)[:MAX_FINDINGS])
    return Composed(Source(filename, composer.data, readable, composer.places, findings), composer.parts, readable)


@dataclass(slots=True)
class _Composer:
    file: str
    fetch: Fetch
    size: int
    data: dict[str, Data] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    parts: dict[str, bytes] = field(default_factory=dict)
    stopped: bool = False

    def refuse(self, source: Source, path: Path, message: str, advice: str, *, key: bool = False) -> None:
        self.findings.append(source.finding("error", path, message, advice, key=key))

    def add(self, source: Source, name: str, way: tuple[str, ...]) -> None:
        """Take up what one file says, then what it includes. way: the files that led to it, the first one last."""
        assert isinstance(source.data, dict)
        kept: set[Path] = set() if name else {(), ("include",)}
        for key, value in source.data.items():
            if key == "include":
                continue
            if name and key in ("schema", "people"):
                self._foreign(source, key)
            elif key not in self.data:
                self.data[key] = dict(value) if isinstance(value, dict) else value
                kept.add((key,))
            else:
                kept |= self._join(source, key, value)
        for path, place in source.places.items():
            if path[:1] in kept or path[:2] in kept or (not path and not name):
                self.places.setdefault(path, _in_file(place, source.file))
        if len(self.places) > MAX_NODES and not self.stopped:
            self.stopped = True
            message = f"all files together have more than {MAX_NODES:,} keys and values"
            self.refuse(source, (), message, "Split the community, or remove what is repeated.")
        wanted = source.data.get("include", ())
        if not isinstance(wanted, tuple):
            self.refuse(source, ("include",), "a list of files is expected here", 'Example: include: ["groups.yaml"]')
            return
        for index in range(len(wanted)):
            if not self.stopped and len(self.findings) < MAX_FINDINGS:
                self._include(source, index, name, (name, *way))

    def _foreign(self, source: Source, key: str) -> None:
        if key == "people":
            message, advice = "people do not belong into a policy", "Keep them in the people file beside it."
        else:
            message, advice = "the first file alone says in which version it is written", "Take this line out."
        self.refuse(source, (key,), message, advice, key=True)

    def _join(self, source: Source, key: str, value: Data) -> set[Path]:
        """Put the keys of a block into the block of the same name from another file; return what was taken."""
        block = self.data[key]
        if not isinstance(block, dict) or not isinstance(value, dict):
            self._twice(source, (key,))
            return set()
        taken: set[Path] = set()
        for inner, content in value.items():
            if inner in block:
                self._twice(source, (key, inner))
            else:
                block[inner] = content
                taken.add((key, inner))
        return taken

    def _twice(self, source: Source, path: Path) -> None:
        place = self.places.get(path)
        first = place.key if place is not None else None
        where = f"{first.file}:{first.line}" if first is not None else "another file"
        message = f'the key "{shown(".".join(map(str, path)))}" stands already in {where}'
        self.refuse(source, path, message, "Keep one of the two: no file overrules another.", key=True)

    def _include(self, source: Source, index: int, name: str, way: tuple[str, ...]) -> None:
        path: Path = ("include", index)
        assert isinstance(source.data, dict)
        wanted = source.data["include"]
        item = wanted[index] if isinstance(wanted, tuple) else None
        part = posixpath.join(posixpath.dirname(name), item) if isinstance(item, str) else ""
        if not isinstance(item, str) or not _NAME.fullmatch(item) or len(part) > MAX_PART_NAME:
            message = "this is not the name of a file beside this one or in a folder below"
            advice = 'Write it with forward slashes, without ".." and not from the root: "groups/carers.yaml".'
            self.refuse(source, path, message, advice)
        elif posixpath.basename(part) == "people.yaml" or part.endswith(".people.yaml"):
            advice = "Leave it out: the people file is found beside the policy, and stays apart from it."
            self.refuse(source, path, "this is a people file, and no part of a policy", advice)
        elif part in way or self._is_first(part):
            turns = " → ".join(shown(one or PurePath(self.file).name) for one in (*reversed(way), part))
            self.refuse(source, path, f"the files include each other in a circle: {turns}", "Take one of them out.")
        elif part in self.parts:
            self.refuse(source, path, "this file is included already", "Name each file once.")
        elif len(way) > MAX_NESTED:
            advice = "Name the file in one of the files further up."
            self.refuse(source, path, f"files are nested more than {MAX_NESTED} deep", advice)
        elif len(self.parts) == MAX_PARTS:
            self.stopped = True
            self.refuse(source, path, f"more than {MAX_PARTS} files are included", "Put some of them together.")
        else:
            self._fetched(source, path, part, way)

    def _is_first(self, part: str) -> bool:
        return part == PurePath(self.file).name

    def _fetched(self, source: Source, path: Path, part: str, way: tuple[str, ...]) -> None:
        read = self.fetch(part)
        if read.data is None:
            for finding in read.findings:
                self.refuse(source, path, finding.message, finding.advice)
            return
        self.parts[part] = read.data
        self.size += len(read.data)
        if self.size > MAX_BYTES:
            self.stopped = True
            message = "with this file, the policy is larger than 1 MiB"
            self.refuse(source, path, message, "A policy is some pages of text: look what else is in there.")
            return
        inner = read_yaml(read.data, str(PurePath(self.file).parent / part))
        self.findings.extend(inner.findings)
        if not inner.readable:
            return
        if not isinstance(inner.data, dict):
            self.refuse(inner, (), "this file does not hold keys and values", "Begin with groups:, roles: or rules:.")
            return
        self.add(inner, part, way)


def _in_file(place: Place, file: str) -> Place:
    key = None if place.key is None else _mark_in(place.key, file)
    return Place(_mark_in(place.value, file), key)


def _mark_in(mark: Mark, file: str) -> Mark:
    return replace(mark, file=file)
