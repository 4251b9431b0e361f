"""What those read who look after a case: what is so now, how to answer, and what was removed, when they ask."""

from __future__ import annotations

from collections.abc import Mapping

from appservice.conversation.pieces import (
    DANGER,
    Items,
    Said,
    Text,
    alone,
    beyond,
    both,
    given,
    lacking,
    part,
    people,
    several,
    unless,
    when,
)

#: Most small cases in one list.
_LISTED = 20
#: Most groups whose words newcomers are told at once.
_WELCOMES = 10
#: Most messages that an answer about rules in shadow links.
_SHADOWED = 35
_OUTCOMES = ("resolved", "mistake", "referred", "nothing")
_CLOSED, _OPEN = when("state", "closed"), unless("state", "closed")

#: What stands below the card of a case: what is so now, and how to answer.
CASE = (
    part("case.now.closed_by", "reference", "owner", "link:owner", said=both(_CLOSED, given("reference", "owner"))),
    part("case.now.closed", "reference", said=both(_CLOSED, given("reference"), lacking("owner"))),
    *(
        part(f"case.now.{outcome}", said=both(_CLOSED, given("reference"), when("outcome", outcome)))
        for outcome in _OUTCOMES
    ),
    part("case.now.passed_on", said=both(_OPEN, given("reference"), when("passed_on", "yes"))),
    part("case.now.taken", "owner", "link:owner", said=both(when("state", "taken"), given("reference", "owner"))),
    part("case.now.take", "reference", said=both(unless("state", "closed", "taken"), given("reference"))),
    part("case.now.pass_on", "reference", said=both(_OPEN, given("reference"))),
    part("case.now.close", "reference", said=both(_OPEN, given("reference"))),
)


def _listed(*, closed: bool) -> Said:
    """Said once for each small case in the list, those that are open first."""
    return lambda items: tuple((item,) for item in items[:_LISTED] if (item.get("state") == "closed") is closed)


def _welcomes(items: Items) -> tuple[Items, ...]:
    """Said once for each group that has something to tell newcomers."""
    return tuple((item,) for item in items[:_WELCOMES] if item.get("welcome"))


def _firsts(items: Items) -> tuple[Items, ...]:
    """Said once for each group in which the first messages of newcomers are read first."""
    return tuple((item,) for item in items[:_WELCOMES] if item.get("first"))


def _kept(*, ends: bool) -> Said:
    """Said once for each group whose messages are deleted some day (`ends`), or are not."""
    return lambda items: tuple(
        (item,) for item in items[:_WELCOMES] if item.get("kept") and (item["kept"] != "none") is ends
    )


def _own_hours(items: Items) -> tuple[Items, ...]:
    """Said of all groups that are looked after in hours of their own."""
    own = tuple(item for item in items[:_WELCOMES] if item.get("own_hours"))
    return (own,) if own else ()


def _rules(items: Items) -> tuple[Items, ...]:
    """Said once for each rule: the first of its messages says how many there are."""
    return tuple((item,) for item in items if item.get("count") and item.get("kind"))


def _messages(items: Items) -> tuple[Items, ...]:
    """Said once for each message that a rule would have removed."""
    return tuple((item,) for item in items[:_SHADOWED] if item.get("kind"))


def _count(items: Items) -> int:
    return len(items)


def _answer(key: str, *needs: str) -> Text:
    return Text((part(key, *needs),), mentions=people)


#: Most messages that are shown around a removed one, and its own place among them.
_AROUND = 11


def _stood(place: int, how: str) -> Said:
    """Said if the item at this place stands around what is shown, in this way."""
    return lambda items: tuple((item,) for item in items[place : place + 1] if item.get("stood") == how)


#: What stood around: one paragraph or two for each item after the first, in their order.
_STOOD = tuple(
    one
    for place in range(1, _AROUND + 1)
    for one in (
        part("case.shown.around.message", "about", "link:about", "words", said=_stood(place, "message")),
        part("case.shown.around.removed", "about", "link:about", said=_stood(place, "removed")),
        part("case.shown.around.here", said=_stood(place, "here")),
    )
)

