"""What the command line asks of the running service: a plan, and to apply it. On the loopback listener, with its token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

import orjson
import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appservice.matrix import HomeserverError
from appservice.provisioning import Made, Reconciled
from appservice.service.governance import Governance, Moved
from appservice.service.policy_files import BadPolicy, PolicyFiles
from appservice.store import StoreRefused
from policies.files import MAX_BYTES
from policies.plan import Plan

log = structlog.get_logger()

#: Bytes of a question: two files in JSON, whose signs may take two bytes.
_MAX_QUESTION: Final = 6 * MAX_BYTES


class _Question(BaseModel):
    """Two files, as text in latin-1: one character a byte, so that every byte comes through."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: str = Field(max_length=MAX_BYTES + 1)
    policy_name: str = Field(max_length=4096)
    people: str = Field(max_length=MAX_BYTES + 1)
    people_name: str = Field(max_length=4096)
    audit: bool = False
    digest: str | None = Field(default=None, max_length=100)

    @property
    def files(self) -> PolicyFiles:
        policy, people = self.policy.encode("latin-1"), self.people.encode("latin-1")
        return PolicyFiles(policy, self.policy_name, people, self.people_name)


class Control:
    """Routes for `inglenook plan` and `inglenook apply`. `ready()` tells whether the homeserver was reached yet."""

    def __init__(
        self, governance: Governance, authorised: Callable[[web.Request], bool], ready: Callable[[], bool]
    ) -> None:
        self._governance = governance
        self._authorised = authorised
        self._ready = ready
        self._applying: set[asyncio.Task[None]] = set()

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_post("/_inglenook/v1/plan", self._plan)
        app.router.add_post("/_inglenook/v1/apply", self._apply)

    async def _plan(self, request: web.Request) -> web.StreamResponse:
        question = await self._question(request)
        if isinstance(question, web.Response):
            return question
        try:
            said, planned = await self._governance.plan(question.files, audit=question.audit)
        except (BadPolicy, HomeserverError, StoreRefused) as error:
            return _problem(error)
        advice = [asdict(finding) for finding in said.advice]
        return _json(200, _plan_record(planned) | {"findings": advice})

    async def _apply(self, request: web.Request) -> web.StreamResponse:
        """Answer with a line of JSON for each change as it is made, and at the end one with the result or the problem.

        Once begun it is carried to its end, whether or not somebody still listens.
        """
        question = await self._question(request)
        if isinstance(question, web.Response):
            return question
        lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        work = asyncio.create_task(self._carry_out(question, lines))
        self._applying.add(work)
        work.add_done_callback(self._applying.discard)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        while (line := await lines.get()) is not None:
            await response.write(orjson.dumps(line) + b"\n")
        await response.write_eof()
        return response

    async def _carry_out(self, question: _Question, lines: asyncio.Queue[dict[str, Any] | None]) -> None:
        def told(made: Made) -> None:
            lines.put_nowait({"change": made.change.describe(), "outcome": made.outcome, "why": made.why})

        try:
            result = await self._governance.apply(question.files, digest=question.digest, progress=told)
            lines.put_nowait({"result": _result_record(result)})
        except Moved as moved:
            lines.put_nowait({"moved": _plan_record(moved.plan), "problem": str(moved)})
        except (BadPolicy, HomeserverError, StoreRefused) as error:
            lines.put_nowait(_problem_record(error))
        except Exception as error:
            log.error("apply_failed", error=type(error).__name__)
            lines.put_nowait({"problem": "the service has a fault: its log says more"})
        finally:
            lines.put_nowait(None)

    async def _question(self, request: web.Request) -> _Question | web.Response:
        if not self._authorised(request):
            return _json(403, {"problem": "wrong token"})
        if not self._ready():
            return _json(503, {"problem": "the service is not ready: `inglenook status` says what it waits for"})
        if (request.content_length or 0) > _MAX_QUESTION:
            return _json(413, {"problem": "these files are larger than any policy"})
        try:
            return _Question.model_validate_json(await request.read())
        except (ValidationError, UnicodeError):
            return _json(400, {"problem": "this is not a question of this version's command"})

    async def close(self) -> None:
        """Stop what is under way; it is taken up again at the next start."""
        for work in list(self._applying):
            work.cancel()
        await asyncio.gather(*self._applying, return_exceptions=True)


def _plan_record(planned: Plan) -> dict[str, Any]:
    return {
        "community": planned.community,
        "policy": planned.policy,
        "digest": planned.digest,
        "calls": planned.calls,
        "counts": planned.counts,
        "summary": planned.summary(),
        "changes": [
            {"room": change.room, "do": change.do, "class": change.change_class, "words": change.describe()}
            for change in planned.changes
        ],
        "notes": [note.text for note in planned.notes],
    }


def _result_record(result: Reconciled) -> dict[str, Any]:
    return {
        "planned_calls": result.planned,
        "calls": result.calls,
        "reads": result.reads,
        "done": result.done,
        "rounds": result.rounds,
        "remaining": result.remaining,
        "undone": [f"{made.change.describe()} {made.why}" for made in result.undone],
        "notes": [note.text for note in result.notes],
        "rooms": result.rooms,
        "settled": result.settled,
    }


def _problem(error: Exception) -> web.Response:
    status = 422 if isinstance(error, BadPolicy) else 503
    return _json(status, _problem_record(error))


def _problem_record(error: Exception) -> dict[str, Any]:
    if isinstance(error, BadPolicy):
        return {"problem": "the policy has errors", "findings": [asdict(finding) for finding in error.findings]}
    if isinstance(error, HomeserverError):
        return {"problem": f"the homeserver could not be asked ({error})"}
    if isinstance(error, StoreRefused):
        return {"problem": f"the store refuses to write ({error.reason})"}
    return {"problem": str(error)}


def _json(status: int, content: Mapping[str, Any]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json")
