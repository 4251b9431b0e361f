"""The cards of plans: where one may be shown, what it says, and that it says in the end what became of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from appservice.conversation import YES
from appservice.effects import Speaker
from appservice.flow import (
    Attempt,
    Done,
    Effect,
    Identity,
    Item,
    Place,
    Proposal,
    ProposePlan,
    Result,
    Track,
    transaction_id,
)
from appservice.matrix import Rejected
from appservice.service.plan_book import PlanBook

if TYPE_CHECKING:
    from appservice.service.core import Core

_HOUSE: Final = {Place.MODERATORS, Place.SAFEGUARDING, Place.OPS}


class PlanCards:
    """Says what plans say. A card names people: it is shown to those alone whose role may do what it says."""

    def __init__(self, core: Core, book: PlanBook, speaker: Speaker) -> None:
        self._core = core
        self._book = book
        self._speaker = speaker

    async def show(self, effect: ProposePlan, proposal: Proposal, attempt: Attempt) -> Result:
        """Show a card and offer what can be tapped on it; where it stands is written down before that."""

        async def say(room_id: str) -> Done:
            done = await self._speaker.say(room_id, effect, "plan.card", _items(proposal), attempt)
            assert done.event_id is not None
            now = self._book.by_id(proposal.id) or proposal
            card = (room_id, done.event_id)
            if card not in now.cards:
                await self._core.database.insist(self._book.keep(replace(now, cards=(*now.cards, card))))
            await self._offer(effect, card)
            return done

        if self._is_of_the_house(effect.room_id) and self._all_may_read(effect.room_id, proposal):
            return await say(effect.room_id)
        return await self._core.direct_rooms.tell(effect.by, effect.key, say)

    async def bring_up_to_date(self, effect: Effect, proposal: Proposal, attempt: Attempt) -> None:
        """Let the cards of a plan say what is so now: by edits, which call nobody."""
        for room_id, event_id in proposal.cards:
            shown = proposal
            if not self._all_may_read(room_id, proposal):
                shown = replace(proposal, lines=())  # somebody came in since: what became of it, and no names
            part = f"{proposal.state}/{event_id}"
            try:
                await self._speaker.say(
                    room_id, effect, "plan.card", _items(shown), attempt, replaces=event_id, part=part
                )
            except Rejected as error:
                if error.temporary:
                    raise  # else that room is closed, or gone

    async def answer(self, effect: ProposePlan, text: str, values: Mapping[str, str], attempt: Attempt) -> Result:
        """Say something instead of a plan, where it was asked; in private, where members would read it."""
        items = ({"person": effect.by, **values},)

        async def say(room_id: str) -> Done:
            return await self._speaker.say(room_id, effect, text, items, attempt)

        if self._is_of_the_house(effect.room_id):
            return await say(effect.room_id)
        return await self._core.direct_rooms.tell(effect.by, effect.key, say)

    async def _offer(self, effect: Effect, card: tuple[str, str]) -> None:
        room_id, event_id = card
        content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": event_id, "key": YES}}
        actor = self._speaker.actor(Identity.GUARDIAN)
        try:
            await self._core.client.send(room_id, "m.reaction", content, transaction_id(effect.key, "yes"), actor)
        except Rejected as error:
            if error.temporary:
                raise
            # It stands there already, or may not: the word on the card does the same.

    # -- who ---------------------------------------------------------------------------------------------------------

    def may(self, community: str, user_id: str, group: str) -> bool:
        """Whether this person may apply policies now: all of them, or what is about one group."""
        rules = self._core.projection.rules
        return rules is not None and rules.may_change(community, user_id, group)

    def hides(self, community: str, reader: str, people: Collection[str]) -> bool:
        """Whether a change is about its reader while a case about them is open: they are not to read it here (CARE, 4)."""
        return reader in people and self._has_case(community, reader)

    def _is_of_the_house(self, room_id: str) -> bool:
        room = self._core.projection.room(room_id)
        return room is not None and room.place in _HOUSE

    def _all_may_read(self, room_id: str, proposal: Proposal) -> bool:
        """Whether each who reads in a room may do what a card there says, and it is about none of them.

        Not whether a case about one of them is open: a card that stands elsewhere for that would tell of it (CARE, rule 4).
        """
        room = self._core.projection.room(room_id)
        if room is None or room.place not in _HOUSE:
            return True  # a private room
        readers = [
            user_id
            for user_id, membership in room.members.items()
            if user_id not in self._core.ghosts and membership in {"join", "invite"}
        ]
        return all(
            self.may(proposal.community, one, proposal.group)
            and proposal.about is not None
            and one not in proposal.about
            for one in readers
        )

    def _has_case(self, community: str, user_id: str) -> bool:
        book = self._core.casework.book
        return any((case := book.current(community, track, user_id)) is not None and case.open for track in Track)


def _items(proposal: Proposal) -> tuple[Item, ...]:
    first = {
        "plan": proposal.name,
        "plan_state": str(proposal.state),
        "person": proposal.by,
        "what_plan": proposal.what,
    }
    more = {"owner": proposal.taken_by, "why": proposal.why, "count": str(proposal.left) if proposal.left else ""}
    return (first | {name: value for name, value in more.items() if value}, *proposal.lines)
