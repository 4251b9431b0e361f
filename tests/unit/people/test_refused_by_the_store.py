"""What the store refused is not so in memory either: the homeserver gives the event again, and it is decided anew."""

from __future__ import annotations

import pytest

from appservice.flow import BeQuiet, Concerned, Lane, in_distress
from appservice.people import Concerns, Quiet
from appservice.store import Commit
from tests.support.house import SAM, ManualClock

LANE = Lane("x", "!dm")


def refused(commit: Commit) -> None:
    for undo in reversed(commit.undo):
        undo()


@pytest.mark.parametrize("wanted", [True, False])
def test_care_06_who_wants_quiet_and_who_wants_to_hear_us_again(wanted: bool) -> None:
    """Else a hello whose commit was refused would find nobody quiet, write nothing down, and be lost at a restart."""
    quiet = Quiet("x")
    quiet.note(BeQuiet(source="$1", rule="requests", lane=LANE, user_id=SAM, quiet=not wanted))
    refused(quiet.note(BeQuiet(source="$2", rule="requests", lane=LANE, user_id=SAM, quiet=wanted)))
    assert (SAM in quiet.people) is not wanted


def test_care_01_a_pause_goes_on_whose_end_was_not_written_down() -> None:
    clock = ManualClock()
    concerns = Concerns("x", clock)
    sign = Concerned(
        source="$1", rule="concern", lane=LANE, user_id=SAM, kind="suicide", severity=3, at_ms=clock.now_ms()
    )
    concerns.note(sign)
    ended = concerns.release(SAM, "$2", clock.now_ms())
    assert not in_distress(concerns.by_person[SAM], clock.now_ms())
    refused(ended)
    assert in_distress(concerns.by_person[SAM], clock.now_ms())
