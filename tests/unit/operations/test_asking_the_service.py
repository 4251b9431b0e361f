"""What a command says when the service goes away while it is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from appservice.operations.control import list_plans, undo_plan
from appservice.operations.errors import OperationFailed


async def cut_off_after(begun: bool, ask: Callable[[Any], Any], folder: Path) -> str:
    """What the command says of a service that is killed before its answer, or within it."""

    async def killed(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        if begun:
            await answer.prepare(request)
            await answer.write(b'{"change": "A room is made", "outcome": "done", "why": ""}\n')
        assert request.transport is not None
        request.transport.abort()
        return answer

    app = web.Application()
    app.router.add_post("/_inglenook/v1/{what}", killed)
    registration = folder / "registration.yaml"
    registration.write_text(f"id: i\nas_token: {'a' * 16}\nhs_token: {'h' * 16}\nsender_localpart: s\n")
    async with TestServer(app) as server:
        listen = SimpleNamespace(host=server.host, port=server.port)
        with pytest.raises(OperationFailed) as failed:
            await ask(SimpleNamespace(listen=listen, registration=registration))
    return str(failed.value)


@pytest.mark.parametrize("begun", [False, True])
async def test_a_command_that_was_cut_off_says_that_what_was_begun_goes_on(begun: bool, tmp_path: Path) -> None:
    said = await cut_off_after(begun, lambda config: undo_plan(config, 2), tmp_path)
    assert "goes on by itself when it runs again" in said
    assert "inglenook plan" in said
    assert "Error" not in said


async def test_a_question_that_was_cut_off_says_where_to_look(tmp_path: Path) -> None:
    said = await cut_off_after(False, list_plans, tmp_path)
    assert said == "The service did not answer. To see how it is: inglenook status"
