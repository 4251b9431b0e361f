"""What somebody writes to the guardian in private: `help` and `appeal` open a case that people answer, `quiet` stops
what a program writes, `yes` asks for the numbers that it spoke of. Anything else is told how to reach a person.

`help` alone in a group counts too, and is answered in private (CARE, rules 2 and 3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from appservice.cases.words import is_for_a_case
from appservice.flow import (
    ANSWERED,
    BeQuiet,
    Concerned,
    DirectMessage,
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


@dataclass(frozen=True, slots=True)
class _Request:
    """What a word asks for: on which track its case runs, and of which kind it is."""

    word: str
    track: Track
    kind: str


_HELP: Final = _Request("help", Track.CONCERN, "asks_help")
_APPEAL: Final = _Request("appeal", Track.CONDUCT, "appeal")
#: How severe a request is by itself: people look at it in staffed hours, and it is passed on if nobody does.
_SEVERITY: Final = 2
#: Characters looked at.
_LOOKED_AT: Final = 200
_WORD: Final = re.compile(r"[^\W\d_]+", re.UNICODE)
#: All that somebody says who calls for help in a group, and not for help with something.
_CALLS: Final = frozenset({"help", "help me", "help please", "please help", "please help me", "i need help", "sos"})
#: Who says thank you does not ask.
_THANKS: Final = frozenset({"thanks", "thank", "thankyou", "ta", "cheers"})
_YES: Final = frozenset({"yes", "y", "yeah", "yep", "yup", "ok", "okay", "safe"})
_NO: Final = frozenset({"no", "n", "nope", "nah", "not"})
#: Signs of which a program first asks whether it is safe to read (CARE, rule 6).
_ASKED_FIRST: Final = frozenset({"disclosure", "domestic_abuse"})


class Requests:
    """Never quotes what was written: the card says who asks, the person tells the rest to a person."""

    name = "requests"

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event = item.event
        if event.type != "m.room.message" or event.redacted or event.content.get("msgtype") == "m.notice":
            return
        if event.replaces is not None or not event.sender:
            return
        words = _words(event.content.get("body"))
        if facts.room.place is Place.GROUP:
            if " ".join(words) in _CALLS:
                yield from self._asks(item, facts, _HELP)
            return
        if facts.room.place is not Place.DIRECT or facts.direct_rooms.get(event.sender) != event.room_id:
            return
        if is_for_a_case(event.content, event.room_id, facts.cases):
            return
        yield from self._in_private(item, facts, words)

    def _in_private(self, item: EventInput, facts: Facts, words: list[str]) -> Iterable[Effect]:
        event, first = item.event, words[0] if words else ""
        wrote = unanswered(facts.concerns.get(event.sender, ()))
        if wrote is not None:
            yield Concerned(
                source=item.id,
                rule=self.name,
                lane=item.lane,
                ordinal=2,
                user_id=event.sender,
                kind=ANSWERED,
                severity=0,
                at_ms=item.received_ms,
            )
        if first == "quiet" and len(words) == 1:
            yield self._quiet(item, quiet=True)
            yield self._tells(item, "direct.quiet")
            return
        asked = _request(words)
        if asked is not None:
            yield from self._asks(item, facts, asked)
            return
        if first == "hello" and event.sender in facts.quiet:
            yield self._quiet(item, quiet=False)
        elif event.sender in facts.quiet:
            return
        if wrote is not None and wrote.wrote_about in _ASKED_FIRST and first in _YES | _NO:
            if first in _YES:  # else it is not safe: nothing more is written (CARE, rule 6)
                yield self._helplines(item, wrote.wrote_about)
        elif not item.late:
            yield self._tells(item, "direct.how")

    def _quiet(self, item: EventInput, *, quiet: bool) -> BeQuiet:
        return BeQuiet(source=item.id, rule=self.name, lane=item.lane, user_id=item.event.sender, quiet=quiet)

    def _helplines(self, item: EventInput, kind: str) -> UrgentMessage:
        sender = item.event.sender
        return UrgentMessage(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            user_id=sender,
            text=f"care.helplines_{kind}",
            items=({"person": sender},),
        )

    def _asks(self, item: EventInput, facts: Facts, request: _Request) -> Iterable[Effect]:
        event, community = item.event, facts.room.community
        yield OpenCase(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            community=community,
            track=request.track,
            kind=request.kind,
            severity=_SEVERITY,
            about=event.sender,
            room_id=event.room_id,
            event_id=event.event_id,
            late=item.late,
            asked=True,
        )
        card = UrgentCard(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            community=community,
            place=Place.SAFEGUARDING if request.track is Track.CONCERN else Place.MODERATORS,
            about=event.sender,
            text="card.case",
            case=request.track,
        )
        yield card
        yield self._tells(item, f"direct.{request.word}_heard", after=card.key)

    def _tells(self, item: EventInput, text: str, after: str | None = None) -> DirectMessage:
        sender, event_id = item.event.sender, item.event.event_id
        return DirectMessage(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            after=after,
            user_id=sender,
            text=text,
            items=({"person": sender, "event": event_id},),
        )


def _words(body: object) -> list[str]:
    return [word.lower() for word in _WORD.findall(body[:_LOOKED_AT])] if isinstance(body, str) else []


def _request(words: list[str]) -> _Request | None:
    """What somebody asks for who writes in private: by the first word, or by one anywhere that is no thank you."""
    for request in (_HELP, _APPEAL):
        if words[:1] == [request.word] or (request.word in words and _THANKS.isdisjoint(words)):
            return request
    return None
