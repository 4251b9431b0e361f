"""Asking the running service for a plan, to apply one, or to undo it: what the commands about policies do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from appservice.operations.errors import OperationFailed
from appservice.service.config import Config, load_registration
from appservice.service.policy_files import BadPolicy, PolicyFiles, read_files
from policies.findings import Finding
from policies.plan import Plan
from policies.saved import SavedPlan
from policies.thresholds import Danger, Share

__all__ = [
    "ApplyAnswer",
    "BadPolicy",
    "Override",
    "PastPlan",
    "PlanAnswer",
    "PlanMoved",
    "PlanRefused",
    "Progress",
    "apply_policy",
    "apply_saved",
    "follow",
    "list_plans",
    "plan_following",
    "plan_policy",
    "plan_undo",
    "undo_plan",
]

#: Seconds that the service may be silent while it works: one change may wait a minute for the homeserver.
_SILENCE_S = 300.0
_CONNECT_S = 5.0
_NO_ANSWER = "The service did not answer. To see how it is: inglenook status"
_CUT_OFF = (
    "The service was cut off while it did this. What it had begun goes on by itself when it runs again. "
    "To see what is left then: inglenook plan"
)
#: Bytes of one line of an answer: a change's is short, but a plan is one line too.
_LINE = 2**26


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One change: the room's key, what is done, its class, and what it means in plain words."""

    room: str
    do: str
    change_class: str
    words: str


@dataclass(frozen=True, slots=True)
class PlanAnswer:
    """A plan: `calls` to the homeserver that it takes; `digest` by which it can be approved; `notes` and `advice`.

    shares: of how many people it takes something. people: digest of the people file, "" where the files are not ours.
    undoes, stays: of a plan that undoes another, its id and what cannot be brought back.
    """

    community: str
    digest: str
    calls: int
    counts: dict[str, int]
    changes: tuple[PlannedChange, ...]
    notes: tuple[str, ...]
    advice: tuple[Finding, ...]
    summary: str
    shares: tuple[Share, ...]
    people: str
    plan: Plan
    raw: dict[str, Any]
    undoes: str = ""
    stays: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """A line in plain words for each change."""
        return [change.words for change in self.changes]


@dataclass(frozen=True, slots=True)
class Progress:
    """One change that was tried: `outcome` is `done`, `failed` or `held`, `why` says why not."""

    change: str
    outcome: str
    why: str


@dataclass(frozen=True, slots=True)
class ApplyAnswer:
    """What came of it: changes `done`, `calls` made beside those planned, what was left `undone` and why.

    id: by which it can be undone, None if no word of the policy has changed.
    """

    id: str | None
    done: int
    calls: int
    planned_calls: int
    reads: int
    rounds: int
    undone: tuple[str, ...]
    remaining: int
    notes: tuple[str, ...]
    rooms: dict[str, str]
    settled: bool


@dataclass(frozen=True, slots=True)
class PastPlan:
    """What was applied, and whether it stands: not undone, or its undo undone."""

    id: str
    at_ms: int
    summary: str
    undoes: str | None
    undone_by: str | None
    stands: bool


@dataclass(frozen=True, slots=True)
class Override:
    """What a person allows to be taken from many people at once, and because of what."""

    allow: frozenset[Danger] = frozenset()
    because: str = ""

    def question(self) -> dict[str, Any]:
        return {"allow": sorted(self.allow), "because": self.because}


class PlanMoved(OperationFailed):
    """Another plan would be made now than the one that was approved: `plan`. `why` says which of the files changed."""

    def __init__(self, problem: str, plan: PlanAnswer, why: tuple[str, ...]) -> None:
        super().__init__(problem)
        self.plan = plan
        self.why = why


class PlanRefused(OperationFailed):
    """The plan takes from too many people at once: `plan.shares` has the figures."""

    def __init__(self, problem: str, plan: PlanAnswer) -> None:
        super().__init__(problem)
        self.plan = plan


Told = Callable[[Progress], None]


async def plan_policy(config: Config, policy: Path, people: Path | None = None, *, audit: bool = False) -> PlanAnswer:
    """Return what would be done if these files were applied; with `audit`, every room is read first.

    Raises `BadPolicy`, `OperationFailed`, `BadConfiguration`.
    """
    question = _question(read_files(policy, people)) | {"audit": audit}
    async with _asked(config, "plan", question) as answer:
        return _plan(_understood(await answer.read()))


async def apply_policy(
    config: Config,
    policy: Path,
    people: Path | None = None,
    *,
    digest: str | None = None,
    override: Override | None = None,
    progress: Told | None = None,
) -> ApplyAnswer:
    """Put these files in force and wait until the homeserver follows; `digest` is that of an approved plan.

    Raises `BadPolicy`, `PlanMoved`, `PlanRefused`, `OperationFailed`, `BadConfiguration`. Once begun, the service goes
    on even if we are stopped.
    """
    agreed = {"digest": digest} | (override or Override()).question()
    return await _carried_out(config, "apply", _question(read_files(policy, people)) | agreed, progress)


async def apply_saved(
    config: Config,
    saved: SavedPlan,
    policy: Path | None = None,
    people: Path | None = None,
    *,
    override: Override | None = None,
    progress: Told | None = None,
) -> ApplyAnswer:
    """Apply exactly this plan, from the files it was made from, or those named if they lie elsewhere now.

    Raises as `apply_policy`; `PlanMoved` also where one of the files says something else since.
    """
    files = read_files(policy or Path(saved.policy_file), people or (None if policy else Path(saved.people_file)))
    agreed = {
        "digest": saved.plan.digest,
        "policy_digest": saved.plan.policy,
        "people_digest": saved.people,
        **(override or Override()).question(),
    }
    return await _carried_out(config, "apply", _question(files) | agreed, progress)


