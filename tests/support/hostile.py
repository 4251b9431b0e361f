"""Files that nobody wrote on purpose, or somebody did: saved otherwise, not YAML at all, far too large, meant to mislead."""

from __future__ import annotations

from typing import Final

from policies.files import EXAMPLES, MAX_BYTES

POLICY: Final = (EXAMPLES / "hearth-demo.yaml").read_text(encoding="utf-8")
PEOPLE: Final = (EXAMPLES / "hearth-demo.people.yaml").read_text(encoding="utf-8")
_RAW: Final = POLICY.encode()


def but(old: str, new: str, text: str = POLICY) -> str:
    """Return a text with the first `old` put as `new`."""
    assert old in text, old
    return text.replace(old, new, 1)


def _level(value: str) -> str:
    return but("level: 50", f"level: {value}")


def _name(value: str) -> str:
    return but("name: Start here", f"name: {value}")


#: name: the file, line and column of its first error, part of what is said, part of the advice.
HOSTILE: Final[dict[str, tuple[str | bytes, int, int, str, str]]] = {
    # saved otherwise
    "utf-16 with a mark": (POLICY.encode("utf-16"), 1, 1, "saved as UTF-16", "UTF-8"),
    "utf-16 without a mark": (POLICY.encode("utf-16-le"), 1, 1, "saved as UTF-16", "UTF-8"),
    "utf-16, big end first": (POLICY.encode("utf-16-be"), 1, 1, "saved as UTF-16", "UTF-8"),
    "utf-32": (POLICY.encode("utf-32"), 1, 1, "saved as UTF-16 or UTF-32", "UTF-8"),
    "two byte order marks": (b"\xef\xbb\xbf" * 2 + _RAW, 1, 1, "U+FEFF", "type it again"),
    "windows quotes": (
        but("by the fire", "by the fire’s").encode("cp1252"),
        9,
        31,
        "byte 0x92 is not UTF-8",
        "Save it",
    ),
    "half a character": (_RAW.replace(b"Hearth\n", b"He\xc3\n", 1), 8, 11, "byte 0xc3", "Save it again"),
    "a surrogate": (_RAW.replace(b"Hearth\n", b"He\xed\xa0\x80\n", 1), 8, 11, "byte 0xed", "Save it again"),
    "too long a form": (_RAW.replace(b"Hearth\n", b"He\xc0\xaf\n", 1), 8, 11, "byte 0xc0", "Save it again"),
    "nul in a name": (_RAW.replace(b"Hearth\n", b"He\x00\n", 1), 8, 11, "U+0000", "type it again"),
    "nul at the end": (_RAW + b"\x00", 53, 1, "U+0000", "type it again"),
    # not a policy at all
    "nothing": (b"", 1, 1, "the file is empty", "Start from one of the examples"),
    "only spaces": (b"  \n \n", 1, 1, "the file is empty", "Start from one of the examples"),
    "only comments": (b"# a policy\n# later\n", 1, 1, "the file is empty", "Start from one of the examples"),
    "only a line": (b"---\n", 2, 1, "the file holds nothing", "schema, community"),
    "null": (b"~\n", 1, 1, "the file holds nothing", "schema, community"),
    "a word": (b"hello\n", 1, 1, "the file holds text", "schema, community"),
    "a number": (b"12\n", 1, 1, "the file holds a whole number", "schema, community"),
    "a list": (b"- a\n- b\n", 1, 1, "the file holds a list", "schema, community"),
    "an empty block": (b"{}\n", 1, 1, "is missing from the file", "Example"),
    "a web page": (b"<html><body>x</body></html>", 1, 1, "the file holds text", "schema, community"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), 1, 1, "byte 0x89 is not UTF-8", "Save it again"),
    "a document of an office": (b"\xd0\xcf\x11\xe0" + bytes(100), 1, 1, "a document of a word processor", "as text"),
    "every byte": (bytes(range(256)) * 4, 1, 1, "saved as UTF-16", "UTF-8"),
    "a list of settings": (b'[community]\nid = "x"\n', 2, 1, "belongs to nothing", "key: value"),
    "two documents": (_RAW + b"---\nx: 1\n", 53, 1, "a second document", 'Remove the line "---"'),
    "two documents, one ended": (_RAW + b"...\n---\n", 54, 1, "a second document", 'Remove the line "---"'),
    "a directive from the future": (b"%YAML 9.9\n---\n" + _RAW, 1, 1, "begins with %", "Remove the line"),
    # too much
    "too large": (b"a: " + b"x" * MAX_BYTES, 1, 1, "larger than 1 MiB", "Split it"),
    "too many values": (b"[" + b"1," * 400_000 + b"1]", 1, 100_000, "more than 50,000", "Split the community"),
    "too many keys": ("".join(f"k{n}: 1\n" for n in range(30_000)), 25_000, 9, "more than 50,000", "Split"),
    "too deep, in brackets": (b"[" * 100_000, 1, 13, "nested more than 12 deep", "Take out the inner blocks"),
    "too deep, in braces": (b"{a: " * 5_000, 1, 49, "nested more than 12 deep", "Take out the inner blocks"),
    "too deep, in dashes": (b"- " * 20_000, 1, 25, "nested more than 12 deep", "Take out the inner blocks"),
    "too deep, in questions": (b"? " * 20_000, 1, 3, "cannot be a key", "A key is one word"),
    "too long a number": (_level("9" * 5_000), 38, 12, "text stands where a whole number", "at most 90"),
    "too long a key": (
        but("roles:\n", f"roles:\n  {'a' * 900}: {{level: 1}}\n"),
        21,
        3,
        "is not an id",
        "For instance",
    ),
    "too many steps": (
        f"{POLICY}escalation: {{help: [{'{call: lead, within: 1h}, ' * 2000}]}}\n",
        53,
        14,
        "the ladder has 2000 steps",
        "Call more people at once",
    ),
    # what YAML can do, and this one may not
    "an anchor": (but("name: Hearth", "name: &n Hearth"), 8, 9, "an anchor (&) is not allowed", "in full"),
    "an alias": (but("name: Hearth", "name: *n"), 8, 9, "an alias (*) is not allowed", "in full"),
    "a billion laughs": (b"a: &a [x, x]\nb: &b [*a, *a]\n", 1, 4, "an anchor (&)", "in full"),
    "a merge": (but("roles:\n", "roles:\n  <<: {a: {level: 1}}\n"), 21, 3, "a merge (<<) is not allowed", "in full"),
    "a merge at the top": ("<<: {a: b}\n" + POLICY, 1, 1, "a merge (<<) is not allowed", "in full"),
    "a tag for bytes": (but("name: Hearth", "name: !!binary aGk="), 8, 9, "binary is not allowed", "Remove it"),
    "a tag for a time": (but("name: Hearth", "name: !!timestamp 2026-01-01"), 8, 9, "timestamp is not", "Remove it"),
    "a tag of its own": (but("name: Hearth", "name: !own x"), 8, 9, "the tag !own is not allowed", "Remove it"),
    "a tag that is not true": (
        but("name: Hearth", "name: !!null x"),
        8,
        9,
        "is not what the tag !!null says",
        "Remove",
    ),
    "a list for a key": (but("roles:\n", "roles:\n  [a]: {level: 1}\n"), 21, 3, "cannot be a key", "A key is one word"),
    "a key in many lines": (but("roles:\n", "roles:\n  ? |\n    x\n  : {level: 1}\n"), 21, 5, "is not an id", '"x"'),
    "no key": (but("roles:\n", 'roles:\n  "": {level: 1}\n'), 21, 3, '"" is not an id', "carers-lounge"),
    "a key twice, once in quotes": (
        but("name: Hearth", 'name: Hearth\n  "name": X'),
        9,
        3,
        "stood already",
        "Keep one",
    ),
    # kinds of values
    "a number in quotes": (_level('"50"'), 38, 12, "text stands where a whole number", "without quotes: level: 50"),
    "a number with a point": (_level("50.0"), 38, 12, "text stands where a whole number", "at most 90"),
    "not a number": (_level(".nan"), 38, 12, "text stands where a whole number", "at most 90"),
    "an infinite number": (_level("-.inf"), 38, 12, "text stands where a whole number", "at most 90"),
    "a number below nothing": (_level("-50"), 38, 12, "-50 is out of range", "0 for none"),
    "a number of sixteen": (_level("0x32"), 38, 12, "text stands where a whole number", "at most 90"),
    "a number of another script": (_level("\u0665\u0660"), 38, 12, "text stands where a whole number", "at most 90"),
    "yes for a number": (_level("true"), 38, 12, "true or false stands where", "at most 90"),
    "a date for a number": (_level("2026-01-01"), 38, 12, "text stands where a whole number", "at most 90"),
    "schema in quotes": (but("schema: 2", 'schema: "2"'), 4, 9, 'schema "2" is text', "without quotes: schema: 2"),
    "schema of nothing": (but("schema: 2", "schema:"), 4, 8, "nothing stands where", "schema: 2"),
    "schema of many": (but("schema: 2", "schema: [2]"), 4, 9, "a list stands where", "schema: 2"),
    "schema below nothing": (but("schema: 2", "schema: -1"), 4, 9, 'schema "-1" is unknown', "schema: 1 or 2"),
    "groups of nothing": (POLICY[: POLICY.index("groups:")] + "groups:\n", 42, 8, "nothing stands where", "groups:"),
    "no groups": (POLICY[: POLICY.index("groups:")] + "groups: {}\n", 42, 9, "groups has 0 entries", "groups:"),
    # times and places
    "a file for a zone": (but("Europe/London", "../../etc/passwd"), 15, 10, "no time zone", "Europe/London"),
    "a zone of this machine": (but("Europe/London", "localtime"), 15, 10, "is not a time zone", "Europe/London"),
    "a zone in short": (but("Europe/London", "BST"), 15, 10, "is not a time zone", "Europe/London"),
    "a zone of another script": (
        but("Europe/London", "\u0415urope/London"),
        15,
        10,
        "is not a time zone",
        "Europe/London",
    ),
    "hours of another script": (
        but("09:00-17:00", "\u0660\u0669:00-17:00"),
        15,
        10,
        "is not a day with its hours",
        "Write days",
    ),
    "hours after midnight": (but("09:00-17:00", "25:00-26:00"), 15, 10, '"25:00" is not a time of day', "24:00"),
    "hours twice": (but("17:00 Europe", "17:00, Wed 10:00-11:00 Europe"), 15, 10, "two spans on Wed overlap", "once"),
    # what misleads
    "an id with a picture": (but("id: hearth", "id: h🔥"), 7, 7, "is not an id", 'For instance "h"'),
    "a role that is a picture": (but("  moderator:", "  🔥:"), 37, 3, "is not an id", "carers-lounge"),
    "an id with a letter of another script": (
        but("id: hearth", "id: h\u0435arth"),
        7,
        7,
        "is not an id",
        "U+0435 is none of them",
    ),
    "an id with a joiner": (but("id: hearth", "id: he\u200darth"), 7, 7, "is not an id", "he-arth"),
    "an id that turns around": (but("id: hearth", "id: he\u202earth"), 7, 9, "U+202E", "type it again"),
    "a role in an isolate": (but("  moderator:", '  "mod\u2066":'), 37, 7, "U+2066", "type it again"),
    "a space of no width": (but("id: hearth", "id: he\u200barth"), 7, 9, "U+200B", "type it again"),
    "a break that editors do not count": (_name('"Sta\u2028rt"'), 44, 15, "U+2028", "type it again"),
    "a hyphen that nobody sees": (_name("St\u00adart"), 44, 13, "U+00AD", "type it again"),
    "a letter that nobody sees": (_name('"\u3164"'), 44, 12, "U+3164", "type it again"),
    "a name of blanks": (_name('"\u2800\u00a0"'), 44, 11, "the text is empty", "Write a few plain words"),
    "a name of marks alone": (_name('"\ufe0f\u0301"'), 44, 11, "the text is empty", "Write a few plain words"),
    "an escape to half a character": (_name('"\\ud800"'), 44, 14, "unknown escape", "single quotes"),
}

