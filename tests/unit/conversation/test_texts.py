"""Every text we say: safe in every client, complete without HTML, plain, neutral on a lock screen, proof to names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from appservice.conversation import Catalogue
from appservice.effects.speaking import message_content
from appservice.flow import Item, Rendered
from appservice.matrix import parse_event
from policies.load import load_files
from tests.support.house import ROSA, SAM, SERVER
from tests.support.paths import POLICIES

#: What Element X shows (shared fact, read in its source); anything else it drops or prints.
ALLOWED = {"p", "br", "strong", "em", "u", "del", "code", "pre", "ul", "ol", "li", "blockquote", "a"}
HOURS = "Monday to Friday 9am to 5pm"
ROOM = "Surviving abuse"


def catalogue(name: str = ROOM) -> Catalogue:
    return Catalogue(lambda _room: name, SERVER, HOURS)


TEXTS = sorted(catalogue().texts)


def item(n: int = 1, person: str = SAM, room: str = "!room") -> Item:
    return {"room": room, "event": f"$event-{n}", "person": person}


def items(count: int, person: str = SAM) -> tuple[Item, ...]:
    return tuple(item(n, person, f"!room{n}") for n in range(count))


class Tags(HTMLParser):
    """Collects tags and attributes, and complains about what does not close."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(html: str) -> Tags:
    tags = Tags()
    tags.feed(html)
    tags.close()
    assert tags.open == []
    return tags


def shown(rendered: Rendered) -> str:
    return unescape(re.sub(r"<[^>]+>", "", rendered.html.replace("</p><p>", "\n")))


