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
    Said,
    Text,
    any_with,
    beyond,
    both,
    called,
    each,
    either,
    given,
    lacking,
    none_with,
    part,
    people,
    unless,
    when,
)

#: Most messages that one card links.
_LINKED = 10
_KINDS = ("suicide", "self_harm", "disclosure", "domestic_abuse")


def _each_called(items: Items) -> tuple[Items, ...]:
    return tuple(({"to": one},) for one in called(items))


#: Signs of severity 2 are shown to people; nobody is written to, but who asked is answered.
_WRITTEN_TO = unless("severity", "2")
_ASKS = when("kind", "asks_help")
_ASKED, _NOT_ASKED = either(_ASKS, when("asked", "yes")), unless("asked", "yes")
_SEEN = unless("kind", "asks_help")
_HIDDEN, _OPEN = when("private", "yes"), unless("private", "yes")


def _seen_as(kind: str) -> Said:
    """Said if a sign of this kind was seen in any message: the newest may be another than the first."""
    return either(when("kind", kind), any_with("sign", kind))


def _not_seen_as(kind: str) -> Said:
    return both(unless("kind", kind), none_with("sign", kind))


_CONCERN = Text(
    (
        part("card.asks_help.title", said=_ASKS),
        part("shared.team", said=_ASKS),
        part("card.concern.title_urgent", said=both(_SEEN, when("severity", "4"))),
        part("card.concern.title", said=both(_SEEN, unless("severity", "4"))),
        part("card.concern", said=_SEEN),
        *(part(f"card.concern.kind_{kind}", said=_seen_as(kind)) for kind in _KINDS),
        part("card.concern.kind_other", said=both(_SEEN, *(_not_seen_as(kind) for kind in _KINDS))),
        part("card.asks_help", said=_ASKED),
        part("card.concern.who", "person", "link:person", "link:message", said=both(_OPEN, given("event"))),
        part("card.concern.who_private", "person", "link:person", said=_HIDDEN),
        part("card.concern.read", "reference", said=both(_HIDDEN, given("reference"))),
        part("card.concern.read_elsewhere", "reference", said=both(_OPEN, given("reference", "event"))),
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
    "care.safe_first": _care("care.safe_first"),
    "care.helplines_disclosure": _care("care.helplines.disclosure"),
    "care.helplines_domestic_abuse": _care("care.helplines.domestic_abuse"),
    "care.nobody_yet": Text(
        (part("care.nobody_yet"), *DANGER, part("care.nobody_yet.urgent", "hours"), *BACK), mentions=people
    ),
    "card.concern": _CONCERN,
    "card.concern_privately": _CONCERN,
    "card.withheld": Text(
        (
            part("card.withheld"),
            part("card.withheld.message", "person", "link:person", "link:message", said=each(_LINKED)),
            part("shared.more", "count", said=beyond(_LINKED)),
        ),
        mentions=lambda items: (items[0]["to"],) if items and items[0].get("to") else (),
    ),
}
