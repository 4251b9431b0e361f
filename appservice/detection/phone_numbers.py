"""Telephone numbers in the visible text of a message: where they stand and which number they are.

Pure. Whose number it is says `ownership`; what happens to the message is decided elsewhere. A number is accepted if
phonenumbers calls it valid or Ofcom keeps it free for drama; all the rest in here keeps look-alikes out.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from appservice.detection.text import parted_digits, spoken_digits

__all__ = ["NumberKind", "PhoneFinder", "PhoneFinding", "ReservedRange", "helpline_numbers", "reserved_ranges"]

MAX_FINDINGS = 50  # findings of one message: the answer is clear by then, and hostile text stays cheap
MAX_ROWS = 2500  # rows of digits looked at in one message: 4 µs each, 20 µs if phonenumbers is asked
MIN_DIGITS = 7  # fewer are never asked about
MAX_DIGITS = 18  # the 15 digits of ITU-T E.164 with 00 or + in front, and a (0) within
MIN_REAL_DIGITS = 5  # of a number written with letters for some digits
SPOKEN_DIGITS = 11  # of a number said in words: all British mobiles and nearly all landlines
COUNTING = "0123456789"  # a row of digits, although 01234 is the code of Bedford
CONTEXT_BEFORE, CONTEXT_AFTER = 48, 24  # characters around a number in which words say what the digits are

_CLUSTER = re.compile(r"(?:\+ ?)?\(?[0-9](?:[ \t().\-/_*~|,\u00b7\u2010-\u2015\u2022\u2212]{0,4}[0-9]){8,}")
_DIGITS = re.compile(r"[0-9]+")

_MASK = re.compile(
    r"""\b(?:https?://|ftp://|mxc://|matrix:|geo:|www\.)\S+
    | (?<![\w.-])[\w-]{1,63}(?:\.[\w-]{1,63}){0,5}\.[a-zA-Z]{2,24}/\S*          # a domain with a path
    | (?<![\w.+-])[\w.+-]{1,64}@[\w.-]{1,200}\.[a-zA-Z]{2,24}\b                   # e-mail
    | (?<![^\s(<"'])[@!\#$][^\s:]{1,255}:[\w.-]+                                 # Matrix ids
    | [£$€¥]\ ?[0-9][0-9,.]*
    | (?<!\d)[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?(?!\d)                         # 12,500
    | (?<![\d./-])[0-3]?[0-9]([./-])(?:0?[1-9]|1[0-2])\1(?:19|20)?[0-9]{2}(?![./-]?\d)
    | (?<![\d./-])(?:19|20)[0-9]{2}([./-])(?:0?[1-9]|1[0-2])\2[0-3]?[0-9](?![./-]?\d)
    | (?<!\d)[0-3][0-9](\ ?)(?:0[1-9]|1[0-2])\3(?:19|20)[0-9]{2}(?!\d)
    | (?<!\d)[0-9]{3}-[0-9]{7}-[0-9]{7}(?!\d)                                    # orders of a large shop
    | (?<![\d.])(?:[01]?[0-9]|2[0-3])\.[0-5][0-9](?!\.?\d)                       # 10.30
    | (?<![\d.])(?:0|[1-9][0-9]{0,2})\.[0-9]{3,}(?![\d.])                        # decimals, coordinates
    | (?<!\d)[2-6][0-9]{3}(?:[ -]?[0-9]{4}){3}(?!\d) | (?<!\d)3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5}(?!\d)  # cards
    | (?<![\d-])[0-9]{2}-[0-9]{2}-[0-9]{2}(?![\d-])                              # sort codes
    | \b[A-Z]{2}[0-9]{2}(?:\ ?[A-Z0-9]{4}){3,7}(?:\ ?[A-Z0-9]{1,3})?\b           # IBAN
    """,
    re.VERBOSE,
)
"""What is certainly not a telephone number; each alternative is bounded or begins at a word, so the scan is linear."""

_CHAT_LINK = re.compile(r"(?:wa\.me/|whatsapp\.com/send/?\?phone=|signal\.me/#p/)\+?([1-9][0-9]{7,14})(?![0-9])", re.I)

_DIGIT_FOR = str.maketrans("oOlI", "0011")
_LETTERS_AMONG_DIGITS = re.compile(r"[oOlI][0-9]|[0-9][oOlI]|(?<!\S)[oO] [0-9]")
_LETTER_TOKEN = re.compile(
    r"(?<!\S)[oO0](?: [0-9oOlI]){9,11}(?!\S)"
    r"|(?<!\S)[+(]?(?=[0-9oOlI().-]*[0-9])[0-9oOlI().-]+(?=[,;:!?]{0,3}(?:\s|$))"
)

_IDENTIFIED = (
    r"(?:order|invoice|booking|ticket|parcel|case|job|claim|policy|account|acc|item|part|model|batch|product|member"
    r"|membership|customer|client|charity|registration|reg|licence|license|passport|patient|hospital|tax|roll|card"
    r"|serial|student|employee|staff|payroll|transaction|txn|meter|collection|delivery|tracking|parking|permit|nhs"
    r"|application|insurance|tenancy|rent|room|prescription|consignment|locker|gift|voucher|file|reference|ref|ni|vat"
    r"|lottery|national insurance|bank|sort)"
    r"\s?(?:numbers?|num|no|nr|id|ref|reference|code)\b"
)
_OTHER_NUMBER = re.compile(
    rf"\b(?:{_IDENTIFIED}|a/c|nhs|utr|iban|isbn|issn|imei|iccid|mpan|mprn|ean|upc|sku|asin|tracking|barcode|crn|ref"
    r"|reference|serial|version|build|code|pin|(?P<weak>(?:order|invoice|booking|ticket|parcel|case|job|claim|policy"
    r"|account|item|part|model)s?))[\s.:#=-]*(?:(?:is|was|are)\b[\s:#=-]*)?[(\[\"']?$"
)
"""A word right before the digits that names another kind of number; the weak ones give way to a word like `call`."""

_OTHER_PHRASE = re.compile(rf"\b{_IDENTIFIED}")
_CUE = re.compile(
    r"\b(?:call|calls|ring|rings|text|txt|phone|telephone|tel|mobile|mob|moby|cell|landline|whats ?app|sms|dial|number"
    r"|contact|reach|bell|buzz|facetime|viber|telegram|signal|message me|msg me|get me|get hold|digits|hmu)\b"
)
_GLUED_BEFORE = re.compile(r"[A-Za-z]{1,10}[-_/.]?$")
_GLUE = re.compile("tel|mob|mobile|phone|ph|call|text|txt|ring|on|is|no|number|num|t|m|at|whatsapp|wa|home|work")
_PARTING = frozenset(" \t/|,~()")  # between two numbers; other marks tie digits to one identifier
_LETTERS = re.compile(r"[-_]?([A-Za-z]+)")
_GOES_ON = re.compile(
    r"[:.-][0-9\0]|[\w-]{0,16}\.(?:jpe?g|png|gif|mp[34]|m4a|pdf|webp|heic|docx?|xlsx?|csv|zip|mov|ogg|html?)\b", re.I
)

_NATIONAL = re.compile(r"0(?:[1-35689][0-9]{8,9}|7[0-9]{9})")
_LEADING_NUMBER = re.compile(r"[+0-9][0-9 ()-]+")


class NumberKind(Enum):
    """What a number is by its prefix (Ofcom's National Telephone Numbering Plan); one from abroad is only that."""

    MOBILE = "mobile"
    LANDLINE = "landline"
    PERSONAL = "personal"
    FREEPHONE = "freephone"
    NON_GEOGRAPHIC = "non_geographic"
    PREMIUM = "premium"
    INTERNATIONAL = "international"

    @property
    def may_be_private(self) -> bool:
        """Whether a private person may have such a number; the others are given to organisations."""
        return self not in (NumberKind.FREEPHONE, NumberKind.NON_GEOGRAPHIC, NumberKind.PREMIUM)


_KINDS = (
    ("+", NumberKind.INTERNATIONAL),
    ("070", NumberKind.PERSONAL),
    ("07", NumberKind.MOBILE),
    ("01", NumberKind.LANDLINE),
    ("02", NumberKind.LANDLINE),
    ("0500", NumberKind.FREEPHONE),
    ("080", NumberKind.FREEPHONE),
    ("09", NumberKind.PREMIUM),
    ("0", NumberKind.NON_GEOGRAPHIC),
)


@dataclass(frozen=True, slots=True)
class PhoneFinding:
    """A number in a text: `text[start:end]`, its digits (`07700900123`; abroad `+` and country code) and its kind."""

    start: int
    end: int
    digits: str = field(repr=False)  # a printed finding must not put a number into a log
    kind: NumberKind

    @property
    def span(self) -> tuple[int, int]:
        return self.start, self.end


@dataclass(frozen=True, slots=True)
class ReservedRange:
    """A range kept free for drama, both ends included, in national digits of equal length."""

    name: str
    first: str
    last: str

    def __contains__(self, national: str) -> bool:
        return len(national) == len(self.first) and self.first <= national <= self.last


def reserved_ranges(csv_text: str) -> tuple[ReservedRange, ...]:
    """The ranges of `policies/rules/reserved-numbers-gb.csv`, from its text. `ValueError` names the row at fault."""
    ranges = []
    for line, row in enumerate(csv.DictReader(io.StringIO(csv_text)), start=2):
        first, last = row.get("first") or "", row.get("last") or ""
        if not (first.isdecimal() and last.isdecimal() and len(first) == len(last) and first <= last):
            raise ValueError(f"reserved numbers, line {line}: {first!r} to {last!r} is not a range of digits")
        ranges.append(ReservedRange(row.get("name") or "", first, last))
    return tuple(ranges)


def helpline_numbers(csv_text: str) -> tuple[str, ...]:
    """The telephone numbers of a signposts table (`policies/rules/signposts/*.csv`), from its text, as written there."""
    leading = (_LEADING_NUMBER.match(row.get("contact") or "") for row in csv.DictReader(io.StringIO(csv_text)))
    return tuple(match[0].strip() for match in leading if match is not None)


class PhoneFinder:
    """Finds telephone numbers. Holds tables only: nothing of a text stays behind.

    In: `allowed`, numbers in any spelling that are never a finding (helplines, the charity's own); `region`, where a
    number without country code belongs (only GB has rules, `ValueError` for others); `reserved`, ranges that count as
    valid although phonenumbers does not know them (DESIGN section 7.1).
    """

    def __init__(self, allowed: Iterable[str], region: str = "GB", *, reserved: Iterable[ReservedRange] = ()) -> None:
        if region != "GB":
            raise ValueError(f"no rules for telephone numbers of region {region!r}: only GB is known")
        self._allowed = frozenset(_written_nationally(number) for number in allowed)
        self._reserved = tuple(reserved)

    def warm_up(self) -> None:
        """Import phonenumbers (60 ms, 6 MB) now, so that the first message with a number does not wait for it."""
        _is_valid("07400000000")

    def find(self, text: str) -> tuple[PhoneFinding, ...]:
        """The telephone numbers in `text` (from `visible_text`), in order, never overlapping, at most `MAX_FINDINGS`.

        Found is every grouping in use, `+44 (0)`, `0044`, one digit at a time and `wa.me` links. Letters for digits
        (`o77oo 9oo l23`), digits in words (`oh double seven ...`), a missing first 0 and odd groupings are found
        where a mobile prefix or a word like `call` nearby speaks for them. Never raises; linear in `text`.
        """
        has_cluster = _DIGITS.search(text) and _CLUSTER.search(_with_letters_read(text))
        findings = self._in_digits(text) if has_cluster else []
        for start, end, number in (*spoken_digits(text, SPOKEN_DIGITS), *parted_digits(text)):
            overlaps = any(start < finding.end and finding.start < end for finding in findings)
            if not overlaps and _NATIONAL.fullmatch(number) and self._counts(number):
                findings.append(PhoneFinding(start, end, number, _kind(number)))
        return tuple(sorted(findings, key=lambda finding: finding.start)[:MAX_FINDINGS])

    def _in_digits(self, text: str) -> list[PhoneFinding]:
        findings = []
        for link in _CHAT_LINK.finditer(text):
            number = _read("+" + link[1])
            if number is not None and self._counts(number):
                findings.append(PhoneFinding(link.start(1), link.end(1), number, _kind(number)))
        masked = _MASK.sub(lambda match: "\0" * len(match[0]), text)
        folded = _with_letters_read(masked)
        rows_seen = 0
        for cluster in _CLUSTER.finditer(folded):
            groups = [match.span() for match in _DIGITS.finditer(folded, cluster.start(), cluster.end())]
            position = settled = 0
            while position < len(groups):
                rows = _rows(folded, cluster.start(), groups, position)
                rows_seen += len(rows)
                if rows_seen > MAX_ROWS or len(findings) >= MAX_FINDINGS:
                    return findings
                step = max((size for size, digits in rows if _written_nationally(digits) in self._allowed), default=0)
                for size, digits in () if step else rows:
                    start, end = groups[position][0], groups[position + size - 1][1]
                    if position == 0 and (digits.startswith("+") or ")" in folded[start:end]):
                        start = cluster.start()
                    number = _read(digits)
                    if number is None or not _stands_alone(folded, (start, end), groups, position, size):
                        continue
                    lengths = [b - a for a, b in groups[position : position + size]]
                    in_row = _in_row(folded, groups, position, size, settled) and lengths[0] not in (5, 11)
                    if not _plausible(folded, masked[start:end], start, lengths, digits, number, in_row):
                        continue
                    if self._counts(number):
                        findings.append(PhoneFinding(start, end, number, _kind(number)))
                        step = size
                        break
                position += step or 1
                settled = position if step else settled
        return findings

    def _counts(self, number: str) -> bool:
        if number in self._allowed or number.startswith(COUNTING):
            return False
        return any(number in reserved for reserved in self._reserved) or _is_valid(number)


def _with_letters_read(text: str) -> str:
    """`text`, as long as before, with o and l read as 0 and 1 in words that are otherwise digits."""
    if _LETTERS_AMONG_DIGITS.search(text) is None:
        return text
    return _LETTER_TOKEN.sub(lambda match: match[0].translate(_DIGIT_FOR), text)


def _rows(text: str, cluster_start: int, groups: Sequence[tuple[int, int]], first: int) -> list[tuple[int, str]]:
    """How many groups of digits from `first` on may make a number, and their digits; the longest first."""
    plus = "+" if first == 0 and text.startswith("+", cluster_start) else ""
    rows: list[tuple[int, str]] = []
    if not plus and text[groups[first][0]] not in "047":
        return rows
    digits = plus
    for index in range(first, len(groups)):
        start, end = groups[index]
        if len(digits) + end - start > MAX_DIGITS:
            break
        if index > first and not _joins(text[groups[index - 1][1] : start]):
            break
        digits += text[start:end]
        if len(digits) >= MIN_DIGITS:
            rows.append((index + 1 - first, digits))
    return rows[::-1]


def _read(written: str) -> str | None:
    """National digits of a British number, `+` and digits of another, None for what cannot be a number."""
    plus = written.startswith("+")
    digits = written.removeprefix("+")
    if digits.startswith("00"):
        digits, plus = digits[2:], True
    elif digits.startswith("0"):
        plus = False  # people write +07700 ...
    if plus and not digits.startswith("44"):
        return "+" + digits if 8 <= len(digits) <= 15 and digits[0] != "0" else None
    national = _written_nationally(("+" if plus else "") + digits)
    if len(national) == 10 and national[0] == "7":
        national = "0" + national
    return national if _NATIONAL.fullmatch(national) else None


def _written_nationally(number: str) -> str:
    """Digits as dialled inside Great Britain: `+44 (0)20 ...`, `0044 20 ...` and `020 ...` are one."""
    digits = "".join(character for character in number if "0" <= character <= "9")
    if digits.startswith("00"):
        digits = digits[2:]
        return "0" + digits[2:].removeprefix("0") if digits.startswith("44") else "+" + digits
    if digits.startswith("44") and len(digits) >= 11:
        return "0" + digits[2:].removeprefix("0")
    return "+" + digits if number.lstrip().startswith("+") else digits


def _joins(separator: str) -> bool:
    """Whether two groups of digits with `separator` between them may belong to one number."""
    kinds = set(separator) - set(" \t()")
    return len(kinds) <= 1 and not separator.startswith((". ", ", ", "/ ", " /", " ,", "| "))


def _stands_alone(text: str, span: tuple[int, int], groups: Sequence[tuple[int, int]], first: int, size: int) -> bool:
    """Whether the digits are a word of their own, not a piece of something longer (an identifier, a file name)."""
    start, end = span
    last = first + size - 1
    if all(b - a == 1 for a, b in groups[first : last + 1]) and any(
        b - a == 1 for a, b in (*groups[max(0, first - 1) : first], *groups[last + 1 : last + 2])
    ):
        return False  # a piece of a longer row of single digits
    if first > 0 and _PARTING.isdisjoint(text[groups[first - 1][1] : start]):
        return False
    if last + 1 < len(groups) and _PARTING.isdisjoint(text[end : groups[last + 1][0]]):
        return False
    before = text[max(0, start - 12) : start]
    if before.endswith(tuple("£$€¥%&=+\0")) or before[-1:].isdigit():
        return False
    glued = _GLUED_BEFORE.search(before)
    if glued is not None and not glued[0].endswith(".") and _GLUE.fullmatch(glued[0].rstrip("-_/").lower()) is None:
        return False
    after = text[end : end + CONTEXT_AFTER]
    if after.startswith(("%", "=", "@", "\0")) or _GOES_ON.match(after):
        return False
    letters = _LETTERS.match(after)
    return letters is None or len(letters[1]) > 2 or set(letters[1].lower()) == {"x"}  # 07700 900123x is a kiss


def _in_row(text: str, groups: Sequence[tuple[int, int]], first: int, size: int, settled: int) -> bool:
    """Whether more such groups stand beside these, as in an NHS number: those up to `settled` are read already."""
    gaps = [(first - 1, first)] if first > settled else []
    if first + size < len(groups) and not text.startswith(("0", "447"), groups[first + size][0]):
        gaps.append((first + size, first + size))
    return any(
        groups[beside][1] - groups[beside][0] > 2 and text[groups[right - 1][1] : groups[right][0]] == " "
        for beside, right in gaps
    )


def _plausible(
    text: str, written: str, start: int, lengths: Sequence[int], digits: str, number: str, in_row: bool
) -> bool:
    """Whether grouping and words nearby allow a telephone number: odd shapes need a word that says so."""
    before = text[max(0, start - 2 * CONTEXT_BEFORE) : start].lower()
    label = _OTHER_NUMBER.search(before)
    if label is not None and label["weak"] is None:
        return False
    letters = sum(character in "oOlI" for character in written)
    if letters and len(digits) - letters < MIN_REAL_DIGITS:
        return False
    has_country = written.startswith(("+", "00", "44"))
    if (
        label is None
        and not in_row
        and not before.endswith("#")
        and _is_usual_grouping(lengths, written, has_country)
        and (digits[0] in "0+" or written.startswith("+") or (digits.startswith("447") and lengths[1:2] != [3]))
        and (len(number) != 10 or lengths == [5, 5])
        and (not letters or number.startswith("07"))
        and (not number.startswith("+") or len(lengths) > 1 or "+" in written)
    ):
        return True
    if len(digits) == 10 and lengths != [4, 6] and digits.isdecimal() and _is_nhs_number(digits):
        return False
    after = text[start + len(written) :][:CONTEXT_AFTER].lower()
    near = (_OTHER_PHRASE.sub(" ", before)[-CONTEXT_BEFORE:], _OTHER_PHRASE.sub(" ", after))
    return any(_CUE.search(context) for context in near)


def _is_usual_grouping(lengths: Sequence[int], written: str, has_country: bool) -> bool:
    marks = set(written) - set("0123456789oOlI+() \t")
    if all(length == 1 for length in lengths):
        return len(marks) <= 1
    if len(marks) > 1 or "," in marks:
        return False
    if has_country:
        return all(length > 1 for length in lengths[2:])
    if lengths[0] == 1 and len(lengths) > 1 and written.lstrip("(")[1:2] in (" ", ")"):
        lengths = lengths[1:]
    area, *rest = lengths
    return len(lengths) <= 6 and all(length > 1 for length in rest) and (area > 2 or (bool(rest) and rest[0] > 2))


def _is_nhs_number(digits: str) -> bool:
    """Modulus 11 of the NHS Data Dictionary (NHS NUMBER): ten digits, the last a check digit."""
    check = 11 - sum(int(digit) * weight for digit, weight in zip(digits[:9], range(10, 1, -1), strict=True)) % 11
    return check % 11 == int(digits[9])


def _is_valid(number: str) -> bool:
    import phonenumbers

    if not number.startswith("+"):
        return bool(phonenumbers.is_valid_number(phonenumbers.PhoneNumber(44, int(number[1:]))))
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(number, None)))
    except phonenumbers.NumberParseException:
        return False


def _kind(number: str) -> NumberKind:
    return next(kind for prefix, kind in _KINDS if number.startswith(prefix))
