"""`inglenook demo --scene`: the main job played by real accounts, and judged only by what other people see of it."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console

from appservice.operations.control import apply_policy, plan_policy
from appservice.operations.demo_folder import LOCK, SCENE_MARK, DemoFolder, claim
from appservice.operations.errors import OperationFailed
from appservice.operations.files import PRIVATE_FILE
from appservice.operations.ground import port_free, synapse_python
from appservice.operations.homeserver import EmbeddedHomeserver
from appservice.operations.homeserver_config import HomeserverConfig
from appservice.operations.processes import free_port, release_port
from appservice.operations.scene_people import Account
from appservice.operations.scene_stage import DEPUTY, LOUNGE, OPEN, OUTSIDERS, Stage, Witness
from appservice.operations.scene_steps import STEPS, SWITCHES, Step
from appservice.operations.service_process import ServiceProcess, write_service_config
from appservice.service.config import BadConfiguration, ghosts_of, load_registration
from policies.compile import compile_community
from policies.desired import DesiredCommunity
from policies.files import EXAMPLES
from policies.load import load_files
from policies.people import People

_POLICY = EXAMPLES / "leeds-carers.yaml"
_PEOPLE = EXAMPLES / "leeds-carers.people.yaml"
#: What a homeserver writes into a room that nobody governs: for the step that is to fail without our levels.
_ORDINARY_LEVELS = {"state_default": 50, "events_default": 0, "invite": 0, "kick": 50, "ban": 50, "redact": 50}
#: Many people sign in at once, from one address.
_FAST = {
    "rc_login": {
        "address": {"per_second": 100, "burst_count": 1000},
        "account": {"per_second": 100, "burst_count": 1000},
    },
    "rc_message": {"per_second": 100, "burst_count": 1000},
    "rc_joins": {"local": {"per_second": 100, "burst_count": 1000}},
    "bcrypt_rounds": 4,
}


@dataclass
class Played:
    """One step: whether all of it was seen, by whom, and how long it took; `problem` says what was not."""

    step: str
    ok: bool
    seen: list[dict[str, str]]
    ms: int
    problem: str = ""

    def record(self) -> dict[str, Any]:
        """Return it as the scene's JSON has it."""
        record = asdict(self)
        if self.ok:
            del record["problem"]
        return record


@dataclass
class _Telling:
    """Says what happens, unless only JSON is wanted."""

    out: Console
    quiet: bool
    steps: list[Played] = field(default_factory=list)

    def say(self, text: str) -> None:
        if not self.quiet:
            self.out.print(text, markup=False, highlight=False)

    def step(self, played: Played) -> None:
        self.steps.append(played)
        sign = "✓" if played.ok else "✗"
        self.say(
            f"\n{sign} step {played.step}: {len(played.seen)} things seen, {played.ms} ms {played.problem}".rstrip()
        )
        for one in played.seen:
            if not one["what"].endswith("(read again)"):
                self.say(f"    {one['by'].partition(':')[0]}: {one['what']}")


@dataclass(frozen=True)
class _Scene:
    """What the steps play on; `apply_problem` says what the policy's first apply left undone."""

    stage: Stage
    homeserver: EmbeddedHomeserver
    apply_problem: str


async def run_scene(
    directory: Path, port: int, out: Console, *, as_json: bool, without: Collection[str] = ()
) -> list[Played]:
    """Play all steps in a fresh community below `directory`; return what came of each.

    without: names from `SWITCHES`, switched off to see that something notices; for tests. Raises: `OperationFailed`
    where the scene cannot be set, `BadConfiguration` for a folder or a name that cannot be used.
    """
    known = {name for names in SWITCHES.values() for name in names}
    if unknown := sorted(set(without) - known):
        raise BadConfiguration(f"--without {unknown[0]}: it is one of {', '.join(sorted(known))}")
    telling = _Telling(out, as_json)
    try:
        _refuse_what_is_not_ours(directory / "scene")
        with claim(directory / "scene") as folder:
            _wipe(folder)
            await port_free(port)
            async with _set(folder, port, telling, without) as scene:
                for name, step in STEPS.items():
                    if name == "c" and "power_levels" in without:
                        await _without_our_levels(scene.stage, scene.homeserver)
                    telling.step(await _play(name, step, scene))
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        raise OperationFailed(f"The scene cannot go on. {what}{error.strerror or error}") from error
    return telling.steps


async def _play(name: str, step: Step, scene: _Scene) -> Played:
    """Play one step. What is missing becomes its problem, so that the others are still played."""
    witness, began, problem = Witness(), time.monotonic(), ""
    try:
        await step(scene.stage, witness)
    except OperationFailed as error:
        problem = str(error)
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # an answer that no homeserver should give
        problem = f"Something unexpected was seen ({type(error).__name__}: {error})."
    if name == "a":
        problem = " ".join(part for part in (scene.apply_problem, problem) if part)
    return Played(name, not problem, witness.seen, round((time.monotonic() - began) * 1000), problem)


