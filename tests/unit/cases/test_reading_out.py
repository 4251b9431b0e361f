"""What somebody in need wrote where a lead cannot read it is read to them on request, and taken back."""

from __future__ import annotations

from pathlib import Path

from appservice.cases.showing import SHOWN_MS
from appservice.flow import Done
from appservice.matrix import Rejected
from tests.unit.cases.test_showing import DM, ROOM, TOOK_BACK, Asked


async def test_what_somebody_in_need_wrote_to_the_helper_alone_is_read_to_who_answers_and_taken_back(
    tmp_path: Path,
) -> None:
    asked = Asked(tmp_path, track="concern")
    asked.private[ROOM] = {"msgtype": "m.text", "body": "I have nobody to talk to"}
    assert await asked.show() == Done(event_id="$sent-0", room_id=DM)
    assert "I have nobody to talk to" in asked.said
    assert "helper program alone" in asked.said
    assert asked.taken_back() == [(*TOOK_BACK, asked.clock.now + SHOWN_MS)]


async def test_what_was_written_to_the_helper_alone_is_read_out_also_where_more_was_written_in_a_room(
    tmp_path: Path,
) -> None:
    """The card names the case; a number among messages that stand elsewhere too would be a riddle."""
    asked = Asked(tmp_path, track="concern")
    for room_id in ("!alone", "!later", ROOM):
        asked.writes_in(room_id)
    asked.private = {"!alone": {"body": "please ring me"}, "!later": {"body": "I am in the car park"}}
    await asked.show()
    assert "I am in the car park" in asked.said, "the newest first: the card spoke of it"
    assert "number 1 of 2" in asked.said
    assert "S-0001/2" in asked.said


async def test_what_stands_in_a_room_is_linked_and_what_nobody_else_can_read_is_not(tmp_path: Path) -> None:
    asked = Asked(tmp_path, track="concern")
    asked.writes_in("!alone")
    asked.private["!alone"] = {"body": "please ring me"}
    await asked.show(2)
    ((_, content),) = asked.homeserver.sent.values()
    assert "%21r/%241" in content["formatted_body"]
    assert "%21alone" not in content["formatted_body"]


async def test_what_stands_in_a_room_that_the_lead_is_not_in_is_read_to_them(tmp_path: Path) -> None:
    """The helper told its author that those who look after the group can read it."""
    asked = Asked(tmp_path, track="concern")
    asked.elsewhere[ROOM] = {"body": "I can't go on"}
    await asked.show()
    assert "I can't go on" in asked.said
    assert "a room that you are not in, number 1 of 1" in asked.said
    assert asked.taken_back() == [(*TOOK_BACK, asked.clock.now + SHOWN_MS)]


async def test_what_is_gone_is_not_read_out(tmp_path: Path) -> None:
    asked = Asked(tmp_path, track="concern")
    asked.private[ROOM] = Rejected(404, "M_NOT_FOUND")
    await asked.show()
    assert "nothing was removed" in asked.said
    assert asked.taken_back() == []


async def test_a_case_of_conduct_reads_out_no_private_message(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    asked.private[ROOM] = {"msgtype": "m.text", "body": "I have nobody to talk to"}
    await asked.show()
    assert "nobody to talk to" not in asked.said
