"""What newcomers send for reading is shown to those who may, posted once, or given back, whatever dies on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from appservice.flow import (
    LATE_AFTER_MS,
    Attempt,
    Audience,
    DecideWords,
    Done,
    Effect,
    HoldWords,
    Item,
    Lane,
    NewcomerCard,
    Postponed,
    PostWords,
    Refused,
    Result,
    ReturnWords,
    ShowWords,
    Withdraw,
)
from appservice.intake import Projection
from appservice.matrix import Rejected, parse_event
from appservice.membership.newcomers import KEPT_MS
from appservice.service.reading import Reading
from appservice.store import Database
from tests.support.house import GHOSTS, GROUP, ROSA, SAM, SERVER, ManualClock, fresh_store, member, state_of
from tests.unit.membership.test_newcomers import LOUNGE, Sealed, community

MODERATORS, SAFEGUARDING = "!moderators", "!safeguarding"
KIT, AMINA = f"@kit:{SERVER}", f"@amina:{SERVER}"
FIRST = Attempt(1)


class Speaker:
    """Says things in rooms, each once by its transaction, as the homeserver would have it."""

    def __init__(self) -> None:
        self.said: dict[tuple[str, str], tuple[str, str, tuple[Item, ...], str | None]] = {}
        self.refuses = ""

    def actor(self, _identity: Any) -> None:
        return None

    async def say(
        self,
        room_id: str,
        effect: Effect,
        text: str,
        items: tuple[Item, ...],
        attempt: Attempt,
        *,
        replaces: str | None = None,
        part: str = "",
    ) -> Done:
        if room_id == self.refuses:
            raise Rejected(403, "M_FORBIDDEN")
        self.said.setdefault((effect.key, part), (room_id, text, items, replaces))
        return Done(event_id=f"${list(self.said).index((effect.key, part))}", room_id=room_id)

    async def find(self, room_id: str, mark: str, _actor: None) -> str | None:
        found = (n for n, ((key, _), said) in enumerate(self.said.items()) if (key, said[0]) == (mark, room_id))
        return next((f"${n}" for n in found), None)

    def texts(self, room_id: str) -> list[str]:
        return [text for room, text, _, _ in self.said.values() if room == room_id]

    def words(self, room_id: str) -> list[str]:
        found = [items for room, _, items, _ in self.said.values() if room == room_id]
        return [item["words"] for items in found for item in items if item.get("words")]


class World:
    """A service with one newcomer, Sam; Rosa moderates his group, Kit another, Amina answers for safeguarding."""

    def __init__(self, database: Database) -> None:
        self.clock = ManualClock()
        self.database = database
        self.projection = Projection(SERVER, GHOSTS)
        self.projection.rules = self  # type: ignore[assignment]
        self.speaker = Speaker()
        self.enacted: list[Effect] = []
        self.cases: set[str] = set()
        self.sits: set[str] = set()
        self.vault: Any = Sealed()
        lanes = SimpleNamespace(enact=self._enact, text_purged=lambda: None)
        rooms = SimpleNamespace(tell=self._tell, reachable=self._reachable, reach=self._reach, community="hearth")
        casework = SimpleNamespace(the_vault=lambda: self.vault, book=self)
        self.core: Any = SimpleNamespace(
            config=SimpleNamespace(homeserver=SimpleNamespace(name=SERVER)),
            ghosts=GHOSTS,
            projection=self.projection,
            casework=casework,
            database=database,
            direct_rooms=rooms,
            lanes=lanes,
            client=SimpleNamespace(send=self._send),
        )
        self.reading = Reading(self.core, self.clock, self.speaker)  # type: ignore[arg-type]
        self.reading.book.follow(community(2))
        for room_id, key in ((GROUP, LOUNGE), (MODERATORS, "moderators"), (SAFEGUARDING, "safeguarding")):
            state = state_of(room_id, key, {GHOSTS.guardian: "join"})
            self.projection.replace(room_id, [parse_event(one, room_id) for one in state])
        self.comes(SAM)
        self.n = 0

    # what the house knows

    def can(self, _community: str, user_id: str, duty: str) -> bool:
        return user_id in {"moderate": {ROSA, KIT, AMINA, SAM}, "safeguard": {AMINA}}[duty]

    def admits(self, _community: str, group: str, user_id: str) -> bool:
        return group != LOUNGE or user_id != KIT

    def current(self, _community: str, _track: str, about: str) -> Any:
        return SimpleNamespace(open=True) if about in self.cases else None

    def instead(self, audience: Audience, _community: str, about: str) -> Audience:
        return Audience.SAFEGUARDING if about in self.sits else audience

    def others(self, _community: str, _about: str) -> Collection[str]:
        return (AMINA,)

    async def _tell(self, user_id: str, _key: str, say: Any) -> Any:
        return await say(f"!of {user_id}")

    async def _reachable(self, user_id: str, _key: str) -> tuple[str, str]:
        return f"!of {user_id}", "reached"

    def _reach(self, user_id: str) -> tuple[str, str]:
        return f"!of {user_id}", "reached"

    async def _send(self, *_: Any) -> str:
        return "$reaction"

    async def _enact(self, effects: list[Effect]) -> None:
        self.enacted += effects
        for one in effects:
            if (recorder := self.reading.recorders.get(one.type)) is not None:
                await self.database.commit(recorder(one))

    # what happens

    def comes(self, who: str, membership: str = "join") -> None:
        self.projection.apply(parse_event(member(f"${who}{membership}", who, membership), GROUP))

    async def sends(self, words: str = "Hello all.") -> str:
        self.n += 1
        sealed = self.reading.book.seal(words)
        assert sealed is not None
        effect = HoldWords(**self.of(f"$w{self.n}"), sealed=sealed, at_ms=self.clock.now)
        await self.database.commit(self.reading.book.hold(effect))
        return effect.source

    def of(self, source: str) -> dict[str, Any]:
        lane = Lane(SERVER, GROUP)
        return {"source": source, "rule": "test", "lane": lane, "community": "hearth", "group": LOUNGE, "user_id": SAM}

    async def does(self, effect: Effect, attempt: Attempt = FIRST) -> Result:
        executors = {**self.reading.executors, "return_words": self.reading.returning(Says(self.speaker))}
        return await executors[effect.type].execute(effect, attempt)

    async def shows(self, to: str, *words: str, source: str = "$show") -> Result:
        return await self.does(ShowWords(**self.of(source), words=words, to=to, at_ms=self.clock.now))

    async def stored(self) -> int:
        return len(await self.database.run(lambda one: list(one.exec_driver_sql("select id from held_words"))))

    @property
    def left(self) -> int:
        return self.reading.book.left(LOUNGE, SAM)


class Says:
    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, ReturnWords)
        return await self.speaker.say(f"!of {effect.user_id}", effect, effect.text, effect.items, attempt)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    database = Database(fresh_store(folder), "normal")
    await database.open()
    try:
        yield World(database)
    finally:
        await database.close()


async def test_who_may_read_it_is_shown_it_for_ten_minutes_and_may_decide_from_then_on(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        words = await here.sends("I look after my dad.")
        await here.shows(ROSA, words)
        assert here.speaker.words(f"!of {ROSA}") == ["I look after my dad."]
        [withdraw] = here.enacted
        assert isinstance(withdraw, Withdraw)
        assert withdraw.not_before_ms == here.clock.now + 600_000
        known = here.reading.book.words(words)
        assert known is not None
        assert known.shown == {ROSA}


async def test_killed_between_showing_words_and_what_takes_them_back_they_are_taken_back_all_the_same(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        words, asked = await here.sends("I look after my dad."), here.clock.now
        show = ShowWords(**here.of("$show"), words=(words,), to=ROSA, at_ms=asked)
        item = {"person": ROSA, "words": "I look after my dad."}
        await here.speaker.say(f"!of {ROSA}", show, "first.shown", (item,), FIRST)
        here.clock.now += LATE_AFTER_MS + 1
        here.cases.add(ROSA)
        assert await here.does(show, Attempt(2)) == Done(event_id="$0", room_id=f"!of {ROSA}", already=True)
        [withdraw] = here.enacted
        assert isinstance(withdraw, Withdraw)
        assert (withdraw.event_id, withdraw.not_before_ms) == ("$0", asked + 600_000)
        known = here.reading.book.words(words)
        assert known is not None
        assert not known.shown, "nobody decides by what they may not have read"


async def test_care_04_nobody_is_shown_it_who_does_not_look_after_that_group_or_has_a_case_or_wrote_it(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        words = await here.sends()
        here.cases.add(ROSA)
        for who in (SAM, KIT, ROSA, f"@dan:{SERVER}"):
            assert await here.shows(who, words, source=f"$show{who}") == Refused("not_theirs")
        assert await here.shows(AMINA, words) != Refused("not_theirs")
        assert here.speaker.texts(f"!of {AMINA}") == ["first.shown"]


async def test_what_was_asked_for_long_ago_is_not_shown(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        words = await here.sends()
        effect = ShowWords(**here.of("$show"), words=(words,), to=ROSA, at_ms=here.clock.now)
        here.clock.now += LATE_AFTER_MS + 1
        assert await here.does(effect) == Refused("late")


async def test_where_the_key_is_missing_who_asks_is_told_so_and_decides_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        words = await here.sends()
        here.vault = None
        await here.shows(ROSA, words)
        assert here.speaker.texts(f"!of {ROSA}") == ["case.vault_closed"]
        known = here.reading.book.words(words)
        assert known is not None
        assert (known.shown, here.enacted) == (frozenset(), [])


async def test_what_is_posted_stands_once_counts_once_and_is_gone_from_the_store(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        words = await here.sends("I look after my dad.")
        post = PostWords(**here.of("$yes"), words_id=words)
        for attempt in (1, 2):  # killed before it was settled
            await here.does(post, Attempt(attempt))
        assert here.speaker.texts(GROUP) == ["first.message"]
        assert (here.speaker.words(GROUP), here.left, await here.stored()) == (["I look after my dad."], 1, 0)


async def test_killed_between_the_message_and_its_row_it_is_posted_once_all_the_same(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        words = await here.sends()
        post = PostWords(**here.of("$yes"), words_id=words)
        await here.speaker.say(GROUP, post, "first.message", ({"words": "Hello all."},), FIRST)
        await here.does(post, Attempt(2))
        assert (here.speaker.texts(GROUP), here.left) == (["first.message"], 1)


async def test_what_cannot_be_posted_goes_back_with_the_reason(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        first, second, third = [await here.sends(f"Number {n}.") for n in (1, 2, 3)]
        here.speaker.refuses = GROUP
        assert await here.does(PostWords(**here.of("$yes"), words_id=first)) == Refused("not_posted")
        here.vault = None
        assert await here.does(PostWords(**here.of("$yes"), words_id=second)) == Refused("not_posted")
        here.vault = Sealed()
        here.comes(SAM, "leave")
        assert await here.does(PostWords(**here.of("$yes"), words_id=third)) == Refused("not_posted")
        back = [one for one in here.enacted if isinstance(one, ReturnWords)]
        assert [one.items[0]["why_back"] for one in back] == ["failed", "failed", "gone"]
        for one in back:
            await here.does(one)
        assert here.speaker.words(f"!of {SAM}") == ["Number 1.", "Number 2.", "Number 3."]
        assert (here.speaker.texts(GROUP), await here.stored()) == ([], 0)


async def test_what_somebody_let_pass_waits_while_the_room_is_read_anew_and_is_posted_then(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        post = PostWords(**here.of("$yes"), words_id=await here.sends("Hello all."))
        here.projection.forget(GROUP)
        await here.reading.turn()
        assert isinstance(await here.does(post), Postponed)
        state = state_of(GROUP, LOUNGE, {GHOSTS.guardian: "join", SAM: "join"})
        here.projection.replace(GROUP, [parse_event(one, GROUP) for one in state])
        await here.does(post, Attempt(2))
        assert (here.speaker.words(GROUP), here.enacted) == (["Hello all."], [])


async def test_what_somebody_decided_about_while_others_words_went_back_is_not_given_back_too(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        _, second = await here.sends("Number 1."), await here.sends("Number 2.")
        here.clock.now += KEPT_MS
        enact = here.core.lanes.enact

        async def meanwhile(effects: list[Effect]) -> None:
            here.core.lanes.enact = enact
            await enact([DecideWords(**here.of("$yes"), words=(second,), posts=True, by=ROSA)])
            await enact(effects)

        here.core.lanes.enact = meanwhile
        await here.reading.turn()
        back = [one.items[0]["id"] for one in here.enacted if isinstance(one, ReturnWords)]
        assert back == ["$w1"]


async def test_after_seven_days_words_that_nobody_read_go_back_and_their_author_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        words = await here.sends()
        await here.reading.turn()
        assert here.enacted == []
        here.clock.now += KEPT_MS
        await here.reading.turn()
        await here.reading.turn()
        decided, back, card = here.enacted
        assert isinstance(decided, DecideWords)
        assert (decided.words, decided.posts, decided.by) == ((words,), False, "")
        assert isinstance(back, ReturnWords)
        assert (back.items[0]["why_back"], back.user_id) == ("late", SAM)
        assert isinstance(card, NewcomerCard)


async def test_words_that_cannot_be_given_back_are_not_kept_for_ever(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.sends()
        here.clock.now += KEPT_MS
        await here.reading.turn()
        [back] = [one for one in here.enacted if isinstance(one, ReturnWords)]
        here.speaker.refuses = f"!of {SAM}"
        assert await here.does(back) == Refused("M_FORBIDDEN")
        assert (await here.stored(), here.reading.book.open_of(SAM)) == (0, 0)


async def test_one_card_says_how_much_waits_without_the_words_and_then_that_nothing_does(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        words = [await here.sends("In confidence.")]
        await here.does(NewcomerCard(**here.of("$1")))
        words.append(await here.sends("More of it."))
        await here.does(NewcomerCard(**here.of("$2")))
        for one in words:
            await here.does(PostWords(**here.of("$yes"), words_id=one))
        await here.does(NewcomerCard(**here.of("$3")))
        cards = [(items[0], replaces) for room, _, items, replaces in here.speaker.said.values() if room == MODERATORS]
        assert [(one["count"], one["state"], replaces) for one, replaces in cards] == [
            ("1", "open", None),
            ("2", "open", "$0"),
            ("1", "closed", "$0"),
        ]
        assert "confidence" not in str(cards)
        person = here.reading.book.person(LOUNGE, SAM)
        assert person is not None
        assert person.cards == ()


async def test_care_04_a_card_never_stands_where_its_person_sits(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.sits.add(SAM)
        await here.sends()
        await here.does(NewcomerCard(**here.of("$1")))
        assert (here.speaker.texts(MODERATORS), here.speaker.texts(SAFEGUARDING)) == ([], ["first.card"])
        here.projection.apply(parse_event(member("$late", SAM, "join", SAFEGUARDING), SAFEGUARDING))
        await here.sends()
        await here.does(NewcomerCard(**here.of("$2")))
        assert here.speaker.texts(SAFEGUARDING) == ["first.card"], "they came in since: nothing more is said there"
