"""Words and taps that move a case: `ack`, `escalate`, `close resolved`, `release`, `show H-0001 REASON`.

A tap counts only where our own record says what it means: a card's content proves nothing. Who may is asked when it
happens, not when the card was sent. Whoever may not is told kindly, and alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from appservice.cases.spoken import answered, spoken
from appservice.flow import (
    CardEdit,
    Case,
    Cases,
    CaseState,
    Effect,
    EventInput,
    Facts,
    Lane,
    NoteReading,
    Place,
    ShowEvidence,
    TouchCase,
    Track,
    UrgentCard,
    UrgentMessage,
)

#: How a case may end, as typed after `close`.
OUTCOMES: Final = ("resolved", "mistake", "referred", "nothing")
_WORDS: Final = {"ack", "escalate", "close", "release", "show"}
_PLACES: Final = {Place.MODERATORS, Place.SAFEGUARDING, Place.DIRECT}
_REFERENCE: Final = re.compile(r"[HSP]-[0-9]{4,6}", re.IGNORECASE)
#: `H-0001/2` is the second removed message of a case.
_ITEM: Final = re.compile(r"([HSP]-[0-9]{4,6})(?:/([0-9]{1,4}))?", re.IGNORECASE)
#: Characters of a message that are looked at, and of a reason that are kept.
_LOOKED_AT: Final = 2_000
REASON_MOST: Final = 500
#: Characters that make a reason: a word at least.
_REASON_LEAST: Final = 3


@dataclass(frozen=True, slots=True)
class _Said:
    """What somebody typed: a word, the case they name (by reference, or by replying to its card), and the rest."""

    word: str
    reference: str
    item: int
    rest: str
    answers: str


class CaseWords:
    """Decides what a tap or a word does to a case. Reads `Facts.cases`; whatever is not for it is somebody's talk."""

    name = "case_words"

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event, room, cases = item.event, facts.room, facts.cases
        if cases is None or room.place not in _PLACES or event.redacted or event.sender in facts.ghosts:
            return ()
        if room.members.get(event.sender) != "join":
            return ()
        if event.type == "m.reaction":
            return self._tapped(item, facts, cases)
        if event.type != "m.room.message" or event.content.get("msgtype") != "m.text":
            return ()
        said = _read(event.content, facts.ghosts.guardian)
        return self._typed(item, facts, cases, said) if said is not None else ()

    # -- taps ------------------------------------------------------------------------------------------------------

    def _tapped(self, item: EventInput, facts: Facts, cases: Cases) -> Iterable[Effect]:
        event = item.event
        relation = event.content.get("m.relates_to")
        if not isinstance(relation, Mapping) or relation.get("rel_type") != "m.annotation":
            return
        target, key = relation.get("event_id"), relation.get("key")
        if not isinstance(target, str) or not isinstance(key, str):
            return
        button = cases.button(event.room_id, target, key)
        case = cases.by_id(button.case) if button is not None else None
        if button is None or case is None:
            return  # not a card of ours, or nothing that can be tapped on it
        if not cases.may(case, event.sender):
            yield self._told(item, "case.not_yours", case)
        elif not case.open:
            yield self._told(item, "case.is_closed", case)
        elif button.expires_ms <= facts.now_ms:
            yield self._told(item, "case.tap_expired", case)
        elif button.used_by or (button.action == "ack" and case.state is CaseState.TAKEN):
            if case.owner != event.sender:
                yield self._told(item, "case.tap_used", case)
        else:
            yield from self._done(item, facts, case, button.action, button=(event.room_id, target, button.key))

    # -- words -----------------------------------------------------------------------------------------------------

    def _typed(self, item: EventInput, facts: Facts, cases: Cases, said: _Said) -> Iterable[Effect]:
        event, community = item.event, facts.room.community
        if said.word == "show":
            yield from self._show(item, facts, cases, said)
            return
        case = cases.by_reference(community, said.reference) if said.reference else None
        case = case or (cases.by_card(event.room_id, said.answers) if said.answers else None)
        if case is None and said.reference:
            yield self._told(item, "case.unknown", None)
            return
        if case is None:
            if facts.room.place is Place.DIRECT or (said.word == "close" and said.rest not in OUTCOMES):
                return  # people talk; a word in passing is none for us
            waiting = [one for one in cases.open_in(event.room_id) if cases.may(one, event.sender)]
            if len(waiting) != 1:
                if waiting:
                    yield self._told(item, "case.which", None)
                return
            case = waiting[0]
        if not cases.may(case, event.sender):
            # Who sees no card of it learns not even that it is there (CARE, rule 4).
            seen = any(card.room_id == event.room_id for card in case.cards) and facts.room.place is not Place.DIRECT
            yield self._told(item, "case.not_yours" if seen else "case.unknown", case if seen else None)
        elif said.word == "release":
            yield from self._release(item, facts, case)
        elif not case.open:
            yield self._told(item, "case.is_closed", case)
        elif said.word == "close" and said.rest not in OUTCOMES:
            yield self._told(item, "case.how_to_close", case)
        else:
            yield from self._done(item, facts, case, said.word, outcome=said.rest if said.word == "close" else "")

    def _done(
        self,
        item: EventInput,
        facts: Facts,
        case: Case,
        action: str,
        *,
        outcome: str = "",
        button: tuple[str, str, str] | None = None,
    ) -> Iterable[Effect]:
        yield TouchCase(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            case=case.id,
            action=action,
            by=item.event.sender,
            at_ms=facts.now_ms,
            outcome=outcome,
            button=button,
        )
        yield from follow_up(item.id, self.name, item.lane, case, passed_on=action == "escalate")

    def _release(self, item: EventInput, facts: Facts, case: Case) -> Iterable[Effect]:
        """A named human ends the pause of automatic rules for the person of a case (CARE, rule 1)."""
        if case.track is not Track.CONCERN:
            yield self._told(item, "case.nothing_to_release", case)
            return
        yield TouchCase(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            case=case.id,
            action="release",
            by=item.event.sender,
            at_ms=facts.now_ms,
        )
        yield self._told(item, "case.released", case)

    # -- show ------------------------------------------------------------------------------------------------------

    def _show(self, item: EventInput, facts: Facts, cases: Cases, said: _Said) -> Iterable[Effect]:
        event, community, rules = item.event, facts.room.community, facts.rules
        if item.late or rules is None:
            return  # whoever asked ten minutes ago may have put the device down
        case = cases.by_reference(community, said.reference)
        if not rules.can(community, event.sender, "safeguard"):
            yield self._told(item, "case.show_not_yours", None)
        elif case is None:
            yield self._told(item, "case.unknown", None)
        elif not cases.may(case, event.sender):
            yield self._told(item, "case.unknown", None)  # whom it is about learns nothing from the answer
        elif facts.room.place is Place.MODERATORS:
            yield self._told(item, "case.show_elsewhere", case)  # why somebody looks is not for all who read there
        elif len(said.rest) < _REASON_LEAST:
            yield self._told(item, "case.show_why", case)
        else:
            reason = said.rest[:REASON_MOST]
            common: dict[str, Any] = {"source": item.id, "rule": self.name, "lane": item.lane, "case": case.id}
            yield NoteReading(**common, by=event.sender, at_ms=facts.now_ms, reason=reason)
            yield ShowEvidence(**common, item=said.item, user_id=event.sender, at_ms=facts.now_ms)

    def _told(self, item: EventInput, text: str, case: Case | None) -> UrgentMessage:
        entry = {"person": item.event.sender}
        if case is not None and text != "case.not_yours":
            entry |= {"reference": case.reference, "owner": case.owner}
        return UrgentMessage(
            source=item.id, rule=self.name, lane=item.lane, user_id=item.event.sender, text=text, items=(entry,)
        )