async def list_plans(config: Config) -> tuple[PastPlan, ...]:
    """Return what was applied within a year, oldest first. Raises `OperationFailed`, `BadConfiguration`."""
    async with _asked(config, "plans", {}) as answer:
        return tuple(PastPlan(**one) for one in _understood(await answer.read())["plans"])


async def plan_undo(config: Config, number: int | None) -> PlanAnswer:
    """Return what undoing would do: of this number, else of the newest apply that stands. Raises as `plan_policy`."""
    async with _asked(config, "undo", {"number": number, "dry_run": True}) as answer:
        return _plan(_understood(await answer.read()))


async def undo_plan(
    config: Config,
    number: int | None,
    *,
    digest: str | None = None,
    override: Override | None = None,
    progress: Told | None = None,
) -> ApplyAnswer:
    """Put in force what was before, and wait until the homeserver follows. Raises as `apply_policy`."""
    agreed = {"number": number, "digest": digest} | (override or Override()).question()
    return await _carried_out(config, "undo", agreed, progress)


async def plan_following(config: Config, group: str, room: str = "", *, anyway: bool = False) -> PlanAnswer:
    """Return what would be done so that a new room takes the place of a group's, or the group's of `room`, which others
    made. Raises as `plan_policy`."""
    question = {"group": group, "room": room, "anyway": anyway, "dry_run": True}
    async with _asked(config, "follow", question) as answer:
        return _plan(_understood(await answer.read()))


async def follow(
    config: Config,
    group: str,
    room: str = "",
    *,
    anyway: bool = False,
    digest: str | None = None,
    override: Override | None = None,
    progress: Told | None = None,
) -> ApplyAnswer:
    """Do so, and wait until it is done. Raises as `apply_policy`."""
    asked = {"group": group, "room": room, "anyway": anyway, "digest": digest}
    return await _carried_out(config, "follow", asked | (override or Override()).question(), progress)


async def _carried_out(config: Config, what: str, question: dict[str, Any], progress: Told | None) -> ApplyAnswer:
    async with _asked(config, what, question, _CUT_OFF) as answer:
        if answer.status != 200:
            _understood(await answer.read())
        async for line in answer.content:
            said = _understood(line)
            if "result" in said:
                return _applied(said["result"])
            if progress is not None:
                progress(Progress(str(said["change"]), str(said["outcome"]), str(said["why"])))
    raise OperationFailed(_CUT_OFF)


def _question(files: PolicyFiles) -> dict[str, Any]:
    return {
        "policy": files.policy.decode("latin-1"),
        "policy_name": files.policy_name,
        "people": files.people.decode("latin-1"),
        "people_name": files.people_name,
    }


@asynccontextmanager
async def _asked(
    config: Config, what: str, question: dict[str, Any], cut_off: str = _NO_ANSWER
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Yield the service's answer. Raises `OperationFailed`, with `cut_off` where it goes away meanwhile."""
    token = load_registration(config.registration).hs_token
    url = f"http://{config.listen.host}:{config.listen.port}/_inglenook/v1/{what}"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        async with aiohttp.ClientSession(timeout=timeout, headers=headers, read_bufsize=_LINE) as session:
            async with session.post(url, data=orjson.dumps(question)) as answer:
                yield answer
    except aiohttp.ClientConnectorError:
        raise OperationFailed("The service does not run. Start it with: inglenook serve --config FILE") from None
    except (aiohttp.ClientError, TimeoutError):
        raise OperationFailed(cut_off) from None


def _understood(data: bytes) -> dict[str, Any]:
    """Return an answer's content. Raises what the service found wrong."""
    try:
        said = orjson.loads(data)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise OperationFailed("Something else answers where the service should: look at `listen` in its configuration.")
    if "moved" in said:
        raise PlanMoved(str(said.get("problem")), _plan(said["moved"]), tuple(said.get("why", ())))
    if "refused" in said:
        raise PlanRefused(str(said.get("problem")), _plan(said["refused"]))
    findings = tuple(Finding(**finding) for finding in said.get("findings", ()))
    if "problem" in said:
        if findings:
            raise BadPolicy(findings)
        raise OperationFailed(_sentence(str(said["problem"])))
    return said


def _sentence(problem: str) -> str:
    text = f"{problem[:1].upper()}{problem[1:]}"
    return text if text.endswith(".") else f"{text}."


def _plan(said: dict[str, Any]) -> PlanAnswer:
    try:
        planned = Plan.from_record(said.pop("record"))
    except (KeyError, ValueError):
        raise OperationFailed(
            "The service makes plans that this command cannot read: are they of one version?"
        ) from None
    return PlanAnswer(
        community=said["community"],
        digest=said["digest"],
        calls=said["calls"],
        counts=said["counts"],
        changes=tuple(
            PlannedChange(change["room"], change["do"], change["class"], change["words"]) for change in said["changes"]
        ),
        notes=tuple(said["notes"]),
        advice=tuple(Finding(**finding) for finding in said.get("findings", ())),
        summary=said["summary"],
        shares=planned.shares,
        people=said.get("people", ""),
        plan=planned,
        raw=said,
        undoes=said.get("undoes", ""),
        stays=tuple(said.get("stays", ())),
    )


def _applied(said: dict[str, Any]) -> ApplyAnswer:
    return ApplyAnswer(**said | {"undone": tuple(said["undone"]), "notes": tuple(said["notes"])})
