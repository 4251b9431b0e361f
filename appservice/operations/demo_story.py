"""What the demo shows: a stranger at two doors, and one message that must go. Each step is seen by somebody else.

Nothing is asserted from our side: a step counts when another person's client got it from the homeserver.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rich.console import Console

from appservice.operations.demo_people import Glimpse, Person
from appservice.operations.errors import OperationFailed
from policies.desired import DesiredCommunity, DesiredRoom
from policies.people import People

HELLO = "Hello, I am Sam. My mum is not well and I look after her."
# From the numbers that are kept free for films: they ring nowhere.
NUMBER = "07700 900123"
HARMFUL = f"You can ring Jo about it, Jo is on {NUMBER}."
STILL_WORKS = f"Jo is still on {NUMBER}."


@dataclass(frozen=True)
class Show:
    """Prints what happened: one line a step, and the words that people got to read, indented."""

    out: Console

    def heading(self, text: str) -> None:
        """A line that opens a part."""
        self.out.print()
        self.out.print(text, style="bold", markup=False, highlight=False)

    def done(self, text: str, took: str = "") -> None:
        """A step that was seen, and how long it took."""
        self.out.print(f"  [green]✓[/green] {text}" + (f"  [cyan]({took})[/cyan]" if took else ""), highlight=False)

    def plain(self, text: str) -> None:
        """A line as it is."""
        self.out.print(text, markup=False, highlight=False)

    def words(self, text: str) -> None:
        """Somebody's message, as it was read."""
        for line in text.splitlines():
            self.out.print(f"      │ {line}", style="dim", markup=False, highlight=False)


@dataclass
class Stage:
    """The rooms of the community, and the people in front of them. `room_ids` by key fills as people come in."""

    wanted: DesiredCommunity
    people: People
    persons: Mapping[str, Person]
    helper: str
    room_ids: dict[str, str] = field(default_factory=dict)

    def person(self, name: str) -> Person:
        """Raises KeyError for somebody who is not signed in."""
        return self.persons[name]

    def address(self, key: str) -> str:
        """`#…:server` of a room."""
        return f"#{self.wanted.room(key).alias_localpart}:{self.wanted.server}"

    def title(self, key: str) -> str:
        """A room's name in quotation marks."""
        return f"“{self.wanted.room(key).name}”"

    async def come_in(self, person: Person) -> dict[str, float]:
        """Join every room that this person may be in; return when each let them in (`time.monotonic`), by key."""
        joined: dict[str, float] = {}
        for room in self.wanted.rooms:
            if self._may_enter(person, room):
                self.room_ids[room.key] = await person.join(self.address(room.key))
                joined[room.key] = time.monotonic()
        return joined

    def _may_enter(self, person: Person, room: DesiredRoom) -> bool:
        known = self.people.by_id.get(person.user_id)
        return room.membership.anyone or (known is not None and room.membership.admits(known))


async def tell(stage: Stage, show: Show) -> None:
    """Play the main job once, from the first joining to the card. Raises: `OperationFailed` for what is not seen."""
    await _team_comes_in(stage, show)
    await _members_come_in(stage, show)
    await _stranger_comes_in(stage, show)
    await _stranger_meets_closed_door(stage, show)
    hello = await _harmless_message(stage, show)
    await _harmful_message(stage, show)
    if (await stage.person("rosa").reads(stage.room_ids["welcome"], hello)).get("body") != HELLO:
        raise OperationFailed("Sam's first message should have stayed, and did not.")
    show.done("Sam's first message is still there: only the one with the number went.")


async def tell_shortly(stage: Stage, show: Show) -> None:
    """Play one removal, in a community that was shown before. Raises: `OperationFailed`, `PeopleChanged`."""
    for name in ("rosa", "sam"):
        stage.room_ids["welcome"] = await stage.person(name).join(stage.address("welcome"))
    show.done(f"Sam wrote in {stage.title('welcome')}: “{STILL_WORKS}”")
    await _is_removed(stage, show, STILL_WORKS)


async def _team_comes_in(stage: Stage, show: Show) -> None:
    team = [stage.person(name) for name in ("amina", "dewi", "kit")]
    for person in team:
        await stage.come_in(person)
    present = await stage.person("amina").members(stage.room_ids["welcome"])
    _expect(present.issuperset(person.user_id for person in team), "Amina does not see her team in the room.")
    show.done("Amina, Dewi and Kit look after the place. They came in first.")


async def _members_come_in(stage: Stage, show: Show) -> None:
    rosa, morgan = stage.person("rosa"), stage.person("morgan")
    await stage.come_in(rosa)
    at = (await stage.come_in(morgan))["welcome"]
    seen = await rosa.sees("Morgan come in", lambda glimpse: _joined(glimpse, morgan, stage.room_ids["welcome"]))
    inside = await stage.person("amina").members(stage.room_ids["bereaved"])
    _expect(rosa.user_id in inside, f"Amina does not see Rosa in {stage.title('bereaved')}.")
    show.done(f"Rosa and Morgan came into {stage.title('welcome')}. Rosa sees Morgan there.", _ms(seen.at - at))
    show.done(f"Rosa was asked into the closed room {stage.title('bereaved')}. Amina sees her there.")


