"""Each rule that keeps people from harm is taken away, and the tests that are named after it must fail (CARE).

A removal replaces the one thing that makes a rule true: a function, a constant, or the words of a text.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appservice.cases import CaseBook, book, ladder
from appservice.detection import care_gate, concern
from appservice.flow import Audience, DirectMessage, Effect, EventInput, Facts, Remove, Rendered
from appservice.intake import Lanes, journal, lanes
from appservice.membership import Arrivals, Doors
from appservice.people import Concerns, DirectRooms, Quiet, direct_rooms
from appservice.service import upkeep
from tests.support.removed_rules import Patch, both, saying, without
from tests.unit.care import test_care_clauses as clauses
from tests.unit.care import test_care_rules as rules
from tests.unit.cases import test_book as cases

#: The rules that issue 4 asks to be shown to matter.
ASKED = frozenset({"01", "02", "04", "05", "06", "08", "09", "10", "13", "16", "17"})


@dataclass(frozen=True)
class Removal:
    """`remove` takes the rule away; `check(tmp_path)` is a test of it, with its parameters."""

    what: str
    remove: Callable[[Patch], None]
    check: Callable[[Path], Awaitable[None] | None]


def plain(check: Callable[[], None]) -> Callable[[Path], None]:
    return lambda _path: check()


def every_effect_passes(_item: object, _facts: object, effects: Iterable[Effect]) -> list[Effect]:
    return list(effects)


def no_comparison(audience: Audience, *_: object) -> Audience:
    return audience


def may_whoever_has_the_duty(book_: CaseBook, case: Any, user_id: str) -> bool:
    people = book_.rules
    return people is not None and any(people.can(case.community, user_id, one) for one in ("moderate", "safeguard"))


def owners_whoever_it_is(case: Any, people: Any) -> tuple[str, ...]:
    return tuple(people.owners(case.community))


def one_failure_ends_all(lane: Lanes, handler: Any, item: EventInput, facts: Facts, _into: object) -> list[Effect]:
    return list(handler.handle(item, facts))


def everybody_counts_as_reached(patch: Patch) -> None:
    always = property(lambda _book: lambda _user: True, lambda _book, _value: None)
    patch.setattr(CaseBook, "_reached", always, raising=False)


def the_reason_is_passed_on(doors: Doors, item: EventInput, person: str, _code: str) -> Remove:
    code = str(item.event.content.get("reason"))
    return Remove(source=item.id, rule="doors", lane=item.lane, room_id=item.event.room_id, user_id=person, code=code)


def all_is_journalled(item: EventInput, state: str, body: bytes | None) -> dict[str, Any]:
    return journal.journal_row(item, state, body or repr(dict(item.event.content)).encode())


def nobody_is_told(_arrivals: Arrivals, _item: EventInput, _facts: Facts) -> Iterable[Effect]:
    return ()


def only_the_room(arrivals: Arrivals, item: EventInput, facts: Facts) -> list[Effect]:
    return [one for one in _ARRIVES(arrivals, item, facts) if not isinstance(one, DirectMessage)]


def named_after_them(user_id: str, *others: Any) -> dict[str, Any]:
    return dict(_BODY(user_id, *others)) | {"name": f"Private room of {user_id}"}


async def nothing() -> None:
    return None


def numbered_alike(self: CaseBook, case: Any) -> Any:
    """All audiences count together."""
    self._numbers = {(case.community, one): max(self._numbers.values(), default=0) for one in Audience}
    return _NUMBERED(self, case)


def in_words(_doors: Doors, item: EventInput, person: str, _code: str) -> Remove:
    code = "They are not on our list."
    return Remove(source=item.id, rule="doors", lane=item.lane, room_id=item.event.room_id, user_id=person, code=code)


_ARRIVES, _BODY, _NUMBERED = Arrivals.handle, direct_rooms.direct_room_body, CaseBook.numbered
_NOT_WATCHED = "I do not watch in between."
#: The gate as the service wires it, and as these tests do.
no_gate = without(rules, "care_gate", every_effect_passes)
blind = both(
    without(ladder, "without_its_person", no_comparison),
    without(book, "without_its_person", no_comparison),
)

REMOVALS = [
    Removal(
        "01 no care gate",
        no_gate,
        lambda path: rules.test_care_01_a_plea_is_never_punished_and_calls_people(path, rules.PLEA),
    ),
    Removal(
        "01 no care gate, their own number",
        no_gate,
        clauses.test_care_01_an_offer_about_their_own_number_waits_too,
    ),
    Removal(
        "01 the card does not say that contact details exist",
        without(care_gate, "_with_contact", lambda effect: effect),
        clauses.test_care_01_the_card_says_that_contact_details_exist_and_does_not_show_them,
    ),
    Removal(
        "01 nobody is in distress a moment later",
        without(Facts, "in_distress", lambda _facts, _user: False),
        rules.test_care_01_for_a_day_after_a_plea_a_person_decides_also_after_a_restart,
    ),
    Removal(
        "01 a restart forgets",
        without(Concerns, "load", lambda _self, _questions: nothing()),
        rules.test_care_01_for_a_day_after_a_plea_a_person_decides_also_after_a_restart,
    ),
    Removal(
        "01 the outbox does not ask again",
        without(Concerns, "hold_back", lambda _self, _effect: False),
        rules.test_care_01_what_was_decided_before_a_plea_and_waits_is_not_done_after_it,
    ),
    Removal(
        "01 a human's word ends it for ever",
        without(Concerns, "_add", lambda concerns, user, fact: concerns._known.setdefault(user, (fact,))),
        clauses.test_care_01_only_what_a_named_human_says_ends_the_pause,
    ),
    Removal(
        "02 one rule that fails ends all",
        without(Lanes, "_decide", one_failure_ends_all),
        rules.test_care_02_a_concern_is_never_lost_in_a_rule_that_fails,
    ),
    Removal(
        "04 subjects are not compared with the room, the lead",
        blind,
        rules.test_care_04_a_case_about_somebody_of_the_safeguarding_room_goes_to_the_others_alone,
    ),
    *(
        Removal(
            f"04 subjects are not compared with the room, {about}",
            blind,
            lambda _path, about=about, track=track: cases.test_care_04_nobody_sees_or_handles_a_case_about_themselves(
                about, track
            ),
        )
        for about, track in (
            (cases.LEAD, "concern"),
            (cases.DEPUTY, "concern"),
            (cases.MODERATOR, "conduct"),
        )
    ),
    *(
        Removal(
            f"04 who sits in a room is not looked at, {about}",
            blind,
            lambda _path, about=about: (
                clauses.test_care_04_whatever_room_somebody_sits_in_no_case_about_them_is_told_there(about, 2)
            ),
        )
        for about in (cases.LEAD, cases.DEPUTY, cases.MODERATOR, cases.OPS)
    ),
    Removal(
        "04 whom it is about may handle it",
        without(CaseBook, "may", may_whoever_has_the_duty),
        lambda _path: cases.test_care_04_nobody_sees_or_handles_a_case_about_themselves(cases.LEAD, "concern"),
    ),
    Removal(
        "04 it is told to those who answer for safeguarding, whoever it is about",
        without(book, "people_alone", owners_whoever_it_is),
        plain(cases.test_care_04_a_case_about_the_only_lead_without_a_deputy_goes_to_the_next_there_are),
    ),
    Removal(
        "04 one series of numbers for all",
        without(CaseBook, "numbered", numbered_alike),
        plain(cases.test_care_04_numbers_have_no_gap_that_tells_of_a_case_one_may_not_see),
    ),
    Removal(
        "04 the first look is the last",
        without(book, "shown_to", lambda case, _in_room: case.audience),
        plain(clauses.test_care_04_a_role_that_is_given_later_moves_a_case_out_of_their_sight),
    ),
    Removal(
        "04 status counts all",
        without(CaseBook, "audience", lambda _self, case: Audience.SAFEGUARDING),
        plain(cases.test_care_04_the_numbers_of_status_tell_nothing_of_a_case_told_to_people_alone),
    ),
    Removal(
        "05 reach is not asked for",
        everybody_counts_as_reached,
        plain(cases.test_care_05_who_cannot_be_told_starts_one_rung_higher),
    ),
    Removal(
        "05 an invite is enough",
        without(DirectRooms, "is_reached", lambda self, user_id: self.reach(user_id) is not None),
        clauses.test_care_05_an_invite_that_nobody_answered_is_not_reached,
    ),
    Removal(
        "05 the room comes with the first problem",
        without(Arrivals, "handle", nobody_is_told),
        lambda path: clauses.test_care_05_the_room_with_the_helper_is_opened_as_part_of_joining(path, "welcome"),
    ),
    Removal(
        "05 who asks to join waits without a room",
        without(Doors, "_asked", lambda *_: ()),
        clauses.test_care_05_who_asks_to_join_has_the_room_before_anybody_answers,
    ),
    Removal(
        "06 a first line that tells",
        saying("care.suicide", "Hello. This is the helper program of your group.", "You wrote of suicide."),
        lambda _path: rules.test_care_06_the_lock_screen_tells_nothing("care.suicide"),
    ),
    Removal(
        "06 helplines before it is safe",
        saying("care.disclosure", "In danger now?", "Samaritans: 116 123. In danger now?"),
        lambda _path: rules.test_care_06_before_helplines_it_asks_whether_it_is_safe("care.disclosure"),
    ),
    Removal(
        "06 a name that tells",
        without(clauses, "GUARDIAN_NAME", "Safeguarding Bot"),
        plain(clauses.test_care_06_the_name_that_a_lock_screen_shows_is_neutral),
    ),
    Removal(
        "08 it pretends to watch",
        saying("care.suicide", _NOT_WATCHED, "I watch over you."),
        lambda _path: rules.test_care_08_it_says_when_a_person_reads_and_never_pretends_to_be_one("care.suicide"),
    ),
    Removal(
        "09 a message each time",
        without(concern, "SIGNPOST_AGAIN_MS", 0),
        rules.test_care_09_nobody_gets_the_same_message_twice_in_a_week_unless_it_becomes_worse,
    ),
    Removal(
        "09 two answers in a row",
        without(care_gate, "_OF_COURSE", frozenset()),
        rules.test_care_09_who_writes_to_the_helper_in_distress_gets_one_answer,
    ),
    Removal(
        "09 a message though nobody answered the last",
        without(concern, "unanswered", lambda _lately: None),
        rules.test_care_09_no_two_messages_in_a_row_without_an_answer,
    ),
    Removal(
        "06 written to though they want quiet",
        without(Quiet, "wants", lambda _quiet, _effect: True),
        rules.test_care_06_quiet_stops_what_nobody_asked_for_also_after_a_restart,
    ),
    Removal(
        "08 by night as by day",
        saying("care.suicide.night", "999", "carry this alone 999"),
        plain(rules.test_care_08_at_night_999_111_and_samaritans_stand_first_and_it_says_when_people_are_back),
    ),
    Removal(
        "10 an invented helpline",
        saying("care.suicide", "116 123", "0808 555 0199"),
        rules.test_care_10_helplines_in_care_texts_are_those_of_the_table,
    ),
    Removal(
        "10 an invented helpline in some text",
        without(clauses, "variants", lambda _text: (Rendered("Call 0808 555 0199.", "<p>Call 0808 555 0199.</p>"),)),
        lambda _path: clauses.test_care_10_no_text_names_help_that_nobody_published("direct.how"),
    ),
    Removal(
        "06 a first line that tells in some text",
        without(clauses, "variants", lambda _text: (Rendered("It is about abuse.", "<p>It is about abuse.</p>"),)),
        lambda _path: clauses.test_care_06_the_first_line_of_every_text_is_neutral("direct.how"),
    ),
    Removal(
        "13 a member's reason is passed on",
        without(Doors, "_remove", the_reason_is_passed_on),
        rules.test_care_13_plumbing_tells_no_secrets,
    ),
    Removal(
        "13 all is written down",
        without(lanes, "journal_row", all_is_journalled),
        rules.test_care_13_plumbing_tells_no_secrets,
    ),
    Removal(
        "13 a reason in words",
        without(Doors, "_remove", in_words),
        clauses.test_care_13_what_we_write_into_rooms_as_a_reason_is_a_code,
    ),
    Removal(
        "13 the room is called after its person",
        without(clauses, "direct_room_body", named_after_them),
        plain(clauses.test_care_13_the_private_room_names_neither_person_nor_community),
    ),
    Removal(
        "16 a card for each",
        without(book, "CARDS_A_WEEK", 10_000),
        plain(cases.test_care_16_a_community_gets_five_cards_a_week_and_one_list_for_the_rest),
    ),
    Removal(
        "16 the clock runs for what is in the list",
        without(book, "CARDS_A_WEEK", 10_000),
        plain(cases.test_care_16_what_stands_in_the_list_calls_nobody_by_the_clock),
    ),
    Removal(
        "16 the list shows all",
        without(CaseBook, "audience", lambda _self, case: case.audience),
        plain(clauses.test_care_16_the_list_does_not_show_a_person_to_themselves),
    ),
    Removal(
        "17 a room without a word",
        without(Arrivals, "handle", only_the_room),
        rules.test_care_17_who_joins_is_told_what_a_program_does_here,
    ),
    *(
        Removal(
            f"17 without “{promise}”",
            saying("direct.welcome", promise, "All is well."),
            rules.test_care_17_who_joins_is_told_what_a_program_does_here,
        )
        for promise in (
            "I look for some words, like phone numbers.",
            "I miss many, and people decide.",
            "In a group, everybody who is there can read what you write.",
            "Those who run the server could read it too",
            "kept sealed for one year",
            "Only safeguarding leads open it",
            "Somebody else looks at it.",
        )
    ),
    Removal(
        "17 nothing is ever thrown away",
        without(clauses.Upkeep, "turn", lambda _self: nothing()),
        clauses.test_care_17_what_is_kept_is_gone_after_a_year_and_not_before,
    ),
    Removal(
        "17 kept for ten years",
        without(upkeep, "EVIDENCE_KEPT_MS", upkeep.EVIDENCE_KEPT_MS * 10),
        clauses.test_care_17_what_is_kept_is_gone_after_a_year_and_not_before,
    ),
]


async def run(removal: Removal, path: Path) -> None:
    done = removal.check(path)
    if done is not None:
        await done


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda one: one.what)
async def test_without_the_rule_its_test_fails(removal: Removal, tmp_path: Path, monkeypatch: Patch) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    await run(removal, tmp_path / "with")
    removal.remove(monkeypatch)
    with pytest.raises((AssertionError, ValueError)) as failure:
        await run(removal, tmp_path / "without")
    # `(card,) = cards` says in its own way that there is not the one card that should be.
    assert failure.type is AssertionError or "to unpack" in str(failure.value)


def test_each_rule_has_a_test_named_after_it_and_is_shown_to_matter() -> None:
    named = {
        match[1]
        for module in (rules, clauses, cases)
        for name in vars(module)
        if (match := re.match(r"test_care_(\d\d)_", name))
    }
    assert named >= ASKED
    assert {one.what[:2] for one in REMOVALS} >= ASKED
