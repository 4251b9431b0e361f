"""What members see of a message, from contents that are ordinary, odd and hostile."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appservice.detection.text import normalise, spoken_digits, visible_text

HTML = "org.matrix.custom.html"
REPLY = {"m.in_reply_to": {"event_id": "$earlier"}}


def html(formatted: str, body: str = "") -> dict[str, Any]:
    return {"msgtype": "m.text", "body": body, "format": HTML, "formatted_body": formatted}


def test_a_plain_body_is_the_text() -> None:
    assert visible_text({"msgtype": "m.text", "body": "see you\nat 7"}) == "see you\nat 7"


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"body": None},
        {"body": 7},
        {"body": ["a"], "formatted_body": {"b": 1}, "format": HTML},
        {"body": {}, "m.new_content": [], "m.relates_to": "x"},
        {"m.new_content": {"body": 1, "m.new_content": {"body": "deeper"}}},
        {"formatted_body": "<b>hidden</b>", "format": "org.example.other"},
        {"formatted_body": "<b>hidden</b>", "format": ["org.matrix.custom.html"]},
    ],
)
def test_fields_that_are_missing_of_the_wrong_type_or_of_another_format_show_nothing(content: dict[str, Any]) -> None:
    assert visible_text(content) == ""


def test_html_that_says_the_same_as_the_body_is_looked_at_once() -> None:
    assert visible_text(html("see <b>you</b> there", "see you there")) == "see you there"


def test_html_that_says_something_else_is_looked_at_too() -> None:
    assert visible_text(html("<p>call 07700 900123</p>", "hello")).split("\n", 1)[0] == "hello"
    assert "call 07700 900123" in visible_text(html("<p>call 07700 900123</p>", "hello"))


@pytest.mark.parametrize(
    ("formatted", "seen"),
    [
        ("07<b>700</b> <i>900</i>123", "07700 900123"),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("one<br>two<BR/>three", "one\ntwo\nthree"),
        ("<table><tr><td>0770</td><td>12</td></tr></table>", "0770  12"),
        ("07700&nbsp;900123 &lt;b&gt; &amp; &#48;&#x37;", "07700 900123 <b> & 07"),
        ("&#0000000048;7 &#xZ; &unknown;", "07 &#xZ; &unknown;"),
        ("a<!-- not seen -->b", "ab"),
        ("a<!-- never closed", "a<!-- never closed"),
        ('<a title="x > y" href="https://example.org/07700900123">here</a>', "here"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<3 you", "<3 you"),
        ("open <b", "open <b"),
        ('<a title="never closed>still seen', "still seen"),
        ("07700\n900123", "07700 900123"),
    ],
)
def test_html_reads_as_a_client_shows_it(formatted: str, seen: str) -> None:
    assert visible_text(html(formatted)).strip() == seen


@pytest.mark.parametrize("count", [5_000, 100_000])
def test_a_reference_to_an_absurd_character_does_no_harm(count: int) -> None:
    assert visible_text(html(f"a &#{'9' * count}; b")).startswith("a ")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("0\u200b7\u200c7\u200d0\u2060", "0770"),
        ("\u202e0770\u202c \u2066x\u2069", "0770 x"),
        ("soft\u00adhyphen", "softhyphen"),
        ("０７７００", "07700"),
        ("𝟎𝟕𝟕", "077"),
        ("٠٧٧ ०७७", "077 077"),
        ("0️⃣7️⃣", "07"),
        ("0\u00a07\u20097", "0 7 7"),
        ("0\u00007\u001b7", "077"),
        ("7\u03367\u0336", "77"),
        ("e\u0301", "é"),
        ("tab\tand\nline", "tab\tand\nline"),
    ],
)
def test_what_nobody_sees_goes_and_digits_of_every_kind_are_ascii(text: str, seen: str) -> None:
    assert visible_text({"body": text}) == seen


def test_the_message_replied_to_is_not_the_authors() -> None:
    body = "> <@sam:demo.example> my number is 07700 900123\n> second line\n\nthank you"
    formatted = "<mx-reply><blockquote>my number is 07700 900123</blockquote></mx-reply>thank <b>you</b>"
    assert visible_text({**html(formatted, body), "m.relates_to": REPLY}) == "thank you"


def test_a_quotation_that_the_author_typed_is_seen() -> None:
    quotation = "> her number is 07700 900123\n\nlook at this"
    assert visible_text({"body": quotation}) == quotation
    assert visible_text({"body": quotation, "m.relates_to": REPLY}) == quotation


def test_what_looks_like_a_fallback_but_answers_nothing_is_seen() -> None:
    assert "07700 900123" in visible_text({"body": "> <@sam:demo.example> 07700 900123\n\nhello"})


def test_an_unclosed_reply_element_hides_nothing() -> None:
    content = {**html("<mx-reply>call 07700 900123", "hello"), "m.relates_to": REPLY}
    assert "07700 900123" in visible_text(content)


def test_an_edit_shows_its_new_content_and_a_fallback_that_differs() -> None:
    edit: dict[str, Any] = {
        "body": "* call 07700 900123",
        "m.new_content": {"msgtype": "m.text", "body": "call 07700 900123"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$earlier"},
    }
    assert visible_text(edit) == "call 07700 900123"
    assert visible_text(edit | {"body": "* something else"}) == "something else\ncall 07700 900123"


def test_new_content_is_looked_at_even_if_the_relation_is_missing() -> None:
    assert "07700 900123" in visible_text({"body": "hello", "m.new_content": {"body": "07700 900123"}})


@pytest.mark.parametrize(
    "hostile",
    [
        "<" * 65_000,
        "<a" * 32_000,
        "<a <a" * 12_000 + '"',
        "<!--" * 16_000,
        "<!--a>" * 10_000,
        "<a '>" * 12_000,
        "<b>" * 21_000,
        "&" * 65_000,
        "\u0301\u0316" * 16_000,
        "\ufdfa" * 21_000,
        "> <@" * 16_000,
    ],
)
def test_hostile_content_of_the_largest_size_still_gives_text(hostile: str) -> None:
    content = {**html(hostile, hostile), "m.relates_to": REPLY, "m.new_content": html(hostile, hostile)}
    assert isinstance(visible_text(content), str)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)
_MARKUP = st.lists(
    st.sampled_from(
        [*"<>&;\"'/!-# a07\n", "<b>", "</b>", "<!--", "-->", "&#", "&amp;", "<mx-reply>", "</mx-reply>", "<br"]
    )
).map("".join)
_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "body": _VALUES | _MARKUP,
        "formatted_body": _VALUES | _MARKUP,
        "format": st.just(HTML) | _VALUES,
        "m.new_content": _VALUES | st.fixed_dictionaries({"body": _VALUES, "formatted_body": _MARKUP}),
        "m.relates_to": _VALUES | st.just(REPLY) | st.just({"rel_type": "m.replace"}),
    },
)


@given(_FIELDS)
def test_arbitrary_content_never_raises(content: dict[str, Any]) -> None:
    assert isinstance(visible_text(content), str)


@given(st.text())
def test_every_digit_left_is_ascii(text: str) -> None:
    assert all(character.isascii() for character in normalise(text) if character.isdecimal())


def test_digits_said_in_words_are_read_with_their_place() -> None:
    text = "its oh double seven double oh nine hundred twenty three four ok"
    ((start, end, digits),) = spoken_digits(text, 11)
    assert (text[start:end], digits) == (text[4:-3], "07700900234")


@pytest.mark.parametrize(
    "text", ["oh seven", "double the zero", "zero zero zero", "oh one two three people came", "seven"]
)
def test_a_few_words_for_digits_are_no_row(text: str) -> None:
    assert list(spoken_digits(text, 11)) == []
