"""The catalogue and its markup: what is wrong is told with key and line at once; values are never markup."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from html import unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appservice.conversation import Catalogue
from appservice.conversation.markup import LONGEST_VALUE, BadMarkup, asks_for, clean, filled, parse
from appservice.conversation.phrases import BadCatalogue, phrases, read
from appservice.conversation.pieces import WITHIN, Text, part
from tests.support.house import SAM, SERVER

HEAD = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

"""
PLURAL = 'msgid "many"\nmsgid_plural "many"\nmsgstr[0] "One room."\nmsgstr[1] "{count} rooms."\n'
HOURS = "Monday to Friday 9am to 5pm"


def entry(key: str, words: str) -> str:
    return f'msgid "{key}"\nmsgstr {json.dumps(words, ensure_ascii=False)}\n\n'


def made(words: str, *parts: str, needs: tuple[str, ...] = ()) -> Catalogue:
    """A catalogue with one text, `one`, of these parts (or of itself)."""
    texts = {"one": Text(tuple(part(key, *needs) for key in parts or ("one",)))}
    more = "".join(entry(key, " ".join(f"{{{name}}}" for name in sorted(WITHIN[key])) or "Hm") for key in WITHIN)
    return Catalogue(lambda _room: "Ash", SERVER, HOURS, words=read((HEAD + words + more).encode()), texts=texts)


BAD = [
    ("nothing said", entry("one", ""), r"inglenook\.po:6: one says nothing"),
    ("bold left open", entry("one", "This is **bold."), r":6: one: unclosed markup at “\*\*bold"),
    ("code left open", entry("two", "x") + entry("one", "Reply `help."), r":9: one: unclosed markup at “`help"),
    ("link left open", entry("one", "See [the room](link:room"), r":6: one: unclosed markup"),
    ("link without a name", entry("one", "See [the room](https://x.example)."), r":6: one: unclosed markup"),
    ("bracket", entry("one", "See the room]."), r":6: one: unclosed markup"),
    ("markup in markup", entry("one", "**Reply `help`**"), r":6: one: markup within markup"),
    ("brace left open", entry("one", "It is {person."), r":6: one: a brace that names no value"),
    ("brace of code", entry("one", "It is {0.name}."), r":6: one: a brace that names no value"),
    ("an empty paragraph", entry("one", "Please.\n\nLook."), r":6: one: an empty paragraph"),
    ("a turning mark", entry("one", "Please \u202elook."), r":6: one: an unseen character"),
    ("a value that is not given", entry("one", "It is {person}."), r":6: one asks for person"),
    ("a link that is not given", entry("one", "It is [she](link:person)."), r":6: one asks for link:person"),
    ("another key", entry("other", "Please look."), r"inglenook\.po: one is missing"),
    ("one key too many", entry("one", "Hm.") + entry("two", "Hm."), r":9: two is said nowhere"),
    ("a key twice", entry("one", "Hm.") + entry("one", "Ha."), r":9: one stands twice, first in line 6"),
    ("no key", entry("Please look", "Hm."), r":6: Please look is no key"),
    ("a fuzzy entry", "#, fuzzy\n" + entry("one", "Hm."), r":7: one is marked as fuzzy"),
    ("no format at all", "Please look.\n", r":6: cannot be read: Please look"),
    ("a quote left open", 'msgid "one"\nmsgstr "Please\n', r":7: cannot be read: msgstr"),
    (
        "a plural of another key",
        PLURAL.replace('plural "many', 'plural "few'),
        r":7: few is not the key of its singular",
    ),
]


