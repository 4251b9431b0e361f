"""A policy in force says who is called: its ladders, its hours and its people reach the book of cases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from appservice.cases import CaseBook
from appservice.flow import Lane, OpenCase
from appservice.membership import Standing
from appservice.service.casework import Casework
from policies.compile import compile_community
from policies.files import EXAMPLES
from policies.load import load_people, load_policy
from tests.support.house import ManualClock

SERVER = "chat.leedscarers.example"
LEAD, DEPUTY, LISTENER = (f"@{one}:{SERVER}" for one in ("copper-lark", "quiet-fern", "amber-kite"))
POLICY = (EXAMPLES / "leeds-carers.yaml").read_text(encoding="utf-8")
PEOPLE = (EXAMPLES / "leeds-carers.people.yaml").read_text(encoding="utf-8")
#: A Friday at ten in the evening: nobody is there.
NIGHT = 1_795_816_800_000


def in_force(policy: str, people: str = PEOPLE) -> CaseBook:
    """The book of a service that follows these files."""
    loaded = load_policy(policy, "policy.yaml").policy
    assert loaded is not None
    known = load_people(people, "people.yaml", loaded).people
    assert known is not None
    clock = ManualClock()
    clock.now = NIGHT
    standing = Standing("x", loaded, compile_community(loaded, known), known)
    book = CaseBook("x", clock, lambda _user: True, standing.admits)
    work: Any = SimpleNamespace(book=book, shadow=SimpleNamespace(rules=None))
    Casework.follow(work, standing, loaded)
    return book


def opened(book: CaseBook, severity: int) -> tuple[tuple[str, ...], float]:
    """Open a case of concern; return who is called, and after how many minutes of the clock the next are."""
    about = f"@p{severity}:{SERVER}"
    lane = Lane("x", "!r")
    case = OpenCase(
        source=f"${severity}",
        rule="test",
        lane=lane,
        community="leeds-carers",
        track="concern",
        kind="suicide",
        severity=severity,
        about=about,
        room_id="!r",
        event_id=f"${severity}",
    )
    book.open(case)
    found = book.current("leeds-carers", "concern", about)
    assert found is not None
    assert found.deadline_ms is not None
    return book.called(found), (found.deadline_ms - NIGHT) / 60_000


def test_without_a_word_of_it_the_ladder_is_as_it_is_built_in() -> None:
    book = in_force(POLICY)
    assert opened(book, 4) == ((LEAD, DEPUTY), 15)
    assert opened(book, 3) == ((LEAD,), 12 * 60 + 60), "an hour after somebody is there"


def test_what_the_policy_says_is_what_happens() -> None:
    policy = POLICY.replace("\nroles:\n", "\nroles:\n  listener: {level: 0, can: [safeguard]}\n") + (
        "\nescalation:\n"
        "  serious:\n"
        "    - {call: [lead, listener], within: 20m}\n"
        "    - {call: deputy, within: 20m}\n"
        "  danger:\n"
        "    - {call: [lead, deputy, listener], within: 5m, outside_hours: agreed}\n"
        "    - {call: same_again, within: 5m}\n"
    )
    people = PEOPLE.replace("      - moderator\n", "      - moderator\n      - listener\n", 1)
    book = in_force(policy, people)
    assert opened(book, 4) == ((LEAD, DEPUTY, LISTENER), 5)
    assert opened(book, 3) == ((LEAD,), 12 * 60 + 20), "who did not agree to it is not called at night"
