"""Clauses of the rules that keep people from harm which stand beside their main tests (CARE, by number)."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from appservice.cases import CARDS_A_WEEK, Evidence, Requests
from appservice.cases.showing import SHOWN_MS
from appservice.conversation.texts import TEXTS
from appservice.detection.care_gate import withheld
from appservice.flow import (
    GUARDIAN_NAME,
    Audience,
    Card,
    DirectMessage,
    Effect,
    Notice,
    Postponed,
    Redact,
    Remove,
    UrgentCard,
    UrgentMessage,
)
from appservice.intake import INVITED, REACHED
from appservice.matrix import parse_event
from appservice.membership import Arrivals, Doors
from appservice.people.direct_rooms import direct_room_body
from appservice.service.upkeep import EVIDENCE_KEPT_MS, Upkeep
from appservice.vault import AgeVault
from tests.support.direct_room_world import world
from tests.support.house import GHOSTS, GROUP, ROSA, SAM, SERVER, fresh_store, member, message, open_house, state_of
from tests.support.text_lint import published_numbers, telling_start
from tests.support.waiting import eventually
from tests.unit.care.test_care_rules import NUMBER, PLEA, Hybrid, Life, Rules, of, words
from tests.unit.cases.test_book import DEPUTY, MODERATOR, OPS, Desk
from tests.unit.cases.test_book import LEAD as THE_LEAD
from tests.unit.conversation.test_lint_of_texts import OWN_PAGE, SIGNPOSTS, variants

# -- 1: a plea is never punished ---------------------------------------------------------------------------------------


async def test_care_01_the_card_says_that_contact_details_exist_and_does_not_show_them(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        (card,) = of(await life.says(SAM, PLEA), UrgentCard)
        assert isinstance(card, UrgentCard)
        case = life.book.current(card.community, card.case, SAM)
        assert case is not None
        said = words("card.concern", contact="yes" if case.contact else "no", severity="3", kind="suicide")
        assert "There are contact details in the message" in said
        assert "07700" not in said


async def test_care_01_an_offer_about_their_own_number_waits_too(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        assert of(await life.says(ROSA, "My number is 07700 900456"), DirectMessage)
        effects = await life.says(SAM, "I cant go on. My number is 07700 900456")
        assert [one.text for one in effects if isinstance(one, UrgentMessage)] == ["care.suicide"]
        assert not of(effects, DirectMessage)


async def test_care_01_only_what_a_named_human_says_ends_the_pause(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        await life.says(SAM, "I cant go on")
        assert not of(await life.says(SAM, NUMBER), Redact)
        house.clock.now += 1
        await house.database.commit(life.concerns.release(SAM, "$word", house.clock.now))
        assert of(await life.says(SAM, NUMBER), Redact)
        house.clock.now += 1
        assert not of(await life.says(SAM, f"I cant go on. {NUMBER}"), Redact), "a new sign is a new pause"


async def test_care_01_what_was_removed_before_a_plea_is_not_hidden_from_those_who_look_after_them(
    tmp_path: Path,
) -> None:
    """The message to its author waits, as all that corrects them; that it is gone is told to people."""
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        effects = await life.says(SAM, NUMBER)
        await life.says(SAM, "I cant go on")
        held = {type(one): life.concerns.hold_back(one) for one in effects if one.conduct_on == SAM}
        assert held == {Redact: True, DirectMessage: True, Notice: False, Card: False}


async def test_care_01_people_hear_of_a_removal_that_waited_and_is_not_done_after_a_plea(tmp_path: Path) -> None:
    """The homeserver was away when it was decided; before it was back its author wrote of distress."""
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        house.executor.answer = lambda _effect, _attempt: Postponed("away", 1)
        heard: list[Effect] = []

        async def held(effect: Effect) -> None:
            assert isinstance(effect, Redact)
            heard.extend(withheld("held", effect.lane, "hearth", life.house.projection.rules, SAM, effect.event_id))
            rows = await house.table(f"SELECT state FROM outbox WHERE key = '{effect.key}'")
            assert rows == [("queued",)], "a crash in between tells people twice rather than never"

        house.outbox.held = held
        (redact,) = of(await life.says(SAM, NUMBER), Redact)
        await life.says(SAM, "I cant go on")

        async def told() -> bool:
            house.clock.now += 1000
            house.outbox.homeserver_is_back()
            rows = await house.table(f"SELECT state FROM outbox WHERE key = '{redact.key}'")
            return rows == [("refused",)]

        await eventually(told, "the removal is given up")
        (card,) = heard
        assert isinstance(card, Card)
        assert (card.text, card.place, card.about) == ("card.withheld", "safeguarding", SAM)


# -- 4: a case is never shown to whom it is about ----------------------------------------------------------------------

EVERYBODY = {"lead": THE_LEAD, "deputy": DEPUTY, "an approver": MODERATOR, "ops": OPS}


@pytest.mark.parametrize("about", EVERYBODY.values(), ids=EVERYBODY)
@pytest.mark.parametrize("severity", [1, 2, 3, 4])
def test_care_04_whatever_room_somebody_sits_in_no_case_about_them_is_told_there(about: str, severity: int) -> None:
    """A subject who sits in a room, by a role or by an invite that nobody took back."""
    for track in ("conduct", "concern"):
        for room in ("moderators", "safeguarding", "ops"):
            desk = Desk()
            rules = desk.people
            sits = lambda community, place, user, room=room, rules=rules: (  # noqa: E731
                (place == room and user == about) or rules.admits(community, place, user)
            )
            desk.book._in_room = sits
            case = desk.happens(about, track=track, severity=severity, kind="suicide")
            for _ in range(3):
                shown = desk.book.audience(case)
                assert shown is Audience.PRIVATE or not sits("c", shown, about), (track, room)
                assert about not in (*desk.book.alone(case), *desk.book.called(case))
                assert desk.book.alone(case), "somebody else must look at it"
                case = desk.does(case, "escalate")


def test_care_04_a_role_that_is_given_later_moves_a_case_out_of_their_sight() -> None:
    desk = Desk()
    case, _ = desk.book.numbered(desk.happens())
    assert desk.book.audience(case) is Audience.MODERATORS
    desk.people.duties["moderate"] = (*desk.people.duties["moderate"], case.about)
    assert desk.book.audience(case) is Audience.SAFEGUARDING
    assert not desk.book.may(case, case.about)


# -- 5: help must be visible -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["welcome", "moderators"])
async def test_care_05_the_room_with_the_helper_is_opened_as_part_of_joining(tmp_path: Path, group: str) -> None:
    async with open_house(fresh_store(tmp_path), knows=()) as house:
        house.homeserver.script.state[GROUP] = state_of(GROUP, group)
        await house.lanes.learn_rooms([GROUP])
        house.projection.rules = Rules()
        house.lanes.handlers = (Arrivals(),)
        await house.lanes.accept([house.input(parse_event(member("$1", ROSA, "join"), GROUP))])
        (record,) = await house.table("SELECT record FROM outbox WHERE type = 'ensure_direct_room'")
        assert orjson.loads(record[0])["user_id"] == ROSA


async def test_care_05_who_asks_to_join_has_the_room_before_anybody_answers(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        house.projection.rules = Hybrid()
        house.lanes.handlers = (Doors(), Arrivals())
        await house.lanes.accept([house.input(parse_event(member("$1", ROSA, "knock"), GROUP))])
        assert await house.table("SELECT 1 FROM outbox WHERE type = 'ensure_direct_room'")


async def test_care_05_an_invite_that_nobody_answered_is_not_reached(tmp_path: Path) -> None:
    away = "@ann:elsewhere.example"
    async with world(tmp_path) as one:
        assert (await one.rooms.ensure(SAM, "key"))[1] == REACHED
        assert (await one.rooms.ensure(away, "key2"))[1] == INVITED
        assert (one.rooms.is_reached(SAM), one.rooms.is_reached(away)) == (True, False)
        assert not one.rooms.is_reached(ROSA), "nobody ever asked her"
        desk = Desk()
        desk.book._reached = one.rooms.is_reached
        rungs = {who: desk.happens(who, track="concern", severity=3, kind="suicide").rung for who in (SAM, away, ROSA)}
        assert rungs == {SAM: 0, away: 1, ROSA: 1}
    said = words("card.concern", told="no", severity="3", kind="suicide")
    assert "not reached" in said
    assert "kind message" not in said


# -- 6, 10: every text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", sorted(TEXTS))
def test_care_06_the_first_line_of_every_text_is_neutral(text: str) -> None:
    for rendered in variants(text):
        assert telling_start(rendered, ("Ash", "Oak")) == [], rendered.body


def test_care_06_the_name_that_a_lock_screen_shows_is_neutral() -> None:
    for name in (GUARDIAN_NAME, str(direct_room_body(SAM, "key", "hearth", GHOSTS, SERVER)["name"])):
        assert not re.search(r"safeguard|suicid|abus|crisis|hearth|sam", name, re.IGNORECASE), name


#: Figures of ours: references of cases and requests, and the version of the charity's rules.
OURS = re.compile(r"\b[HSPR]-\d{4}\b|\bversion 2026-09\b")


@pytest.mark.parametrize("text", sorted(TEXTS))
def test_care_10_no_text_names_help_that_nobody_published(text: str) -> None:
    """Whatever a text says in figures is ours (a count, a time, an option of a helpline) or stands in the table."""
    published = published_numbers(SIGNPOSTS)
    for rendered in variants(text):
        for number in re.findall(r"\d(?:[\d ]*\d)?", re.sub(OURS, "", rendered.body)):
            assert number in published or len(number) < 3, (number, rendered.body)
        assert not re.findall(r"https?://|www\.", rendered.body.replace(OWN_PAGE, ""))


# -- 13: plumbing tells no secrets -------------------------------------------------------------------------------------


async def test_care_13_what_we_write_into_rooms_as_a_reason_is_a_code(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        decided = [
            *await life.says(SAM, NUMBER),
            *await life.says(SAM, "Jo: jo.bloggs@mail.example, 12 Mill Lane, Leeds LS1 4AB"),
        ]
        house.projection.rules = Hybrid()
        house.lanes.handlers = (Doors(),)
        await house.lanes.accept([house.input(parse_event(member("$in", "@p:hearth.example", "join"), GROUP))])
        (kick,) = await house.table("SELECT record FROM outbox WHERE type = 'remove'")
        codes = [one.reason for one in decided if isinstance(one, Redact)] + [orjson.loads(kick[0])["code"]]
        assert len(codes) == 3
        for code in codes:
            assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", code), code


def test_care_13_the_private_room_names_neither_person_nor_community() -> None:
    body = direct_room_body(SAM, "key", "hearth", GHOSTS, SERVER)
    assert "topic" not in body
    assert "room_alias_name" not in body
    shown = {event["type"] for event in body["initial_state"]} & {"m.room.topic", "m.room.avatar", "m.room.name"}
    assert (body["name"], shown) == ("Private messages", set())


# -- 16: few alarms ----------------------------------------------------------------------------------------------------


def test_care_16_what_grows_asks_for_no_card_of_its_own_and_what_is_grave_always_does() -> None:
    desk = Desk()
    for n in range(CARDS_A_WEEK):
        desk.book.numbered(desk.happens(f"@p{n}:x"))
    small, _ = desk.book.numbered(desk.happens("@small:x"))
    assert small.quiet
    assert desk.happens("@small:x").quiet, "the same person again is the same line of the list"
    grave, _ = desk.book.numbered(desk.happens("@other:x", severity=3))
    assert not grave.quiet
    plea, _ = desk.book.numbered(desk.happens("@plea:x", track="concern", severity=2, kind="suicide"))
    assert not plea.quiet, "somebody in need is never in a list (rule 2)"


def test_care_16_the_list_does_not_show_a_person_to_themselves() -> None:
    """Who comes to look after people later sees no line about themselves in it (rule 4)."""
    desk = Desk()
    cases = [desk.book.numbered(desk.happens(f"@p{n}:x"))[0] for n in range(CARDS_A_WEEK + 2)]
    desk.people.duties["moderate"] = (*desk.people.duties["moderate"], cases[-1].about)
    listed = desk.book.quiet_ones("c", Audience.MODERATORS)
    assert [one.about for one in listed] == [cases[-2].about]


# -- 17: honest with members -------------------------------------------------------------------------------------------


async def test_care_17_what_is_kept_is_gone_after_a_year_and_not_before(tmp_path: Path) -> None:
    key = tmp_path / "key"
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        vault = AgeVault(key, AgeVault.make_key(key))
        evidence = Evidence("hearth.example", lambda: vault, life.book, house.clock, lambda _room: "hearth")
        house.lanes.beside = {"redact": evidence.seal}
        await life.says(SAM, NUMBER)
        assert len(await house.table("SELECT 1 FROM evidence")) == 1
        for later, left in ((EVIDENCE_KEPT_MS - 1000, 1), (EVIDENCE_KEPT_MS + 1000, 0)):
            house.clock.now = 1_800_000_000_000 + later
            await Upkeep(house.database, house.clock).turn()
            assert len(await house.table("SELECT 1 FROM evidence")) == left


def test_care_17_what_was_shown_is_taken_back_when_it_says() -> None:
    assert "I take this back in ten minutes" in words("case.shown", words="Hello", reference="H-0001")
    assert SHOWN_MS == 10 * 60 * 1000


async def test_care_17_it_tells_people_when_somebody_is_not_safe_as_it_says(tmp_path: Path) -> None:
    """Also in the private room: “if you write that you are not safe, I tell the people who look after your group”."""
    assert "If you write that you are not safe, I tell the people" in words("direct.welcome")
    async with open_house(fresh_store(tmp_path), knows=()) as house:
        Life(house)
        members = {SAM: "join", GHOSTS.guardian: "join"}
        house.homeserver.script.state["!dm"] = state_of("!dm", "direct", members)
        await house.lanes.learn_rooms(["!dm"])
        house.projection.set_direct_room(SAM, "!dm", REACHED)
        house.lanes.handlers = (*house.lanes.handlers, Requests())
        event = parse_event(message("$dm", "I cant go on", room_id="!dm"), "!dm")
        await house.lanes.accept([house.input(event)])
        assert await house.table("SELECT 1 FROM outbox WHERE type = 'urgent_card'")


async def test_care_17_people_decide_nobody_is_removed_for_what_they_say(tmp_path: Path) -> None:
    assert "people decide" in words("direct.welcome")
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        effects = [one for n in range(20) for one in await life.says(SAM, f"{NUMBER} {n}")]
        assert of(effects, Redact)
        assert not of(effects, Remove)
        assert {type(one) for one in effects} <= {Redact, Notice, DirectMessage, Card}