def _refuse_what_is_not_ours(folder: Path) -> None:
    """Raises: `BadConfiguration` for a folder that the scene would have to wipe, and no scene made."""
    if not folder.is_dir() or (folder / SCENE_MARK).is_file():
        return
    others = [entry.name for entry in folder.iterdir() if entry.name != LOCK]  # the lock: killed before the mark
    if others:
        raise BadConfiguration(
            f"{folder} holds other things ({min(others)}), and the scene begins with an empty one: "
            "delete it, or name another with --directory."
        )


def _wipe(folder: DemoFolder) -> None:
    # First the mark: killed after it, the next scene still knows that all of this is its own.
    (folder.path / SCENE_MARK).touch(PRIVATE_FILE)
    for old in (folder.homeserver, folder.service):
        if old.exists():
            shutil.rmtree(old)


@asynccontextmanager
async def _set(folder: DemoFolder, port: int, telling: _Telling, without: Collection[str]) -> AsyncIterator[_Scene]:
    """A homeserver, our service, the policy applied as a person would, and everybody's account."""
    wanted, people = _said()
    homeserver = EmbeddedHomeserver(
        HomeserverConfig(
            directory=folder.homeserver,
            server_name=wanted.server,
            port=port,
            appservice_url=f"http://127.0.0.1:{(own_port := free_port())}",
            python=await synapse_python(folder.synapse_environment, telling.say),
            durable=False,
            alias_regexes=(rf"^#{re.escape(wanted.id)}-.*:{re.escape(wanted.server)}$",),
            overrides=_FAST,
        )
    )
    # Levels that are taken away would otherwise be back before anybody could use what is missing.
    off = [*without, "put_back"] if "power_levels" in without else list(without)
    service: ServiceProcess | None = None
    timeout = aiohttp.ClientTimeout(total=60)
    try:
        homeserver.prepare()
        await homeserver.start()
        await homeserver.make_steward_admin()
        telling.say(f"A real Synapse runs at {homeserver.url}.")
        service = ServiceProcess(
            write_service_config(folder.service, homeserver, durability="normal"),
            {"INGLENOOK_WITHOUT": ",".join(off)},
        )
        await service.start()
        try:
            await _apply(service, telling, complete="space_links" not in without)
            apply_problem = ""
        except OperationFailed as error:
            apply_problem = str(error)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            accounts = await _accounts(homeserver, session, people)
            registration = load_registration(homeserver.config.registration_file)
            ghosts = ghosts_of(registration, wanted.server)
            stage = Stage(
                wanted, people, accounts, ghosts.guardian, ghosts.steward, ghosts.custodian, homeserver, service
            )
            yield _Scene(stage, homeserver, apply_problem)
    finally:
        if service is not None:
            await service.stop()
        await homeserver.stop()
        release_port(own_port)


async def _apply(service: ServiceProcess, telling: _Telling, *, complete: bool) -> None:
    """Plan, apply, and apply again, which must call nothing. Raises: `OperationFailed`."""
    planned = await plan_policy(service.config, _POLICY, _PEOPLE)
    telling.say(f"plan: {planned.summary}")
    done = await apply_policy(service.config, _POLICY, _PEOPLE, digest=planned.digest)
    telling.say(f"apply: {done.done} changes made with {done.calls} calls")
    if not complete:
        return
    if done.calls != planned.calls or not done.settled:
        raise OperationFailed(f"{planned.calls} calls were planned, and {done.calls} made. {' '.join(done.undone)}")
    again = await apply_policy(service.config, _POLICY, _PEOPLE)
    telling.say(f"apply, once more: {again.calls} calls")
    if again.calls:
        raise OperationFailed("What had been applied was applied again.")


async def _accounts(
    homeserver: EmbeddedHomeserver, session: aiohttp.ClientSession, people: People
) -> dict[str, Account]:
    names = [user_id[1:].partition(":")[0] for user_id in people.by_id] + list(OUTSIDERS)

    async def make(name: str) -> Account:
        password = secrets.token_urlsafe(16)
        await homeserver.register(name, password, admin=name == DEPUTY)
        token = await homeserver.login(name, password)
        return Account(homeserver.user_id(name), homeserver.url, token, session)

    return dict(zip(names, await asyncio.gather(*(make(name) for name in names)), strict=True))


async def _without_our_levels(stage: Stage, homeserver: EmbeddedHomeserver) -> None:
    """Take our protection away, as if rooms were made the ordinary way: the next step must fail."""
    headers = {"Authorization": f"Bearer {homeserver.registration.as_token}"}
    async with aiohttp.ClientSession(homeserver.url, headers=headers) as session:
        for key in (LOUNGE, OPEN):
            levels = stage.community.room(key).state["m.room.power_levels", ""]
            path = f"/_matrix/client/v3/rooms/{stage.room_ids[key]}/state/m.room.power_levels/"
            async with session.put(path, json={**_ORDINARY_LEVELS, "users": levels["users"]}) as answer:
                if answer.status != 200:
                    raise OperationFailed(f"The power levels could not be taken away ({answer.status}).")


def _said() -> tuple[DesiredCommunity, People]:
    loaded = load_files(_POLICY, _PEOPLE)
    if loaded.policy is None or loaded.people is None:
        raise OperationFailed("\n".join(str(finding) for finding in loaded.findings))
    return compile_community(loaded.policy, loaded.people), loaded.people