CASE_TEXTS: Mapping[str, Text] = {
    "shadow.told": Text(
        (
            part("shadow.told", said=given("kind")),
            part("shadow.told.nothing", said=lacking("kind")),
            part("shadow.told.rule", "what", "rule", "count", said=_rules),
            part("shadow.told.message", "what", "room", "link:message", said=_messages),
            part("shadow.told.next", said=given("kind")),
        ),
        mentions=people,
    ),
    "direct.welcome": Text(
        (
            part("direct.welcome", "hours"),
            part("direct.welcome.conduct", "conduct_version", said=given("conduct_version")),
            part("direct.welcome.conduct.text", "conduct_text", said=given("conduct_text")),
            part("direct.welcome.conduct.address", "conduct_address", said=given("conduct_address")),
            part("direct.welcome.group", "room", "welcome", said=_welcomes),
            part("direct.welcome.first", "room", "first", said=_firsts),
            part("direct.welcome.hours", "rooms", "group_hours", said=_own_hours),
            part("direct.welcome.kept", "room", "kept", said=_kept(ends=True)),
            part("direct.welcome.kept_on", "room", said=_kept(ends=False)),
            *DANGER,
        ),
        mentions=people,
    ),
    "direct.group_welcome": Text(
        (
            part("direct.group_welcome"),
            part("direct.welcome.group", "room", "welcome", said=_welcomes),
            part("direct.welcome.first", "room", "first", said=_firsts),
            part("direct.welcome.hours", "rooms", "group_hours", said=_own_hours),
            part("direct.welcome.kept", "room", "kept", said=_kept(ends=True)),
            part("direct.welcome.kept_on", "room", said=_kept(ends=False)),
        ),
        mentions=people,
    ),
    "card.summary": Text(
        (
            part("card.summary"),
            part("card.summary.open", "reference", "count", "person", "link:person", said=_listed(closed=False)),
            part("card.summary.closed", "reference", "count", "person", "link:person", said=_listed(closed=True)),
            part("shared.more", "count", said=beyond(_LISTED, _count)),
            part("card.summary.how"),
        ),
        notice=True,
    ),
    "card.unanswered": Text((part("card.unanswered"),)),
    "case.shown": Text(
        (
            part("case.shown", "case"),
            part("case.shown.edit", "item", "of", said=when("edit", "yes")),
            part("case.shown.alone", "item", "of", said=when("edit", "alone")),
            part("case.shown.stands", "item", "of", said=when("edit", "stands")),
            part("case.shown.message", "item", "of", said=unless("edit", "yes", "alone", "stands")),
            part("case.shown.by", "about", "link:about"),
            part("case.shown.words", "words", said=given("words")),
            part("case.shown.cut", said=when("cut", "yes")),
            part("case.shown.around", said=both(when("around", "read"), several)),
            *_STOOD,
            part("case.shown.around.none", said=both(when("around", "read"), alone)),
            part("case.shown.around.unread", said=when("around", "unread")),
            part("case.shown.taken_back"),
            part("case.shown.next", "reference", "next", said=given("reference", "next")),
        ),
        mentions=people,
    ),
    "case.nothing_kept": Text(
        (part("case.nothing_kept", "case"), part("case.nothing_kept.where", "link:message", said=given("room"))),
        mentions=people,
    ),
    "case.no_copy": _answer("case.no_copy", "case"),
    "case.no_such_item": _answer("case.no_such_item", "case", "count", "item"),
    "case.vault_closed": _answer("case.vault_closed"),
    "case.not_yours": _answer("case.not_yours"),
    "case.is_closed": _answer("case.is_closed", "case"),
    "case.tap_expired": _answer("case.tap_expired"),
    "case.tap_used": Text(
        (
            part("case.tap_used", "case", said=lacking("owner")),
            part("case.tap_used.by", "case", "owner", "link:owner", said=given("owner")),
        ),
        mentions=people,
    ),
    "case.unknown": _answer("case.unknown"),
    "case.which": _answer("case.which"),
    "case.how_to_close": _answer("case.how_to_close"),
    "case.nothing_to_release": _answer("case.nothing_to_release", "case"),
    "case.released": _answer("case.released", "case"),
    "case.show_not_yours": _answer("case.show_not_yours"),
    "case.show_too_late": _answer("case.show_too_late", "case"),
    "case.show_elsewhere": Text(
        (
            part("case.show_elsewhere", "reference", said=given("reference")),
            part("case.show_elsewhere.example", said=lacking("reference")),
        ),
        mentions=people,
    ),
    "case.show_why": Text(
        (
            part("case.show_why", "reference", said=given("reference")),
            part("case.show_why.example", said=lacking("reference")),
        ),
        mentions=people,
    ),
}
