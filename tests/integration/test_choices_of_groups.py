"""What a policy chooses for its groups, on a real homeserver: kept for so long, pinned by nobody, exposed with care."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import pytest_asyncio

from appservice.operations.control import BadPolicy
from appservice.operations.homeserver import EmbeddedHomeserver
from tests.support.charity import ALIASES, SERVER_NAME, Charity

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver

LEAD, ROBIN = "copper-lark", "late-robin"
DAY_MS = 86_400_000


@pytest_asyncio.fixture(loop_scope="session")
async def homeserver(make_homeserver: MakeHomeserver) -> EmbeddedHomeserver:
    made = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await made.make_steward_admin()
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def charity(homeserver: EmbeddedHomeserver, tmp_path: Path) -> AsyncIterator[Charity]:
    """A service that runs and waits for its policy."""
    made = await Charity.make(tmp_path / "charity", homeserver)
    try:
        await made.service.start()
        yield made
    finally:
        await made.stop()


def rewrite(charity: Charity, pattern: str, text: str) -> None:
    before = charity.policy.read_text(encoding="utf-8")
    after = re.sub(pattern, text, before, count=1, flags=re.DOTALL)
    assert after != before
    charity.policy.write_text(after, encoding="utf-8")


def assess(charity: Charity, reviewed: datetime | None) -> None:
    """Write into the policy when the risk assessment was reviewed, or take it out."""
    text = charity.policy.read_text(encoding="utf-8")
    head, _, rest = text.partition("\nroles:")
    head = re.sub(r"\n  risk_assessment:.*", "", head, flags=re.DOTALL).rstrip()
    if reviewed is not None:
        day, after = reviewed.date(), (reviewed + timedelta(days=300)).date()
        head += f"\n  risk_assessment: {{reviewed: {day}, next: {after}, by: lead}}"
    charity.policy.write_text(f"{head}\n\nroles:{rest}", encoding="utf-8")


async def send(charity: Charity, room: str, body: str, at_ms: int) -> None:
    path = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{body}"
    status, answer = await charity.call("PUT", path, {"msgtype": "m.text", "body": body}, query={"ts": str(at_ms)})
    assert status == 200, answer


async def read(charity: Charity, room: str, person: str) -> set[str]:
    path = f"/_matrix/client/v3/rooms/{quote(room)}/messages"
    status, answer = await charity.call("GET", path, person=person, query={"dir": "b", "limit": "100"})
    assert status == 200, answer
    return {event["content"].get("body") for event in answer["chunk"] if event["type"] == "m.room.message"}


async def test_messages_are_kept_as_long_as_the_policy_says_and_pins_are_for_those_who_may(charity: Charity) -> None:
    rewrite(
        charity,
        r"kind: open[^\n]*\n    tier: low\n",
        "kind: open\n    tier: low\n    retention: 30 days\n    pins: nobody\n",
    )
    assert (await charity.apply()).settled
    await charity.assert_as_said()
    rooms = await charity.rooms()
    await charity.sign_up(ROBIN)
    await charity.sign_up(LEAD)
    for room in (rooms["welcome"], rooms["digest"]):
        now = time.time_ns() // 1_000_000
        for person in (ROBIN, LEAD):
            assert await charity.join(person, rooms["space"]) == 200
            assert await charity.join(person, room) == 200
        await send(charity, room, "old", now - 31 * DAY_MS)
        await send(charity, room, "newer", now - 29 * DAY_MS)
    assert await read(charity, rooms["welcome"], ROBIN) >= {"newer"}
    assert "old" not in await read(charity, rooms["welcome"], ROBIN)
    assert await read(charity, rooms["digest"], ROBIN) >= {"old", "newer"}, "nothing is said of this one"

    async def pin(room: str) -> int:
        path = f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.pinned_events/"
        return (await charity.call("PUT", path, {"pinned": []}, person=LEAD))[0]

    assert await pin(rooms["welcome"]) == 403
    assert await pin(rooms["digest"]) == 200

    # What the policy says nothing of any more is taken back: messages are kept again.
    assess(charity, datetime.now(UTC))
    rewrite(charity, r"    retention: 30 days\n", "")
    assert (await charity.apply()).settled
    assert await read(charity, rooms["welcome"], ROBIN) >= {"old", "newer"}


async def test_what_exposes_people_waits_for_a_risk_assessment_of_the_last_year(charity: Charity) -> None:
    now = datetime.now(UTC)
    assess(charity, now - timedelta(days=370))
    assert (await charity.apply()).settled, "the first rooms of a community expose nobody"
    calls = len(charity.proxy.changes)
    status = await charity.service.status()
    assert status is not None
    assert status["policy"]["review_due"] == str((now - timedelta(days=70)).date())
    rewrite(
        charity,
        "kind: hybrid",
        'history: {value: shared, because: "Board minute 4", approved_by: deputy}\n    kind: hybrid',
    )
    for reviewed in (now - timedelta(days=370), None, now + timedelta(days=3)):
        assess(charity, reviewed)
        planned = await charity.plan()
        assert planned.counts["exposing"] == 1
        assert any("This plan would be refused: 1 change exposes people" in note for note in planned.notes)
        assert any("The deputy answers for it: Board minute 4" in note for note in planned.notes)
        assert bool(planned.advice) is (reviewed is not None), "what is out of date is told too"
        with pytest.raises(BadPolicy) as caught:
            await charity.apply()
        [finding] = caught.value.findings
        assert "risk assessment" in finding.message
        assert "risk_assessment: {reviewed: YYYY-MM-DD" in finding.advice
        assert finding.line > 2
    exit_status, said = await charity.command("apply", str(charity.policy))
    assert (exit_status, "exposes people" in said, "Traceback" in said) == (2, True, False)
    assert len(charity.proxy.changes) == calls, "nothing was done"

    exit_status, said = await charity.command("explain", "carers-lounge", "--in-force", "--json")
    assert (exit_status, "who comes in" in said) == (0, True)
    assert "Board minute 4" not in said, "what was refused is not in force"

    # A day that has passed stops neither a restart nor what is in force.
    assert await charity.service.stop() == 0
    await charity.service.start()
    assert (await charity.command("status"))[0] == 0

    assess(charity, now)
    assert (await charity.apply()).settled
    await charity.assert_as_said()
    status = await charity.service.status()
    assert status is not None
    assert status["policy"]["review_due"] is None
