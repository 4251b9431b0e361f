"""The rules that keep people from harm, each by its number (CARE), and each shown to matter: without it the test fails."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import pytest

from appservice.cases import CaseBook, Requests
from appservice.conversation import Catalogue
from appservice.detection.care_gate import care_gate
from appservice.detection.concern import SIGNPOST_AGAIN_MS
from appservice.effects.outbox import IN_DISTRESS
from appservice.flow import (
    DISTRESS_MS,
    Card,
    Concerned,
    DirectMessage,
    Effect,
    Redact,
    UrgentCard,
    UrgentMessage,
    effect_from_record,
)
from appservice.matrix import parse_event
from appservice.membership import Arrivals, Doors
from appservice.people import Concerns, Quiet
from appservice.service.detectors import concern, personal_data
from appservice.service.upkeep import EVIDENCE_KEPT_MS
from appservice.store import Commit, StoreRefused
from policies.load import load_policy
from tests.support.house import GHOSTS, GROUP, ROSA, SAM, House, fresh_store, message, open_house, state_of
from tests.support.paths import POLICIES

LEAD, DEPUTY = "@amina:hearth.example", "@dewi:hearth.example"
PLEA = "I can't go on. Jo has my keys, ring Jo on 07700 900123"
OWN = "Call me on 07700 900123, I can't go on"
NUMBER = "Ring Jo on 07700 900123"


@dataclass
class Rules:
    """Lead and deputy answer for safeguarding; both are in its room."""

    def kind(self, community: str, group: str) -> str:
        return "open"

    def admits(self, community: str, group: str, user_id: str) -> bool:
        return group != "safeguarding" or user_id in {LEAD, DEPUTY}

    def approves(self, community: str, group: str, user_id: str) -> bool:
        return self.can(community, user_id, "approve_join")

    def can(self, community: str, user_id: str, duty: str) -> bool:
        return user_id in {LEAD, DEPUTY}

    def owners(self, community: str) -> tuple[str, ...]:
        return (LEAD, DEPUTY)

    def leads(self, community: str) -> tuple[str, ...]:
        return (LEAD,)

    def holders(self, community: str, duty: str) -> tuple[str, ...]:
        return (LEAD, DEPUTY)

    def holding(self, community: str, name: str) -> tuple[str, ...]:
        return {"safeguarding_lead": (LEAD,), "deputy": (DEPUTY,)}.get(name, ())


class Life:
    """One life of the service as far as decisions go."""

    def __init__(self, house: House, *, gate: bool = True) -> None:
        self.house = house
        self.concerns = Concerns("hearth.example", house.clock)
        house.projection.rules = Rules()
        house.projection.concerns = self.concerns.by_person
        policy = load_policy((POLICIES / "hearth-demo.yaml").read_bytes(), "p").policy
        assert policy is not None
        house.lanes.handlers = (concern(), personal_data(policy))
        self.book = CaseBook("hearth.example", house.clock, lambda _user: True, self._in_room)
        self.book.rules = house.projection.rules
        house.projection.cases = self.book
        self.quiet = Quiet("hearth.example")
        house.projection.quiet = self.quiet.people
        house.lanes._recorders = {
            "concerned": self.concerns.note,
            "open_case": self.book.open,
            "touch_case": self.book.touch,
            "be_quiet": self.quiet.note,
        }
        if gate:
            house.lanes.gate = care_gate
            house.outbox.hold_back = self.concerns.hold_back
        self._said = 0

    def _in_room(self, community: str, place: str, user_id: str) -> bool:
        rules = self.house.projection.rules
        return rules is not None and rules.admits(community, place, user_id)

    async def says(self, who: str, words: str, room_id: str = GROUP) -> list[Effect]:
        """Let somebody write; return what was decided."""
        self._said += 1
        event_id = f"$said-{self._said}-{self.house.clock.now}"
        raw = message(event_id, words, room_id=room_id, sender=who)
        await self.house.lanes.accept([self.house.input(parse_event(raw, room_id))])
        rows = await self.house.table(f"SELECT record FROM outbox WHERE source = '{event_id}'")
        return [effect_from_record(orjson.loads(row[0])) for row in rows]


def of(effects: list[Effect], kind: type[Effect]) -> list[Effect]:
    return [effect for effect in effects if type(effect) is kind]


@pytest.mark.parametrize("plea", [PLEA, OWN], ids=["somebody else's number", "their own"])
async def test_care_01_a_plea_is_never_punished_and_calls_people(tmp_path: Path, plea: str) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        effects = await life.says(SAM, plea)
        assert not of(effects, Redact)
        assert not [effect for effect in effects if effect.conduct_on is not None]
        (card,) = of(effects, UrgentCard)
        assert isinstance(card, UrgentCard)
        case = life.book.current(card.community, card.case, SAM)
        assert case is not None
        assert (life.book.audience(case), case.contact) == ("safeguarding", True)
        assert life.book.called(case) == (LEAD,)
        assert len(of(effects, UrgentMessage)) == 1
        # Silence is not death: the same words by somebody else are acted on.
        assert of(await life.says(ROSA, NUMBER), Redact)


async def test_care_01_without_the_gate_a_plea_would_be_punished(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        assert of(await Life(house, gate=False).says(SAM, PLEA), Redact)


async def test_care_01_for_a_day_after_a_plea_a_person_decides_also_after_a_restart(tmp_path: Path) -> None:
    path = fresh_store(tmp_path)
    async with open_house(path) as house:
        life = Life(house)
        await life.says(SAM, "i dont want to be here anymore")
        then = house.clock.now
    async with open_house(path) as house:
        house.clock.now = then + DISTRESS_MS - 1000
        life = Life(house)
        await life.concerns.load(house.questions)
        effects = await life.says(SAM, NUMBER)
        assert not of(effects, Redact)
        (card,) = of(effects, Card)
        assert isinstance(card, Card)
        assert (card.place, card.text) == ("safeguarding", "card.withheld")
        house.clock.now = then + DISTRESS_MS + 1000
        assert of(await life.says(SAM, NUMBER), Redact)


async def test_care_01_what_was_decided_before_a_plea_and_waits_is_not_done_after_it(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        effects = await life.says(SAM, NUMBER)
        (redact,) = of(effects, Redact)
        assert not life.concerns.hold_back(redact)
        await life.says(SAM, "I cant go on")
        assert life.concerns.hold_back(redact)
        assert not life.concerns.hold_back(replace(redact, conduct_on=ROSA))
        assert IN_DISTRESS == "in_distress"


async def test_care_04_a_case_about_somebody_of_the_safeguarding_room_goes_to_the_others_alone(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        (card,) = of(await life.says(LEAD, PLEA), UrgentCard)
        assert isinstance(card, UrgentCard)
        case = life.book.current(card.community, card.case, LEAD)
        assert case is not None
        assert life.book.audience(case) == "private"
        assert (life.book.alone(case), life.book.called(case)) == ((DEPUTY,), (DEPUTY,))
        assert case.contact
        later = await life.says(LEAD, NUMBER)
        assert not [effect for effect in later if isinstance(effect, Card)]
        assert [effect.user_id for effect in later if isinstance(effect, DirectMessage)] == [DEPUTY]


CARE_TEXTS = [
    "care.safe_first",
    "care.suicide",
    "care.self_harm",
    "care.disclosure",
    "care.domestic_abuse",
    "care.danger",
]
#: Words that must not light up on a locked screen (CARE, rule 6).
TELLING = ("suicide", "harm", "abuse", "danger", "samaritans", "999", "111", "violence", "kill", "die", "crisis")


def words(text: str, **item: str) -> str:
    catalogue = Catalogue(lambda _room: "your group", "hearth.example", "Monday to Friday, 9 to 5")
    items: tuple[Mapping[str, str], ...] = ({"person": SAM, "room": GROUP, "event": "$1", **item},)
    return catalogue.render(text, items).body


@pytest.mark.parametrize("text", CARE_TEXTS)
def test_care_06_the_lock_screen_tells_nothing(text: str) -> None:
    first = words(text)[:80].lower()
    assert not [word for word in TELLING if word in first], first


@pytest.mark.parametrize("text", ["care.disclosure", "care.domestic_abuse"])
def test_care_06_before_helplines_it_asks_whether_it_is_safe(text: str) -> None:
    assert "Is it safe" in words(text)
    assert "116 123" not in words(text)
    assert "0808" not in words(text)


@pytest.mark.parametrize("text", CARE_TEXTS)
def test_care_08_it_says_when_a_person_reads_and_never_pretends_to_be_one(text: str) -> None:
    said = words(text)
    assert "Monday to Friday, 9 to 5" in said
    assert "999" in said
    assert "helper program" in said
    assert "do not watch" in said or "I am a program" in said


async def test_care_09_nobody_gets_the_same_message_twice_in_a_week_unless_it_becomes_worse(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        assert of(await life.says(SAM, "I cant go on"), UrgentMessage)
        again = await life.says(SAM, "I really cant go on")
        assert not of(again, UrgentMessage)
        assert of(again, UrgentCard), "people are told each time"
        worse = await life.says(SAM, "i have taken all my pills")
        (urgent,) = of(worse, UrgentMessage)
        assert isinstance(urgent, UrgentMessage)
        assert urgent.text == "care.danger"
        house.clock.now += SIGNPOST_AGAIN_MS + 1
        assert of(await life.says(SAM, "I cant go on"), UrgentMessage)


async def test_care_09_who_writes_to_the_helper_in_distress_gets_one_answer(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path), knows=()) as house:
        Life(house)
        house.homeserver.script.state["!dm"] = state_of("!dm", "direct", {SAM: "join", GHOSTS.guardian: "join"})
        await house.lanes.learn_rooms(["!dm"])
        house.projection.set_direct_room(SAM, "!dm", "reached")
        house.lanes.handlers = (*house.lanes.handlers, Requests())
        event = parse_event(message("$dm", "I cant go on", room_id="!dm"), "!dm")
        await house.lanes.accept([house.input(event)])
        rows = await house.table("SELECT type, record FROM outbox WHERE source = '$dm'")
        to_sam = [record for _, record in rows if orjson.loads(record).get("user_id") == SAM]
        assert [orjson.loads(record)["text"] for record in to_sam] == ["care.suicide"]


async def test_care_10_helplines_in_care_texts_are_those_of_the_table(tmp_path: Path) -> None:

    table = (POLICIES.parent / "rules" / "signposts" / "en-GB.csv").read_text(encoding="utf-8")
    for text in CARE_TEXTS:
        for number in re.findall(r"\d{3}(?: \d{3,4})*", words(text).replace("9 to 5", "")):
            assert number in table, (text, number)


async def test_care_02_a_concern_is_never_lost_in_a_rule_that_fails(tmp_path: Path) -> None:
    """The concern and its cards are decided whatever becomes of the other handlers."""

    class Breaks:
        name = "test.breaks"

        def handle(self, item: object, facts: object) -> list[Effect]:
            raise RuntimeError

    async with open_house(fresh_store(tmp_path)) as house:
        life = Life(house)
        house.lanes.handlers = (Breaks(), *house.lanes.handlers)
        assert of(await life.says(SAM, PLEA), UrgentCard)


def test_a_concern_holds_no_words_of_the_message() -> None:
    concerned = Concerned(source="$1", rule="concern", lane=None, user_id=SAM, kind="suicide", severity=3, at_ms=1)  # type: ignore[arg-type]
    assert set(concerned.__dataclass_fields__) >= {"user_id", "kind", "severity", "at_ms"}
    assert not {"text", "body", "content"} & set(concerned.__dataclass_fields__)


class Hybrid(Rules):
    """A group at which people ask; nobody is in it by the file."""

    def kind(self, community: str, group: str) -> str:
        return "hybrid"

    def admits(self, community: str, group: str, user_id: str) -> bool:
        return user_id in {LEAD, DEPUTY}


async def test_care_13_plumbing_tells_no_secrets(tmp_path: Path) -> None:
    """What somebody wrote when they asked, or forced their way in, stands in nothing that we send or keep."""
    secret = "because my husband died"
    async with open_house(fresh_store(tmp_path)) as house:
        house.projection.rules = Hybrid()
        house.lanes.handlers = (Doors(), Arrivals())
        for n, membership in enumerate(("knock", "join", "invite")):
            event = {
                "type": "m.room.member",
                "state_key": f"@p{n}:hearth.example",
                "sender": f"@p{n}:hearth.example",
                "event_id": f"$m{n}",
                "room_id": GROUP,
                "origin_server_ts": house.clock.now,
                "content": {"membership": membership, "reason": secret, "displayname": secret},
            }
            await house.lanes.accept([house.input(parse_event(event, GROUP))])
        rows = await house.table("SELECT record FROM outbox")
        assert rows
        assert not [row for row in rows if b"husband" in row[0]]
        codes = [orjson.loads(row[0]).get("code") for row in rows]
        assert {code for code in codes if code} <= {"not_admitted", "invite_withdrawn"}
        for table in ("audit", "rooms", "members", "journal"):
            assert "husband" not in str(await house.table(f"SELECT * FROM {table}")), table


async def test_care_17_who_joins_is_told_what_a_program_does_here(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        house.projection.rules = Rules()
        house.lanes.handlers = (Arrivals(),)

        async def arrives(event_id: str) -> list[str]:
            event = {
                "type": "m.room.member",
                "state_key": "@new:hearth.example",
                "sender": "@new:hearth.example",
                "event_id": event_id,
                "room_id": GROUP,
                "content": {"membership": "join"},
            }
            await house.lanes.accept([house.input(parse_event(event, GROUP))])
            rows = await house.table(f"SELECT record FROM outbox WHERE source = '{event_id}'")
            return [str(orjson.loads(row[0]).get("text")) for row in rows if b"direct_message" in row[0]]

        assert await arrives("$1") == ["direct.welcome"]
        house.projection.set_direct_room("@new:hearth.example", "!dm", "reached")
        assert await arrives("$2") == [], "once, not at each door"
    said = words("direct.welcome")
    for promise in (
        "helper program",
        "I look for some words",
        "I miss many",
        "people decide",
        "everybody who is there can read",
        "Those who run the server could read it too",
        "kept sealed for one year",
        "Only safeguarding leads open it",
        "appeal",
        "Somebody else looks at it",
        "Monday to Friday, 9 to 5",
    ):
        assert promise in said, promise


def test_care_17_what_it_says_of_keeping_is_what_is_done() -> None:
    assert EVIDENCE_KEPT_MS == 365 * 24 * 3600 * 1000


# -- 6: what a program writes, and when it keeps quiet ------------------------------------------------------------------


async def with_private_room(house: House) -> Life:
    """A life in which Sam has a private room, `!dm`."""
    life = Life(house)
    house.homeserver.script.state["!dm"] = state_of("!dm", "direct", {SAM: "join", GHOSTS.guardian: "join"})
    await house.lanes.learn_rooms(["!dm"])
    house.projection.set_direct_room(SAM, "!dm", "reached")
    house.lanes.handlers = (*house.lanes.handlers, Requests())
    return life


def told(effects: list[Effect], who: str = SAM) -> list[str]:
    return [one.text for one in effects if isinstance(one, DirectMessage) and one.user_id == who]


async def test_care_06_helplines_come_after_somebody_said_that_it_is_safe(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = await with_private_room(house)
        assert told(await life.says(SAM, "he hit me again last night")) == ["care.domestic_abuse"]
        assert told(await life.says(SAM, "yes it is", "!dm")) == ["care.helplines_domestic_abuse"]
        assert told(await life.says(SAM, "yes", "!dm")) == ["direct.how"], "asked and answered"
    said = words("care.helplines_domestic_abuse")
    assert "0808 2000 247" in said


async def test_care_06_who_says_that_it_is_not_safe_gets_nothing_more(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = await with_private_room(house)
        await life.says(SAM, "he hit me again last night")
        assert told(await life.says(SAM, "no", "!dm")) == []


async def test_care_06_quiet_stops_what_nobody_asked_for_also_after_a_restart(tmp_path: Path) -> None:
    path = fresh_store(tmp_path)
    async with open_house(path) as house:
        life = await with_private_room(house)
        assert told(await life.says(SAM, "Quiet.", "!dm")) == ["direct.quiet"]
    async with open_house(path) as house:
        house.clock.now += 1000
        life = await with_private_room(house)
        await life.quiet.load(house.questions)
        (removed,) = of(await life.says(SAM, NUMBER), DirectMessage)
        assert isinstance(removed, DirectMessage)
        assert not life.quiet.wants(removed)
        plea = await life.says(SAM, "I can't go on")
        assert told(plea) == []
        assert of(plea, UrgentCard), "people are told all the same"
        assert told(await life.says(SAM, "what is this", "!dm")) == []
        (heard,) = [one for one in await life.says(SAM, "help", "!dm") if isinstance(one, DirectMessage)]
        assert life.quiet.wants(heard), "an answer to what they ask is no message that they did not ask for"
        assert told(await life.says(SAM, "hello", "!dm")) == ["direct.how"]
        assert life.quiet.wants(removed)


async def test_care_06_without_the_list_of_who_wants_quiet_they_would_be_written_to(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = await with_private_room(house)
        (urgent,) = of(await life.says(SAM, "I can't go on"), UrgentMessage)
        assert isinstance(urgent, UrgentMessage)
        assert life.quiet.wants(urgent)


# -- 8: by night help comes first --------------------------------------------------------------------------------------


def test_care_08_at_night_999_111_and_samaritans_stand_first_and_it_says_when_people_are_back() -> None:
    items: tuple[Mapping[str, str], ...] = ({"person": SAM, "room": GROUP, "event": "$1"},)
    opens = ""
    catalogue = Catalogue(lambda _room: "your group", "hearth.example", "Monday to Friday", opens=lambda: opens)
    by_day = catalogue.render("care.suicide", items).body
    opens = "tomorrow at 9am"
    by_night = catalogue.render("care.suicide", items).body
    assert "tomorrow at 9am" in by_night
    assert "tomorrow" not in by_day
    for number in ("999", "111", "116 123"):
        assert by_night.index(number) < by_night.index("carry this alone") < by_night.index("people who look after")
    for text in CARE_TEXTS:
        assert "tomorrow at 9am" in catalogue.render(text, items).body, text


# -- 9: no two messages in a row without an answer ----------------------------------------------------------------------


async def test_care_09_no_two_messages_in_a_row_without_an_answer(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = await with_private_room(house)
        assert told(await life.says(SAM, "I cant go on")) == ["care.suicide"]
        other = await life.says(SAM, "i hurt myself again")
        assert told(other) == [], "another kind, and nobody answered yet"
        assert of(other, UrgentCard), "people are told each time"
        await life.says(SAM, "thank you", "!dm")
        assert told(await life.says(SAM, "i hurt myself again")) == ["care.self_harm"]
        assert told(await life.says(SAM, "i have taken all my pills")) == ["care.danger"], "danger is excepted"


async def test_care_09_a_message_that_the_store_refused_counts_as_not_written(tmp_path: Path) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        life = await with_private_room(house)

        async def refuses(_commit: Commit) -> None:
            raise StoreRefused("full")

        commit, house.database.commit = house.database.commit, refuses  # type: ignore[method-assign]
        with pytest.raises(StoreRefused):
            await life.says(SAM, "I cant go on")
        assert house.projection.facts(GROUP, house.clock.now).in_distress(SAM), "what protects them stays in mind"
        house.database.commit = commit  # type: ignore[method-assign]
        assert told(await life.says(SAM, "I cant go on")) == ["care.suicide"]
