"""Every text of the catalogue, in every variant: plain, neutral at its start, complete, safe in every client."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain, product
from pathlib import Path

import pytest

from appservice.conversation import Catalogue, plain_hours
from appservice.conversation.phrases import Phrases, phrases
from appservice.conversation.texts import TEXTS
from appservice.flow import Item, Rendered
from policies.load import load_files
from tests.support.house import SERVER
from tests.support.paths import CHECKOUT, POLICIES
from tests.support.reading import grade, syllables
from tests.support.text_lint import EVERYWHERE, invented_help, published_numbers, telling_start

ROOMS = ["Ash", "Oak", "Elm", "Yew", "Pine", "Birch", "Lime", "Beech", "Holly", "Rowan", "Hazel", "Alder"]
SIGNPOSTS = POLICIES.parent / "rules" / "signposts" / "en-GB.csv"
PERSONAL = ("phone", "email", "address", "nhs_number", "card", "bank")
CONDUCT = ("phishing", "self_harm_encouragement", "threats", "bullying", "hate", "sexual", "edit", "contact_details")
CONCERNS = ("suicide", "self_harm", "disclosure", "domestic_abuse")
OWN_PAGE = "https://hearth.example/rules"  # the charity's own, which its policy names
#: What the fields of an item may hold; None is a field that is not there. A new field belongs here.
FIELDS: Mapping[str, tuple[str | None, ...]] = {
    "told": (None, "yes", "no"),
    "kind": (None, *PERSONAL, *CONDUCT, *CONCERNS, "asks_help", "something new"),
    "reference": (None, "H-0042"),
    # of a concern
    "severity": (None, "2", "3", "4"),
    "contact": (None, "yes", "no"),
    "late": ("no", "yes"),
    "calls": (None, "@cleo:hearth.example @dev:hearth.example"),
    "to": (None, "@dev:hearth.example"),
    "opens": (None, "tomorrow at 9am"),
    "asked": (None, "yes"),
    "private": (None, "yes"),
    "sign": (None, "suicide", "asks_help"),
    "event": ("$event0", ""),
    # of a case
    "earlier": (None, "H-0007"),
    "state": (None, "open", "taken", "closed"),
    "owner": (None, "@dev:hearth.example"),
    "outcome": (None, "resolved", "mistake", "referred", "nothing"),
    "passed_on": (None, "yes", "no"),
    "count": (None, "1", "30"),
    "stands": (None, "yes", "no"),
    # of what was changed by hand
    "aspect": ("settings", "powers", "links", "look", "something new"),
    # of a newcomer
    "own_hours": (None, "yes"),
    "kept": (None, "30", "none"),
    "pause": (None, "30", "60", "300", "3600", "21600"),
    "welcome": (None, "On Tuesdays at 7 we are all here."),
    "conduct_version": (None, "2026-09"),
    "conduct_text": (None, "Be kind.\nWhat is said here stays here."),
    "conduct_address": (None, OWN_PAGE),
    # of what was removed
    "words": (None, "Please ring Jo.\nJo is kind."),
    "edit": (None, "yes", "alone", "stands"),
    "cut": (None, "yes"),
    "next": (None, "2"),
    "around": ("unread", "read"),
    "stood": ("message", "removed", "here"),
    # of a plan
    "plan": ("P-17",),
    "plan_state": ("open", "taken", "begun", "done", "partly", "moved", "refused", "expired"),
    "what_plan": (None, "plan", "set"),
    "why": (None, "role", "too_much 42.00% is over 30.00% (5/12 people would be removed)", "words It is full."),
    "part": ("change", "more", "set", "undoes", "stays", "too_much", "unassessed"),
    "class": ("one_way", "exposing", "disruptive", "safe"),
    "line": ("“Lounge”: Only those who were invited can come in.",),
    "group": ("Lounge",),
    "setting": ("capacity",),
    "value": (None, "40"),
    "undoes": ("P-16",),
    "waiting": (None, "P-15, P-16"),
    # of what is different for members
    "new_history": (None, "joined", "invited", "shared"),
    "new_join": (None, "public", "restricted", "knock", "invite"),
    "new_posting": (None, "moderators", "everybody"),
    "new_slow": (None, "30s", "none"),
    "new_media": (None, "none", "allowed"),
    "new_pins": (None, "nobody", "moderators", "everybody"),
    "new_conduct": (None, "2026-09", "none"),
    "new_retention": (None, "30", "none"),
    "new_capacity": (None, "12", "none"),
    "new_publish": (None, "listed", "unlisted"),
    "new_first": (None, "3", "none"),
    # of what newcomers write
    "first": (None, "3"),
    "left": (None, "0", "1", "2"),
    "why_back": ("declined", "late", "gone", "free", "failed"),
}
#: Fields whose values are tried in all ways together; of fields in different sets, one set at a time.
TOGETHER = (
    ("kind", "severity", "told"),
    ("told", "severity", "contact", "late", "calls", "to"),
    ("reference", "state", "owner", "outcome", "passed_on"),
    ("kind", "reference", "count", "state"),
    ("kind", "severity", "told", "asked", "private", "event", "reference"),
    ("asked", "told", "earlier"),
    ("kind", "sign", "severity"),
    ("opens", "kind"),
    ("kind", "severity", "stands", "count", "told"),
    ("asked", "stands", "told"),
    ("reference", "owner", "words", "edit", "cut", "next", "around"),
    ("pause", "words"),
    ("aspect",),
    ("welcome", "conduct_version", "conduct_text", "conduct_address", "opens"),
    ("plan", "plan_state", "what_plan"),
    ("plan", "plan_state", "why", "owner"),
    ("plan", "plan_state", "count"),
    ("plan", "group", "setting", "value", "words", "waiting"),
    ("new_history", "new_join", "new_posting"),
    ("new_slow", "new_retention", "new_capacity"),
    ("new_first",),
    ("left",),
    ("why_back", "words"),
    ("new_media", "new_pins"),
    ("new_conduct", "conduct_version", "conduct_text", "conduct_address"),
    ("new_join", "new_publish"),
)
#: The same in lists of several items.
IN_LISTS = (
    ("aspect",),
    ("told", "count", "state"),
    ("around", "stood", "words"),
    ("welcome", "own_hours", "kept"),
    ("first", "kept"),
    ("why_back", "words"),
    ("part", "count"),
    ("part", "class", "line", "group", "setting", "value", "undoes", "words"),
)
COUNTS = (1, 2, 3, 11, 12, 25)


class Heard(Phrases):
    """The words, and which of them were said."""

    def __init__(self, inner: Phrases) -> None:
        super().__init__(inner._phrases, inner._form_of)
        self.forms: set[tuple[str, int]] = set()

    def says(self, key: str, count: int = 1):  # type: ignore[no-untyped-def]
        said = super().says(key, count)
        self.forms.add((key, self._phrases[key].forms.index(said)))
        return said

    def all_forms(self) -> set[tuple[str, int]]:
        return {(key, n) for key, phrase in self._phrases.items() for n in range(len(phrase.forms))}


HEARD = Heard(phrases())


def hours() -> list[str]:
    """The staffed hours of all examples, in words."""
    found: set[str] = set()
    for path in POLICIES.glob("*.yaml"):
        people = path.with_suffix(".people.yaml")
        if people.exists() and (said := load_files(path, people)).policy is not None:
            found.add(plain_hours(said.policy.community.hours))
    assert found
    return sorted(found)


HOURS = hours()


def in_all_ways(names: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Fields with each of their values; without those that are not there."""
    for values in product(*(FIELDS[name] for name in names)):
        yield {name: value for name, value in zip(names, values, strict=True) if value is not None}


