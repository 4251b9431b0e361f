"""What every text that people read must keep to; each check returns what is wrong, in words."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from html import unescape
from pathlib import Path

from appservice.effects.speaking import message_content
from appservice.flow import Rendered
from tests.support.reading import grade, sentences

#: What Element X shows; anything else it drops or prints.
TAGS = frozenset({"p", "br", "strong", "em", "u", "del", "code", "pre", "ul", "ol", "li", "blockquote", "a"})
LOCK_SCREEN = 80
MOST_WORDS = 20
HIGHEST_GRADE = 6.0
#: The state of a card, always with words after it; any other emoji is one to tap.
STATES = "🔴🟠🔵⚪"
_TAG = re.compile(r"</?([a-z0-9]+)([^>]*)>")
_TELLING = re.compile(
    r"suicid|self[- ]harm|\bharm|abus|violen|danger|\b(?:die[sd]?|dying|death|dead)\b|kill|\bhurt|distress"
    r"|(?:phone|mobile) number|police|\bdrug|overdose|removed[ -]from|crisis|samaritans|\brap(?:e|ed|ist)\b|assault"
    r"|groom|threat|weapon|evidence|mental|\brisk",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d(?:[\d ]*\d)?")
#: How a case or a plan is called, and what can be set in a room: no number to call.
_REFERENCE = re.compile(
    r"\b[HSP]-\d{4}\b|\bP-\d{1,3}\b|\bset (?:\w+ )?(?:capacity \d+|slow \d+[smh]|hours \w+ [\d:-]+)"
)
_LONG_NUMBER = re.compile(r"\d(?:[ -]?\d){2,}")


def wrong_tags(rendered: Rendered) -> list[str]:
    found = [f"<{tag}>" for tag, _ in _TAG.findall(rendered.html) if tag not in TAGS]
    more = [f"<{tag}{rest}>" for tag, rest in _TAG.findall(rendered.html) if rest and not _only_a_link(tag, rest)]
    without = _TAG.sub("", rendered.html)
    return found + more + [f"a bare {one}" for one in "<>" if one in without]


def _only_a_link(tag: str, rest: str) -> bool:
    return tag == "a" and re.fullmatch(r' href="https://matrix\.to/#/[^"]+"', rest) is not None


def telling_start(rendered: Rendered, names: Collection[str] = ()) -> list[str]:
    """What a lock screen gives away: the matter, who, where, a number (CARE, rule 6)."""
    start = rendered.body[:LOCK_SCREEN]
    found = [match[0] for match in (*_TELLING.finditer(start), *_LONG_NUMBER.finditer(_REFERENCE.sub("", start)))]
    found += [name for name in names if re.search(rf"\b{re.escape(name)}\b", start)]
    return [f"the start tells “{one}”" for one in (*found, *(["a user id"] if "@" in start else []))]


def long_sentences(rendered: Rendered) -> list[str]:
    return [one for one in sentences(rendered.body) if len(one.split()) > MOST_WORDS]


def hard_to_read(rendered: Rendered) -> list[str]:
    found = grade(rendered.body)
    return [f"grade {found:.1f}"] if found > HIGHEST_GRADE else []


def no_typed_word(rendered: Rendered) -> list[str]:
    """A tap is never the only way: beside each emoji to tap, in its line, stands a word to type."""
    wrong: list[str] = []
    for line in re.split(r"</p>|<br ?/?>|</li>", rendered.html):
        said = unescape(_TAG.sub("", line))
        marks = [one for one in said if unicodedata.category(one) == "So"]
        taps = [one for one in marks if one not in STATES]
        taps = taps or ["tap"] * bool(re.search(r"\btap\b", said, re.IGNORECASE))
        if len(taps) > len(re.findall(r"<code>[^<]*\w[^<]*</code>", line)):
            wrong.append(f"{' '.join(taps)} without a word to type")
        if marks and not re.search(r"\w", said):
            wrong.append(f"{' '.join(marks)} alone in a line")
    return wrong


def incomplete_body(rendered: Rendered) -> list[str]:
    html = re.sub(r"</(p|li)>(</blockquote>)?(?=<)(?!</)|<br ?/?>", "\n", rendered.html)
    shown = unescape(_TAG.sub("", html))
    return [] if shown == rendered.body else [f"body and HTML differ: {rendered.body!r} {shown!r}"]


def unclear_mentions(rendered: Rendered) -> list[str]:
    """An absent field lets clients ping whoever is named; an edit never pings anybody again."""
    first, edit = message_content(rendered, "key"), message_content(rendered, "key", replaces="$first")
    expected = {"user_ids": list(rendered.mentions)} if rendered.mentions else {}
    wrong = [] if first.get("m.mentions") == expected else ["the message does not say whom it mentions"]
    wrong += [] if edit.get("m.mentions") == {} else ["an edit mentions somebody again"]
    return wrong + ([] if "m.mentions" in edit["m.new_content"] else ["an edit's text does not say whom it mentions"])


EVERYWHERE: Mapping[str, Callable[[Rendered], list[str]]] = {
    check.__name__: check
    for check in (
        wrong_tags,
        telling_start,
        long_sentences,
        hard_to_read,
        no_typed_word,
        incomplete_body,
        unclear_mentions,
    )
}


def published_numbers(table: Path) -> frozenset[str]:
    with table.open(encoding="utf-8", newline="") as rows:
        return frozenset(number for row in csv.DictReader(rows) for number in _NUMBER.findall(row["contact"]))


def invented_help(words: str, published: Collection[str]) -> list[str]:
    """Numbers and addresses in our words that the table of signposts does not have (CARE, rule 10)."""
    numbers = [one for one in _NUMBER.findall(_REFERENCE.sub("", words)) if one not in published]
    return numbers + re.findall(r"\S+@\S+|\S*https?://\S+|\S*www\.\S+", words)