def is_for_a_case(content: Mapping[str, Any], room_id: str, facts: Facts) -> bool:
    """Return whether somebody speaks of a case in a private room, so that nobody else need answer."""
    cases = facts.cases
    said = _read(content, facts.ghosts.guardian) if cases is not None else None
    if said is None or cases is None:
        return False
    return bool(said.reference or (said.answers and cases.by_card(room_id, said.answers) is not None))


def follow_up(source: str, rule: str, lane: Lane, case: Case, *, passed_on: bool) -> Iterable[Effect]:
    """Yield what makes the cards of a case say what is so now; passed on, a new card calls the next people."""
    common: dict[str, Any] = {
        "source": source,
        "rule": rule,
        "lane": lane,
        "community": case.community,
        "place": case.audience,
        "about": case.about,
        "case": case.id,
        "text": "card.case",
    }
    if passed_on:
        yield UrgentCard(**common)
    yield CardEdit(**common)


def _read(content: Mapping[str, Any], guardian: str) -> _Said | None:
    answers = answered(content)
    words = spoken(content, guardian)[:_LOOKED_AT].split()
    if not words or (word := words[0].lower().rstrip(".,!")) not in _WORDS:
        return None
    found = _ITEM.fullmatch(words[1].rstrip(".,:")) if len(words) > 1 else None
    rest = words[2:] if found is not None else words[1:]
    if word == "show" and found is None:
        return None
    if word in {"ack", "escalate", "release"} and rest:
        return None  # a sentence that happens to begin like that
    if word == "close" and not found and not answers and (len(rest) != 1 or rest[0].lower() not in OUTCOMES):
        return None
    text = " ".join(rest)
    return _Said(
        word,
        found[1].upper() if found is not None else "",
        max(1, int(found[2])) if found is not None and found[2] else 1,
        text if word == "show" else text.lower().rstrip(".!"),
        answers,
    )