@cache
def variants(text: str) -> tuple[Rendered, ...]:
    """All that a text can be, each once."""
    found: dict[tuple[str, str, tuple[str, ...]], Rendered] = {}
    made = [
        Catalogue(
            lambda room: ROOMS[int(room[1:])] if room[1:] else "\u200b",
            SERVER,
            one,
            hours_of=lambda room: "Tuesday 6pm to 9pm" if room == "!1" else "",
            words=HEARD,
        )
        for one in HOURS
    ]
    alone = ((1, 1, fields) for names in TOGETHER for fields in in_all_ways(names))
    listed = (product(COUNTS, (0, 1, 12), in_all_ways(names)) for names in IN_LISTS)
    for count, rooms, about in (*alone, *chain.from_iterable(listed)):
        items: tuple[Item, ...] = tuple(
            {
                "person": "@sam:hearth.example",
                "room": f"!{n % rooms}" if rooms else "!",
                "event": f"$event{n}",
                "about": "@sam:hearth.example",
                **({"reference": f"H-{n:04}"} if count > 1 else {}),
                **about,
            }
            for n in range(count)
        )
        one = made[0].render(text, items)
        if (one.body, one.html, one.mentions) not in found:
            for catalogue in made:
                one = catalogue.render(text, items)
                found[one.body, one.html, one.mentions] = one
    return tuple(found.values())


