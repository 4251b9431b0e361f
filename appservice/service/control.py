"""What the command line asks of the running service: a plan, to apply or undo it. On the loopback listener, with its token."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Final, Self, TypeVar

import orjson
import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from appservice.matrix import HomeserverError
from appservice.provisioning import Made, Progress, Reconciled
from appservice.service.consent import Consent, Moved, Refused
from appservice.service.governance import Governance
from appservice.service.history import NothingToUndo, plan_id, standing
from appservice.service.policy_files import BadPolicy, PolicyFiles
from appservice.service.succession import Asked, CannotFollow
from appservice.store import StoreRefused
from policies.bundle import MAX_BUNDLE
from policies.files import MAX_BYTES
from policies.plan import Plan
from policies.saved import people_digest
from policies.thresholds import Danger

log = structlog.get_logger()

#: Bytes of a question: two files in JSON, whose signs may take two bytes.
_MAX_QUESTION: Final = 6 * MAX_BYTES
_DIGEST: Final = 100
#: Characters of the reason for which a threshold is passed over.
MAX_BECAUSE: Final = 500


class _Agreed(BaseModel):
    """What was agreed to before something is applied: see `Consent`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: str | None = Field(default=None, max_length=_DIGEST)
    policy_digest: str = Field(default="", max_length=_DIGEST)
    people_digest: str = Field(default="", max_length=_DIGEST)
    allow: frozenset[Danger] = frozenset()
    because: str = Field(default="", max_length=MAX_BECAUSE)

    @model_validator(mode="after")
    def _with_a_reason(self) -> Self:
        if self.allow and not self.because.strip():
            raise ValueError("what is allowed needs a reason")
        return self

    @property
    def consent(self) -> Consent:
        return Consent(self.digest or "", self.policy_digest, self.people_digest, self.allow, self.because)


class _Question(_Agreed):
    """A policy (perhaps a bundle of files) and its people, as text in latin-1: one character a byte, so that every byte comes through."""

    policy: str = Field(max_length=MAX_BUNDLE)
    policy_name: str = Field(max_length=4096)
    people: str = Field(max_length=MAX_BYTES + 1)
    people_name: str = Field(max_length=4096)
    audit: bool = False

    @property
    def files(self) -> PolicyFiles:
        policy, people = self.policy.encode("latin-1"), self.people.encode("latin-1")
        return PolicyFiles(policy, self.policy_name, people, self.people_name)


class _Follow(_Agreed):
    """Which room is to take the place of which; only said, not done, if it is a dry run."""

    group: str = Field(max_length=255)
    room: str = Field(default="", max_length=255)
    anyway: bool = False
    dry_run: bool = False


class _Back(_Agreed):
    """What to undo: a number, else the newest that stands; only said, not done, if it is a dry run."""

    number: int | None = Field(default=None, ge=1, lt=2**53)
    dry_run: bool = False


_Asked = TypeVar("_Asked", bound=_Agreed)
#: Carries something out, with consent, and tells of each change.
_Work = Callable[[Consent, Progress], Awaitable[tuple[Reconciled, int | None]]]