#: The same for people files, beside `hearth-demo.yaml`.
HOSTILE_PEOPLE: Final[dict[str, tuple[str | bytes, int, int, str, str]]] = {
    "nothing": (b"", 1, 1, "the file is empty", "Start from one of the examples"),
    "utf-16": (PEOPLE.encode("utf-16"), 1, 1, "saved as UTF-16", "UTF-8"),
    "latin-1": (but("# ", "# é", PEOPLE).encode("latin-1"), 1, 3, "byte 0xe9", "Save it again"),
    "a list": (b"- a\n", 1, 1, "the file holds a list", "schema, people"),
    "the policy": (POLICY, 4, 1, 'the key "people" is missing', "Example: people:"),
    "people of nothing": (PEOPLE[: PEOPLE.index("people:")] + "people:\n", 5, 8, "nothing stands where", "people:"),
    "nobody": (PEOPLE[: PEOPLE.index("people:")] + "people: {}\n", 5, 1, "nobody holds the role", "roles: [deputy]"),
    "everyone": (PEOPLE[: PEOPLE.index("people:")] + "people: all\n", 5, 9, "text stands where", "Example: people:"),
    "a name in capitals": (but('"@amina', '"@Amina', PEOPLE), 6, 3, "not a Matrix user id", "in quotes"),
    "a name with a picture": (but('"@amina', '"@am🔥', PEOPLE), 6, 3, "not a Matrix user id", "in quotes"),
    "a name that turns around": (but('"@amina', '"@am\u202e', PEOPLE), 6, 7, "U+202E", "type it again"),
    "a name with nul": (PEOPLE.encode().replace(b"amina", b"am\x00", 1), 6, 7, "U+0000", "type it again"),
    "a name without end": (but('"@amina', f'"@{"a" * 900}', PEOPLE), 6, 3, "not a Matrix user id", "in quotes"),
    "one role in words": (
        PEOPLE + '  "@z:hearth.example": {roles: lead}\n',
        25,
        32,
        "text stands where a list",
        "[lead]",
    ),
    "roles in a block": (PEOPLE + '  "@z:hearth.example": {roles: {lead: 1}}\n', 25, 32, "a block of keys", "[lead]"),
    "a person of nothing": (PEOPLE + '  "@z:hearth.example":\n', 25, 23, "nothing stands where", "people:"),
    "a level": (PEOPLE + '  "@z:hearth.example": {level: 90}\n', 25, 25, 'unknown key "level"', "groups, roles"),
    "an anchor": (PEOPLE + '  "@z:hearth.example": &x {}\n', 25, 24, "an anchor (&) is not allowed", "in full"),
    "thousands of mistakes": (
        PEOPLE + "".join(f'  "@p{n}:hearth.example": {{roles: [nix]}}\n' for n in range(5_000)),
        25,
        34,
        'there is no role "nix"',
        "Known here",
    ),
}