@pytest.fixture(params=TEXTS)
def text(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("count", [0, 1, 2, 12, 50])
def test_only_tags_that_element_x_shows_are_used_and_all_close(text: str, count: int) -> None:
    tags = parsed(catalogue().render(text, items(count)).html)
    assert {tag for tag, _ in tags.seen} <= ALLOWED
    for tag, attributes in tags.seen:
        assert set(attributes) <= ({"href"} if tag == "a" else set())


@pytest.mark.parametrize("count", [1, 2, 12])
def test_the_plain_body_says_everything_that_the_html_says(text: str, count: int) -> None:
    rendered = catalogue().render(text, items(count))
    assert rendered.body == shown(rendered)


@pytest.mark.parametrize("count", [1, 2, 4, 12])
def test_sentences_have_at_most_twenty_words(text: str, count: int) -> None:
    body = catalogue("After caring").render(text, items(count)).body
    for sentence in re.split(r"(?<=[.!?])\s+|\n", body):
        assert len(sentence.split()) <= 20, sentence


@pytest.mark.parametrize("count", [1])
def test_the_lock_screen_tells_neither_who_nor_where(text: str, count: int) -> None:
    """CARE, rule 6: phones show the first 80 characters or so to whoever holds them."""
    first = catalogue().render(text, items(count)).body[:80]
    assert SAM not in first
    assert "@sam" not in first
    assert ROOM not in first
    assert ROOM.split(maxsplit=1)[0] not in first


#: Words that must not light up on a locked screen, whoever's it is.
TELLING = (
    "suicid", "harm", "abuse", "danger", "samaritans", "999", "116", "violen", "kill", " die", "crisis", "distress",
    "police", "drug", "evidence", "mental", "risk", "threat", "07700",
)  # fmt: skip


@pytest.mark.parametrize("kind", ["suicide", "domestic_abuse", "contact_details", "phone", "bank"])
def test_no_first_line_tells_what_it_is_about(text: str, kind: str) -> None:
    for severity in "1234":
        extra = {
            "kind": kind,
            "severity": severity,
            "reference": "S-0001",
            "calls": SAM,
            "contact": "yes",
            "late": "yes",
        }
        first = catalogue().render(text, tuple({**one, **extra} for one in items(2))).body[:80].lower()
        assert not [word for word in TELLING if word in first], first


def test_what_can_be_tapped_has_a_word_beside_it(text: str) -> None:
    rendered = catalogue().render(text, tuple({**one, "reference": "H-0001", "state": "open"} for one in items(1)))
    for line in rendered.html.split("</p>"):
        if (re.search(r"\btap\b", line, re.IGNORECASE) and "👀" in line) or ("⬆" in line and "tap" in line):
            assert "<code>" in line, line


@pytest.mark.parametrize("count", [1, 12])
def test_no_text_accuses_or_quotes(text: str, count: int) -> None:
    body = catalogue("Welcome").render(text, items(count)).body.lower()
    for word in ("violat", "punish", "banned", "forbidden", "illegal", "warning", "07700"):
        assert word not in body


def test_what_must_be_read_notifies_its_reader_and_a_notice_nobody(text: str) -> None:
    rendered = catalogue().render(text, items(2))
    content = message_content(rendered, "key")
    assert "m.mentions" in content
    if rendered.msgtype == "m.notice":
        assert content["m.mentions"] == {}
    elif text.startswith(("your.", "direct.")):
        assert content["m.mentions"] == {"user_ids": [SAM]}
        assert rendered.msgtype == "m.text"


def test_a_text_without_anybody_to_mention_says_so_instead_of_leaving_it_to_clients(text: str) -> None:
    assert message_content(catalogue().render(text, ()), "key")["m.mentions"] == {}


COUNTING = ["removed.contact_details", "your.contact_details_removed", "card.contact_details_removed"]


@pytest.mark.parametrize("counting", COUNTING)
def test_the_count_is_the_count(counting: str) -> None:
    one, many = (catalogue().render(counting, items(count)).body for count in (1, 7))
    assert "7 messages" in many
    assert "7" not in one


def test_an_edit_never_notifies_again_and_carries_the_whole_new_text(text: str) -> None:
    rendered = catalogue().render(text, items(2))
    content = message_content(rendered, "key", replaces="$first")
    assert content["m.mentions"] == {}
    assert content["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$first"}
    new = content["m.new_content"]
    assert new["body"] == rendered.body
    assert "m.relates_to" not in new


# -- names -------------------------------------------------------------------------------------------------------------

MARKUP = ["<script>alert(1)</script>", "<b>bold</b>", 'a" onclick="x', "<img src=x>", "&lt;p&gt;", "</p><h1>Big"]
BIDI = ["\u202a", "\u202b", "\u202d", "\u202e", "\u2066", "\u2067"]


@pytest.mark.parametrize("name", MARKUP)
def test_markup_in_a_name_is_shown_and_not_obeyed(text: str, name: str) -> None:
    for rendered in (catalogue(name).render(text, items(3)), catalogue().render(text, items(3, person=name))):
        tags = parsed(rendered.html)
        assert {tag for tag, _ in tags.seen} <= ALLOWED
        assert all(set(attributes) <= {"href"} for _, attributes in tags.seen)
        assert rendered.body == shown(rendered)


@pytest.mark.parametrize("mark", BIDI, ids=unicodedata.name)
def test_a_name_cannot_turn_the_words_after_it_round(tmp_path: Path, mark: str) -> None:
    """Names of people and rooms are the only words of others in our texts: neither source lets such marks in."""
    assert parse_event({"event_id": "$1", "sender": f"@s{mark}am:hearth.example"}).sender == ""
    policy = (POLICIES / "hearth-demo.yaml").read_text(encoding="utf-8")
    for written in (f"Fri{mark}ends", f'"Fri\\u{ord(mark):04x}ends"'):
        path = tmp_path / "policy.yaml"
        path.write_text(policy.replace("name: After caring", f"name: {written}"), encoding="utf-8")
        assert load_files(path, POLICIES / "hearth-demo.people.yaml").policy is None


@pytest.mark.parametrize(
    "person", [SAM, "@a/b:hearth.example", "@x?y=1:hearth.example", "@ü#:hearth.example", '@"><b>']
)
def test_a_link_leads_to_the_person_and_nowhere_else(person: str) -> None:
    tags = parsed(catalogue().render("card.contact_details_removed", items(1, person)).html)
    links = [attributes["href"] or "" for tag, attributes in tags.seen if tag == "a"]
    assert links
    for link in links:
        assert link.startswith("https://matrix.to/#/")
        assert '"' not in link
        assert link.count("#") == 1


def test_a_card_links_at_most_ten_messages_and_says_how_many_more() -> None:
    rendered = catalogue().render("card.contact_details_removed", items(50))
    assert len([1 for tag, _ in parsed(rendered.html).seen if tag == "a"]) == 11
    assert "40 more" in rendered.body


def test_a_text_with_fifty_entries_fits_into_an_event(text: str) -> None:
    long = tuple({"room": "!" + "r" * 250, "event": "$" + "e" * 250, "person": "@" + "p" * 250} for _ in range(50))
    content: dict[str, Any] = message_content(catalogue("n" * 250).render(text, long), "key", replaces="$x")
    assert len(str(content).encode()) < 60_000


def test_many_rooms_are_counted_and_few_are_named() -> None:
    names = {f"!room{n}": f"Room {n}" for n in range(5)}
    made = Catalogue(lambda room: names[room], SERVER, HOURS)
    assert "Room 0 and Room 1" in made.render("your.contact_details_removed", items(2)).body
    assert "5 rooms" in made.render("your.contact_details_removed", items(5)).body


def test_a_text_that_does_not_exist_is_an_error_of_ours_and_not_silence() -> None:
    with pytest.raises(KeyError):
        catalogue().render("no such text", ())


def test_two_people_in_one_text_are_both_told() -> None:
    rendered = catalogue().render("your.own_number", (item(1, SAM), item(2, ROSA)))
    assert set(rendered.mentions) == {SAM, ROSA}


ABOUT_SOMEBODY = [
    ("card.contact_details_removed", "told privately"),
    ("card.intruder", "told privately"),
    ("card.asks_to_join", "They know"),
    ("card.appeal", "I tell them"),
]


@pytest.mark.parametrize(("card", "claim"), ABOUT_SOMEBODY)
def test_a_card_claims_that_somebody_was_told_only_where_they_can_be(card: str, claim: str) -> None:
    reached, not_reached = (catalogue().render(card, ({**item(1), "told": told},)).body for told in ("yes", "no"))
    assert claim in reached
    assert "not reached" not in reached
    assert claim not in not_reached
    assert "They could not be told: not reached." in not_reached


def test_the_code_of_conduct_is_told_in_the_welcome_whole_and_nowhere_else() -> None:
    text = "Be kind <b>always</b>.\n" + "What is said here stays here. " * 12
    made = Catalogue(
        lambda _room: "After caring", SERVER, HOURS, conduct={"conduct_version": "2026-09", "conduct_text": text}
    )
    rendered = made.render("direct.welcome", ({"person": SAM},))
    assert "This is version 2026-09." in rendered.body
    assert text in rendered.body
    assert "&lt;b&gt;always&lt;/b&gt;" in rendered.html
    assert "You can read the rules here" not in rendered.body
    for key in TEXTS:
        assert ("2026-09" in made.render(key, items(2)).body) is (key == "direct.welcome")


def test_members_are_told_of_another_code_of_conduct_with_what_it_says() -> None:
    code = {"conduct_version": "2027-01", "conduct_text": "Be kind."}
    made = Catalogue(lambda _room: "After caring", SERVER, HOURS, conduct=code)
    said = made.render("changed.here", ({"new_conduct": "2027-01", "new_pins": "nobody"},)).body
    assert said.splitlines() == [
        "From now on, nobody can pin messages here.",
        "From now on, these are our rules for how we talk with each other in each of our groups. This is version 2027-01.",
        *made.render("direct.welcome", ({"person": SAM},)).body.splitlines()[-2:-1],
    ]
    assert "Be kind." in said
    assert "Be kind." not in made.render("changed.here", ({"new_pins": "nobody"},)).body


def test_a_group_tells_newcomers_its_words_after_a_start_that_a_lock_screen_may_show() -> None:
    said = ({"person": SAM, "room": "!a", "welcome": "On Tuesdays we meet."}, {"person": SAM, "room": "!b"})
    for key in ("direct.welcome", "direct.group_welcome"):
        body = catalogue().render(key, said).body
        assert body.count("On Tuesdays we meet.") == 1
        assert body.index("On Tuesdays") > 80
        assert ROOM not in body[:80]
        assert body.index(ROOM) < body.index("On Tuesdays")


def test_care_17_newcomers_are_told_how_long_messages_of_each_group_are_kept() -> None:
    said = ({"person": SAM, "room": "!a", "kept": "365"}, {"person": SAM, "room": "!b", "kept": "none"})
    for key in ("direct.welcome", "direct.group_welcome"):
        body = Catalogue(lambda room: room[1:], SERVER, HOURS).render(key, said).body
        assert "Messages in a are kept for 365 days." in body
        assert "Messages in b are kept until a person takes them away." in body


EVENING = "Tuesday 6pm to 9pm"
OWN = {"!evening": EVENING}


def with_own_hours() -> Catalogue:
    return Catalogue(lambda room: room[1:], SERVER, HOURS, hours_of=lambda room: OWN.get(room, ""))


def test_who_asks_to_join_is_told_the_hours_of_that_group() -> None:
    one, other = item(room="!evening"), item(room="!day")
    assert EVENING in with_own_hours().render("your.request_heard", (one,)).body
    assert HOURS in with_own_hours().render("your.request_heard", (other,)).body
    both = with_own_hours().render("your.request_heard", (one, other)).body
    assert "The room is evening and day." in both
    assert "They do that in staffed hours: those of each room." in both
    assert EVENING not in both, "it would be a promise for both"


def test_newcomers_are_told_the_hours_of_a_group_that_has_its_own() -> None:
    said = ({"person": SAM, "room": "!evening", "own_hours": "yes"}, {"person": SAM, "room": "!day"})
    body = with_own_hours().render("direct.welcome", said).body
    assert f"In evening people are not there all the time. When are they? {EVENING}." in body
    assert "day people" not in body


def test_care_08_who_asks_for_a_person_is_told_the_hours_of_those_who_answer() -> None:
    """Leads answer, and they keep the hours of the community, wherever somebody asked."""
    for key in TEXTS:
        if key.startswith(("care.", "direct.")):
            body = with_own_hours().render(key, (item(room="!evening"),)).body
            assert EVENING not in body, key
