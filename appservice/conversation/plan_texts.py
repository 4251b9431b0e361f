"""What those read who apply policies where they are: plans on cards, answers to their words, what members are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from appservice.conversation.pieces import (
    Items,
    Part,
    Said,
    Text,
    both,
    called,
    either,
    given,
    part,
    people,
    unless,
    when,
)

#: Most lines of one kind on a card; a plan brings fewer.
_LINES: Final = 20
_OPEN = when("plan_state", "open", otherwise="open")
_ENDED_BADLY = when("plan_state", "refused")


def _begins(field: str, word: str) -> Said:
    """Said if a field of the first item begins with this word: what follows is its value."""
    return lambda items: (items,) if items and items[0].get(field, "").split(" ", 1)[0] == word else ()


def _each(name: str, **more: str) -> Said:
    """Said once for each line of a card that is of this kind."""
    wanted = {"part": name, **{key.rstrip("_"): one for key, one in more.items()}}
    return lambda items: tuple(
        (item,) for item in items[1 : 1 + _LINES] if all(item.get(key) == value for key, value in wanted.items())
    )


def _any(name: str, **more: str) -> Said:
    """Said once if the card has a line of this kind."""
    return lambda items: (items,) if _each(name, **more)(items) else ()


def _set(*, to_something: bool) -> Said:
    each = _each("set")
    return lambda items: tuple(one for one in each(items) if bool(one[0].get("value")) is to_something)


def _changes() -> tuple[Part, ...]:
    """The changes, those that ask for most care first, each below what its class means."""
    found: list[Part] = []
    for name in ("one_way", "exposing", "disruptive", "safe"):
        found += [
            part(f"plan.card.{name}", said=_any("change", class_=name)),
            part("plan.card.change", "line", said=_each("change", class_=name)),
        ]
    return tuple(found)


def _count_line(items: Items) -> tuple[Items, ...]:
    return tuple((item,) for item in items[1 : 1 + _LINES] if item.get("part") == "more")


def _given_but(field: str, word: str) -> Said:
    """Said if the first item has something else than this word in a field."""
    return both(given(field), unless(field, word))


def _answer(key: str, *needs: str) -> Text:
    return Text((part(key, *needs),), mentions=people)


PLAN_TEXTS: Mapping[str, Text] = {
    "plan.card": Text(
        (
            part("plan.card.open", "plan", said=_OPEN),
            part("plan.card.begun", "plan", said=when("plan_state", "taken", "begun")),
            part("plan.card.done", "plan", said=when("plan_state", "done")),
            part("plan.card.partly", "plan", said=when("plan_state", "partly")),
            part("plan.card.left", "count", said=both(when("plan_state", "partly"), given("count"))),
            part("plan.card.moved", "plan", said=when("plan_state", "moved")),
            part("plan.card.expired", "plan", said=when("plan_state", "expired")),
            part("plan.card.refused", "plan", said=_ENDED_BADLY),
            part("plan.card.refused.role", said=both(_ENDED_BADLY, _begins("why", "role"))),
            part("plan.card.refused.too_much", said=both(_ENDED_BADLY, _begins("why", "too_much"))),
            part(
                "plan.card.refused.why",
                "why",
                said=both(_ENDED_BADLY, either(_begins("why", "too_much"), _begins("why", "words"))),
            ),
            part("plan.card.undoes", "undoes", said=_each("undoes")),
            part("plan.card.set", "group", "setting", "value", said=_set(to_something=True)),
            part("plan.card.unset", "group", "setting", said=_set(to_something=False)),
            *_changes(),
            part("plan.card.more", "count", said=_count_line),
            part("plan.card.stays", said=_any("stays")),
            part("plan.card.stays.line", "line", said=_each("stays")),
            part("plan.card.too_much", "words", said=_each("too_much")),
            part("plan.card.unassessed", said=_any("unassessed")),
            part("plan.card.who", "person", "link:person"),
            part("plan.card.owner", "owner", "link:owner", said=given("owner")),
            part("plan.card.yes", "plan", said=_OPEN),
            part(
                "plan.card.back", "plan", said=both(when("plan_state", "done", "partly"), unless("what_plan", "plan"))
            ),
        ),
        mentions=called,
    ),
    "plan.nothing": Text(
        (part("plan.nothing"), part("plan.nothing.waiting", "waiting", said=given("waiting"))), mentions=people
    ),
    "plan.cannot": Text(
        (
            part("plan.cannot"),
            part("plan.cannot.why", "words", said=given("words")),
            part("plan.cannot.instead", "plan", said=given("plan")),
        ),
        mentions=people,
    ),
    "plan.not_yours": _answer("plan.not_yours"),
    "plan.unknown": _answer("plan.unknown"),
    "plan.over": _answer("plan.over", "plan"),
    "plan.expired": _answer("plan.expired", "plan"),
    "plan.which": _answer("plan.which"),
    "plan.which_group": _answer("plan.which_group"),
    "plan.undo_which": _answer("plan.undo_which"),
    "plan.undo_put_back": _answer("plan.undo_put_back", "plan"),
    "plan.undo_not_done": _answer("plan.undo_not_done", "plan"),
    "set.how": _answer("set.how"),
    "set.how.capacity": _answer("set.how.capacity"),
    "set.how.welcome": _answer("set.how.welcome"),
    "set.how.slow": _answer("set.how.slow"),
    "set.how.hours": _answer("set.how.hours"),
    "set.file_wins": _answer("set.file_wins", "group", "setting", "value"),
    "set.not_here": Text(
        (part("set.not_here", "group", "setting"), part("plan.cannot.why", "words", said=given("words"))),
        mentions=people,
    ),
    "set.more_are_listed": _answer("set.more_are_listed", "group", "value"),
    "set.as_it_is": _answer("set.as_it_is", "group", "setting"),
}


_ASPECTS: Final = (
    "new_history",
    "new_join",
    "new_posting",
    "new_slow",
    "new_first",
    "new_media",
    "new_pins",
    "new_retention",
    "new_capacity",
    "new_publish",
)


def _conduct(field: str) -> Said:
    """Said of a code of conduct that is another one now, if it has this."""
    return both(_given_but("new_conduct", "none"), given("conduct_version", field))


#: Whether something is said of the code of conduct.
_new_conduct: Final = either(_conduct("conduct_version"), when("new_conduct", "none"))


def _nothing_named(items: Items) -> tuple[Items, ...]:
    """Said if no aspect is named that there are words for: by a later version of ours, before it went back."""
    named = any(items and items[0].get(aspect) for aspect in _ASPECTS)
    return () if named or _new_conduct(items) else (items,)


def _new(aspect: str, value: str) -> Part:
    return part(f"changed.{aspect}.{value}", said=when(f"new_{aspect}", value))


#: What members of a group are told when something is different for them from now on.
CHANGED_TEXTS: Mapping[str, Text] = {
    "changed.here": Text(
        (
            part("changed.something", said=_nothing_named),
            *(_new("history", value) for value in ("joined", "invited", "shared")),
            *(_new("join", value) for value in ("public", "restricted", "knock", "invite")),
            *(_new("posting", value) for value in ("moderators", "everybody")),
            part("changed.slow", "new_slow", said=_given_but("new_slow", "none")),
            _new("slow", "none"),
            part("changed.first", "new_first", said=_given_but("new_first", "none")),
            _new("first", "none"),
            *(_new("media", value) for value in ("none", "allowed")),
            *(_new("pins", value) for value in ("nobody", "moderators", "everybody")),
            part("changed.retention", "new_retention", said=_given_but("new_retention", "none")),
            _new("retention", "none"),
            part("changed.capacity", "new_capacity", said=_given_but("new_capacity", "none")),
            _new("capacity", "none"),
            _new("conduct", "none"),
            part("changed.conduct", "conduct_version", said=_conduct("conduct_version")),
            part("direct.welcome.conduct.text", "conduct_text", said=_conduct("conduct_text")),
            part("direct.welcome.conduct.address", "conduct_address", said=_conduct("conduct_address")),
            *(_new("publish", value) for value in ("listed", "unlisted")),
        ),
        notice=True,
    ),
}
