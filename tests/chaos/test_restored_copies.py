"""Older copies put back: of the homeserver under our newer store, and of our store under a newer homeserver."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.community import GUARDIAN, VIOLATION, Community, Sent
from tests.support.waiting import eventually

pytestmark = [pytest.mark.homeserver, pytest.mark.chaos]

#: Harmless messages that the older copy of the homeserver does not have.
LOST = 20
#: Seconds: three times what is promised for a push that was lost.
DEADLINE = 30.0


@pytest.mark.parametrize("running", [True, False], ids=["while we run", "while we do not run"])
async def test_what_an_older_copy_of_the_homeserver_forgot_becomes_true_again(
    running: bool, community: Community, tell: Callable[[str], None]
) -> None:
    early = await unhandled_in_a_copy(community)
    vanished = [await community.say("rosa", "welcome", VIOLATION)]
    for number in range(LOST):
        await community.say("morgan", "welcome", f"The kettle is on ({number})")
    await community.all_told_once([*early, *vanished])
    future = await guardians_token(community)
    if not running:
        await community.service.stop()
    await put_back(community)
    await measure_future_token(community, future, tell)
    returned = time.monotonic()
    late = [await community.say("amina", "welcome", f"{VIOLATION} (at once)")]
    if not running:
        await community.service.start()
    await community.redacted([*early, *late], within=DEADLINE)
    tell(f"noticed, and all that stands removed, {time.monotonic() - returned:.1f} s after its return")
    late.append(await community.say("rosa", "bereaved", f"{VIOLATION} (later)"))
    await community.all_told_once([*early, *late])
    status = await community.settled()
    assert status["homeserver"]["restored"] == 1
    # The messages, the violation among them; besides them redactions, notices and cards of ours.
    assert status["homeserver"]["events_lost"] >= LOST + len(vanished)
    tell(f"{status['homeserver']['events_lost']} events told as lost")


async def test_an_older_copy_of_the_homeserver_that_only_lost_harmless_messages_is_told_of_once(
    community: Community,
) -> None:
    violations = [await community.say("sam", "welcome", VIOLATION)]
    await community.all_told_once(violations)
    await community.homeserver.stop()
    community.homeserver.snapshot(community.folder / "copy")
    await community.homeserver.start()
    for number in range(LOST):
        await community.say("morgan", "welcome", f"The kettle is on ({number})")
    await all_handled(community)
    await put_back(community)

    async def noticed() -> bool:
        status = await community.settled()
        return bool(status["homeserver"]["restored"])

    await eventually(noticed, "the older copy noticed", DEADLINE)
    # An ordinary restart, with nothing new said in between.
    await community.restart_homeserver()
    await all_handled(community)
    status = await community.settled()
    assert (status["homeserver"]["restored"], status["homeserver"]["events_lost"] >= LOST) == (1, True)
    await community.all_told_once(violations)


async def test_an_ordinary_restart_is_not_taken_for_an_older_copy(community: Community) -> None:
    violations = [await community.say("sam", "welcome", VIOLATION)]
    await community.redacted(violations)
    for kill in (False, True):
        await community.restart_homeserver(kill=kill)
        violations.append(await community.say("sam", "welcome", VIOLATION))
        await community.redacted(violations)
    await all_handled(community)
    status = await community.settled()
    assert (status["homeserver"]["restored"], status["homeserver"]["events_lost"]) == (0, 0)
    await community.all_told_once(violations)


async def test_an_older_copy_of_ours_repeats_nothing_that_people_see(community: Community) -> None:
    # Said one by one (so that notices are edited), and in one go (so that they merge).
    violations = [await community.say("sam", "welcome", VIOLATION)]
    await community.all_told_once(violations)
    await community.service.stop()
    data = community.service.config.data
    shutil.copytree(data, community.folder / "older")
    await community.service.start()
    for person in ("sam", "rosa"):
        violations.append(await community.say(person, "welcome", f"{VIOLATION} (alone)"))
        await community.all_told_once(violations)
    violations += [await community.say("rosa", "bereaved", f"{VIOLATION} ({number})") for number in range(4)]
    await community.all_told_once(violations)
    # Somebody whose direct room the older copy does not know.
    await community.sign_up("nia")
    await community.join("nia", "welcome")
    violations.append(await community.say("nia", "welcome", VIOLATION))
    await community.all_told_once(violations)
    await community.service.stop()
    shutil.rmtree(data)
    shutil.copytree(community.folder / "older", data)
    missed = [await community.say("amina", "welcome", f"{VIOLATION} (in between)")]
    await community.service.start()
    await community.redacted(missed)
    missed.append(await community.say("nia", "welcome", f"{VIOLATION} (afterwards)"))
    await community.all_told_once([*violations, *missed])


async def unhandled_in_a_copy(community: Community) -> list[Sent]:
    """Violations that a copy of the homeserver holds as sent and not yet handled."""
    await community.service.stop()
    sent = [await community.say("sam", "welcome", f"{VIOLATION} ({number})") for number in range(2)]
    await community.homeserver.stop()
    community.homeserver.snapshot(community.folder / "copy")
    await community.start()
    await community.redacted(sent)
    return sent


async def put_back(community: Community) -> None:
    """Make the homeserver its older copy, and start it."""
    await community.homeserver.stop()
    community.homeserver.restore(community.folder / "copy")
    await community.homeserver.start()


async def all_handled(community: Community) -> None:
    """Wait until the gap check has gone round once more and nothing is left to do."""
    status = await community.service.status()
    before = status["gap_check"]["checks"] if status else 0

    async def again() -> bool:
        return bool((await community.settled())["gap_check"]["checks"] > before)

    await eventually(again, "another gap check")


async def sync(community: Community, since: str | None) -> dict[str, Any]:
    """The guardian's /sync, without waiting."""
    query = {"timeout": "0", "user_id": GUARDIAN, "filter": '{"room":{"timeline":{"limit":1}}}'}
    community.tokens["appservice"] = community.homeserver.registration.as_token
    path = "/_matrix/client/v3/sync"
    answer = await community.call("appservice", "GET", path, query=query | ({"since": since} if since else {}))
    return dict(answer)


async def guardians_token(community: Community) -> str:
    return str((await sync(community, None))["next_batch"])


async def measure_future_token(community: Community, future: str, tell: Callable[[str], None]) -> None:
    """What the homeserver answers to a token that it will only give out later."""
    started = time.monotonic()
    answer = await sync(community, future)
    took = time.monotonic() - started
    joined = sum(len(room["timeline"]["events"]) for room in answer.get("rooms", {}).get("join", {}).values())
    tell(
        f"/sync since {future} from its future: {took * 1000:.0f} ms, {joined} events, next_batch {answer['next_batch']}"
    )
