"""What was removed is shown to one person, privately, once, and for ten minutes, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from appservice.cases import Around, ShowEvidenceExecutor, Showing
from appservice.cases.around import fitting
from appservice.cases.showing import SHOWN_MS
from appservice.conversation import Catalogue
from appservice.effects import KEY_FIELD, Speaker
from appservice.flow import (
    LATE_AFTER_MS,
    Attempt,
    Case,
    CaseEvent,
    Done,
    Effect,
    Identity,
    Lane,
    OpenCase,
    Refused,
    ShowEvidence,
    Withdraw,
)
from appservice.matrix import Actor, Unreachable
from appservice.service.quoting import masking, whole
from appservice.store import StoreRefused
from appservice.vault import AgeVault
from policies.load import load_policy
from policies.schema import Policy
from tests.support.house import GHOSTS
from tests.support.paths import POLICIES
from tests.support.stub_homeserver import Call, ScriptedHomeserver
from tests.unit.cases.test_book import LEAD, MEMBER, MODERATOR, Desk

GUARDIAN = Actor(GHOSTS.guardian, "D")
ROOM, DM = "!r", "!dm"
TOOK_BACK = ("$sent-0", DM)


def demo_policy() -> Policy:
    policy = load_policy((POLICIES / "hearth-demo.yaml").read_bytes(), "p").policy
    assert policy is not None
    return policy


class Shelf:
    """The sealed messages of a case, and the direct rooms of people."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, bytes]] = []
        self.how = "reached"
        self.edits: set[str] = set()

    async def evidence_of(self, case_id: str, item: int) -> tuple[int, str, bytes | None]:
        if item > len(self.rows):
            return len(self.rows), "", None
        return len(self.rows), *self.rows[item - 1]

    async def removed_edits(self, event_ids: Sequence[str]) -> set[str]:
        return self.edits.intersection(event_ids)

    def reach(self, user_id: str) -> tuple[str, str] | None:
        return DM, self.how

    async def tell(self, user_id: str, key: str, say: Callable[[str], Awaitable[Done]]) -> Done | Refused:
        return await say(DM) if self.how in {"reached", "invited"} else Refused("not_reached")


class Asked(Desk):
    """A lead asks to see what was removed; `dies` lets us end between showing and noting that it must be taken back."""

    def __init__(self, folder: Path, *, track: str = "conduct") -> None:
        super().__init__()
        self.case: Case = self.happens(track=track)
        self.case, _ = self.book.numbered(self.case)
        self.homeserver = ScriptedHomeserver()
        self.vault: AgeVault | None = AgeVault(folder / "key", AgeVault.make_key(folder / "key"))
        self.shelf = Shelf()
        self.enacted: list[Effect] = []
        self.dies: Exception | None = None
        #: what stands where nobody but its author and we can read
        self.private: dict[str, dict[str, Any] | Exception] = {}
        #: what stands in a room that the lead is not in
        self.elsewhere: dict[str, dict[str, Any] | Exception] = {}
        wording = Catalogue(lambda _room: "Lounge", "x", "Monday from 9 to 5")
        showing = Showing(
            book=self.book,
            questions=self.shelf,  # type: ignore[arg-type]
            vault=lambda: self.vault,
            rooms=self.shelf,  # type: ignore[arg-type]
            speaker=Speaker(self.homeserver, {Identity.GUARDIAN: GUARDIAN}, wording),
            clock=self.clock,
            whole=whole,
            around=Around(
                self.homeserver, GUARDIAN, GHOSTS.__contains__, self.shelf.removed_edits, masking(demo_policy())
            ),
            is_private=lambda room_id: room_id in self.private,
            is_hidden=lambda room_id, _user: room_id in self.private or room_id in self.elsewhere,
            standing=self._standing,
        )
        self.executor = ShowEvidenceExecutor(showing, self._enact)
        self.asked_ms = self.clock.now

    async def _standing(self, event: CaseEvent) -> Any:
        found = (self.private | self.elsewhere)[event.room_id]
        if isinstance(found, Exception):
            raise found
        return found

    async def _enact(self, effects: list[Effect]) -> None:
        if self.dies is not None:
            raise self.dies
        self.enacted += effects

    def writes_in(self, room_id: str) -> None:
        """Let the person of the case write once more."""
        rows = self.book.open(
            OpenCase(
                source=f"$in-{room_id}",
                rule="test",
                lane=Lane("x", room_id),
                community="c",
                track=self.case.track,
                kind="suicide",
                severity=3,
                about=MEMBER,
                room_id=room_id,
                event_id=f"$in-{room_id}",
            )
        )
        assert rows.cases

    def removed(self, content: Any, event_id: str = "$1") -> None:
        assert self.vault is not None
        plain = {"event_id": event_id, "room_id": ROOM, "sender": MEMBER, "content": content}
        self.shelf.rows.append((event_id, self.vault.seal(orjson.dumps(plain))))

    def effect(self, item: int = 1) -> ShowEvidence:
        return ShowEvidence(
            source="$asked",
            rule="case_words",
            lane=Lane("x", "!leads"),
            case=self.case.id,
            item=item,
            user_id=LEAD,
            at_ms=self.asked_ms,
        )

    async def show(self, item: int = 1, attempt: int = 1) -> Any:
        return await self.executor.execute(self.effect(item), Attempt(attempt))

    @property
    def said(self) -> str:
        """All that we said, in its only message."""
        ((_, content),) = self.homeserver.sent.values()
        return str(content["body"])

    def stands(self) -> None:
        """From now on the homeserver finds what was sent before."""

        async def answer(call: Call) -> Any:
            if not call.path.endswith("/messages"):
                return None
            return {
                "chunk": [
                    {"event_id": event_id, "sender": GHOSTS.guardian, "type": "m.room.message", "content": content}
                    for event_id, content in self.homeserver.sent.values()
                ]
            }

        self.homeserver.script.first = answer

    def taken_back(self) -> list[tuple[str, str, int]]:
        assert all(isinstance(one, Withdraw) for one in self.enacted)
        return [(one.event_id, one.room_id, one.not_before_ms) for one in self.enacted if isinstance(one, Withdraw)]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    asked = Asked(tmp_path)
    asked.removed({"msgtype": "m.text", "body": "Jo is on 07700 900123"})
    return asked


