"""What the command line may ask of the service: with the token, in this version's words, and with a reason to insist."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from appservice.service.control import Control

FILES = {"policy": "", "policy_name": "p", "people": "", "people_name": "q"}


class NobodyHome:
    """A governance that must not be asked."""

    asked = 0

    async def _ask(self, *_: object, **__: object) -> Any:
        self.asked += 1
        raise AssertionError

    plan = apply = undo = plan_undo = history = _ask


Client = TestClient[web.Request, web.Application]


@pytest.fixture
def nobody() -> NobodyHome:
    return NobodyHome()


@pytest_asyncio.fixture(loop_scope="session")
async def client(nobody: NobodyHome) -> AsyncIterator[Client]:
    app = web.Application()
    control = Control(
        nobody,  # type: ignore[arg-type]
        lambda request: request.headers.get("Authorization") == "Bearer right",
        lambda: True,
    )
    control.add_to(app)
    async with TestClient(TestServer(app)) as made:
        yield made


@pytest.mark.parametrize("what", ["plan", "apply", "plans", "undo"])
async def test_nothing_is_answered_without_the_token(client: Client, nobody: NobodyHome, what: str) -> None:
    answer = await client.post(f"/_inglenook/v1/{what}", json=FILES, headers={"Authorization": "Bearer wrong"})
    assert (answer.status, nobody.asked) == (403, 0)


@pytest.mark.parametrize(
    ("what", "question"),
    [
        ("apply", {**FILES, "allow": ["removals"]}),
        ("apply", {**FILES, "allow": ["removals"], "because": "  "}),
        ("apply", {**FILES, "allow": ["everything"], "because": "x"}),
        ("apply", {**FILES, "allow": "removals", "because": "x"}),
        ("apply", {**FILES, "because": "x" * 501}),
        ("apply", {**FILES, "digest": 7}),
        ("apply", {**FILES, "force": True}),
        ("undo", {"number": 0}),
        ("undo", {"number": "P-1"}),
        ("undo", {"number": 2**60}),
        ("undo", {"number": 1, "allow": ["demotions"]}),
        ("undo", FILES),
        ("plans", {"all": True}),
        ("plans", []),
    ],
    ids=str,
)
async def test_a_question_that_makes_no_sense_is_refused_and_nobody_is_asked(
    client: Client, nobody: NobodyHome, what: str, question: object
) -> None:
    answer = await client.post(f"/_inglenook/v1/{what}", json=question, headers={"Authorization": "Bearer right"})
    assert (answer.status, nobody.asked) == (400, 0)
