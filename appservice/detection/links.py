"""Links in a message: where they lead, what their text says, and whether their names are made to deceive.

Pure, linear, asks no network. What is an ending (`co.uk`) is known for the few that are common here: a table of all of
them costs memory, and a pair of hosts that is wrongly taken for one owner's is only not found.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any, Final

#: Characters that are searched, of a text and of markup each; and links that are looked at.
MAX_TEXT: Final = 16_384
_MOST: Final = 50

_KINDS: Final = ("trusted", "short", "risky", "brand")
_SCHEME: Final = re.compile(r"(?<!\w)(?:https?|hxxps?)://([^\s/?#<>\"'|]{1,300})", re.IGNORECASE)
#: A host by itself: it counts with a path behind it, or with an ending that is no word of the language.
_BARE: Final = re.compile(r"(?<![\w@.:/-])((?:[\w-]{1,63}\.){1,5}[^\W\d_]{2,24})(?![\w@-])(/\S)?")
_BARE_ENDINGS: Final = frozenset(
    ["com", "org", "net", "info", "biz", "uk", "io", "co", "online", "site", "shop", "top", "xyz", "icu", "ru", "cn"]
)
#: No `<` inside: whatever else stands there, the search goes over each character a bounded number of times.
_ANCHOR: Final = re.compile(
    r"<a\s[^<>]{0,600}?\bhref\s{0,3}=\s{0,3}(?:\"([^\"<>]{1,600})\"|'([^'<>]{1,600})')[^<>]{0,300}>"
    r"([^<>]{0,200}(?:<(?!/?a\b)[^<>]{0,60}>[^<>]{0,200}){0,4})</a",
    re.IGNORECASE,
)
_TAG: Final = re.compile(r"<[^<>]{0,60}>")
_ADDRESS: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_SECOND_LEVEL: Final = frozenset(
    ["co", "org", "gov", "ac", "nhs", "police", "ltd", "plc", "me", "net", "sch", "com", "edu"]
)
_SCRIPTS: Final = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")
#: Letters of other scripts that look like ours: a name made of nothing else is made to be taken for another.
_LOOKALIKES: Final = frozenset("аһсԁеցіјӏոорԛѕυνѡхуᴢαινοκρτ")


@dataclass(frozen=True, slots=True)
class Links:
    """What the links of one message come to.

    `any`: one leads somewhere that nobody vouches for. `odd`: one hides where it leads, or is `fake`: its name pretends.
    `deceives`: one cannot be there by mistake, so that no words beside it are needed.
    """

    any: bool = False
    odd: bool = False
    fake: bool = False
    deceives: bool = False


NONE: Final = Links()


class Hosts:
    """The table of hosts (`policies/rules/link-hosts.csv`); `own` are those of the charity. Raises ValueError."""

    def __init__(self, csv_text: str, own: Iterable[str] = ()) -> None:
        known: dict[str, set[str]] = {kind: set() for kind in _KINDS}
        self._brands: dict[str, tuple[str, ...]] = {}
        for line, row in enumerate(csv.DictReader(io.StringIO(csv_text)), start=2):
            kind, host = (row.get("kind") or "").strip(), (row.get("host") or "").strip().lower()
            if kind not in known or not host:
                raise ValueError(f"link hosts, line {line}: {kind!r} {host!r} is no kind and host")
            known[kind].add(host)
            if kind == "brand":
                self._brands[host] = tuple((row.get("note") or "").split("|"))
        self._trusted = known["trusted"] | {one.lower() for one in own if one}
        self._short, self._risky = known["short"], known["risky"]

    def look(self, content: Mapping[str, Any], text: str) -> Links:
        """Return what the links of a message come to; `text` is what of it can be seen."""
        if "." not in text and "href" not in str(content.get("formatted_body", "")):
            return NONE
        found = [self._one(host) for host in _hosts_in(text[:MAX_TEXT])]
        for target, said in _anchors(content):
            found.append(self._one(target))
            shown = next(_hosts_in(said), "")
            if shown and _owner(_plain(shown)) != _owner(_plain(target)) and not self._may_differ(target):
                found.append(Links(any=True, odd=True, fake=True, deceives=True))
        return Links(*(any(getattr(one, name) for one in found) for name in ("any", "odd", "fake", "deceives")))

    def _may_differ(self, target: str) -> bool:
        host = _plain(target)
        return self._is_trusted(host) or host in self._short

    def _is_trusted(self, host: str) -> bool:
        parts = host.split(".")
        return any(".".join(parts[n:]) in self._trusted for n in range(len(parts)))

    def _one(self, authority: str) -> Links:
        host = _plain(authority)
        name = _decoded(host)
        if mixes_scripts(name):
            return Links(any=True, odd=True, fake=True, deceives=True)
        if self._is_trusted(host):
            return NONE
        ending = host.rpartition(".")[2]
        hidden = "@" in authority or _ADDRESS.fullmatch(host) is not None
        fake = hidden or ending in self._risky or self._pretends(host)
        return Links(any=True, odd=fake or host in self._short, fake=fake)

    def _pretends(self, host: str) -> bool:
        """Whether a name of somebody well known stands in a host that is not theirs."""
        words = set(re.split(r"[.-]", host))
        for brand, own in self._brands.items():
            stands = brand in words or ("-" in brand and brand in host)
            stands = stands or (len(brand) > 6 and any(word.startswith(brand) for word in words))
            if stands and not any(host == one or host.endswith(f".{one}") for one in own):
                return True
        return False


def mixes_scripts(host: str) -> bool:
    """Return whether a label has letters of two scripts that look alike, or only foreign letters that look like ours."""
    for label in host.split("."):
        letters = [sign for sign in label if sign.isalpha()]
        if all(sign.isascii() for sign in letters):
            continue
        scripts = {unicodedata.name(sign, "OTHER").split(" ")[0] for sign in letters}
        if len(scripts.intersection(_SCRIPTS)) > 1 or _LOOKALIKES.issuperset(letters):
            return True
    return False


def _hosts_in(text: str) -> Iterator[str]:
    """Where the links in a text lead: the part between scheme and path, as it stands there."""
    found = 0
    for match in _SCHEME.finditer(text):
        found += 1
        if found > _MOST:
            return
        yield match[1]
    for match in _BARE.finditer(text):
        ending = match[1].rpartition(".")[2].lower()
        if match[2] or ending in _BARE_ENDINGS:
            found += 1
            if found > _MOST:
                return
            yield match[1]


def _anchors(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where the links in a message's markup lead, and what is shown of each."""
    new = content.get("m.new_content")
    for part in (content, new if isinstance(new, Mapping) else {}):
        markup = part.get("formatted_body")
        if not isinstance(markup, str) or "href" not in markup:
            continue
        for n, match in enumerate(_ANCHOR.finditer(markup[:MAX_TEXT])):
            if n == _MOST:
                break
            target = _SCHEME.match(unescape(match[1] or match[2]).strip())
            if target is not None:
                yield target[1], unescape(_TAG.sub("", match[3]))


def _plain(authority: str) -> str:
    """The host of an authority: no name of a user, no port, small letters."""
    host = authority.rpartition("@")[2].partition(":")[0]
    return host.lower().strip(".,;!)]}…").removeprefix("www.")


def _decoded(host: str) -> str:
    """A host as it is shown, where its labels are written in Punycode (RFC 3492)."""
    if "xn--" not in host:
        return host
    return ".".join(_label(label) for label in host.split(".")[:10])


def _label(label: str) -> str:
    if not label.startswith("xn--") or len(label) > 63:
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return label


def _owner(host: str) -> str:
    """The part of a host that somebody registered."""
    parts = host.split(".")
    keep = 3 if len(parts) > 2 and len(parts[-1]) == 2 and parts[-2] in _SECOND_LEVEL else 2
    return ".".join(parts[-keep:])