async def test_what_was_removed_is_shown_whole_and_taken_back_after_ten_minutes(asked: Asked) -> None:
    assert isinstance(await asked.show(), Done)
    assert "Jo is on 07700 900123" in asked.said
    assert "07700" not in str([one.record() for one in asked.enacted])
    assert asked.taken_back() == [(*TOOK_BACK, asked.clock.now + SHOWN_MS)]


async def test_who_may_not_see_it_any_more_is_shown_nothing(asked: Asked) -> None:
    asked.people.duties |= {"safeguard": (), "moderate": ()}
    assert await asked.show() == Refused("not_theirs")
    asked.people.duties |= {"safeguard": (LEAD, MODERATOR)}
    asked.shelf.how = "blocked"
    assert await asked.show() == Refused("not_reached")
    assert asked.homeserver.sent == {}


# -- killed in between -------------------------------------------------------------------------------------------------


async def test_what_was_shown_by_a_life_that_ended_before_it_saw_to_taking_it_back_is_taken_back(asked: Asked) -> None:
    asked.dies = StoreRefused("disk full")
    with pytest.raises(StoreRefused):
        await asked.show()
    asked.dies = None
    asked.stands()
    asked.clock.now += 90_000
    assert await asked.show(attempt=2) == Done(event_id="$sent-0", room_id=DM, already=True)
    assert len(asked.homeserver.sent) == 1
    assert asked.taken_back() == [(*TOOK_BACK, asked.asked_ms + SHOWN_MS)], "ten minutes from when it was asked for"


@pytest.mark.parametrize("meanwhile", ["no duty any more", "blocked", "key lost", "long ago", "sealed away"])
async def test_it_is_taken_back_whatever_became_of_who_asked(asked: Asked, meanwhile: str) -> None:
    asked.dies = StoreRefused("disk full")
    with pytest.raises(StoreRefused):
        await asked.show()
    asked.dies = None
    asked.stands()
    if meanwhile == "no duty any more":
        asked.people.duties |= {"safeguard": (), "moderate": ()}
    elif meanwhile == "blocked":
        asked.shelf.how = "blocked"
    elif meanwhile == "key lost":
        asked.vault = None
    elif meanwhile == "long ago":
        asked.clock.now += 3 * LATE_AFTER_MS
    else:
        asked.shelf.rows.clear()
    await asked.show(attempt=2)
    assert [one[:2] for one in asked.taken_back()] == [TOOK_BACK]


async def test_what_the_homeserver_took_without_our_seeing_it_is_taken_back_too(asked: Asked) -> None:
    """It is not found yet, and the same transaction id gives back the first words: whatever we mean to say now."""
    asked.dies = StoreRefused("disk full")
    with pytest.raises(StoreRefused):
        await asked.show()
    asked.dies, asked.vault = None, None
    await asked.show(attempt=2)
    assert [one[:2] for one in asked.taken_back()] == [TOOK_BACK]


async def test_a_show_that_was_held_up_shows_nothing_and_says_so(asked: Asked) -> None:
    asked.clock.now += LATE_AFTER_MS + 1
    await asked.show(attempt=7)
    assert "H-0001" in asked.said
    assert "once more" in asked.said
    assert "07700" not in asked.said


async def test_a_homeserver_that_does_not_answer_is_asked_again(asked: Asked) -> None:
    async def away(_call: Call) -> Any:
        raise Unreachable("refused")

    asked.homeserver.script.first = away
    with pytest.raises(Unreachable):
        await asked.show()
    assert asked.enacted == []


