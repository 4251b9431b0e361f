"""What follows when a message breaks rules: one decision for all of them; what is in shadow is only counted."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from appservice.detection.care_gate import care_gate
from appservice.detection.conduct import Conduct
from appservice.flow import (
    Card,
    Concerned,
    ConcernFact,
    DirectMessage,
    Effect,
    Event,
    EventInput,
    Facts,
    NoteShadow,
    Notice,
    OpenCase,
    Origin,
    Place,
    Redact,
    RoomFacts,
    SweepEdits,
    UrgentCard,
)
from appservice.service.detectors import conduct
from policies.load import load_policy
from policies.schema import Policy
from tests.support.house import GHOSTS, SAM
from tests.support.paths import POLICIES

SCAM = "Your account is suspended, verify your identity at https://secure-login.example/id"
NUMBER = "Ring Jo on 07700 900123"
RAT = "shut it you ugly rat"
THREAT = "i know where you live"
LOUNGE, WELCOME = "carers-lounge", "welcome"
TEXT = (POLICIES / "leeds-carers.yaml").read_text(encoding="utf-8")


def policy_with(rules: str = "") -> Policy:
    policy = load_policy(TEXT + rules, "p").policy
    assert policy is not None
    return policy


PLAIN = conduct(policy_with())


def decided(
    body: str, handler: Conduct = PLAIN, group: str = LOUNGE, *, origin: Origin = Origin.PUSH, **more: Any
) -> list[Effect]:
    event = Event("$1", "!r", SAM, "m.room.message", {"msgtype": "m.text", "body": body} | more.pop("content", {}), 1)
    room = RoomFacts("!r", more.pop("place", Place.GROUP), "leeds-carers", group)
    facts = Facts(now_ms=1, room=room, ghosts=GHOSTS, server_name="hearth.example", **more)
    item = EventInput("hearth.example", event, origin, 1)
    return care_gate(item, facts, list(handler.handle(item, facts)))


def kinds(effects: list[Effect]) -> list[str]:
    return [effect.type for effect in effects]


REMOVED = ["open_case", "redact", "notice", "direct_message", "card"]


def test_a_scam_is_removed_first_and_then_told_without_name_or_quote() -> None:
    effects = decided(SCAM)
    assert kinds(effects) == REMOVED
    case, redact, notice, told, card = effects
    assert isinstance(case, OpenCase)
    assert isinstance(notice, Notice)
    assert isinstance(told, DirectMessage)
    assert isinstance(card, Card)
    assert (case.kind, case.severity, case.stands) == ("phishing", 2, False)
    assert (notice.after, told.after, card.after) == (redact.key,) * 3
    assert (notice.text, told.text, card.text) == ("removed.conduct", "your.conduct_removed", "card.conduct_removed")
    assert {effect.conduct_on for effect in effects} == {SAM}
    assert told.user_id == SAM
    assert not [
        word for word in ("secure-login", "suspended") if word in orjson.dumps([e.record() for e in effects]).decode()
    ]


@pytest.mark.parametrize("rules", ["", "\nrules: {bullying: enforce, threats: enforce}\n"], ids=["shadow", "enforce"])
@pytest.mark.parametrize(
    "body", [f"{SCAM} {NUMBER}", f"{NUMBER} {RAT}", f"{NUMBER} {THREAT}", f"{SCAM} {RAT} {THREAT} {NUMBER}"]
)
def test_a_message_that_breaks_several_rules_is_removed_and_told_once(body: str, rules: str) -> None:
    effects = decided(body, conduct(policy_with(rules)))
    for kind in (OpenCase, Redact, Notice, DirectMessage):
        assert sum(type(effect) is kind for effect in effects) == 1, kind
    assert sum(isinstance(effect, Card) for effect in effects) == 1
    assert len({effect.key for effect in effects}) == len(effects)


def test_of_several_rules_no_text_says_which_details_were_in_it() -> None:
    (notice,) = [effect for effect in decided(f"{SCAM} {NUMBER}") if isinstance(effect, Notice)]
    assert (notice.text, notice.items[0]["kind"]) == ("removed.conduct", "several")
    (notice,) = [effect for effect in decided(NUMBER) if isinstance(effect, Notice)]
    assert (notice.text, notice.items[0]["kind"]) == ("removed.contact_details", "phone")


def test_what_a_rule_in_shadow_sees_is_counted_and_nothing_else() -> None:
    (note,) = decided(RAT)
    assert isinstance(note, NoteShadow)
    assert (note.rule, note.room_id, note.event_id, note.about) == ("bullying", "!r", "$1", SAM)
    assert set(note.record()) - {"source", "rule", "lane", "identity", "ordinal", "after", "once", "conduct_on"} == {
        "type",
        "community",
        "room_id",
        "event_id",
        "about",
        "at_ms",
    }


def test_a_policy_lets_a_rule_act_and_a_rule_that_it_names_looks_in_every_group() -> None:
    acting = conduct(policy_with("\nrules: {bullying: enforce}\n"))
    for group in (LOUNGE, WELCOME):
        effects = decided(RAT, acting, group)
        assert kinds(effects) == REMOVED
        assert effects[2].items[0]["kind"] == "bullying"  # type: ignore[attr-defined]


def test_a_policy_puts_a_rule_into_shadow_and_then_nobody_sees_anything_of_it() -> None:
    weaker = "\nrules:\n  %s: {mode: shadow, because: It found too much., approved_by: deputy}\n"
    assert kinds(decided(NUMBER, conduct(policy_with(weaker % "personal_data")))) == ["note_shadow"]
    assert kinds(decided("My number is 07700 900123", conduct(policy_with(weaker % "personal_data")))) == []
    assert kinds(decided(SCAM, conduct(policy_with(weaker % "phishing")))) == ["note_shadow"]


def test_what_is_found_late_has_its_edits_fetched() -> None:
    effects = decided(SCAM, origin=Origin.GAP)
    (sweep,) = [effect for effect in effects if isinstance(effect, SweepEdits)]
    (redact,) = [effect for effect in effects if isinstance(effect, Redact)]
    assert (sweep.after, sweep.conduct_on) == (redact.key, SAM)


def test_an_edit_that_makes_a_harmless_message_harmful_goes_and_one_of_a_removed_message_is_left_to_its_rule() -> None:
    content = {
        "body": "* x",
        "m.new_content": {"msgtype": "m.text", "body": SCAM},
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$0"},
    }
    assert kinds(decided("", content=content)) == REMOVED
    assert decided("", content=content, removed={"$0"}) == []


@pytest.mark.parametrize("place", [place for place in Place if place is not Place.GROUP])
def test_only_where_members_talk_rules_look(place: Place) -> None:
    assert decided(f"{SCAM} {THREAT}", place=place) == []


# -- CARE ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [SCAM, NUMBER], ids=["a scam", "a number"])
def test_care_01_who_is_in_distress_is_not_corrected_and_a_person_decides(body: str) -> None:
    concerns = {SAM: (ConcernFact("suicide", 3, 1),)}
    (card,) = decided(body, concerns=concerns)
    assert isinstance(card, Card)
    assert (card.place, card.text) == ("safeguarding", "card.withheld")
    assert decided(RAT, concerns=concerns) == [], "nothing would have been seen of it"


@pytest.mark.parametrize("group", [LOUNGE, WELCOME])
@pytest.mark.parametrize("body", [THREAT, "im going to kill you", "just kys already", "every mosque should be burned"])
def test_care_02_danger_is_never_in_shadow(body: str, group: str) -> None:
    case, card = decided(body, group=group)
    assert isinstance(case, OpenCase)
    assert isinstance(card, UrgentCard)
    assert case.severity >= 3
    assert (case.stands, card.place, case.conduct_on, card.conduct_on) == (True, "safeguarding", None, None)


def test_care_02_without_the_rule_danger_would_only_be_counted_or_not_even_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("appservice.detection.conduct.DANGER", 5)
    assert kinds(decided("just kys already")) == ["note_shadow"]
    assert decided(THREAT) == []


def test_care_02_danger_is_told_also_of_who_is_in_distress_and_says_that_the_message_stands() -> None:
    concerns = {SAM: (ConcernFact("suicide", 3, 1),)}
    acting = conduct(policy_with("\nrules: {threats: enforce}\n"))
    effects = decided(THREAT, acting, concerns=concerns)
    assert kinds(effects) == ["open_case", "urgent_card", "card"]
    assert isinstance(effects[0], OpenCase)
    assert effects[0].stands
    removed = decided(THREAT, acting)
    assert kinds(removed) == ["open_case", "redact", "notice", "direct_message", "urgent_card"]
    assert isinstance(removed[0], OpenCase)
    assert not removed[0].stands


def test_care_07_who_threatens_is_told_nothing_where_people_decide() -> None:
    assert not [effect for effect in decided(THREAT) if isinstance(effect, Redact | Notice | DirectMessage)]


def test_care_16_rules_look_by_the_tier_of_a_group() -> None:
    assert kinds(decided(RAT, group=LOUNGE)) == ["note_shadow"], "medium adds bullying"
    assert decided(RAT, group=WELCOME) == [], "low has others' data and scams"
    assert kinds(decided(SCAM, group=WELCOME)) == REMOVED
    assert kinds(decided(NUMBER, group=WELCOME)) == REMOVED
    assert decided("im so horny tonight", group=LOUNGE) == [], "the rest by choice"


def test_care_16_without_tiers_every_group_would_have_every_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = dict.fromkeys(("bullying", "hate", "sexual", "threats"), "shadow")
    monkeypatch.setattr("appservice.service.detectors.modes_of_groups", lambda _policy: {WELCOME: everything})
    assert kinds(decided(RAT, conduct(policy_with()), WELCOME)) == ["note_shadow"]


def test_a_concern_in_the_same_message_leaves_the_number_for_people_and_says_that_it_is_there() -> None:
    item = EventInput("hearth.example", Event("$1", "!r", SAM, "m.room.message", {"body": NUMBER}, 1), Origin.PUSH, 1)
    facts = Facts(1, RoomFacts("!r", Place.GROUP, "leeds-carers", LOUNGE), GHOSTS, "hearth.example")
    common: dict[str, Any] = {"source": "$1", "rule": "concern", "lane": item.lane}
    concerned = Concerned(**common, user_id=SAM, kind="suicide", severity=3, at_ms=1)
    case = OpenCase(
        **common,
        community="c",
        track="concern",
        kind="suicide",
        severity=3,
        about=SAM,
        room_id="!r",
        event_id="$1",
    )
    for body, contact in ((NUMBER, True), (SCAM, False)):
        event = Event("$1", "!r", SAM, "m.room.message", {"body": body}, 1)
        effects = PLAIN.handle(EventInput("hearth.example", event, Origin.PUSH, 1), facts)
        (_, kept) = care_gate(item, facts, [concerned, case, *effects])
        assert isinstance(kept, OpenCase)
        assert kept.contact is contact
