"""Which keys of the catalogue make up each text; the words themselves stand in `locales/` (docs/architecture.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from appservice.conversation.care_texts import CARE_TEXTS
from appservice.conversation.case_texts import CASE, CASE_TEXTS
from appservice.conversation.markup import clean, filled
from appservice.conversation.phrases import Phrases, phrases
from appservice.conversation.pieces import (
    BACK,
    DANGER,
    LINKS,
    NOT_REACHED,
    NOT_TOLD,
    REACHED,
    VALUES,
    WHO,
    WITHIN,
    Ground,
    Items,
    Part,
    Text,
    any_with,
    beyond,
    both,
    called,
    count_of,
    each,
    each_with,
    given,
    none_with,
    part,
    people,
    unless,
    when,
)
from appservice.conversation.plan_texts import CHANGED_TEXTS, PLAN_TEXTS
from appservice.conversation.reading_texts import GIVEN_BACK, READING_TEXTS
from appservice.flow import Item, Rendered
from policies.schema import CodeOfConduct

#: Most messages that one card links.
_LINKED = 10
#: Whether the person of a case asks for a second look.
_ASKED = when("asked", "yes")
#: The hours are our own words and a promise: never cut, only bounded.
_LONGEST_HOURS = 1000


def _to_person(key: str, *needs: str, danger: bool = False) -> Text:
    """A text to those it is about."""
    return Text((part(key, *needs), *(DANGER if danger else ())), mentions=people)


def _card(key: str, *more: Part, told: bool = True) -> Text:
    """A card about somebody in a room."""
    reached = (part(f"{key}.told", said=REACHED), *NOT_TOLD) if told else ()
    return Text((part(key), *reached, part("shared.team"), *WHO, part("shared.room", "rooms"), *more))


def _reply(key: str) -> Text:
    return Text((part(key),), notice=True)


TEXTS: Mapping[str, Text] = {
    "room.moved": Text((part("room.moved"),), notice=True),
    "removed.contact_details": Text((part("removed.contact_details", "count", "found"),), notice=True),
    "your.contact_details_removed": _to_person("your.contact_details_removed", "count", "rooms", "found"),
    "removed.conduct": Text((part("removed.conduct", "count", "what"),), notice=True),
    "your.conduct_removed": _to_person("your.conduct_removed", "count", "rooms", "what"),
    "your.own_number": _to_person("your.own_number", "own", "rooms"),
    "your.not_in_group": _to_person("your.not_in_group", "rooms"),
    "your.invite_withdrawn": _to_person("your.invite_withdrawn", "rooms"),
    "your.group_is_full": _to_person("your.group_is_full", "rooms"),
    "your.request_found_full": _to_person("your.request_found_full", "rooms"),
    "your.request_heard": _to_person("your.request_heard", "rooms", "group_hours", danger=True),
    "your.request_declined": _to_person("your.request_declined", "rooms"),
    "your.slow_mode": _to_person("your.slow_mode", "rooms", "pause"),
    "your.slow_mode_removed": Text(
        (
            part("your.slow_mode_removed", "rooms", "pause", "again", "count"),
            *GIVEN_BACK,
            part("your.taken_away.help"),
        ),
        mentions=people,
    ),
    "your.media_removed": Text((part("your.media_removed", "rooms"), part("your.taken_away.help")), mentions=people),
    "card.contact_details_removed": Text(
        (
            part("card.contact_details_removed", "count", "found"),
            part("card.contact_details_removed.told", said=REACHED),
            *NOT_TOLD,
            part("card.contact_details_removed.who", "person", "link:person"),
            part("card.contact_details_removed.where", "room", "link:message", said=each(_LINKED)),
            part("shared.more", "count", said=beyond(_LINKED)),
            part("card.appeal.asked", said=_ASKED),
            *CASE,
        ),
        mentions=called,
    ),
    "card.conduct": Text(
        (
            part("card.conduct.title", said=unless("severity", "3", "4")),
            part("card.conduct.title_urgent", said=when("severity", "3", "4")),
            part("card.conduct"),
            part("card.conduct.removed", "room", "link:message", "what", said=each_with("stands", "no", _LINKED)),
            part("card.conduct.stands", "room", "link:message", "what", said=each_with("stands", "yes", _LINKED)),
            part("shared.more", "count", said=beyond(_LINKED)),
            part("card.contact_details_removed.who", "person", "link:person"),
            part("card.contact_details_removed.told", said=both(REACHED, any_with("stands", "no"))),
            part("shared.not_reached", said=both(NOT_REACHED, any_with("stands", "no"))),
            part("card.conduct.not_told", said=none_with("stands", "no")),
            part("card.appeal.asked", said=_ASKED),
            *CASE,
        ),
        mentions=called,
    ),
    "card.intruder": _card("card.intruder"),
    "card.invite_withdrawn": _card("card.invite_withdrawn", told=False),
    "card.no_place": _card("card.no_place", told=False),
    "card.asks_to_join": _card("card.asks_to_join", part("card.asks_to_join.answer", "reference")),
    "card.appeal": Text(
        (
            part("card.appeal"),
            part("card.appeal.asked"),
            part("card.appeal.earlier", "earlier", said=given("earlier")),
            *WHO,
            part("shared.will_write", said=REACHED),
            *NOT_TOLD,
            *CASE,
        ),
        mentions=called,
    ),
    **{
        f"card.drift.{what}": Text((part(f"card.drift.{what}", "aspect", "rooms", *more), part("shared.drift")))
        for what, more in {"put_back": (), "stands": (), "failed": (), "final": (), "contested": ("count",)}.items()
    },
    "request.not_yours": _reply("request.not_yours"),
    "request.unknown": _reply("request.unknown"),
    "request.added": _reply("request.added"),
    "request.full": _reply("request.full"),
    "request.declined": _reply("request.declined"),
    "direct.how": _to_person("direct.how", "hours", danger=True),
    "direct.quiet": _to_person("direct.quiet", danger=True),
    "direct.here_instead": _to_person("direct.here_instead", "link:room", danger=True),
    # Help that is there at once stands before people who come later (CARE, rule 8).
    "direct.help_heard": Text(
        (part("direct.help_heard"), *DANGER, part("direct.help_heard.when", "hours"), *BACK), mentions=people
    ),
    "direct.appeal_heard": Text((part("direct.appeal_heard", "hours"), *BACK), mentions=people),
    "direct.appeal_waits": _to_person("direct.appeal_waits", "hours"),
    **CARE_TEXTS,
    **CASE_TEXTS,
    **PLAN_TEXTS,
    **CHANGED_TEXTS,
    **READING_TEXTS,
}


def needs(texts: Mapping[str, Text]) -> Mapping[str, frozenset[str]]:
    """All keys that texts say, with the values that each gets. Raises KeyError for a value that there is not."""
    known = {*VALUES, *(f"link:{name}" for name in LINKS)}
    for one in (one for text in texts.values() for one in text.parts):
        if unknown := one.needs - known:
            raise KeyError(f"{one.key} needs {', '.join(sorted(unknown))}")
    return {**WITHIN, **{one.key: one.needs for text in texts.values() for one in text.parts}}


def conduct_fields(code: CodeOfConduct | None) -> dict[str, str]:
    """A community's code of conduct as the fields that texts tell it by; none where it has none."""
    if code is None:
        return {}
    found = {"conduct_version": code.version, "conduct_text": code.text, "conduct_address": code.address}
    return {name: value for name, value in found.items() if value}


