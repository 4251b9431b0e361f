"""A homeserver that is more or less open than the policy: it is noted, as far as it can be seen, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from policies.federation import Reach
from policies.notes import homeserver_notes
from policies.observed import HomeserverReach

HOME, PARTNER, OTHER = "chat.example", "chat.partner.example", "chat.other.example"
CLOSED, PARTNERS, OPEN = Reach(HOME), Reach(HOME, "partners", (PARTNER,)), Reach(HOME, "open")


def seen(servers: Any, *, answers: bool = True) -> HomeserverReach:
    return HomeserverReach(answers, told=True, servers=servers)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (CLOSED, seen((), answers=False)),
        (CLOSED, seen((HOME,))),
        (CLOSED, HomeserverReach(answers=False, told=False)),
        (PARTNERS, seen((PARTNER,))),
        (PARTNERS, seen((PARTNER,), answers=False)),  # other servers may come to another port
        (PARTNERS, HomeserverReach(answers=True, told=False)),
        (OPEN, seen(None)),
    ],
)
def test_nothing_is_said_of_a_homeserver_that_is_as_the_policy_says_as_far_as_can_be_seen(
    wanted: Reach, found: HomeserverReach
) -> None:
    assert homeserver_notes(wanted, found) == ()


@pytest.mark.parametrize(
    ("wanted", "found", "words"),
    [
        (CLOSED, seen((PARTNER,)), f"talks to {PARTNER}, which the policy does not let in"),
        (CLOSED, seen(None), "talks to any server"),
        (CLOSED, HomeserverReach(answers=True, told=False), "the policy lets none in"),
        (PARTNERS, seen(()), f"does not talk to {PARTNER} yet"),
        (PARTNERS, seen((PARTNER, OTHER)), f"talks to {OTHER}, which"),
        (PARTNERS, seen(None), "talks to any server"),
        (PARTNERS, HomeserverReach(answers=False, told=False), "As far as can be seen from here"),
        (OPEN, seen((PARTNER,)), "talks to some servers only"),
    ],
)
def test_a_homeserver_that_differs_is_noted_with_what_to_do(wanted: Reach, found: HomeserverReach, words: str) -> None:
    [note] = homeserver_notes(wanted, found)
    assert words in note.text
    assert note.text.endswith("Put in place what `inglenook homeserver-config` prints, and restart the homeserver.")