async def _stranger_comes_in(stage: Stage, show: Show) -> None:
    rosa, sam = stage.person("rosa"), stage.person("sam")
    at = (await stage.come_in(sam))["welcome"]
    seen = await rosa.sees("Sam come in", lambda glimpse: _joined(glimpse, sam, stage.room_ids["welcome"]))
    show.done(f"Sam, a stranger, came into the open room {stage.title('welcome')}. Rosa sees Sam.", _ms(seen.at - at))
    # Everybody's, not only Sam's: the story then goes on while nothing else is under way.
    for person in stage.persons.values():
        await person.finds("a private room with the helper", partial(_private_room, person, stage.helper))
    show.done("Each person has a private room with the helper, and nothing to click for it.")


async def _stranger_meets_closed_door(stage: Stage, show: Show) -> None:
    sam, rosa = stage.person("sam"), stage.person("rosa")
    at = time.monotonic()
    refusal = await sam.refused_at(stage.address("bereaved"))
    took = time.monotonic() - at
    inside = await rosa.members(stage.room_ids["bereaved"])
    _expect(refusal is not None and sam.user_id not in inside, f"Sam got into {stage.title('bereaved')}.")
    show.done(f"Sam tried to enter {stage.title('bereaved')} and was kept out. Sam was told:", _ms(took))
    show.words(refusal or "")


async def _harmless_message(stage: Stage, show: Show) -> str:
    event_id, at = await stage.person("sam").write(stage.room_ids["welcome"], HELLO)
    seen = await stage.person("rosa").sees("Sam's first message", lambda glimpse: _is(glimpse, event_id))
    _expect(seen.content.get("body") == HELLO, "Rosa does not see what Sam wrote.")
    show.done("Sam wrote a first message, and Rosa can read it:", _ms(seen.at - at))
    show.words(HELLO)
    return event_id


async def _harmful_message(stage: Stage, show: Show) -> None:
    rosa, sam, morgan = stage.person("rosa"), stage.person("sam"), stage.person("morgan")
    show.done("Then Sam gave away somebody else's phone number:")
    show.words(HARMFUL)
    before = {id(glimpse.event) for person in (rosa, sam, morgan) for glimpse in person.seen}

    def is_new(room_id: str, glimpse: Glimpse) -> bool:
        ours = id(glimpse.event) not in before and _from_helper(glimpse, room_id, stage.helper)
        return ours and "removed" in glimpse.body  # a welcome may come in between

    at = await _is_removed(stage, show, HARMFUL)
    private = _private_room(sam, stage.helper) or ""
    for what, person, room_id, text in (
        ("the note in the room", rosa, stage.room_ids["welcome"], "A note told the room why. Rosa sees it:"),
        ("the private message", sam, private, "Only Sam got a private message. Sam sees it:"),
        ("the card", morgan, stage.room_ids["moderators"], "The moderators got a card. Morgan sees it:"),
    ):
        seen = await person.sees(what, partial(is_new, room_id))
        body = seen.body
        _expect(NUMBER not in body, f"{what.capitalize()} repeats the phone number.")
        show.done(text, _ms(seen.at - at))
        show.words(body)
    _expect(await sam.members(private) == {sam.user_id, stage.helper}, "Somebody else is in Sam's private room.")


async def _is_removed(stage: Stage, show: Show, text: str) -> float:
    """Let Sam write `text` and wait until it is gone for Rosa; return when the homeserver had taken it."""
    rosa, room_id = stage.person("rosa"), stage.room_ids["welcome"]
    event_id, at = await stage.person("sam").write(room_id, text)
    gone = await rosa.sees("Sam's message go away", lambda glimpse: _takes_away(glimpse, event_id))
    _expect(not await rosa.reads(room_id, event_id), "The text can still be fetched by Rosa.")
    show.done("It is gone for Rosa. Her program cannot get it back.", _ms(gone.at - at))
    return at


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise OperationFailed(otherwise)


def _joined(glimpse: Glimpse, person: Person, room_id: str) -> bool:
    event = glimpse.event
    is_theirs = event.get("type") == "m.room.member" and event.get("state_key") == person.user_id
    return is_theirs and glimpse.room_id == room_id and glimpse.content.get("membership") == "join"


def _is(glimpse: Glimpse, event_id: str) -> bool:
    return glimpse.event.get("event_id") == event_id


def _takes_away(glimpse: Glimpse, event_id: str) -> bool:
    """The redaction itself, or the message arriving already empty."""
    if _is(glimpse, event_id):
        unsigned: Any = glimpse.event.get("unsigned")
        return isinstance(unsigned, Mapping) and "redacted_because" in unsigned
    target = glimpse.content.get("redacts", glimpse.event.get("redacts"))
    return glimpse.event.get("type") == "m.room.redaction" and target == event_id


def _from_helper(glimpse: Glimpse, room_id: str, helper: str) -> bool:
    event = glimpse.event
    return event.get("type") == "m.room.message" and event.get("sender") == helper and glimpse.room_id == room_id


def _private_room(person: Person, helper: str) -> str | None:
    return next(iter(person.rooms_with(helper)), None)


def _ms(seconds: float) -> str:
    # Nothing to tell of what had been there before this start.
    return f"{seconds * 1000:.0f} ms" if seconds > 0 else ""
