"""What stood around a removed message: as it is now, in its order, without contact details, and never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from appservice.cases import around as module
from appservice.matrix import HomeserverError, Rejected, Unreachable
from appservice.service.quoting import masking
from tests.support.house import GHOSTS
from tests.support.stub_homeserver import Call
from tests.unit.cases.test_book import MEMBER
from tests.unit.cases.test_showing import ROOM, Asked, demo_policy

JO, KIM = "@jo:x", "@kim:x"


def said(event_id: str, content: Any, sender: Any = JO, **more: Any) -> dict[str, Any]:
    content = {"msgtype": "m.text", "body": content} if isinstance(content, str) else content
    return {
        "event_id": event_id,
        "room_id": ROOM,
        "sender": sender,
        "type": "m.room.message",
        "content": content,
        **more,
    }


def gone(event_id: str, sender: str = JO) -> dict[str, Any]:
    return said(event_id, {}, sender, unsigned={"redacted_because": {"sender": GHOSTS.guardian}})


def edited(event_id: str, first: str, now: Any, sender: str = JO) -> dict[str, Any]:
    relation = {"rel_type": "m.replace", "event_id": event_id}
    content = {"msgtype": "m.text", "body": "* x", "m.new_content": now, "m.relates_to": relation}
    edit = said(f"{event_id}-edit", content, sender)
    return said(event_id, first, unsigned={"m.relations": {"m.replace": edit}})


class Room(Asked):
    """A lead asks, in a homeserver that knows what stands around. `before` and `after` are oldest first."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.removed({"msgtype": "m.text", "body": "Jo is on 07700 900123"})
        self.before: list[Any] = []
        self.after: list[Any] = []
        self.itself: Any = gone("$1", MEMBER)
        self.fails: Exception | None = None
        self.asked_for: list[Call] = []
        self.homeserver.script.first = self._answer

    async def _answer(self, call: Call) -> Any:
        if "/context/" not in call.path:
            return None
        self.asked_for.append(call)
        if self.fails is not None:
            raise self.fails
        return {"events_before": self.before[::-1], "event": self.itself, "events_after": self.after, "state": []}

    def stood(self) -> list[str]:
        """What was said to stand around, line by line."""
        lines = self.said.split("\n")
        start = next(n for n, line in enumerate(lines) if line.startswith("What stood around"))
        end = next(n for n, line in enumerate(lines) if line.startswith("I take this back"))
        return lines[start + 1 : end]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


async def test_what_stands_around_is_shown_oldest_first_with_who_wrote_it(room: Room) -> None:
    room.before = [said("$a", "Good morning"), gone("$b", KIM)]
    room.after = [said("$c", "What was that?", KIM), said("$d", {"msgtype": "m.emote", "body": "waves"})]
    await room.show()
    assert room.stood() == [
        *(f"{JO} wrote:", "Good morning"),
        f"One by {KIM} stood here too. It was removed.",
        "Here stood what you asked to see.",
        *(f"{KIM} wrote:", "What was that?"),
        *(f"{JO} wrote:", "waves"),
    ]
    assert room.said.index("Jo is on 07700 900123") < room.said.index("Good morning")
    (call,) = room.asked_for
    assert call.path == "/_matrix/client/v3/rooms/!r/context/$1"
    assert call.actor == GHOSTS.guardian
    assert orjson.loads((call.query or {})["filter"])["types"] == ["m.room.message"]


@pytest.mark.parametrize(
    ("before", "after", "expected"), [(30, 30, (5, 5)), (30, 2, (8, 2)), (1, 30, (1, 9)), (0, 3, (0, 3))]
)
async def test_at_most_ten_messages_the_nearest_ones(
    room: Room, before: int, after: int, expected: tuple[int, int]
) -> None:
    room.before = [said(f"$b{n}", f"before {before - n}") for n in range(before)]
    room.after = [said(f"$a{n}", f"after {n + 1}") for n in range(after)]
    await room.show()
    words = [line for line in room.stood() if line.startswith(("before", "after"))]
    assert words == [f"before {n}" for n in range(expected[0], 0, -1)] + [f"after {n + 1}" for n in range(expected[1])]


async def test_an_edited_message_shows_its_newest_words_once(room: Room) -> None:
    now = {"msgtype": "m.text", "body": "Tea at four"}
    relation = {"rel_type": "m.replace", "event_id": "$a"}
    edit = said(
        "$a-edit", {"msgtype": "m.text", "body": "* Tea at four", "m.new_content": now, "m.relates_to": relation}
    )
    room.before = [edited("$a", "Tea at three", now)]
    room.after = [edit, said("$b", "Lovely")]
    await room.show()
    assert room.said.count("Tea at") == 1
    assert "Tea at four" in room.said


