"""Who is new to a group, and what of theirs waits to be read: in memory for handlers, in the store with what moved it.

Whoever comes into a group while the first messages of newcomers are read first is new there, until so many were posted.
Who was there before is known, also when they come back. Fails closed: where it is not clear, somebody counts as new.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

import structlog

from appservice.flow import (
    DecideWords,
    DropWords,
    Effect,
    HoldWords,
    Newcomer,
    Place,
    RoomFacts,
    Vault,
    Words,
    WordsState,
)
from appservice.membership.newcomer_records import newcomer_from, newcomer_row, words_from, words_row
from appservice.membership.newcomer_terms import firsts_of, powerful_of, users_of
from appservice.store import Commit, Database, read_held_words, read_newcomers
from policies.changes import BringOver
from policies.desired import DesiredCommunity
from policies.governed_rooms import HELD_LEVEL
from policies.plan import Plan

log = structlog.get_logger()

#: ms after which words that nobody decided about go back to who wrote them.
KEPT_MS: Final = 7 * 24 * 3600 * 1000
_NONE: Final[Mapping[str, str]] = {}


def reference_of(newcomer: Newcomer) -> str:
    """Return the short name (`N-ABCDE`) of what one person wants to say in one group; it says nothing by itself."""
    said = f"{newcomer.community}\x1f{newcomer.group}\x1f{newcomer.user_id}"
    return "N-" + b32encode(sha256(said.encode("utf-8", "surrogatepass")).digest()).decode("ascii")[:5]


class NewcomerBook:
    """`flow.Newcomers` of one community, and how they move.

    `room_of(group)` is the room of a group; `old_room(room_id)` what we know of any room; `may(newcomer, user_id)` tells
    who may read what they write; `ours` are nobody's newcomers. `changed(room_id)` is called when somebody waits, or does
    not any more.
    """

    def __init__(
        self,
        homeserver: str,
        vault: Callable[[], Vault | None],
        room_of: Callable[[str], RoomFacts | None],
        old_room: Callable[[str], RoomFacts | None],
        may: Callable[[Newcomer, str], bool],
        ours: Container[str] = (),
    ) -> None:
        self._homeserver = homeserver
        self._ours = ours
        self._vault = vault
        self._room_of = room_of
        self._old_room = old_room
        self._may = may
        self.changed: Callable[[str], None] = lambda _room_id: None
        self._people: dict[tuple[str, str], Newcomer] = {}
        self._words: dict[str, Words] = {}
        self._sent: dict[str, str] = {}  # by message, and by edit of it
        self._firsts: Mapping[str, int] = {}
        self._names: Mapping[str, str] = {}
        self._powerful: Mapping[str, Collection[str]] = {}
        self._community = ""

    async def load(self, database: Database) -> None:
        """Take up what an earlier life of ours knew. Raises `StoreRefused`."""
        for record in await read_newcomers(database, self._homeserver):
            newcomer = newcomer_from(record)
            self._people[newcomer.key] = newcomer
        for row in await read_held_words(database, self._homeserver):
            self._put(words_from(row))

    # -- the policy --------------------------------------------------------------------------------------------------

    def ending(self, community: DesiredCommunity) -> Commit:
        """Return the rows by which people are known from then on, when this policy is put in force: commit them with it."""
        known = self._known_under(firsts_of(community), powerful_of(community))
        return Commit(newcomers=[newcomer_row(self._homeserver, one) for one in known])

    def follow(self, community: DesiredCommunity) -> None:
        """From now on this policy says whose messages are read first."""
        self._community, self._firsts = community.id, firsts_of(community)
        self._names = {room.key: room.name for room in community.rooms}
        self._powerful = powerful_of(community)
        for one in self._known_under(self._firsts, self._powerful):
            self._people[one.key] = one

    def _known_under(self, firsts: Mapping[str, int], powerful: Mapping[str, Collection[str]]) -> list[Newcomer]:
        """Whoever waits no longer when so many messages are read first, and these have power: for good, whatever comes
        later. Who steps down from moderating has written there freely."""
        return [
            replace(one, known=True)
            for one in self._people.values()
            if not one.known and (one.posted >= firsts.get(one.group, 0) or one.user_id in powerful.get(one.group, ()))
        ]

    def beside(self, community: DesiredCommunity) -> DesiredCommunity:
        """Return a community with who waits at this moment, as it would be if it were in force."""
        firsts = firsts_of(community)
        waiting: dict[str, set[str]] = {}
        for one in self._people.values():
            if not one.known and one.posted < firsts.get(one.group, 0) and self._is_in(one.group, one.user_id):
                waiting.setdefault(one.group, set()).add(one.user_id)
        if not waiting:
            return community
        return replace(community, waiting={group: frozenset(people) for group, people in waiting.items()})

    def rooms(self) -> list[str]:
        """Return the rooms in which newcomers wait, or may."""
        return [room.room_id for group in self._firsts if (room := self._room_of(group)) is not None]

    def brought(self, planned: Plan) -> Commit:
        """Whoever is joined to a group's room from the one whose place it takes was in the group before, unless they were
        new in it already: return the rows, to be committed before they come."""
        rows = Commit()
        for one in planned.changes:
            if not isinstance(one, BringOver) or one.room not in self._firsts:
                continue
            if (one.room, one.user_id) not in self._people:
                known = Newcomer(community=self._community, group=one.room, user_id=one.user_id, known=True)
                rows.add(self._keep(known))
        return rows

    # -- who comes and goes ------------------------------------------------------------------------------------------

    def moved(self, room: RoomFacts, user_id: str, before: str | None, after: str | None) -> Commit:
        """Take that somebody came into a room, or went; return the rows."""
        if (before == "join") == (after == "join") or user_id in self._ours or not self._is_ours(room):
            return Commit()
        if room.closed and after == "join" and self._is_in(room.group, user_id):
            return Commit()  # they are in the room that took its place, and only look back
        known = self._people.get((room.group, user_id))
        rows = Commit()
        if after != "join":
            if known is None:  # they were here before newcomers waited, or as one of those who moderate
                rows = self._keep(self._new(room, user_id, known=True))
        elif known is None and user_id not in self._powerful[room.group] and not self._came_along(room, user_id):
            rows = self._keep(self._new(room, user_id))
        if self.left(room.group, user_id) and not room.closed:
            self.changed(room.room_id)
        return rows

    def read(self, room: RoomFacts, before: Mapping[str, str] | None) -> Commit:
        """Take a room as it was read anew, `before` being who was in it as we knew it; return the rows.

        Where we knew nothing, those wait who have the level of those who wait: our store may be new.
        """
        rows = Commit()
        if not self._is_watched(room):
            return rows
        if before is None:
            held = {user for user, level in users_of(room.power_levels).items() if level == HELD_LEVEL}
            before = {user: how for user, how in room.members.items() if user not in held}
        for user_id in before.keys() | room.members.keys():
            rows.add(self.moved(room, user_id, before.get(user_id), room.members.get(user_id)))
        return rows

    def rows(self, room: RoomFacts) -> Commit:
        """Return the rows of all who are, or were, new in a room: what was refused by the store is written with them."""
        if not self._is_watched(room):
            return Commit()
        return Commit(
            newcomers=[newcomer_row(self._homeserver, one) for one in self._people.values() if one.group == room.group]
        )

    def _is_watched(self, room: RoomFacts) -> bool:
        return self._is_ours(room) and not room.closed

    def _is_ours(self, room: RoomFacts) -> bool:
        return room.place is Place.GROUP and room.community == self._community and room.group in self._firsts

    def _new(self, room: RoomFacts, user_id: str, *, known: bool = False) -> Newcomer:
        return Newcomer(community=room.community, group=room.group, user_id=user_id, known=known)

    def _came_along(self, room: RoomFacts, user_id: str) -> bool:
        """Whether somebody was in the room of ours whose place this one takes."""
        before = room.create.get("predecessor")
        room_id = before.get("room_id") if isinstance(before, Mapping) else None
        old = self._old_room(room_id) if isinstance(room_id, str) else None
        return old is not None and old.group == room.group and old.members.get(user_id) == "join"

    def _is_in(self, group: str, user_id: str) -> bool:
        room = self._room_of(group)
        return room is not None and room.members.get(user_id) == "join"

    # -- flow.Newcomers ----------------------------------------------------------------------------------------------

    def left(self, group: str, user_id: str) -> int:
        known = self._people.get((group, user_id))
        if known is None or known.known or user_id in self._powerful.get(group, ()):
            return 0
        return max(0, self._firsts.get(group, 0) - known.posted)

    def groups_of(self, user_id: str) -> Sequence[tuple[str, str, str]]:
        found = []
        for group in sorted(self._firsts):
            room = self._room_of(group)
            if (room is None or room.members.get(user_id) == "join") and self.left(group, user_id):
                found.append((group, self._names.get(group, group), room.room_id if room is not None else ""))
        return found

    def waiting(self, group: str, user_id: str) -> Sequence[Words]:
        return [
            one
            for one in self._words.values()
            if (one.group, one.user_id, one.state) == (group, user_id, WordsState.WAITS)
        ]

    def sent_by(self, event_id: str) -> Words | None:
        return self._words.get(self._sent.get(event_id, ""))

    def open_of(self, user_id: str) -> int:
        return sum(1 for one in self._words.values() if one.user_id == user_id)

    def seal(self, text: str) -> bytes | None:
        vault = self._vault()
        if vault is None:
            return None
        try:
            return vault.seal(text.encode("utf-8", "replace"))
        except Exception as error:  # whatever it is, nothing is kept in clear instead
            log.error("words_not_sealed", error=type(error).__name__)
            return None

    def by_reference(self, reference: str) -> Newcomer | None:
        return next((one for one in self._open() if reference_of(one) == reference), None)

    def by_card(self, room_id: str, event_id: str) -> Newcomer | None:
        return next((one for one in self._people.values() if (room_id, event_id) in one.cards), None)

    def open_in(self, room_id: str) -> Collection[Newcomer]:
        return [one for one in self._open() if any(room == room_id for room, _ in one.cards)]

    def shown_to(self, user_id: str) -> Collection[Newcomer]:
        return self._open(lambda words: user_id in words.shown)

    def may(self, newcomer: Newcomer, user_id: str) -> bool:
        return user_id != newcomer.user_id and self._may(newcomer, user_id)

    def _open(self, meant: Callable[[Words], bool] = lambda _words: True) -> list[Newcomer]:
        waiting = (one for one in self._words.values() if one.state is WordsState.WAITS and meant(one))
        keys = dict.fromkeys((one.group, one.user_id) for one in waiting)
        return [self._people[key] for key in keys if key in self._people]

    # -- moving ------------------------------------------------------------------------------------------------------

    def words(self, words_id: str) -> Words | None:
        """Return what was sent for reading by its id, None once it is done with."""
        return self._words.get(words_id)

    def person(self, group: str, user_id: str) -> Newcomer | None:
        """Return somebody who is, or was, new to a group."""
        return self._people.get((group, user_id))

    def stale(self, now_ms: int) -> list[tuple[Words, str]]:
        """Return what goes back without anybody having decided, and why: it is old, or there is no need for it now.

        While a room is read anew nobody is known to be in it, and nobody is gone.
        """
        found = []
        for one in self._words.values():
            if one.state is not WordsState.WAITS:
                continue
            if self._room_of(one.group) is not None and not self._is_in(one.group, one.user_id):
                found.append((one, "gone"))
            elif not self.left(one.group, one.user_id):
                found.append((one, "free"))
            elif one.at_ms <= now_ms - KEPT_MS:
                found.append((one, "late"))
        return found

    def hold(self, effect: Effect) -> Commit:
        """Keep what somebody sent for reading; return the row. Refused by the store, it comes again with its event."""
        assert isinstance(effect, HoldWords)
        words = Words(
            id=f"{effect.edits} {effect.source}".strip(),
            community=effect.community,
            group=effect.group,
            user_id=effect.user_id,
            at_ms=effect.at_ms,
        )
        self._put(words)
        row = words_row(self._homeserver, words, effect.sealed)
        return Commit(held_words=[row], undo=[lambda: self._forget(words.id)])

    def decide(self, effect: Effect) -> Commit:
        """A person decided about some words; return the rows."""
        assert isinstance(effect, DecideWords)
        rows, state = Commit(), WordsState.GOES if effect.posts else WordsState.RETURNS
        for words_id in effect.words:
            known = self._words.get(words_id)
            if known is not None:
                rows.add(self._move(replace(known, state=state)))
        return rows

    def drop(self, effect: Effect) -> Commit:
        """Somebody took back what they sent for reading; return the row. Refused by the store, it is still there."""
        assert isinstance(effect, DropWords)
        known = self._words.get(effect.words_id)
        if known is None or known.state is not WordsState.WAITS:
            return Commit()
        rows = self.done_with(known.id)
        rows.undo.append(lambda: self._put(known))
        return rows

    def showed(self, words_ids: Collection[str], user_id: str) -> Commit:
        """Somebody was shown some words, and may decide about them; return the rows."""
        rows = Commit()
        for words_id in words_ids:
            known = self._words.get(words_id)
            if known is not None:
                rows.add(self._move(replace(known, shown=known.shown | {user_id})))
        return rows

    def posted(self, words: Words) -> Commit:
        """Words were posted: they are gone, and count; return the rows."""
        person = self._people.get((words.group, words.user_id))
        rows = Commit()
        if words.id in self._words and person is not None:
            now = replace(person, posted=person.posted + 1)
            now = replace(now, known=now.known or now.posted >= self._firsts.get(now.group, 0))
            rows.add(self._keep(now))
        rows.add(self.done_with(words.id))
        if (room := self._room_of(words.group)) is not None:
            self.changed(room.room_id)
        return rows

    def done_with(self, words_id: str) -> Commit:
        """Let words go; return the row, which must be written down."""
        self._forget(words_id)
        return Commit(words_gone=[{"homeserver": self._homeserver, "id": words_id}])

    def carded(self, newcomer: Newcomer, cards: tuple[tuple[str, str], ...]) -> Commit:
        """Where the cards about somebody stand now; return the row."""
        return self._keep(replace(self._people.get(newcomer.key, newcomer), cards=cards))

    def _put(self, words: Words) -> None:
        self._words[words.id] = words
        self._sent |= dict.fromkeys(words.id.split(), words.id)

    def _forget(self, words_id: str) -> None:
        self._words.pop(words_id, None)
        for event_id in words_id.split():
            if self._sent.get(event_id) == words_id:
                del self._sent[event_id]

    def _move(self, words: Words) -> Commit:
        before = self._words[words.id]
        self._words[words.id] = words

        def undo() -> None:
            if self._words.get(words.id) is words:
                self._words[words.id] = before

        return Commit(held_words=[words_row(self._homeserver, words)], undo=[undo])

    def _keep(self, newcomer: Newcomer) -> Commit:
        self._people[newcomer.key] = newcomer
        return Commit(newcomers=[newcomer_row(self._homeserver, newcomer)])
