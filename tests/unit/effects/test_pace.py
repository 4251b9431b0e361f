"""The pace: quiet things wait while the homeserver is busy, but never too long."""

from __future__ import annotations

import pytest

from appservice.effects import Pace, pace


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [1000.0]
    monkeypatch.setattr(pace, "monotonic", lambda: clock[0])
    return clock


def test_nothing_known_means_not_busy(now: list[float]) -> None:
    assert Pace().may_go(0)


def test_usual_writes_hold_nothing_back(now: list[float]) -> None:
    made = Pace()
    for _ in range(50):
        made.observe(45)
    assert made.may_go(0)


def test_writes_that_take_much_longer_than_usual_hold_quiet_things_back(now: list[float]) -> None:
    made = Pace()
    for _ in range(50):
        made.observe(45)
    for _ in range(3):
        made.observe(900)
    assert made.busy
    assert not made.may_go(0)
    assert not made.may_go(pace.HOLD_AT_MOST_S - 1)


def test_nothing_is_held_back_for_ever(now: list[float]) -> None:
    made = Pace()
    for _ in range(10):
        made.observe(900)
    assert made.may_go(pace.HOLD_AT_MOST_S)


def test_one_slow_write_among_quick_ones_is_no_sign(now: list[float]) -> None:
    made = Pace()
    for ms in (45, 45, 900, 45):
        made.observe(ms)
    assert not made.busy


def test_old_slow_writes_are_no_sign_any_more(now: list[float]) -> None:
    made = Pace()
    for _ in range(5):
        made.observe(900)
    assert made.busy
    now[0] += 4
    assert not made.busy


def test_being_busy_for_long_does_not_become_the_usual(now: list[float]) -> None:
    made = Pace()
    for _ in range(50):
        made.observe(45)
    for _ in range(500):
        made.observe(900)
    assert made.busy


def test_a_slow_homeserver_is_measured_by_its_own_usual(now: list[float]) -> None:
    made = Pace()
    for ms in range(50, 200, 2):
        made.observe(ms)
    for _ in range(60):
        made.observe(200)
    assert not made.busy