async def test_somebody_elses_edit_changes_nothing(room: Room) -> None:
    room.before = [edited("$a", "Tea at three", {"msgtype": "m.text", "body": "Tea at four"}, KIM)]
    await room.show()
    assert "Tea at three" in room.said
    assert "Tea at four" not in room.said


async def test_edits_that_were_removed_are_no_messages_of_their_own(room: Room) -> None:
    room.shelf.edits = {"$edit"}
    room.after = [gone("$edit", MEMBER), said("$b", "Lovely")]
    await room.show()
    assert room.stood() == ["Here stood what you asked to see.", f"{JO} wrote:", "Lovely"]


async def test_where_only_an_edit_was_removed_the_message_stands_around_it(room: Room) -> None:
    room.shelf.rows.clear()
    room.removed(
        {
            "body": "* Tea?",
            "m.new_content": {"body": "Ring Jo: 07700 900123"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$0"},
        }
    )
    room.itself = said("$0", "Tea on Tuesday?", MEMBER)
    await room.show()
    assert room.asked_for[0].path.endswith("/context/$0")
    assert room.stood() == [f"{MEMBER} wrote:", "Tea on Tuesday?", "Here stood what you asked to see."]


async def test_a_message_that_was_kept_and_stands_is_not_told_twice(room: Room) -> None:
    room.itself = said("$1", "Jo is on 07700 900123", MEMBER)
    room.before = [said("$a", "Good morning")]
    await room.show()
    assert room.stood() == [f"{JO} wrote:", "Good morning", "Here stood what you asked to see."]


async def test_an_edit_of_what_stands_in_another_room_shows_nothing_of_that_room(room: Room) -> None:
    room.itself = said("$0", "private words", KIM) | {"room_id": "!elsewhere"}
    room.before = [said("$a", "Good morning")]
    await room.show()
    assert "private words" not in room.said
    assert "I could not read what stood around it." in room.said


async def test_neither_our_own_words_nor_what_is_no_text_of_a_person_is_shown(room: Room) -> None:
    room.before = [
        said("$a", "A message was removed", GHOSTS.guardian),
        said("$b", {"msgtype": "m.notice", "body": "beep"}),
        said("$c", {"msgtype": "m.image", "body": "holiday.jpg", "url": "mxc://x/y"}),
        said("$d", {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$a", "key": "👍"}})
        | {"type": "m.reaction"},
        said("$e", "a state", state_key=""),
    ]
    await room.show()
    assert "No other message stood around it." in room.said


@pytest.mark.parametrize(
    "hidden",
    [
        "07700 900456",
        "o77oo 9oo456",
        "oh double seven double oh nine hundred four five six",
        "kim@mail.example",
        "12 Mill Lane, Leeds LS1 4AB",
        "943 476 5919",
        "4111 1111 1111 1111",
        "20-00-00 account 12345678",
    ],
)
async def test_contact_details_of_others_are_hidden(room: Room, hidden: str) -> None:
    room.before = [said("$a", f"Kim is on {hidden} today")]
    room.after = [edited("$b", "Hello", {"msgtype": "m.text", "body": f"or {hidden}"})]
    await room.show()
    shown = "\n".join(room.stood())
    assert "Kim is on (…" in shown.replace("bank (…", "(…")
    for piece in (hidden, *hidden.split(" ")[-1:]):
        assert piece not in shown
    assert "07700 900123" in room.said, "what was asked for is shown whole"


async def test_helplines_and_what_the_policy_allows_stay(room: Room) -> None:
    room.before = [
        said("$a", "Samaritans are on 116 123, or jo@samaritans.org"),
        said("$b", "The office: info@hearth.example"),
    ]
    await room.show()
    shown = "\n".join(room.stood())
    for public in ("116 123", "jo@samaritans.org", "info@hearth.example"):
        assert public in shown
    masked = masking(demo_policy())
    assert masked({"body": "Ring the council: 08081 570123"}) == "Ring the council: 08081 570123", "no person's secret"


def test_a_number_that_begins_where_the_words_are_cut_is_hidden_too() -> None:
    masked = masking(demo_policy())
    for before in range(270, 320):
        shown = masked({"body": "x" * (before - 1) + " 07700 900456 and more" + " y" * 400})
        assert "07700" not in shown
        assert len(shown) < 330
        assert shown.endswith("…")


def test_many_numbers_in_one_message_are_all_hidden() -> None:
    masked = masking(demo_policy())
    shown = masked({"body": " ".join(f"07700 900{n:03}" for n in range(400))})
    assert "07700" not in shown
    assert "0 0 0 0 07700" not in masked({"body": "0 " * 3000 + "07700 900456"})


@pytest.mark.parametrize(
    "error",
    [
        Rejected(403, "M_FORBIDDEN"),
        Rejected(404, "M_NOT_FOUND"),
        Rejected(500, ""),
        Rejected(429, ""),
        Unreachable("x"),
    ],
)
async def test_what_was_removed_is_shown_where_its_surroundings_cannot_be_read(
    room: Room, error: HomeserverError
) -> None:
    room.fails = error
    await room.show()
    assert "Jo is on 07700 900123" in room.said
    assert "I could not read what stood around it." in room.said
    assert len(room.taken_back()) == 1


async def test_a_slow_homeserver_is_not_waited_for(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WITHIN_S", 0.01)

    async def slow(call: Call) -> Any:
        if "/context/" in call.path:
            await asyncio.Event().wait()
        return None

    room.homeserver.script.first = slow
    await room.show()
    assert "Jo is on 07700 900123" in room.said
    assert "I could not read what stood around it." in room.said


HOSTILE: list[Any] = [
    None,
    7,
    "x",
    [],
    {},
    {"event": None},
    said("$a", None),
    said("$a", []),
    said("$a", {"msgtype": ["m.text"], "body": "x"}),
    said("$a", {"msgtype": "m.text"}),
    said("$a", {"msgtype": "m.text", "body": {"x": 1}, "formatted_body": 7}),
    said("$a", {"msgtype": "m.text", "body": "x", "m.relates_to": {"rel_type": "m.replace", "event_id": ["$1"]}}),
    said("$a", "x", sender=["@jo:x"]),
    said("$a", "x", unsigned={"m.relations": {"m.replace": 7}}),
    said("$a", "x", unsigned={"m.relations": [1]}),
    said("$a", "x", unsigned=[]),
    said("$a", "\u202e\u200b\u2066"),
]


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_whatever_stands_around_does_no_harm(room: Room, hostile: Any) -> None:
    room.before = [said("$z", "Good morning"), hostile]
    room.after = [hostile, said("$y", "Good night")]
    await room.show()
    for words in ("Good morning", "Good night", "Jo is on 07700 900123"):
        assert words in room.said


@pytest.mark.parametrize("answer", [{}, {"event": gone("$1"), "events_before": 7, "events_after": {"a": 1}}])
async def test_whatever_the_homeserver_answers_what_was_removed_is_shown(room: Room, answer: Mapping[str, Any]) -> None:
    async def strange(call: Call) -> Any:
        return answer if "/context/" in call.path else None

    room.homeserver.script.first = strange
    await room.show()
    assert "Jo is on 07700 900123" in room.said


async def test_markup_and_signs_that_turn_text_round_are_only_words(room: Room) -> None:
    html = {"format": "org.matrix.custom.html", "formatted_body": "<h1>Boo</h1><a href='https://bad.example'>here</a>"}
    room.before = [
        said("$a", "</blockquote><h1>I take\u202e this back\u2066</h1> **x** {person} [a](link:about)"),
        said("$b", {"msgtype": "m.text"} | html),
        said("$c", "@room look", sender="@<b>:x"),
    ]
    await room.show()
    ((_, content),) = room.homeserver.sent.values()
    assert "</blockquote><h1>I take this back</h1> **x** {person} [a](link:about)" in content["body"]
    assert "Boo here" in content["body"]
    for tag in ("<h1", "bad.example", "<b>", "\u202e"):
        assert tag not in content["formatted_body"]
    assert content["m.mentions"]["user_ids"] == ["@lead:x"]


@pytest.mark.parametrize("sign", ["x", "\U0001f642", '"', "\\", "<", "&", "\n", "é"])
async def test_the_largest_surroundings_fit_into_an_event(room: Room, sign: str) -> None:
    room.shelf.rows.clear()
    room.removed({"body": sign * 50_000 + "x"})
    room.before = [said(f"$b{n}", "x" + sign * 60_000, "@" + "j" * 250 + ":x") for n in range(30)]
    room.after = room.before
    await room.show()
    ((_, content),) = room.homeserver.sent.values()
    assert len(orjson.dumps(content)) < 60_000


async def test_no_word_of_what_stood_around_is_in_what_we_write_down(
    room: Room, capsys: pytest.CaptureFixture[str]
) -> None:
    room.before = [said("$a", "a word of Kim")]
    await room.show()
    room.fails = Rejected(403, "a word of Kim")
    await room.show(attempt=1)
    assert "a word of Kim" in room.said
    assert "a word of Kim" not in str([one.record() for one in (*room.enacted, room.effect())])
    printed = capsys.readouterr()
    assert "a word of Kim" not in printed.out + printed.err
