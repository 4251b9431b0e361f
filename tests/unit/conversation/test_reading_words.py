"""`say TEXT` by newcomers, and `post`, `show`, `give back` by those who read it first: what counts, and for whom."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from appservice.conversation import ReadingWords, Say, is_for_reading
from appservice.flow import (
    MOST_CHARACTERS,
    DecideWords,
    DirectMessage,
    DropWords,
    Effect,
    Event,
    EventInput,
    Facts,
    HoldWords,
    Newcomer,
    NewcomerCard,
    Origin,
    Place,
    PostWords,
    ReturnWords,
    RoomFacts,
    ShowWords,
    Words,
    WordsState,
)
from tests.support.house import GHOSTS, ROSA, SAM, SERVER

NOW = 1_800_000_000_000
OWN, HOUSE, ROSAS = "!own", "!moderators", "!rosas"
LOUNGE, EVENING = ("lounge", "Carers' lounge", "!lounge"), ("evening", "In the evening", "!evening")


@dataclass
class Waiting:
    """`flow.Newcomers`: Sam is new to some groups, and Rosa and Kit may read what he writes."""

    groups: Sequence[tuple[str, str, str]] = (LOUNGE,)
    sent: list[Words] = field(default_factory=list)
    readers: Collection[str] = (ROSA, f"@kit:{SERVER}")
    card: str = "$card"
    open: bool = True

    def left(self, group: str, _user_id: str) -> int:
        return 2 if group in [one[0] for one in self.groups] else 0

    def groups_of(self, user_id: str) -> Sequence[tuple[str, str, str]]:
        return self.groups if user_id == SAM else ()

    def waiting(self, group: str, user_id: str) -> Sequence[Words]:
        return [one for one in self.sent if (one.group, one.user_id) == (group, user_id)]

    def sent_by(self, event_id: str) -> Words | None:
        return next((one for one in self.sent if one.id == event_id), None)

    def open_of(self, _user_id: str) -> int:
        return len(self.sent)

    def seal(self, text: str) -> bytes | None:
        return f"sealed {text}".encode() if self.open else None

    def by_reference(self, reference: str) -> Newcomer | None:
        return self._sam() if reference == "N-ABCDE" else None

    def by_card(self, room_id: str, event_id: str) -> Newcomer | None:
        return self._sam() if (room_id, event_id) == (HOUSE, self.card) else None

    def open_in(self, room_id: str) -> Collection[Newcomer]:
        return [self._sam(group) for group in {one.group for one in self.sent}] if room_id == HOUSE else []

    def shown_to(self, user_id: str) -> Collection[Newcomer]:
        return [self._sam()] if any(user_id in one.shown for one in self.sent) else []

    def may(self, newcomer: Newcomer, user_id: str) -> bool:
        return user_id in self.readers and user_id != newcomer.user_id

    def _sam(self, group: str = "lounge") -> Newcomer:
        return Newcomer(community="hearth", group=group, user_id=SAM, cards=((HOUSE, self.card),))


def words(words_id: str = "$w", *shown: str, group: str = "lounge") -> Words:
    return Words(id=words_id, community="hearth", group=group, user_id=SAM, at_ms=NOW, shown=frozenset(shown))


def heard(known: Waiting, body: Any, who: str = SAM, room_id: str = OWN, **more: Any) -> tuple[EventInput, Facts]:
    content = {"msgtype": "m.text", "body": body, **more.pop("content", {})}
    event = Event("$said", room_id, who, more.pop("kind", "m.room.message"), content, origin_server_ts=NOW)
    place = Place.MODERATORS if room_id == HOUSE else Place.DIRECT
    room = RoomFacts(room_id, place, "hearth", members={who: "join", ROSA: "join"})
    own = {SAM: OWN, ROSA: ROSAS}
    return EventInput(SERVER, event, Origin.PUSH, NOW), Facts(
        NOW, room, GHOSTS, SERVER, direct_rooms=own, newcomers=known
    )


def says(known: Waiting, body: Any, **more: Any) -> list[Effect]:
    item, facts = heard(known, body, **more)
    found = list(Say().handle(item, facts))
    assert is_for_reading(item, facts) is bool(found)
    return found


def kept(known: Waiting, body: Any, **more: Any) -> tuple[str, str] | str | None:
    """The group and the words that are kept, else what is answered."""
    found = says(known, body, **more)
    holding = next((one for one in found if isinstance(one, HoldWords)), None)
    if holding is not None:
        assert [type(one) for one in found] == [HoldWords, NewcomerCard, DirectMessage]
        return holding.group, holding.sealed.decode().removeprefix("sealed ")
    return next((one.text for one in found if isinstance(one, DirectMessage)), None)


# -- say -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("say Hello all.", "Hello all."),
        ("Say: Hello all.", "Hello all."),
        ("SAY\nHello\nall.", "Hello\nall."),
        ("@inglenook-guardian: say Hello.", "Hello."),
        ("> reply `say`\n\nsay Hello.", "Hello."),
        ("say in short: I am tired", "in short: I am tired"),
        ("say in carers' LOUNGE: Hello.", "Hello."),
        ("say in lounge: in short: tired", "in short: tired"),
        ("say say", "say"),
        ("say Can anybody help me find the hall?", "Can anybody help me find the hall?"),
    ],
)
def test_what_stands_behind_the_word_is_kept_for_the_one_group(body: str, text: str) -> None:
    assert kept(Waiting(), body) == ("lounge", text)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("say in In the evening: Hello.", ("evening", "Hello.")),
        ("say in  carers'  lounge :Hello.", ("lounge", "Hello.")),
        ("say Hello.", "first.which"),
        ("say in short: Hello.", "first.which"),
        ("say", "first.which"),
    ],
)
def test_of_several_groups_one_must_be_named(body: str, expected: object) -> None:
    assert kept(Waiting((EVENING, LOUNGE)), body) == expected


@pytest.mark.parametrize(
    "body", ["hello", "saying hello", "I say hello", "say help", "say please help me", "says you", "", None, 5, {}]
)
def test_anything_else_is_somebodys_talk_and_a_call_for_help_is_for_people(body: Any) -> None:
    assert kept(Waiting(), body) is None


def test_who_writes_freely_is_not_listened_to() -> None:
    assert kept(Waiting(()), "say Hello all.") is None
    assert kept(Waiting(), "say Hello all.", room_id=ROSAS) is None
    assert kept(Waiting(), "say Hello all.", content={"msgtype": "m.image"}) is None


def test_what_is_empty_too_long_or_too_much_is_answered_kindly_and_not_kept() -> None:
    assert kept(Waiting(), "say   ") == "first.how"
    assert kept(Waiting(), "say " + "x" * MOST_CHARACTERS) == ("lounge", "x" * MOST_CHARACTERS)
    assert kept(Waiting(), "say " + "x" * (MOST_CHARACTERS + 1)) == "first.how"
    assert kept(Waiting(sent=[words(f"$w{n}") for n in range(3)]), "say Hello.") == "first.enough"
    assert kept(Waiting(open=False), "say Hello.") == "first.cannot"


def test_who_removes_their_own_message_takes_back_what_it_was_to_say() -> None:
    known = Waiting(sent=[words("$w")])
    for who, target, kinds_of in ((SAM, "$w", ["drop_words", "newcomer_card"]), (ROSA, "$w", []), (SAM, "$v", [])):
        event = Event("$gone", OWN, who, "m.room.redaction", {}, NOW, redacts=target)
        _, facts = heard(known, "")
        found = list(Say().handle(EventInput(SERVER, event, Origin.PUSH, NOW), facts))
        assert [one.type for one in found] == kinds_of


def edits(known: Waiting, body: Any, who: str = SAM, target: str = "$w", **more: Any) -> list[Effect]:
    new = {"msgtype": "m.text", "body": body, **more}
    relation = {"rel_type": "m.replace", "event_id": target}
    return list(Say().handle(*heard(known, "* it", who, content={"m.new_content": new, "m.relates_to": relation})))


def test_an_edit_takes_the_place_of_what_waits_and_is_read_anew() -> None:
    full = [words("$w", ROSA), words("$v"), words("$u")]
    dropped, held, *others = edits(Waiting(sent=full), "say Hello, without my number.")
    assert isinstance(dropped, DropWords)
    assert isinstance(held, HoldWords)
    assert (dropped.words_id, held.edits, held.sealed) == ("$w", "$w", b"sealed Hello, without my number.")
    assert kinds(others) == ["newcomer_card", "first.heard"]


def test_an_edit_into_another_group_is_told_on_both_cards() -> None:
    dropped, *others = edits(Waiting((LOUNGE, EVENING), [words("$w")]), "say in evening: Hello.")
    cards = [one.group for one in (dropped, *others) if isinstance(one, NewcomerCard)]
    assert cards == ["evening", "lounge"]


@pytest.mark.parametrize("body", ["Hello.", "say ", "say help", None, {}, "say " + "x" * (MOST_CHARACTERS + 1)])
def test_an_edit_that_says_nothing_for_a_group_takes_back_what_it_said_before(body: Any) -> None:
    assert kinds(edits(Waiting(sent=[words("$w")]), body)) == ["drop_words", "first.how", "newcomer_card"]


def test_nobody_edits_the_words_of_others_nor_what_somebody_has_decided_about() -> None:
    known = Waiting(sent=[words("$w"), replace(words("$v"), state=WordsState.GOES)])
    assert edits(known, "say Hello.", ROSA) == edits(known, "say Hello.", target="$v") == []
    assert edits(known, "say Hello.", target="$x") == []


def test_no_effect_that_leaves_holds_the_words() -> None:
    found = says(Waiting(), "say In confidence.")
    assert "confidence" not in repr([one for one in found if not isinstance(one, HoldWords)])
    assert all("confidence" not in one.describe() for one in found)


# -- those who read it ---------------------------------------------------------------------------------------------


def answers(known: Waiting, body: str, who: str = ROSA, room_id: str = HOUSE, **more: Any) -> list[Effect]:
    return list(ReadingWords().handle(*heard(known, body, who, room_id, **more)))


def taps(known: Waiting, key: str, who: str = ROSA, event_id: str = "$card") -> list[Effect]:
    relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
    return answers(known, "", who, kind="m.reaction", content={"m.relates_to": relation})


def kinds(effects: Sequence[Effect]) -> list[str]:
    return [one.text if isinstance(one, DirectMessage) else one.type for one in effects]


def test_who_has_not_been_shown_something_is_shown_it_whatever_they_answer() -> None:
    known = Waiting(sent=[words("$w", f"@kit:{SERVER}")])
    for found in (taps(known, "👀"), taps(known, "✅"), taps(known, "❌"), answers(known, "post N-ABCDE")):
        [shown] = found
        assert isinstance(shown, ShowWords)
        assert (shown.to, shown.words) == (ROSA, ("$w",))


def test_who_has_read_it_posts_it_and_the_newcomer_is_told_when_it_stands() -> None:
    known = Waiting(sent=[words("$w", ROSA), words("$new")])
    for found in (taps(known, "✅\ufe0f"), answers(known, "Post"), answers(known, "post n-abcde.")):
        assert kinds(found) == ["decide_words", "post_words", "first.posted", "newcomer_card"]
        decided, post, told, card = found
        assert isinstance(decided, DecideWords)
        assert (decided.words, decided.posts, decided.by) == (("$w",), True, ROSA), "what was not shown waits on"
        assert isinstance(post, PostWords)
        assert (told.after, card.once) == (post.key, post.key)
        assert isinstance(told, DirectMessage)
        assert (told.user_id, told.items[0]["left"]) == (SAM, "1")


def test_who_has_read_it_gives_it_back() -> None:
    known = Waiting(sent=[words("$w", ROSA)])
    for found in (taps(known, "❌"), answers(known, "give back"), answers(known, "give back N-ABCDE", room_id=ROSAS)):
        assert kinds(found) == ["decide_words", "first.back", "newcomer_card"]
        assert isinstance(found[1], ReturnWords)
        assert (found[1].user_id, found[1].items[0]["id"], found[1].items[0]["why_back"]) == (SAM, "$w", "declined")


def test_what_cannot_be_posted_any_more_goes_back_with_the_reason() -> None:
    found = taps(Waiting((), [words("$w", ROSA)]), "✅")
    assert kinds(found) == ["decide_words", "first.back", "newcomer_card"]
    assert isinstance(found[1], ReturnWords)
    assert found[1].items[0]["why_back"] == "free"


def test_while_the_room_is_read_anew_a_yes_is_no_word_of_somebody_who_has_gone() -> None:
    class Unread(Waiting):
        def left(self, _group: str, _user_id: str) -> int:
            return 2

    known = Unread((), [words("$w", ROSA)])
    item, facts = heard(known, "post", ROSA, HOUSE)
    unread = replace(facts, groups={"!lounge": "lounge"})
    assert kinds(list(ReadingWords().handle(item, unread))) == [
        "decide_words",
        "post_words",
        "first.posted",
        "newcomer_card",
    ]
    gone = replace(unread, room_of=RoomFacts)
    assert kinds(list(ReadingWords().handle(item, gone))) == ["decide_words", "first.back", "newcomer_card"]


def test_care_04_nobody_decides_about_their_own_words_nor_who_may_not() -> None:
    known = Waiting(sent=[words("$w", ROSA)], readers=(SAM, f"@kit:{SERVER}"))
    for who in (SAM, ROSA):
        assert kinds(taps(known, "✅", who)) == ["first.not_yours"]
        assert kinds(answers(known, "post N-ABCDE", who)) == ["first.unknown"]
        assert answers(known, "post", who) == []


def test_a_second_answer_is_told_that_nothing_waits() -> None:
    assert kinds(taps(Waiting(), "✅")) == ["first.over"]


def test_a_word_alone_needs_one_card_and_a_reply_or_a_name_says_which() -> None:
    known = Waiting(sent=[words("$w", ROSA), words("$v", ROSA, group="evening")])
    assert kinds(answers(known, "post")) == ["first.which_card"]
    reply = {"m.relates_to": {"m.in_reply_to": {"event_id": "$card"}}}
    assert kinds(answers(known, "show", content=reply)) == ["show_words"]
    assert answers(Waiting(), "post") == []


@pytest.mark.parametrize(
    "body", ["show H-0001 to check", "post it", "I will post", "give it back", "posted", "show me"]
)
def test_talk_among_those_who_moderate_is_left_alone(body: str) -> None:
    assert answers(Waiting(sent=[words("$w", ROSA)]), body) == []


def test_a_tap_on_anything_but_the_card_means_nothing() -> None:
    known = Waiting(sent=[words("$w", ROSA)])
    assert taps(known, "✅", event_id="$imitation") == taps(known, "👍") == []
    for relation in ("x", {"rel_type": "m.annotation", "event_id": 5, "key": []}):
        assert answers(known, "", kind="m.reaction", content={"m.relates_to": relation}) == []
