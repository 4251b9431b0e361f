"""The clock of the ladder: what nobody took is passed on, and in the end its person and those who run the server know."""

from __future__ import annotations

from appservice.cases import Deadlines
from appservice.flow import Card, CardEdit, Effect, TouchCase, UrgentCard, UrgentMessage
from appservice.store import StoreRefused
from tests.unit.cases.test_book import MEMBER, Desk


class Ladder(Desk):
    """A desk whose clock runs; `enacted` is what followed."""

    def __init__(self) -> None:
        super().__init__()
        self.enacted: list[Effect] = []
        self.refuses = False
        self.deadlines = Deadlines("x", self.book, self.clock, self._enact)

    async def _enact(self, effects: list[Effect]) -> None:
        if self.refuses:
            raise StoreRefused("disk full")
        for effect in effects:
            if isinstance(effect, TouchCase):
                self.book.touch(effect)
        self.enacted += effects

    async def waits(self) -> list[Effect]:
        """Let the time of all cases pass; return what followed."""
        due = [case.deadline_ms for one in self.book.all_ids() if (case := self.book.by_id(one)) and case.deadline_ms]
        self.clock.now = max(due, default=self.clock.now)
        self.enacted = []
        await self.deadlines.turn()
        return self.enacted


async def test_a_lead_who_is_absent_is_followed_by_the_next_and_then_the_member_is_told() -> None:
    desk = Ladder()
    case = desk.happens(track="concern", severity=3, kind="suicide")
    first = await desk.waits()
    assert [type(one) for one in first] == [TouchCase, UrgentCard, CardEdit]
    last = await desk.waits()
    (told,) = (one for one in last if isinstance(one, UrgentMessage))
    assert (told.user_id, told.text) == (MEMBER, "care.nobody_yet")
    (ops,) = (one for one in last if type(one) is Card)
    assert (ops.place, ops.about, ops.items) == ("ops", "", ()), "no name, no word of it"
    assert await desk.waits() == [], "the ladder has an end"
    assert {one.source for one in (*first, *last)} == {f"timer/{case.id}/0", f"timer/{case.id}/1"}


async def test_what_somebody_has_is_not_passed_on() -> None:
    desk = Ladder()
    desk.does(desk.happens(track="concern", severity=4, kind="suicide"), "ack")
    desk.clock.now += 10**9
    assert await desk.waits() == []


async def test_conduct_that_waits_is_passed_on_and_its_author_is_not_told() -> None:
    desk = Ladder()
    desk.book.numbered(desk.happens())
    assert any(isinstance(one, UrgentCard) for one in await desk.waits())
    assert not any(isinstance(one, UrgentMessage) for one in await desk.waits())


async def test_what_could_not_be_told_yet_is_not_passed_on() -> None:
    """The homeserver may be away for a day: the clock of conduct starts with the card, and nothing ends unheard."""
    desk = Ladder()
    case = desk.happens()
    desk.clock.now += 10**9
    assert await desk.waits() == []
    case, _ = desk.book.numbered(case)
    assert case.open
    assert case.deadline_ms is not None
    assert case.deadline_ms > desk.clock.now


async def test_an_error_in_one_case_stops_neither_the_clock_nor_the_others() -> None:
    desk = Ladder()
    first = desk.happens("@one:x", track="concern", severity=3, kind="suicide")
    desk.happens("@two:x", track="concern", severity=3, kind="suicide")
    enact = desk._enact

    async def breaks(effects: list[Effect]) -> None:
        if first.id in effects[0].source:
            raise RuntimeError
        await enact(effects)

    desk.deadlines._enact = breaks  # type: ignore[method-assign]
    assert any(isinstance(one, UrgentCard) and one.about == "@two:x" for one in await desk.waits())


async def test_a_store_that_refuses_is_asked_again() -> None:
    desk = Ladder()
    desk.happens(track="concern", severity=3, kind="suicide")
    desk.refuses = True
    assert await desk.waits() == []
    desk.refuses = False
    assert await desk.waits()
