"""Signs that somebody is in danger or distress: a person is told at once, and nobody is punished (CARE, rules 1, 2, 6).

The phrases are data (`policies/rules/concern-en.csv`); the caller reads the file and hands in its text. Simple words
find few of those in need: a sign here is certain enough to act kindly, its absence says nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from appservice.detection.phrases import Phrases, expanded, folded
from appservice.flow import (
    WROTE,
    Concerned,
    Effect,
    EventInput,
    Facts,
    OpenCase,
    Place,
    Track,
    UrgentCard,
    UrgentMessage,
    unanswered,
)

#: Kinds of concern, from the table of phrases; each has texts of its own.
KINDS: Final = ("suicide", "self_harm", "disclosure", "domestic_abuse")
#: Characters to each side of a phrase in which a word of `unless` makes it harmless.
_AROUND: Final = 60
#: ms in which a person gets one automatic message of a kind, unless it becomes more severe (CARE, rule 9).
SIGNPOST_AGAIN_MS: Final = 7 * 24 * 3600 * 1000
_WATCHED: Final = {Place.GROUP, Place.DIRECT}


@dataclass(frozen=True, slots=True)
class Sign:
    """What a message says of its author, or of somebody they fear for: `severity` 1 to 4 (DESIGN, section 2)."""

    kind: str
    severity: int


@dataclass(frozen=True, slots=True)
class _Rule:
    sign: Sign
    unless: tuple[str, ...]


class ConcernRules:
    """The phrases of a table with the columns kind, severity, phrase, unless. Raises ValueError with line and text."""

    def __init__(self, csv_text: str) -> None:
        phrases: list[tuple[str, _Rule]] = []
        for line, row in enumerate(csv.DictReader(io.StringIO(csv_text)), start=2):
            kind, severity = (row.get("kind") or "").strip(), (row.get("severity") or "").strip()
            if kind not in KINDS or severity not in {"1", "2", "3", "4"}:
                raise ValueError(f"concern rules, line {line}: {kind!r} {severity!r} is no kind and severity")
            unless = tuple(folded(one) for one in (row.get("unless") or "").split("|") if one.strip())
            rule = _Rule(Sign(kind, int(severity)), unless)
            try:
                phrases += [(form, rule) for form in expanded(row.get("phrase") or "")]
            except ValueError as error:
                raise ValueError(f"concern rules, line {line}: {error}") from None
        self._phrases = Phrases(phrases)

    def look(self, text: str) -> Sign | None:
        """Return the most severe sign in a visible text, None if there is none."""
        words = folded(text)
        worst: Sign | None = None
        for found in self._phrases.find(words):
            around = words[max(0, found.start - _AROUND) : found.end + _AROUND]
            sign = found.what.sign
            if (worst is None or sign.severity > worst.severity) and not any(
                one in around for one in found.what.unless
            ):
                worst = sign
        return worst


#: `look(content)` says what a message's content shows, None for nothing.
Look = Callable[[Mapping[str, Any]], Sign | None]


class Concern:
    """Decides what follows a sign: a note that this person is in distress, an urgent card, a kind message.

    From severity 2 on automatic conduct effects on the person wait; from 3 on people are called at once.
    """

    name = "concern"

    def __init__(self, look: Look) -> None:
        self._look = look

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event, room = item.event, facts.room
        if event.type != "m.room.message" or room.place not in _WATCHED or event.redacted or not event.sender:
            return ()
        sign = self._look(event.content)
        return () if sign is None or sign.severity < 2 else self._follows(item, facts, sign)

    def _follows(self, item: EventInput, facts: Facts, sign: Sign) -> Iterable[Effect]:
        event = item.event
        common: dict[str, Any] = {"source": item.id, "rule": self.name, "lane": item.lane}
        yield Concerned(**common, user_id=event.sender, kind=sign.kind, severity=sign.severity, at_ms=item.received_ms)
        community = facts.room.community
        yield OpenCase(
            **common,
            community=community,
            track=Track.CONCERN,
            kind=sign.kind,
            severity=sign.severity,
            about=event.sender,
            room_id=event.room_id,
            event_id=event.event_id,
            late=item.late,
        )
        yield UrgentCard(
            **common,
            community=community,
            place=Place.SAFEGUARDING,
            about=event.sender,
            text="card.concern",
            case=Track.CONCERN,
        )
        if self._may_write(item, facts, sign):
            wrote = WROTE + sign.kind
            yield Concerned(
                **common, ordinal=1, user_id=event.sender, kind=wrote, severity=sign.severity, at_ms=item.received_ms
            )
            text = f"care.{sign.kind}" if sign.severity == 3 else "care.danger"
            yield UrgentMessage(
                **common, user_id=event.sender, text=text, items=({"person": event.sender, "room": event.room_id},)
            )

    def _may_write(self, item: EventInput, facts: Facts, sign: Sign) -> bool:
        """Whether a program writes to somebody now, or leaves it to people (CARE, rule 9)."""
        if sign.severity < 3:
            return False
        known = facts.concerns.get(item.event.sender, ())
        lately = [one for one in known if facts.now_ms - one.at_ms < SIGNPOST_AGAIN_MS]
        if any(one.wrote_about == sign.kind and one.severity >= sign.severity for one in lately):
            return False
        # Nobody gets two such messages in a row without having written in between; but for danger now.
        return sign.severity == 4 or facts.room.place is Place.DIRECT or unanswered(lately) is None
