"""The tiny markup of the catalogue, and values put into it: `**strong**`, `` `code` ``, `[words](link:name)`, `{value}`.

A line that begins with `> ` is a quotation: one value, in several lines if it has them. Values are put in after the markup is read, so nothing in a name is ever markup; body and HTML say the same words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape

from appservice.flow import Rendered

#: Most characters of one value that are shown.
LONGEST_VALUE = 100
_SPAN = re.compile(
    r"\*\*(?P<strong>[^*]+)\*\*|`(?P<code>[^`*]+)`|\[(?P<words>[^\[\]*]+)\]\(link:(?P<link>[a-z_]+)\)|(?P<stray>[*`\[\]])"
)
_VALUE = re.compile(r"\{([a-z_]+)\}")
#: Control characters, marks that turn text round or take no room, halves of characters, ends of line and paragraph.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class BadMarkup(ValueError):
    """What is wrong with a paragraph, for whoever writes it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Words within one tag: `chunks` are words and names of values in turns; `link` names where an `a` leads.

    A `blockquote` stands alone in its paragraph and holds one value.
    """

    tag: str
    chunks: tuple[str, ...]
    link: str = ""


Paragraph = tuple[Piece, ...]


def parse(words: str) -> Paragraph:
    """Read one paragraph. Raises BadMarkup."""
    if words != clean(words, len(words)):
        raise BadMarkup("an unseen character, or space at an end or twice")
    if words.startswith("> "):
        chunks = _chunks(words.removeprefix("> "))
        if len(chunks) != 3 or chunks[0] or chunks[2]:
            raise BadMarkup("a quotation holds one value and nothing else")
        return (Piece("blockquote", chunks),)
    pieces: list[Piece] = []
    end = 0
    for span in _SPAN.finditer(words):
        if span["stray"]:
            raise BadMarkup(f"unclosed markup at “{words[span.start() :][:20]}”")
        if span.start() > end:
            pieces.append(Piece("", _chunks(words[end : span.start()])))
        tag = "strong" if span["strong"] else "code" if span["code"] else "a"
        inside = span["strong"] or span["code"] or span["words"]
        if tag != "code" and _SPAN.search(inside):
            raise BadMarkup(f"markup within markup at “{span[0][:20]}”")
        pieces.append(Piece(tag, _chunks(inside), span["link"] or ""))
        end = span.end()
    if end < len(words):
        pieces.append(Piece("", _chunks(words[end:])))
    if not pieces:
        raise BadMarkup("an empty paragraph")
    return tuple(pieces)


def _chunks(words: str) -> tuple[str, ...]:
    chunks = _VALUE.split(words)
    for said in chunks[::2]:
        if "{" in said or "}" in said:
            raise BadMarkup(f"a brace that names no value at “{said[:20]}”")
    return tuple(chunks)


def asks_for(paragraphs: Iterable[Paragraph]) -> frozenset[str]:
    """The values that paragraphs take, by name; links as `link:name`."""
    pieces = [piece for paragraph in paragraphs for piece in paragraph]
    values = {name for piece in pieces for name in piece.chunks[1::2]}
    return frozenset(values | {f"link:{piece.link}" for piece in pieces if piece.link})


def clean(value: str, longest: int = LONGEST_VALUE) -> str:
    """What is shown of a name: nothing unseen, on one line, and not long."""
    spaced = (" " if one.isspace() else one for one in value[:4096])
    seen = " ".join("".join(one for one in spaced if unicodedata.category(one) not in _UNSEEN).split())
    return seen if len(seen) <= longest else seen[: longest - 1] + "…"


def quotable(value: str) -> str:
    """What is shown of words that are quoted: all of them, with their lines, without what is unseen."""
    lines = value.replace("\t", " ").splitlines()
    return "\n".join("".join(one for one in line if unicodedata.category(one) not in _UNSEEN) for line in lines)


def filled(
    paragraphs: Iterable[Paragraph],
    value: Callable[[str], str],
    link: Callable[[str], str],
    msgtype: str = "m.text",
    mentions: tuple[str, ...] = (),
) -> Rendered:
    """Put values and links into paragraphs; the only place where words become body and HTML."""
    bodies: list[str] = []
    html: list[str] = []
    for paragraph in paragraphs:
        said = [(piece, _said(piece, value)) for piece in paragraph]
        bodies.append("".join(words for _, words in said))
        inside = "".join(_html(piece, words, link) for piece, words in said)
        html.append(inside if paragraph[0].tag == "blockquote" else f"<p>{inside}</p>")
    return Rendered(body="\n".join(bodies), html="".join(html), msgtype=msgtype, mentions=mentions)


def _said(piece: Piece, value: Callable[[str], str]) -> str:
    return "".join(value(chunk) if n % 2 else chunk for n, chunk in enumerate(piece.chunks))


def _html(piece: Piece, words: str, link: Callable[[str], str]) -> str:
    if not piece.tag:
        return escape(words)
    if piece.tag == "blockquote":
        return "<blockquote><p>" + escape(words).replace("\n", "<br>") + "</p></blockquote>"
    address = f' href="{escape(link(piece.link))}"' if piece.link else ""
    return f"<{piece.tag}{address}>{escape(words)}</{piece.tag}>"
