"""Asking the running service for a plan, or to apply one: what `inglenook plan` and `inglenook apply` do."""

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
from appservice.service.policy_files import BadPolicy, read_files
from policies.findings import Finding

__all__ = ["ApplyAnswer", "BadPolicy", "PlanAnswer", "Progress", "apply_policy", "plan_policy"]

#: Seconds that the service may be silent while it works: one change may wait a minute for the homeserver.
_SILENCE_S = 300.0
_CONNECT_S = 5.0


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One change: the room's key, what is done, its class, and what it means in plain words."""

    room: str
    do: str
    change_class: str
    words: str


@dataclass(frozen=True, slots=True)
class PlanAnswer:
    """A plan: `calls` to the homeserver that it takes; `digest` by which it can be approved; `notes` and `advice`."""

    community: str
    digest: str
    calls: int
    counts: dict[str, int]
    changes: tuple[PlannedChange, ...]
    notes: tuple[str, ...]
    advice: tuple[Finding, ...]
    summary: str
    raw: dict[str, Any]

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
    """What came of it: changes `done`, `calls` made beside those planned, what was left `undone` and why."""

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


class PlanMoved(OperationFailed):
    """Another plan would be made now than the one that was approved: `plan`."""

    def __init__(self, problem: str, plan: PlanAnswer) -> None:
        super().__init__(problem)
        self.plan = plan


async def plan_policy(config: Config, policy: Path, people: Path | None = None, *, audit: bool = False) -> PlanAnswer:
    """Return what would be done if these files were applied; with `audit`, every room is read first.

    Raises `BadPolicy`, `OperationFailed`, `BadConfiguration`.
    """
    question = _question(policy, people) | {"audit": audit}
    async with _asked(config, "plan", question) as answer:
        return _plan(_understood(await answer.read()))


async def apply_policy(
    config: Config,
    policy: Path,
    people: Path | None = None,
    *,
    digest: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> ApplyAnswer:
    """Put these files in force and wait until the homeserver follows; `digest` is that of an approved plan.

    Raises `BadPolicy`, `PlanMoved`, `OperationFailed`, `BadConfiguration`. Once begun, the service goes on even if we
    are stopped.
    """
    question = _question(policy, people) | {"digest": digest}
    async with _asked(config, "apply", question) as answer:
        if answer.status != 200:
            _understood(await answer.read())
        async for line in answer.content:
            said = _understood(line)
            if "result" in said:
                return _applied(said["result"])
            if progress is not None:
                progress(Progress(str(said["change"]), str(said["outcome"]), str(said["why"])))
    raise OperationFailed("The service ended while it applied the policy. It goes on when it is started again.")


def _question(policy: Path, people: Path | None) -> dict[str, Any]:
    files = read_files(policy, people)
    return {
        "policy": files.policy.decode("latin-1"),
        "policy_name": files.policy_name,
        "people": files.people.decode("latin-1"),
        "people_name": files.people_name,
    }


@asynccontextmanager
async def _asked(config: Config, what: str, question: dict[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
    token = load_registration(config.registration).hs_token
    url = f"http://{config.listen.host}:{config.listen.port}/_inglenook/v1/{what}"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        # A change's line may be long: it names rooms, and a description is at most some thousand signs.
        async with aiohttp.ClientSession(timeout=timeout, headers=headers, read_bufsize=2**20) as session:
            async with session.post(url, data=orjson.dumps(question)) as answer:
                yield answer
    except aiohttp.ClientConnectorError:
        raise OperationFailed("The service does not run. Start it with: inglenook serve --config FILE") from None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise OperationFailed(f"The service did not answer ({type(error).__name__}).") from None


def _understood(data: bytes) -> dict[str, Any]:
    """Return an answer's content. Raises what the service found wrong."""
    try:
        said = orjson.loads(data)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise OperationFailed("Something else answers where the service should: look at `listen` in its configuration.")
    if "moved" in said:
        raise PlanMoved(str(said.get("problem")), _plan(said["moved"]))
    findings = tuple(Finding(**finding) for finding in said.get("findings", ()))
    if "problem" in said:
        if findings:
            raise BadPolicy(findings)
        raise OperationFailed(str(said["problem"]).capitalize() + ".")
    return said


def _plan(said: dict[str, Any]) -> PlanAnswer:
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
        raw=said,
    )


def _applied(said: dict[str, Any]) -> ApplyAnswer:
    return ApplyAnswer(
        done=said["done"],
        calls=said["calls"],
        planned_calls=said["planned_calls"],
        reads=said["reads"],
        rounds=said["rounds"],
        undone=tuple(said["undone"]),
        remaining=said["remaining"],
        notes=tuple(said["notes"]),
        rooms=said["rooms"],
        settled=said["settled"],
    )
