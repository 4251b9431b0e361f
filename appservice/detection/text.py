"""The visible text of a message: what members see, taken from content that anybody may have written.

Pure, never raises, linear in the size of the content. Detectors look at this text, never at raw content. Here too:
which digits a text says in words.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["normalise", "parted_digits", "spoken_digits", "visible_text"]

HTML_FORMAT = "org.matrix.custom.html"
"""The only `format` of a message that clients render (Matrix client-server API, m.room.message msgtypes)."""

NORMALISE_CHUNK = 256
"""Characters normalised at a time: NFKC sorts combining marks in quadratic time, so a run of them must stay short."""

MAX_TAG_NAME = 16
"""Characters: the longest tag that Matrix allows, `blockquote`, has ten."""

_SPECIAL = frozenset({"formatted_body", "m.new_content", "m.relates_to"})
"""Fields without which a plain ASCII body is all there is to see."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, except tab and newline
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # soft hyphen, joiners, blank letters
    r"\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # zero width, bidi controls, byte order mark
    r"\ufe00-\ufe0f\u20d0-\u20f0\u0335-\u0338"  # variation selectors, keycap frames, strike-through overlays
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_FOREIGN_DIGIT = re.compile(r"\d(?<![0-9])")
_SPACES = re.compile(r"[\u1680\u2028\u2029\u2800]")  # the blanks that NFKC does not make a space

_FALLBACK_START = re.compile(r"> ?(?:\* ?)?<@[^>\n]{1,255}>")
_REPLY_HTML = re.compile(r"\s*<mx-reply>")
_TAG_START = re.compile(r"<(?=[A-Za-z/!?])")
_TAG_STOP = re.compile(r"[>\"']")
_TAG_NAME = re.compile(r"</?\s{0,4}([A-Za-z][A-Za-z0-9-]{0,15})")
_BLOCK = re.compile(
    "address|article|aside|blockquote|br|caption|dd|details|div|dl|dt|footer|h[1-6]|header|hr|li|main|ol|p|pre|section"
    "|summary|table|tbody|tfoot|thead|tr|ul"
)
_CELLS = frozenset({"td", "th"})

_ZERO_PADDED = re.compile(r"&#0+(?=[0-9])")
_TOO_LARGE = re.compile(r"&#[0-9]{8,};?")
"""`html.unescape` raises on a reference of more than 4,300 digits; no character has a number of eight."""

_UNITS = dict(zip(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine"), "123456789", strict=True))
_TENS = dict(
    zip(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), "23456789", strict=True)
)
_WORDS = {
    **_UNITS,
    **{word: tens + "0" for word, tens in _TENS.items()},
    **dict.fromkeys(("zero", "oh", "o", "nought", "naught"), "0"),
    **{"ten": "10", "eleven": "11", "twelve": "12"},
}
_REPEATS = {"double": 2, "triple": 3, "treble": 3}
_WORD_OR_DIGITS = re.compile(r"[A-Za-z]+|[0-9]+")
_PARTED = re.compile(r"(?<![\d+£$€.,/-])(07\d{3})([^\d\n]{2,28})(\d{6}|\d{3}[ -]\d{3})(?![\d/]|[.,:-]\d)")
"""A mobile number written in its two usual parts, with words between them."""

_WORD_GAP = re.compile(r"[\s,.\-/()]{1,4}")


def visible_text(content: Mapping[str, object]) -> str:
    """Everything a member can read in the `content` of an `m.room.message`, ready for detectors.

    In: the content as it came, untrusted; any field may be missing or of the wrong type. Out: the body, the HTML if
    it says something else, and for an edit the new content beside its fallback, each part once, joined by newlines;
    reply fallbacks, tags, zero-width characters and bidi controls are gone and digits of every script are ASCII.
    Not included, since no client shows them: link targets, attributes, the text of the message replied to.

    Never raises. Rule: DESIGN section 7.1; formats and fallbacks as in the Matrix client-server API, m.room.message
    (rich replies before v1.13, event replacements).
    """
    body = content.get("body")
    if isinstance(body, str) and body.isascii() and content.keys().isdisjoint(_SPECIAL) and not _CONTROL.search(body):
        return body
    relation = content.get("m.relates_to")
    is_edit = isinstance(relation, Mapping) and relation.get("rel_type") == "m.replace"
    is_reply = isinstance(relation, Mapping) and isinstance(relation.get("m.in_reply_to"), Mapping)
    parts = _parts(content, strip_fallback=is_edit or is_reply)
    new_content = content.get("m.new_content")
    if isinstance(new_content, Mapping):
        parts = [part.removeprefix("* ") for part in parts]
        parts += _parts(new_content, strip_fallback=True)
    seen: dict[str, str] = {}
    for part in parts:
        seen.setdefault(" ".join(part.split()), part)
    return "\n".join(part for key, part in seen.items() if key)


def normalise(text: str) -> str:
    """`text` as a reader takes it: NFKC, nothing invisible, ASCII digits, plain spaces. Never raises; linear."""
    if text.isascii():
        return _CONTROL.sub("", text) if _CONTROL.search(text) else text
    if len(text) <= NORMALISE_CHUNK:
        folded = unicodedata.normalize("NFKC", text)
    else:
        starts = range(0, len(text), NORMALISE_CHUNK)
        folded = "".join(unicodedata.normalize("NFKC", text[start : start + NORMALISE_CHUNK]) for start in starts)
    folded = _INVISIBLE.sub("", folded)
    folded = _SPACES.sub(" ", folded)
    return _FOREIGN_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0])), folded)


