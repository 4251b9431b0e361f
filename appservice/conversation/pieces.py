"""What texts are made of: which keys of the catalogue are said, when, and with which values. No words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from appservice.conversation.markup import clean, filled, quotable
from appservice.conversation.phrases import Phrases
from appservice.flow import Item

Items = tuple[Item, ...]
#: For which items a part is said: once for each tuple that comes back, and not at all for none.
Said = Callable[[Items], tuple[Items, ...]]


@dataclass(frozen=True, slots=True)
class Ground:
    """What a community gives to its texts."""

    room_name: Callable[[str], str]
    server_name: str
    hours: str
    phrases: Phrases
    group_hours: Callable[[str], str]
    at: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Part:
    """A key that is said; its plural goes by the number of items. It gets exactly the values of `needs`."""

    key: str
    needs: frozenset[str]
    said: Said


@dataclass(frozen=True, slots=True)
class Text:
    """What makes up one event: its parts in turn, whether it is a mere notice, and whom it mentions."""

    parts: tuple[Part, ...]
    notice: bool = False
    mentions: Callable[[Items], tuple[str, ...]] = lambda _items: ()


def always(items: Items) -> tuple[Items, ...]:
    return (items,)


def part(key: str, *needs: str, said: Said = always) -> Part:
    return Part(key, frozenset(needs), said)


def when(field: str, *values: str, otherwise: str = "") -> Said:
    """Said if the first item has one of these values in a field; `otherwise` stands for a field that is not there."""
    return lambda items: (items,) if _first(items).get(field, otherwise) in values else ()


def unless(field: str, *values: str, otherwise: str = "") -> Said:
    """Said if the first item has none of these values in a field."""
    return lambda items: () if _first(items).get(field, otherwise) in values else (items,)


def both(*said: Said) -> Said:
    """Said only if all of these conditions let it be said."""
    return lambda items: (items,) if all(one(items) for one in said) else ()


def either(*said: Said) -> Said:
    """Said if one of these conditions lets it be said."""
    return lambda items: (items,) if any(one(items) for one in said) else ()


def given(*fields: str) -> Said:
    """Said if the first item has something in each of these fields."""
    return lambda items: (items,) if all(_first(items).get(field) for field in fields) else ()


def lacking(field: str) -> Said:
    """Said if the first item has nothing in a field."""
    return lambda items: () if _first(items).get(field) else (items,)


def each(most: int) -> Said:
    """Said once for each of the first items."""
    return lambda items: tuple((item,) for item in items[:most])


def alone(items: Items) -> tuple[Items, ...]:
    """Said if there is one item at most."""
    return (items,) if len(items) <= 1 else ()


def several(items: Items) -> tuple[Items, ...]:
    """Said if there are items beside the first."""
    return (items,) if len(items) > 1 else ()


def each_with(field: str, value: str, most: int) -> Said:
    """Said once for each of the first items that has this value in a field."""
    return lambda items: tuple((item,) for item in items[:most] if item.get(field, "no") == value)


def any_with(field: str, value: str) -> Said:
    """Said if one of the items has this value in a field."""
    return lambda items: (items,) if any(item.get(field, "no") == value for item in items) else ()


def any_given(field: str) -> Said:
    """Said if one of the items has something in this field."""
    return lambda items: (items,) if any(item.get(field) for item in items) else ()


def none_with(field: str, value: str) -> Said:
    """Said if none of the items has this value in a field."""
    return lambda items: () if any_with(field, value)(items) else (items,)


def count_of(items: Items) -> int:
    """How many there are: as the first item says, else how many items there are. At least one."""
    said = _first(items).get("count", "")
    return max(1, int(said) if said.isdecimal() and len(said) < 9 else len(items))


def beyond(most: int, total: Callable[[Items], int] = count_of) -> Said:
    """Said once for what is more than `most`, if anything is."""
    return lambda items: (({"count": str(total(items) - most)},),) if total(items) > most else ()


def people(items: Items) -> tuple[str, ...]:
    """Whom a text is about, to mention them."""
    return tuple(dict.fromkeys(item["person"] for item in items if item.get("person")))


def called(items: Items) -> tuple[str, ...]:
    """Whom a card calls: the people of its room, or the one it is told privately."""
    first = _first(items)
    return tuple(dict.fromkeys([*first.get("calls", "").split(), *([first["to"]] if first.get("to") else [])]))


#: Whether the person a card is about knows: a message that nobody can read is none.
REACHED = when("told", "yes", otherwise="yes")
NOT_REACHED = unless("told", "yes", otherwise="yes")
NOT_TOLD = (part("shared.not_reached", said=NOT_REACHED),)
DANGER = (part("shared.danger"),)
#: Nobody is there at this moment: help that is comes first, then when people are (CARE, rule 8).
CLOSED, STAFFED = given("opens"), lacking("opens")
BACK = (part("shared.back", "opens", said=CLOSED),)
WHO = (part("shared.who", "person", "link:person"),)


def _first(items: Items) -> Item:
    return items[0] if items else {}


def _field(name: str, otherwise: str = "") -> Callable[[Ground, Items], str]:
    return lambda _ground, items: clean(_first(items).get(name, otherwise))


def _rooms(ground: Ground, items: Items) -> str:
    """The rooms of all items: up to three by name, more by number."""
    names = list(dict.fromkeys(clean(ground.room_name(item.get("room", ""))) for item in items))
    names = [name for name in names if name]
    if len(names) > 3:
        return _words(ground, "value.rooms.many", {"count": str(len(names))}, len(names))
    if not names:
        return _words(ground, "value.rooms.none", {})
    said = names[0]
    for name in names[1:]:
        said = _words(ground, "value.and", {"first": said, "second": name})
    return said


def _again(ground: Ground, items: Items) -> str:
    """From when on somebody can write again: the latest of what the items say."""
    said = [int(one) for item in items if (one := item.get("again_ms", "")).isdecimal() and len(one) < 15]
    return ground.at(max(said, default=0))


def _pause(ground: Ground, items: Items) -> str:
    """How long each person waits, in the largest unit that it fills."""
    said = _first(items).get("pause", "")
    seconds = int(said) if said.isdecimal() and len(said) < 9 else 1
    unit, size = next((unit, size) for unit, size in _UNITS if seconds % size == 0)
    return _words(ground, f"value.pause.{unit}", {"count": str(seconds // size)}, seconds // size)


def _group_hours(ground: Ground, items: Items) -> str:
    """When the groups of all items are looked after, where that is the same for all."""
    hours = {ground.group_hours(item.get("room", "")) for item in items or ({},)}
    return hours.pop() if len(hours) == 1 else _words(ground, "value.hours.each", {})


def _words(ground: Ground, key: str, values: Mapping[str, str], count: int = 1) -> str:
    return filled(ground.phrases.says(key, count), values.__getitem__, str).body


_UNITS = (("hours", 3600), ("minutes", 60), ("seconds", 1))

#: What was found, by what it is called: numbers of health and money get a name that says no more.
_FOUND = {
    "phone": "phone",
    "email": "email",
    "address": "address",
    "nhs_number": "number",
    "card": "bank",
    "bank": "bank",
}
_OWN = {"phone", "email", "address"}


def _found(ground: Ground, items: Items) -> str:
    return _words(ground, f"value.found.{_FOUND.get(_kind(items), 'several')}", {})


def _own(ground: Ground, items: Items) -> str:
    kind = _kind(items)
    return _words(ground, f"value.own.{kind if kind in _OWN else 'several'}", {})


#: What a rule about conduct saw, by its name; what was found in several ways, or is new, gets a word that says no more.
_SEEN = {
    "contact_details",
    "phishing",
    "self_harm_encouragement",
    "threats",
    "bullying",
    "hate",
    "sexual",
    "edit",
}


#: What was changed by hand, by its aspect in the policy; several, or a new one, get a word that says no more.
_ASPECTS = {"settings", "powers", "links", "look"}


def _aspect(ground: Ground, items: Items) -> str:
    found = {item.get("aspect", "") for item in items}
    aspect = found.pop() if len(found) == 1 else ""
    return _words(ground, f"value.aspect.{aspect if aspect in _ASPECTS else 'several'}", {})


def _what(ground: Ground, items: Items) -> str:
    kind = _kind(items)
    kind = "contact_details" if kind == "personal_data" else kind
    return _words(ground, f"value.what.{kind if kind in _SEEN else 'several'}", {})


def _kind(items: Items) -> str:
    kinds = {item.get("kind", "phone") for item in items} or {"phone"}
    return kinds.pop() if len(kinds) == 1 else ""


def _why(_ground: Ground, items: Items) -> str:
    """What was in the way, without the word that says of which kind it is."""
    return quotable(_first(items).get("why", "").partition(" ")[2])


def _case(ground: Ground, items: Items) -> str:
    return clean(_first(items).get("reference", "")) or _words(ground, "value.case.none", {})


#: Keys that are said within others, with the values they get.
WITHIN: Mapping[str, frozenset[str]] = {
    "value.rooms.many": frozenset({"count"}),
    "value.rooms.none": frozenset(),
    "value.and": frozenset({"first", "second"}),
    "value.case.none": frozenset(),
    **{f"value.pause.{unit}": frozenset({"count"}) for unit, _ in _UNITS},
    "value.hours.each": frozenset(),
    **{f"value.found.{name}": frozenset() for name in (*dict.fromkeys(_FOUND.values()), "several")},
    **{f"value.aspect.{name}": frozenset() for name in (*sorted(_ASPECTS), "several")},
    **{f"value.what.{name}": frozenset() for name in (*sorted(_SEEN), "several")},
    **{f"value.own.{name}": frozenset() for name in (*sorted(_OWN), "several")},
}

#: All values, by the name that stands in braces. Each is clean: from `clean`, or of our own making.
VALUES: Mapping[str, Callable[[Ground, Items], str]] = {
    "about": _field("about"),
    "again": _again,
    "aspect": _aspect,
    "case": _case,
    "earlier": _field("earlier"),
    "conduct_address": _field("conduct_address"),
    "conduct_text": lambda _ground, items: quotable(_first(items).get("conduct_text", "")),
    "conduct_version": _field("conduct_version"),
    "count": lambda _ground, items: str(count_of(items)),
    "first": _field("first"),
    "found": _found,
    "group": _field("group"),
    "group_hours": _group_hours,
    "hours": lambda ground, _items: ground.hours,
    "item": _field("item", "1"),
    "kept": _field("kept"),
    "left": _field("left"),
    "line": lambda _ground, items: quotable(_first(items).get("line", "")),
    "new_first": _field("new_first"),
    "new_capacity": _field("new_capacity"),
    "new_retention": _field("new_retention"),
    "new_slow": _field("new_slow"),
    "next": _field("next", "2"),
    "of": _field("of", "1"),
    "own": _own,
    "opens": _field("opens"),
    "owner": _field("owner"),
    "pause": _pause,
    "person": _field("person"),
    "plan": _field("plan"),
    "reference": _field("reference"),
    "room": lambda ground, items: clean(ground.room_name(_first(items).get("room", ""))),
    "rooms": _rooms,
    "rule": _field("kind"),
    "setting": _field("setting"),
    "to": _field("to"),
    "undoes": _field("undoes"),
    "value": lambda _ground, items: quotable(_first(items).get("value", "")),
    "waiting": _field("waiting"),
    "welcome": lambda _ground, items: quotable(_first(items).get("welcome", "")),
    "what": _what,
    "why": _why,
    "words": lambda _ground, items: quotable(_first(items).get("words", "")),
}


def _to(address: str, ground: Ground | None = None) -> str:
    return f"https://matrix.to/#/{address}" + (f"?via={quote(ground.server_name)}" if ground is not None else "")


def _person(field: str) -> Callable[[Ground, Items], str]:
    return lambda _ground, items: _to(quote(_first(items).get(field, "")))


#: Where links lead, by the name after `link:`.
LINKS: Mapping[str, Callable[[Ground, Items], str]] = {
    "message": lambda ground, items: _to(
        f"{quote(_first(items).get('room', ''))}/{quote(_first(items).get('event', ''))}", ground
    ),
    "room": lambda ground, items: _to(quote(_first(items).get("room", "")), ground),
    **{name: _person(name) for name in ("about", "owner", "person", "to")},
}
