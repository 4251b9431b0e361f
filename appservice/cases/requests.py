"""What somebody writes to the guardian in private: `help` and `appeal` open a case that people answer, `quiet` stops
what a program writes, `yes` asks for the numbers that it promised. Anything else is told how to reach a person.

`help` alone in a group counts too, and is answered in private (CARE, rules 2 and 3).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from appservice.cases.spoken import spoken
from appservice.cases.words import is_for_a_case
from appservice.flow import (
    ANSWERED,
    SENT,
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
    promised,
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
#: All that somebody says who wants no messages, but for words of kindness; "please stop me" is no such thing.
_QUIET: Final = frozenset(
    {"quiet", "be quiet", "go quiet", "stop", "unsubscribe", "no more messages"}
    | {f"stop {what}" for what in ("messages", "these messages", "all messages", "sending messages")}
    | {f"stop {what}{whom}" for what in ("messaging", "texting", "writing", "writing to") for whom in ("", " me")}
)
_KIND: Final = frozenset({"please", "pls", "now", "thanks", "thank", "you", "bot"})
_YES: Final = frozenset({"yes", "y", "yeah", "yep", "yup", "ok", "okay", "safe"})
#: What may stand beside a yes. Anything else is more than a yes: "ok but he reads my phone" is none (CARE, rule 6).
_BESIDE_YES: Final = (_YES | _KIND).union(
    [
        "it",
        "is",
        "its",
        "s",
        "i",
        "am",
        "im",
        "m",
        "here",
        "can",
        "could",
        "to",
        "me",
        "send",
        "read",
        "call",
        "them",
        "the",
        "numbers",
    ]
)
_BEFORE_SAFE: Final = frozenset({"it", "its", "i", "im"})
_NO: Final = frozenset({"no", "n", "nope", "nah", "not"})
#: Words that make no of what begins like a yes, or speaks of being safe.
_BUT_NO: Final = _NO | {"t", "isnt", "never", "dont", "cant", "unsafe"}


class Requests:
    """Never quotes what was written: the card says who asks, the person tells the rest to a person."""

    name = "requests"

    def __init__(self, for_others: Callable[[EventInput, Facts], bool] = lambda _item, _facts: False) -> None:
        """`for_others` tells whether somebody else answers what is written in private."""
        self._for_others = for_others

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event = item.event
        if event.type != "m.room.message" or event.redacted or event.content.get("msgtype") == "m.notice":
            return
        if event.replaces is not None or not event.sender:
            return
        words = _words(spoken(event.content, facts.ghosts.guardian))
        if facts.room.place is Place.GROUP:
            if is_a_call(" ".join(words)):
                yield from self._asks(item, facts, _HELP)
            return
        if facts.room.place is not Place.DIRECT or facts.direct_rooms.get(event.sender) != event.room_id:
            return
        if is_for_a_case(event.content, event.room_id, facts) or self._for_others(item, facts):
            return
        yield from self._in_private(item, facts, words)

    def _in_private(self, item: EventInput, facts: Facts, words: list[str]) -> Iterable[Effect]:
        event = item.event
        concerns = facts.concerns.get(event.sender, ())
        if unanswered(concerns) is not None:
            yield self._notes(item, ANSWERED)
        if _wants_quiet(words):
            yield self._quiet(item, quiet=True)
            yield self._tells(item, "direct.quiet")
            return
        asked = _request(words)
        if asked is not None:
            yield from self._asks(item, facts, asked)
            return
        if words[:1] == ["hello"] and event.sender in facts.quiet:
            yield self._quiet(item, quiet=False)
        elif event.sender in facts.quiet:
            return
        yield from self._answers(item, promised(concerns), words)

    def _answers(self, item: EventInput, kind: str, words: list[str]) -> Iterable[Effect]:
        """Send the numbers that were promised for a sign of this kind once it is safe; else say how to reach a person."""
        if kind and _is_yes(words) and item.late:
            yield self._tells(item, "care.safe_first")  # by now the screen may be somebody else's
        elif kind and _is_yes(words):
            yield self._helplines(item, kind)
            yield self._notes(item, SENT)
        elif kind and _is_no(words):
            return  # it is not safe: nothing more is written (CARE, rule 6)
        elif not item.late:
            yield self._tells(item, "care.safe_first" if kind else "direct.how")

    def _notes(self, item: EventInput, kind: str) -> Concerned:
        return Concerned(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            ordinal=2 if kind == ANSWERED else 3,
            user_id=item.event.sender,
            kind=kind,
            severity=0,
            at_ms=item.received_ms,
        )

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
        # The answer to a call for help has helplines in it: it waits for nothing, also where no card can leave.
        yield self._tells(item, f"direct.{request.word}_heard", after=None if request is _HELP else card.key)

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


def is_a_call(text: str) -> bool:
    """Return whether a text is a call for help and nothing else."""
    return " ".join(_words(text)) in _CALLS


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text[:_LOOKED_AT])]


def _wants_quiet(words: list[str]) -> bool:
    return " ".join(word for word in words if word not in _KIND) in _QUIET


def _is_yes(words: list[str]) -> bool:
    begins = words[:1] and (words[0] in _YES or (words[0] in _BEFORE_SAFE and "safe" in words))
    return bool(begins) and _BESIDE_YES.issuperset(words)


def _is_no(words: list[str]) -> bool:
    if words[:1] and words[0] in _NO:
        return True
    return not _BUT_NO.isdisjoint(words) and ("safe" in words or "unsafe" in words or words[0] in _YES)


def _request(words: list[str]) -> _Request | None:
    """What somebody asks for who writes in private: by the first word, or by one anywhere that is no thank you."""
    for request in (_HELP, _APPEAL):
        if words[:1] == [request.word] or (request.word in words and _THANKS.isdisjoint(words)):
            return request
    return None
