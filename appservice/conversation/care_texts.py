"""What somebody in distress reads, and what those read who are called (CARE, rules 6, 8, 9)."""

from __future__ import annotations

from collections.abc import Mapping

from appservice.conversation.case_texts import CASE
from appservice.conversation.pieces import (
    BACK,
    CLOSED,
    DANGER,
    NOT_REACHED,
    REACHED,
    STAFFED,
    WHO,
    Items,
    Text,
    both,
    called,
    either,
    given,
    lacking,
    part,
    people,
    unless,
    when,
)

_KINDS = ("suicide", "self_harm", "disclosure", "domestic_abuse")


def _each_called(items: Items) -> tuple[Items, ...]:
    return tuple(({"to": one},) for one in called(items))


#: Signs of severity 2 are shown to people; nobody is written to, but who asked is answered.
_WRITTEN_TO = unless("severity", "2")
_ASKS = when("kind", "asks_help")
_ASKED, _NOT_ASKED = either(_ASKS, when("asked", "yes")), unless("asked", "yes")
_SEEN = unless("kind", "asks_help")
_HIDDEN, _OPEN = when("private", "yes"), unless("private", "yes")

_CONCERN = Text(
    (
        part("card.asks_help.title", said=_ASKS),
        part("card.concern.title_urgent", said=both(_SEEN, when("severity", "4"))),
        part("card.concern.title", said=both(_SEEN, unless("severity", "4"))),
        part("card.concern", said=_SEEN),
        *(part(f"card.concern.kind_{kind}", said=when("kind", kind)) for kind in _KINDS),
        part("card.concern.kind_other", said=unless("kind", *_KINDS, "asks_help")),
        part("card.asks_help", said=_ASKED),
        part("card.concern.who", "person", "link:person", "link:message", said=both(_OPEN, given("event"))),
        part("card.concern.who_private", "person", "link:person", said=_HIDDEN),
        part("card.concern.read", "reference", said=both(_HIDDEN, given("reference"))),
        *(part(one.key, *one.needs, said=both(_OPEN, lacking("event"))) for one in WHO),
        part("card.concern.not_written", said=both(when("severity", "2"), _SEEN, _NOT_ASKED)),
        part("shared.will_write", said=both(_ASKED, REACHED)),
        part("card.concern.told", said=both(_WRITTEN_TO, _SEEN, REACHED)),
        part("shared.not_reached", said=both(NOT_REACHED, either(_ASKED, both(_WRITTEN_TO, _SEEN)))),
        part("card.concern.contact", said=when("contact", "yes")),
        part("card.concern.late", said=when("late", "yes")),
        part("card.concern.for", "to", "link:to", said=_each_called),
        *CASE,
    ),
    mentions=called,
)


def _care(key: str) -> Text:
    """The same by day and by night: what helps at once stands first anyway, or it must first be asked for."""
    return Text((part(key, "hours"), *BACK), mentions=people)


_SUICIDE = Text(
    (part("care.suicide", "hours", said=STAFFED), part("care.suicide.night", "hours", "opens", said=CLOSED)),
    mentions=people,
)

CARE_TEXTS: Mapping[str, Text] = {
    "care.suicide": _SUICIDE,
    "care.self_harm": _SUICIDE,
    "care.disclosure": _care("care.disclosure"),
    "care.domestic_abuse": _care("care.disclosure"),
    "care.danger": _care("care.danger"),
    "care.helplines_disclosure": _care("care.helplines.disclosure"),
    "care.helplines_domestic_abuse": _care("care.helplines.domestic_abuse"),
    "care.nobody_yet": Text(
        (part("care.nobody_yet"), *DANGER, part("care.nobody_yet.urgent", "hours"), *BACK), mentions=people
    ),
    "card.concern": _CONCERN,
    "card.concern_privately": _CONCERN,
    "card.withheld": Text(
        (part("card.withheld", "person", "link:person", "link:message"),),
        mentions=lambda items: (items[0]["to"],) if items and items[0].get("to") else (),
    ),
}