@pytest.fixture(params=sorted(TEXTS))
def text(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("check", EVERYWHERE)
def test_every_text_keeps_to(text: str, check: str) -> None:
    wrong = {problem: one.body for one in variants(text) for problem in EVERYWHERE[check](one)}
    assert wrong == {}


def test_a_lock_screen_does_not_tell_the_room(text: str) -> None:
    assert [problem for one in variants(text) for problem in telling_start(one, ROOMS)] == []


def test_what_somebody_in_distress_reads_says_when_people_are_there(text: str) -> None:
    """CARE, rule 8."""
    for one in variants(text):
        if text.startswith("care."):
            assert any(hours in one.body for hours in HOURS)
            assert "999" in one.body


def test_the_variants_say_every_word_of_the_catalogue() -> None:
    """Else the checks above would pass over words: a new text needs its fields in `FIELDS`."""
    for text in TEXTS:
        variants(text)
    assert HEARD.all_forms() - HEARD.forms == set()


@pytest.mark.parametrize("key", sorted(phrases().keys))
def test_helplines_are_those_that_were_published(key: str) -> None:
    """CARE, rule 10."""
    published = published_numbers(SIGNPOSTS)
    assert {"999", "111", "116 123"} <= published
    for form in phrases()._phrases[key].forms:
        for paragraph in form:
            said = "".join(words for piece in paragraph for words in piece.chunks[::2])
            assert invented_help(said, published) == []


# -- the checks find what they are for ---------------------------------------------------------------------------------

GOOD = "Hello. This is the helper program of your group. You are not in trouble, and all is well here."


def of(body: str, html: str | None = None) -> Rendered:
    return Rendered(body=body, html=f"<p>{body}</p>" if html is None else html)


BAD = [
    ("wrong_tags", of(GOOD, f"<h1>{GOOD}</h1>")),
    ("wrong_tags", of(GOOD, f'<p style="x">{GOOD}</p>')),
    ("wrong_tags", of(GOOD, f'<a href="https://elsewhere.example">{GOOD}</a>')),
    ("telling_start", of("🔴 Danger now. Please look at once.")),
    ("telling_start", of("Thoughts of suicide. Please look.")),
    ("telling_start", of("It had a phone number in it.")),
    ("telling_start", of("Please look at what @sam:hearth.example wrote.")),
    ("telling_start", of("You can call 116 123 now.")),
    ("long_sentences", of("This is " + "a very " * 10 + "long sentence.")),
    ("hard_to_read", of("Confidentiality considerations necessitate immediate administrative intervention.")),
    ("no_typed_word", of("Tap ✅ to agree.")),
    ("no_typed_word", of("Tap below to agree.")),
    ("no_typed_word", of("✅ agree or ❓ help", "<p>✅ <code>agree</code> or ❓ help</p>")),
    ("no_typed_word", of("Please look.\n🔴", "<p>Please look.</p><p>🔴</p>")),
    ("incomplete_body", of("Please look.", "<p>Please look.</p><p>It is Sam.</p>")),
    ("incomplete_body", of("Please look. It is Sam.", "<p>Please look.</p>")),
]


@pytest.mark.parametrize(("check", "bad"), BAD)
def test_a_bad_text_is_found(check: str, bad: Rendered) -> None:
    assert EVERYWHERE[check](bad)


def test_a_good_text_is_not() -> None:
    taps = of("Tap ✅ or reply agree.", "<p>Tap ✅ or reply <code>agree</code>.</p>")
    for one in (of(GOOD), taps):
        assert [problem for check in EVERYWHERE.values() for problem in check(one)] == []


@pytest.mark.parametrize("words", ["Call 0800 123 456.", "Call 116 124.", "Write to us@help.example", "See www.x.y"])
def test_help_that_nobody_published_is_found(words: str) -> None:
    assert invented_help(words, published_numbers(SIGNPOSTS))


SYLLABLES = {
    1: "asked looked health care look times rules please close",
    2: "people private message helper numbers urgent trouble table quiet removed wanted needed houses being kindly",
    3: "somebody nobody invited telephone idea created violence Saturday everywhere piano",
    4: "community Samaritans everybody information",
}


@pytest.mark.parametrize(("count", "word"), [(n, word) for n, words in SYLLABLES.items() for word in words.split()])
def test_syllables(count: int, word: str) -> None:
    assert syllables(word) == count


def test_grades_agree_with_texts_of_known_grade() -> None:
    assert grade("The cat sat on the mat.") == pytest.approx(-1.45, abs=0.1)
    known = "The Australian platypus is seemingly a hybrid of a mammal and reptilian creature."
    assert grade(known) == pytest.approx(11.3, abs=1.5)


# -- no words elsewhere ------------------------------------------------------------------------------------------------

_MAKERS = {"Rendered", "paragraphs", "filled"}


def worded(source: str) -> Iterator[tuple[int, str]]:
    """Literals that become what a person reads: given to what makes a text, or as a body of an event."""
    for node in ast.walk(ast.parse(source)):
        given: list[ast.expr] = []
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in _MAKERS:
                given = [*node.args[:2], *(k.value for k in node.keywords if k.arg in {"body", "html", "lines"})]
        elif isinstance(node, ast.Dict) and any(getattr(key, "value", "") == "msgtype" for key in node.keys):
            given = [
                value
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant) and key.value in {"body", "formatted_body"}
            ]
        for one in (one for tree in given for one in ast.walk(tree)):
            if isinstance(one, ast.Constant) and isinstance(one.value, str) and any(map(str.isalpha, one.value)):
                yield one.lineno, one.value