@pytest.mark.parametrize(("words", "told"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_bad_catalogue_is_told_with_key_and_line(words: str, told: str) -> None:
    with pytest.raises(BadCatalogue, match=told):
        made(words)


def test_a_value_that_must_be_said_is_missed_and_so_is_one_that_there_is_not() -> None:
    with pytest.raises(BadCatalogue, match=r":6: one does not say hours"):
        made(entry("one", "Somebody reads it."), needs=("hours",))
    with pytest.raises(KeyError, match="one needs moon"):
        made(entry("one", "It is {moon}."), needs=("moon",))


def test_other_plural_forms_than_those_of_the_language_are_refused() -> None:
    head = HEAD.replace("nplurals=2; plural=(n != 1)", "nplurals=1; plural=0")
    with pytest.raises(BadCatalogue, match="plural forms"):
        read((head + entry("one", "Hm.")).encode())


@pytest.mark.parametrize("data", [b"\xff\xfe", HEAD.encode() + b'msgid "one"\nmsgstr "\xff"\n', b"\x00" * 40])
def test_what_is_not_text_is_refused(data: bytes) -> None:
    with pytest.raises(BadCatalogue):
        read(data).check({"one": frozenset()})


@pytest.mark.parametrize(("count", "said"), [(1, "One room."), (2, "2 rooms."), (12, "12 rooms.")])
def test_plurals_are_those_of_the_language(count: int, said: str) -> None:
    catalogue = made(PLURAL, "many", needs=("count",))
    assert catalogue.render("one", ({"person": SAM},) * count).body == said


def test_the_words_are_read_once() -> None:
    assert phrases() is phrases()


def test_only_who_speaks_reads_them() -> None:
    program = "import sys, appservice.conversation; print('babel' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# -- markup and values -------------------------------------------------------------------------------------------------


def test_markup_becomes_the_tags_it_stands_for() -> None:
    paragraph = parse("**Please** look at [what {person} wrote](link:message), or reply `show {reference}`.")
    assert asks_for([paragraph]) == {"person", "reference", "link:message"}
    made = filled([paragraph], {"person": "Jo & Co", "reference": "R-1"}.__getitem__, lambda name: f"x:{name}?a&b")
    assert made.body == "Please look at what Jo & Co wrote, or reply show R-1."
    assert made.html == (
        '<p><strong>Please</strong> look at <a href="x:message?a&amp;b">what Jo &amp; Co wrote</a>, '
        "or reply <code>show R-1</code>.</p>"
    )


@given(value=st.text(), around=st.sampled_from(["{v}", "**{v}**", "`{v}`", "[{v}](link:l)"]))
def test_a_value_is_never_markup_nor_unseen_nor_long(value: str, around: str) -> None:
    made = filled([parse(f"It is {around}.")], lambda _name: clean(value), lambda _name: "x")
    shown = clean(value)
    assert made.body == f"It is {shown}."
    assert len(shown) <= LONGEST_VALUE
    assert "\n" not in shown
    assert not [one for one in shown if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert unescape(re.sub(r"<[^>]*>", "", made.html)) == made.body
    tags = re.findall(r"<[^>]*>", made.html)
    assert len(tags) == (2 if around == "{v}" else 4)
    made.body.encode()


@pytest.mark.parametrize("name", ["**x**", "`x`", "[x](link:person)", "{hours}", "{{", "x]", "<b>"])
def test_markup_in_a_name_is_shown_as_it_is(name: str) -> None:
    catalogue = Catalogue(lambda _room: name, SERVER, HOURS)
    rendered = catalogue.render("your.own_number", ({"person": SAM, "room": "!r"},))
    assert f"in {name}." in rendered.body
    assert rendered.html.count("<code>") == 1


UNSEEN = [
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u200b\u200c\u200d\u2060\ufeff\x00\x1b\x7f\xad"
]


@pytest.mark.parametrize("mark", UNSEEN, ids=lambda mark: f"{ord(mark):04x}")
def test_unseen_marks_are_taken_out_of_values(mark: str) -> None:
    assert clean(f"Fri{mark}ends") == "Friends"
    rendered = Catalogue(lambda _room: f"Fri{mark}ends", SERVER, HOURS).render(
        "card.asks_to_join", ({"person": f"@s{mark}am:hearth.example", "room": "!r", "reference": "R-1"},)
    )
    assert mark not in rendered.body
    assert mark not in rendered.html
    assert "Friends" in rendered.body
    assert "@sam:hearth.example" in rendered.body


@pytest.mark.parametrize("end", ["\n", "\r\n", "\t", "\u2028", "\u2029", "\x0b", "\x85", "  \u200b "])
def test_a_value_stays_on_its_line(end: str) -> None:
    assert clean(f"Tea{end}time") == "Tea time"


def test_a_long_value_is_cut_and_the_hours_are_not() -> None:
    assert clean("n" * 300) == "n" * 99 + "…"
    hours = ", ".join(f"{day}day 9am to 12.30pm and 1.30pm to 5pm" for day in ("Mon", "Tues", "Wednes", "Thurs", "Fri"))
    rendered = Catalogue(lambda _room: "Ash", SERVER, hours).render("care.danger", ({"person": SAM},))
    assert hours in rendered.body


def test_a_quotation_shows_all_words_as_they_are_and_nothing_unseen() -> None:
    said = "**Ring** <b>Jo</b>\u202e\r\n`help` " + "n" * 300
    item = {"person": SAM, "about": SAM, "reference": "H-0001", "words": said}
    rendered = Catalogue(lambda _room: "Ash", SERVER, HOURS).render("case.shown", (item,))
    assert f"\n**Ring** <b>Jo</b>\n`help` {'n' * 300}\n" in rendered.body
    shown = "**Ring** &lt;b&gt;Jo&lt;/b&gt;<br>`help` "
    assert f"</p><blockquote><p>{shown}{'n' * 300}</p></blockquote><p>" in rendered.html


@pytest.mark.parametrize("words", ["> ", "> Sam says {words}", "> {one}{two}", "> **{words}**", "> words"])
def test_a_quotation_of_anything_but_one_value_is_refused(words: str) -> None:
    with pytest.raises(BadMarkup):
        parse(words)


def test_a_card_says_how_to_answer_only_if_it_is_of_a_case() -> None:
    item = {"person": SAM, "room": "!r", "reference": "H-0001", "state": "open"}
    catalogue = Catalogue(lambda _room: "Ash", SERVER, HOURS)
    of_cases = {"card.concern", "card.concern_privately", "card.contact_details_removed", "card.appeal", "card.conduct"}
    for text in catalogue.texts:
        if text.startswith("card."):
            answers = "ack H-0001" in catalogue.render(text, (item,)).body
            assert answers == (text in of_cases), text


def test_a_card_claims_a_kind_message_only_where_one_is_sent() -> None:
    catalogue = Catalogue(lambda _room: "Ash", SERVER, HOURS)
    said = {n: catalogue.render("card.concern", ({"person": SAM, "severity": n},)).body for n in "234"}
    assert ["kind message" in said[n] for n in "234"] == [False, True, True]
    assert "I did not write to them" in said["2"]


@pytest.mark.parametrize(
    "words",
    ["**", "*", "*`*`*`", "a * b", "`*`", "****", "`", "``", "[]", "[x]", "{", "}", "", " x", "x ", "a  b", "a\nb"],
)
def test_what_is_not_markup_is_refused(words: str) -> None:
    with pytest.raises(BadMarkup):
        parse(words)


@example("*`*`")
@given(st.text(alphabet="ab*`[](){}link:_ ", max_size=40))
def test_any_words_are_either_read_or_refused(words: str) -> None:
    try:
        paragraph = parse(words)
    except BadMarkup:
        return
    made = filled([paragraph], lambda name: name, lambda name: name)
    assert "**" not in made.body
    assert "`" not in made.body