def _parts(content: Mapping[str, object], *, strip_fallback: bool) -> list[str]:
    parts = []
    body = content.get("body")
    if isinstance(body, str):
        parts.append(normalise(_without_reply_lines(body) if strip_fallback else body))
    formatted = content.get("formatted_body")
    if isinstance(formatted, str) and content.get("format") == HTML_FORMAT:
        parts.append(normalise(_text_of_html(_without_reply_html(formatted) if strip_fallback else formatted)))
    return parts


def _without_reply_lines(body: str) -> str:
    """Only what has the shape of a fallback goes: a quotation the author typed is something members read."""
    if not _FALLBACK_START.match(body):
        return body
    start = 0
    while body.startswith(">", start):
        line_end = body.find("\n", start)
        if line_end < 0:
            return ""
        start = line_end + 1
    return body[start:].removeprefix("\n")


def _without_reply_html(formatted: str) -> str:
    """Like the clients, only a closed element at the very start: an open one would hide all the rest from us."""
    opening = _REPLY_HTML.match(formatted)
    if opening is None:
        return formatted
    closing = formatted.find("</mx-reply>", opening.end())
    return formatted if closing < 0 else formatted[closing + len("</mx-reply>") :]


def _text_of_html(markup: str) -> str:
    """Tags out (blocks become newlines, cells spaces, the others nothing, so `07<b>7</b>` stays one number)."""
    markup = markup.replace("\n", " ")
    if "<" not in markup:
        return _unescape(markup)
    last_comment_end = markup.rfind("-->")
    pieces: list[str] = []
    position = 0
    while (start := markup.find("<", position)) >= 0:
        if _TAG_START.match(markup, start) is None:
            pieces.append(markup[position : start + 1])
            position = start + 1
            continue
        if markup.startswith("<!--", start) and last_comment_end >= start + 4:
            end = markup.find("-->", start + 4) + 3
        else:
            end = _tag_end(markup, start)
        if end == 0:
            break
        pieces.append(markup[position:start])
        name = _TAG_NAME.match(markup, start, start + MAX_TAG_NAME + 6)
        if name is not None and _BLOCK.fullmatch(tag := name[1].lower()):
            pieces.append("\n")
        elif name is not None and tag in _CELLS:
            pieces.append(" ")
        position = end
    pieces.append(markup[position:])
    return _unescape("".join(pieces))


def _tag_end(markup: str, start: int) -> int:
    """Index behind the tag that begins at `start`, 0 if nothing closes it.

    A call either ends the whole scan or moves behind all that it looked at: that keeps hostile markup linear.
    """
    position = start
    while (stop := _TAG_STOP.search(markup, position)) is not None:
        if stop[0] == ">":
            return stop.end()
        closing = markup.find(stop[0], stop.end())
        if closing < 0:
            break
        position = closing + 1
    return markup.find(">", start) + 1


def _unescape(text: str) -> str:
    if "&" not in text:
        return text
    return html.unescape(_TOO_LARGE.sub("\ufffd", _ZERO_PADDED.sub("&#", text)))


@dataclass(frozen=True, slots=True)
class _Said:
    start: int
    end: int
    digits: str
    words: int
    last_word: str = ""


def spoken_digits(text: str, length: int) -> Iterator[tuple[int, int, str]]:
    """Start, end and digits of each row of `length` digits in `text` that begins with 0 and is said in words.

    `oh double seven double oh nine hundred two three four` reads 07700900234. Figures may stand in between, at least
    two words must be there. Never raises; linear in `text`.
    """
    lower = text.lower()
    if "seven" in lower or "zero" in lower or "double" in lower or "hundred" in lower or "oh one" in lower:
        for row in _rows_said(text):
            yield from _windows(row, length)


def parted_digits(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and digits of each mobile number whose parts have words between them: `07700 then 900123`.

    Never raises; linear in `text`.
    """
    for parts in _PARTED.finditer(text):
        if any(character.isalpha() for character in parts[2]):
            yield parts.start(), parts.end(), parts[1] + "".join(filter(str.isdigit, parts[3]))


def _rows_said(text: str) -> Iterator[list[_Said]]:
    row: list[_Said] = []
    repeat: tuple[int, int] | None = None  # where a word like `double` stands, and how often it repeats the next digit
    previous_end = 0
    for match in _WORD_OR_DIGITS.finditer(text):
        start, end = match.span()
        word = match[0].lower()
        in_words = word.isalpha()
        digits = _WORDS.get(word) if in_words else word
        gap = _WORD_GAP.fullmatch(text, previous_end, start)
        previous_end = end
        if gap is None or (digits is None and word not in _REPEATS and word != "hundred"):
            yield row
            row, repeat = [], None
        last = row[-1] if row else None
        if word in _REPEATS:
            repeat = (start, _REPEATS[word])
        elif word == "hundred":
            if last is not None and len(last.digits) == 1:
                row[-1] = _Said(last.start, end, last.digits + "00", last.words + 1)
        elif digits is None:
            continue
        elif repeat is not None:
            row.append(_Said(repeat[0], end, digits * repeat[1] if len(digits) == 1 else digits, 2))
            repeat = None
        elif last is not None and last.last_word in _TENS and word in _UNITS:
            row[-1] = _Said(last.start, end, _TENS[last.last_word] + digits, 2)
        else:
            row.append(_Said(start, end, digits, int(in_words), word))
    yield row


def _windows(row: list[_Said], length: int) -> Iterator[tuple[int, int, str]]:
    position = 0
    while position < len(row):
        digits = ""
        words = 0
        stop = position
        if row[position].digits.startswith("0"):
            while stop < len(row) and len(digits) < length:
                digits += row[stop].digits
                words += row[stop].words
                stop += 1
        if len(digits) == length and words >= 2:
            yield row[position].start, row[stop - 1].end, digits
            position = stop
        else:
            position += 1