@pytest.mark.parametrize("path", sorted((CHECKOUT / "appservice").rglob("*.py")), ids=lambda path: path.name)
def test_worded_nowhere_else(path: Path) -> None:
    assert list(worded(path.read_text(encoding="utf-8"))) == []


def sentences_in(source: str) -> Iterator[tuple[int, str]]:
    """Literals of three words or more that are neither docstrings nor the words of an error of ours."""
    tree = ast.parse(source)
    passed = {id(one) for node in ast.walk(tree) if isinstance(node, ast.Raise) for one in ast.walk(node)}
    passed |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in passed:
            continue
        if len([word for word in node.value.split() if word.isalpha()]) >= 3:
            yield node.lineno, node.value


@pytest.mark.parametrize(
    "name",
    [
        "texts.py",
        "care_texts.py",
        "case_texts.py",
        "pieces.py",
        "markup.py",
        "cards.py",
        "plan_texts.py",
        "policy_words.py",
        "reading_texts.py",
        "reading_words.py",
    ],
)
def test_no_sentence_is_left_in_code(name: str) -> None:
    source = (CHECKOUT / "appservice" / "conversation" / name).read_text(encoding="utf-8")
    found = [words for _, words in sentences_in(source)]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        'Rendered(body="Please look.", html=html)',
        'flow.Rendered("Please look.", html)',
        'Rendered(body=f"It is {who}.", html=html)',
        'paragraphs([[("strong", title), ("", "Please look.")]])',
        'content = {"msgtype": "m.text", "body": "Please " + look}',
    ],
)
def test_words_elsewhere_are_found(source: str) -> None:
    assert list(worded(source))