class Control:
    """Routes for the commands about policies. `ready()` tells whether the homeserver was reached yet."""

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
        app.router.add_post("/_inglenook/v1/plans", self._plans)
        app.router.add_post("/_inglenook/v1/undo", self._undo)
        app.router.add_post("/_inglenook/v1/follow", self._follow)

    async def _plan(self, request: web.Request) -> web.StreamResponse:
        question = await self._question(request, _Question)
        if isinstance(question, web.Response):
            return question
        try:
            said, planned = await self._governance.plan(question.files, audit=question.audit)
        except (BadPolicy, HomeserverError, StoreRefused) as error:
            return _problem(error)
        more = {"people": people_digest(said.people), "findings": [asdict(finding) for finding in said.advice]}
        return _json(200, _plan_record(planned) | more)

    async def _apply(self, request: web.Request) -> web.StreamResponse:
        question = await self._question(request, _Question)
        if isinstance(question, web.Response):
            return question
        files = question.files
        return await self._told(request, question, lambda consent, told: self._governance.apply(files, consent, told))

    async def _plans(self, request: web.Request) -> web.StreamResponse:
        question = await self._question(request, _Agreed)
        if isinstance(question, web.Response):
            return question
        try:
            entries = await self._governance.history()
        except StoreRefused as error:
            return _problem(error)
        told = [
            {
                "id": one.id,
                "at_ms": one.at_ms,
                "summary": one.summary,
                "undoes": plan_id(one.undoes) if one.undoes is not None else None,
                "undone_by": plan_id(one.undone_by) if one.undone_by is not None else None,
                "stands": standing(entries, one),
            }
            for one in entries
        ]
        return _json(200, {"plans": told})

    async def _undo(self, request: web.Request) -> web.StreamResponse:
        question = await self._question(request, _Back)
        if isinstance(question, web.Response):
            return question
        number = question.number
        if not question.dry_run:
            return await self._told(
                request, question, lambda consent, told: self._governance.undo(number, consent, told)
            )
        try:
            found = await self._governance.plan_undo(number)
        except (BadPolicy, HomeserverError, StoreRefused, NothingToUndo) as error:
            return _problem(error)
        return _json(200, _plan_record(found.plan) | {"undoes": found.past.applied.id, "stays": found.stays})

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        question = await self._question(request, _Follow)
        if isinstance(question, web.Response):
            return question
        asked = Asked(question.group, question.room, question.anyway)
        if not question.dry_run:
            return await self._told(
                request, question, lambda consent, told: self._governance.follow(asked, consent, told)
            )
        try:
            return _json(200, _plan_record(await self._governance.plan_following(asked)))
        except (BadPolicy, HomeserverError, StoreRefused, CannotFollow) as error:
            return _problem(error)

    async def _told(self, request: web.Request, question: _Agreed, work: _Work) -> web.StreamResponse:
        """Answer with a line of JSON for each change as it is made, and at the end one with the result or the problem.

        Once begun it is carried to its end, whether or not somebody still listens.
        """
        lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        task = asyncio.create_task(self._carry_out(question.consent, work, lines))
        self._applying.add(task)
        task.add_done_callback(self._applying.discard)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        while (line := await lines.get()) is not None:
            await response.write(orjson.dumps(line) + b"\n")
        await response.write_eof()
        return response

    async def _carry_out(self, consent: Consent, work: _Work, lines: asyncio.Queue[dict[str, Any] | None]) -> None:
        def told(made: Made) -> None:
            lines.put_nowait({"change": made.change.describe(), "outcome": made.outcome, "why": made.why})

        try:
            result, number = await work(consent, told)
            lines.put_nowait({"result": _result_record(result, number)})
        except Moved as moved:
            lines.put_nowait({"moved": _plan_record(moved.plan), "why": moved.why, "problem": str(moved)})
        except Refused as refused:
            lines.put_nowait({"refused": _plan_record(refused.plan), "problem": str(refused)})
        except (BadPolicy, HomeserverError, StoreRefused, NothingToUndo, CannotFollow) as error:
            lines.put_nowait(_problem_record(error))
        except Exception as error:
            log.error("apply_failed", error=type(error).__name__)
            lines.put_nowait({"problem": "the service has a fault: its log says more"})
        finally:
            lines.put_nowait(None)

    async def _question(self, request: web.Request, kind: type[_Asked]) -> _Asked | web.Response:
        if not self._authorised(request):
            return _json(403, {"problem": "wrong token"})
        if not self._ready():
            return _json(503, {"problem": "the service is not ready: `inglenook status` says what it waits for"})
        if (request.content_length or 0) > _MAX_QUESTION:
            return _json(413, {"problem": "these files are larger than any policy"})
        try:
            return kind.model_validate_json(await request.read())
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
        "people_touched": [
            share.record() | {"too_much": share.too_much, "words": share.figures()} for share in planned.shares
        ],
        "record": planned.record(),
    }


def _result_record(result: Reconciled, number: int | None) -> dict[str, Any]:
    return {
        "id": plan_id(number) if number is not None else None,
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
    status = {BadPolicy: 422, NothingToUndo: 409, CannotFollow: 409}.get(type(error), 503)
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
