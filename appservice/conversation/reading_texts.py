"""What newcomers read whose first messages are read before everybody sees them, and those who read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from appservice.conversation.pieces import (
    BACK,
    DANGER,
    WHO,
    Items,
    Text,
    any_given,
    part,
    people,
    unless,
    when,
)

_CLOSED, _OPEN = when("state", "closed"), unless("state", "closed")
#: Why words come back, as the first item says.
_WHYS: Final = ("declined", "late", "gone", "free", "failed")


def words_of(items: Items) -> tuple[Items, ...]:
    """Said once for each message whose words are shown."""
    return tuple((item,) for item in items if item.get("words"))


#: What was taken away, or is not posted, back to who wrote it.
GIVEN_BACK: Final = (part("your.words", said=any_given("words")), part("your.words.each", "words", said=words_of))


def _answer(key: str, *needs: str) -> Text:
    return Text((part(key, *needs),), mentions=people)


READING_TEXTS: Mapping[str, Text] = {
    "your.first_message": Text(
        (part("your.first_message", "rooms"), *GIVEN_BACK, part("your.taken_away.help")), mentions=people
    ),
    "first.heard": _answer("first.heard", "rooms", "group_hours"),
    "first.which": _answer("first.which", "rooms"),
    "first.how": _answer("first.how"),
    "first.enough": _answer("first.enough", "rooms", "group_hours"),
    "first.cannot": _answer("first.cannot"),
    # Help that is there at once stands before people who come later (CARE, rule 8).
    "first.people": Text((part("first.people"), *DANGER, part("first.people.when", "hours"), *BACK), mentions=people),
    "first.posted": Text(
        (
            part("first.posted", "rooms"),
            part("first.posted.more", "left", said=unless("left", "0", otherwise="0")),
            part("first.posted.free", said=when("left", "0", otherwise="0")),
        ),
        mentions=people,
    ),
    "first.back": Text(
        (
            part("first.back"),
            *(part(f"first.back.{why}", "rooms", said=when("why_back", why, otherwise="failed")) for why in _WHYS),
            *GIVEN_BACK,
        ),
        mentions=people,
    ),
    # Read by everybody in the group: who wrote it, and that a person has read it. Nobody is called by it.
    "first.message": Text(
        (
            part("first.message"),
            part("your.words.each", "words", said=words_of),
            part("first.message.who", "about", "link:about"),
        )
    ),
    "first.card": Text(
        (
            part("first.card", said=_OPEN),
            part("first.card.answered", said=_CLOSED),
            part("shared.team"),
            *WHO,
            part("shared.room", "rooms"),
            part("first.card.count", "count", said=_OPEN),
            part("first.card.how", "reference", said=_OPEN),
        )
    ),
    "first.shown": Text(
        (
            part("first.shown"),
            part("first.shown.who", "about", "link:about", "rooms"),
            part("your.words.each", "words", said=words_of),
            part("first.shown.how", "reference"),
        ),
        mentions=people,
    ),
    "first.not_yours": _answer("first.not_yours"),
    "first.unknown": _answer("first.unknown"),
    "first.over": _answer("first.over"),
    "first.which_card": _answer("first.which_card"),
}