class Catalogue:
    """`flow.Wording` for one community: `room_name(room_id)` is what people call a room, `hours` when it is staffed.

    `hours_of(room_id)` is when the group of a room is looked after; "" for a group without hours of its own.
    `at(ms)` says a time of day. `opens()` says when somebody is there again, "" while somebody is; it is asked when a text is worded.
    `conduct` are the fields of the code of conduct, for the texts that tell of it: `conduct_version` and what there is.

    Raises BadCatalogue if the words and what is said do not fit each other.
    """

    def __init__(
        self,
        room_name: Callable[[str], str],
        server_name: str,
        hours: str,
        *,
        hours_of: Callable[[str], str] = lambda _room_id: "",
        at: Callable[[int], str] = lambda _ms: "noon",
        opens: Callable[[], str] = lambda: "",
        conduct: Mapping[str, str] | None = None,
        words: Phrases | None = None,
        texts: Mapping[str, Text] = TEXTS,
    ) -> None:
        self.texts = texts
        self._opens = opens
        self._conduct = dict(conduct or {})
        usual = clean(hours, _LONGEST_HOURS)
        self._ground = Ground(
            room_name,
            server_name,
            usual,
            words or phrases(),
            lambda room_id: clean(hours_of(room_id), _LONGEST_HOURS) or usual,
            at,
        )
        self._ground.phrases.check(needs(texts))

    def said(self, text: str, items: Items) -> tuple[tuple[str, Items], ...]:
        """The keys that make up a text, in turn, with the items of each."""
        return tuple((one.key, some) for one in self.texts[text].parts for some in one.said(items))

    def render(self, text: str, items: tuple[Item, ...]) -> Rendered:
        ground, recipe = self._ground, self.texts[text]
        more = {"opens": opens} if (opens := self._opens()) else {}
        if any("conduct_version" in one.needs for one in recipe.parts):
            more |= self._conduct
        if more:
            items = ({**more, **items[0]}, *items[1:]) if items else (more,)
        parts = [
            filled(
                ground.phrases.says(key, count_of(some)),
                lambda name, some=some: VALUES[name](ground, some),  # type: ignore[misc]
                lambda name, some=some: LINKS[name](ground, some),  # type: ignore[misc]
            )
            for key, some in self.said(text, items)
        ]
        return Rendered(
            body="\n".join(one.body for one in parts),
            html="".join(one.html for one in parts),
            msgtype="m.notice" if recipe.notice else "m.text",
            mentions=recipe.mentions(items),
        )
