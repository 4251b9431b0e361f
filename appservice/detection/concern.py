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

from appservice.detection.wording import Found, Language, Pattern, Patterns, Spelling, Words
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
#: Words to each side of a pattern in which a guard makes it harmless, and before it for a word like `not`.
_AROUND: Final = 10
_BEFORE: Final = 2
_COLUMNS: Final = ("kind", "severity", "phrase", "unless")
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
    unless: tuple[Pattern, ...]


class ConcernRules:
    """The patterns of a table with the columns kind, severity, phrase, unless; `spelling` is how people write.

    A row's `unless` lists what makes it harmless where it stands near, in the same sentence: words, or `<a guard>`.
    Rows that are no signs: `set` names words for the patterns, `guard` names phrases that excuse, `before` lists
    words that excuse a pattern right behind them ("not suicidal"), if it does not begin with such a word itself
    ("dont want to live"). Their name stands in the column severity. Raises ValueError with line and text.
    """

    def __init__(self, csv_text: str, spelling: Spelling) -> None:
        self._spelling = spelling
        self._language = Language(spelling)
        self._guards: dict[str, tuple[Pattern, ...]] = {}
        self._not: frozenset[str] = frozenset()
        rules: list[tuple[Pattern, _Rule]] = []
        for line, row in enumerate(csv.DictReader(io.StringIO(csv_text)), start=2):
            kind, severity, phrase, unless = ((row.get(column) or "").strip() for column in _COLUMNS)
            try:
                if kind == "set":
                    self._language.name(severity, phrase)
                elif kind == "guard":
                    self._guards[severity] = tuple(map(self._language.pattern, phrase.split("|")))
                elif kind == "before":
                    self._not |= {word for one in phrase.split("|") for word in spelling.read(one).words}
                else:
                    rules.append((self._language.pattern(phrase), self._rule(kind, severity, unless)))
            except ValueError as error:
                raise ValueError(f"concern rules, line {line}: {error}") from None
        self._patterns = Patterns(sorted(rules, key=lambda rule: -rule[1].sign.severity))

    def _rule(self, kind: str, severity: str, unless: str) -> _Rule:
        if kind not in KINDS or severity not in {"1", "2", "3", "4"}:
            raise ValueError(f"{kind!r} {severity!r} is no kind and severity")
        excuses: list[Pattern] = []
        for one in filter(None, map(str.strip, unless.split("|"))):
            guard = self._guards.get(one[1:-1]) if one.startswith("<") else None
            excuses += (self._language.pattern(one),) if guard is None else guard
        return _Rule(Sign(kind, int(severity)), tuple(excuses))

    def look(self, text: str) -> Sign | None:
        """Return the most severe sign in a visible text, None if there is none."""
        words = self._spelling.read(text)
        return next((found.what.sign for found in self._patterns.find(words) if not self._excused(words, found)), None)

    def _excused(self, words: Words, found: Found[_Rule]) -> bool:
        before = words.words[max(0, found.start - _BEFORE) : found.start]
        if words.words[found.start] not in self._not and not self._not.isdisjoint(before):
            return True
        first, last = found.start, found.end
        while first > max(0, found.start - _AROUND) and words.sentences[first - 1] == words.sentences[found.start]:
            first -= 1
        until = min(len(words.words), found.end + _AROUND)
        while last < until and words.sentences[last] == words.sentences[found.end - 1]:
            last += 1
        around = words.text(first, last)
        return any(one.regex.search(around) for one in found.what.unless)


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
            unwritten=sign.severity >= 3 and event.sender in facts.quiet,
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
        if sign.severity < 3 or item.event.sender in facts.quiet:
            return False  # what is not wanted is not noted as written either: it is once they want to hear us again
        known = facts.concerns.get(item.event.sender, ())
        lately = [one for one in known if facts.now_ms - one.at_ms < SIGNPOST_AGAIN_MS]
        if any(one.wrote_about == sign.kind and one.severity >= sign.severity for one in lately):
            return False
        # Nobody gets two such messages in a row without having written in between; but for danger now.
        return sign.severity == 4 or facts.room.place is Place.DIRECT or unanswered(lately) is None