# -- several, none, and what cannot be opened --------------------------------------------------------------------------


async def test_several_removed_messages_are_shown_one_at_a_time(asked: Asked) -> None:
    asked.removed({"msgtype": "m.text", "body": "and Kim on 07700 900124"}, "$2")
    await asked.show(2)
    assert "number 2 of 2" in asked.said
    assert "900124" in asked.said
    assert "/3" not in asked.said, "there is no next one"


async def test_the_next_one_is_named(asked: Asked) -> None:
    asked.removed({"body": "second"}, "$2")
    asked.removed({"body": "third"}, "$3")
    await asked.show(2)
    assert "show H-0001/3" in asked.said


async def test_a_number_beyond_what_is_kept_is_said_to_be_none(asked: Asked) -> None:
    await asked.show(9)
    assert "1 message for H-0001" in asked.said
    assert "no number 9" in asked.said
    assert "nothing" not in asked.said
    assert asked.enacted == []


async def test_where_no_copy_could_be_kept_nobody_claims_that_nothing_was_removed(asked: Asked) -> None:
    asked.shelf.rows.clear()
    await asked.show()
    assert "no copy to show for H-0001" in asked.said


async def test_a_case_of_concern_points_to_the_message_in_its_room(tmp_path: Path) -> None:
    asked = Asked(tmp_path, track="concern")
    await asked.show()
    assert "nothing was removed" in asked.said
    assert "in its room" in asked.said
    ((_, content),) = asked.homeserver.sent.values()
    assert "https://matrix.to/#/%21r/%241" in content["formatted_body"]


@pytest.mark.parametrize(
    "sealed", [b"", b"\x00" * 500, b"age-encryption.org/v1\n-> X25519 x\n", "other", "list", "text"]
)
async def test_what_cannot_be_opened_is_said_kindly(asked: Asked, tmp_path: Path, sealed: bytes | str) -> None:
    assert asked.vault is not None
    if sealed == "other":
        (tmp_path / "key").unlink()
        AgeVault.make_key(tmp_path / "key")
    elif isinstance(sealed, str):
        asked.shelf.rows[0] = ("$1", asked.vault.seal(b"[1]" if sealed == "list" else b"words"))
    else:
        asked.shelf.rows[0] = ("$1", sealed)
    assert isinstance(await asked.show(), Done)
    assert "I cannot open it" in asked.said
    assert asked.enacted == []


@pytest.mark.parametrize(
    "content", [None, [], {}, {"body": 7}, {"body": {"a": 1}, "m.new_content": "x"}, {"m.relates_to": 1}]
)
async def test_a_removed_message_without_words_is_shown_as_such(asked: Asked, content: Any) -> None:
    asked.shelf.rows.clear()
    asked.removed(content)
    assert isinstance(await asked.show(), Done)
    assert "number 1 of 1" in asked.said


# -- all that could be read --------------------------------------------------------------------------------------------


async def test_what_only_the_html_or_only_an_edit_said_is_shown(asked: Asked) -> None:
    asked.shelf.rows.clear()
    asked.removed(
        {
            "body": "* Hello",
            "format": "org.matrix.custom.html",
            "formatted_body": "<b>Jo is on</b> 07700\u202e 900123 <script>&lt;b&gt;</script>",
            "m.new_content": {"msgtype": "m.text", "body": "Good **morning**"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$0"},
        }
    )
    await asked.show()
    for words in ("Good **morning**", "Hello", "Jo is on 07700 900123 <b>"):
        assert words in asked.said
    ((_, content),) = asked.homeserver.sent.values()
    assert "<script>" not in content["formatted_body"]
    assert "&lt;b&gt;" in content["formatted_body"]
    assert content["m.mentions"] == {"user_ids": [LEAD]}


def test_markup_that_says_the_same_is_not_said_again() -> None:
    same = {"body": "**Hello** Jo", "format": "org.matrix.custom.html", "formatted_body": "<strong>Hello</strong> Jo"}
    assert whole(same) == "**Hello** Jo"
    assert whole({"body": "🙂"}) == "🙂"


@pytest.mark.parametrize("sign", ["x", "\U0001f642", '"', "\\", "<", "\n", "é"])
async def test_the_largest_message_fits_into_an_event(asked: Asked, sign: str) -> None:
    asked.shelf.rows.clear()
    asked.removed({"body": sign * 50_000 + "x"})
    await asked.show()
    ((_, content),) = asked.homeserver.sent.values()
    assert len(orjson.dumps(content)) < 48 * 1024
    assert "longer than what I show" in asked.said
    assert content[KEY_FIELD] == asked.effect().key


def test_what_fits_is_not_cut() -> None:
    assert fitting("hello", 6000, 30_000) == "hello"
    assert fitting("", 6000, 1) == ""
