"""`inglenook demo`: a real homeserver and our service on this computer, people in it, and the main job to be seen.

Here is its life, from the folder to the last child that ends; people, story and words are in `demo_*`.
"""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from rich.console import Console
from rich.status import Status

import policies
from appservice.operations.demo_folder import DemoFolder, Record, claim
from appservice.operations.demo_guide import guide
from appservice.operations.demo_people import CAST, PeopleChanged, Person
from appservice.operations.demo_story import Show, Stage, tell, tell_shortly
from appservice.operations.errors import OperationFailed
from appservice.operations.ground import port_free, synapse_python
from appservice.operations.homeserver import EmbeddedHomeserver
from appservice.operations.homeserver_config import HomeserverConfig
from appservice.operations.processes import free_port, release_port
from appservice.operations.service_process import ServiceProcess, write_service_config
from appservice.service.config import ghosts_of, load_registration
from policies.compile import compile_community
from policies.desired import DesiredCommunity
from policies.load import load_files
from policies.people import People

_EXAMPLES = Path(policies.__file__).parent / "examples"
_POLICY, _PEOPLE = _EXAMPLES / "hearth-demo.yaml", _EXAMPLES / "hearth-demo.people.yaml"
#: Seconds between two looks at whether both children live.
_LOOK_S = 0.5
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class _Running:
    """What runs, and for whom."""

    folder: DemoFolder
    homeserver: EmbeddedHomeserver
    service: ServiceProcess
    wanted: DesiredCommunity
    people: People
    helper: str


async def run_demo(directory: Path, port: int, out: Console, *, stay: bool) -> None:
    """Run the demo in `directory`, its homeserver on `port` of 127.0.0.1; call it in the main thread.

    The first time it makes the community and plays the main job; later it goes on with the same community and plays one
    removal. With `stay` it then runs until SIGINT, SIGTERM or SIGHUP; without, it ends at once. Either way nothing that
    it started is left.

    Raises: `OperationFailed` for whatever could not be done or was not seen, or if it was stopped before that;
    `appservice.service.config.BadConfiguration` for a folder that cannot be used.
    """
    if isinstance(out.file, TextIOWrapper):
        # A terminal that knows no tick shows a question mark, not a traceback.
        out.file.reconfigure(errors="replace")
    settled = asyncio.Event()
    work = asyncio.create_task(_live(directory, port, Show(out), stay, settled), name="demo")
    loop = asyncio.get_running_loop()
    asked: list[int] = []

    def stop(number: int) -> None:
        # Once: a second Ctrl-C must not cut short the stopping itself.
        if not asked:
            work.cancel()
        asked.append(number)

    for number in _STOPPING:
        loop.add_signal_handler(number, stop, number)
    try:
        await work
    except asyncio.CancelledError:
        if not asked:
            work.cancel()
            raise
        if not settled.is_set():
            raise OperationFailed("Stopped before everything was seen. Give the same command again to go on.") from None
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        raise OperationFailed(f"The demo cannot go on. {what}{error.strerror or error}") from error
    finally:
        for number in _STOPPING:
            loop.remove_signal_handler(number)


async def _live(directory: Path, port: int, show: Show, stay: bool, settled: asyncio.Event) -> None:
    began = time.monotonic()
    with claim(directory) as folder:
        await port_free(port)
        wanted, people = _community()
        show.heading(f"Inglenook shows itself: {wanted.name}, a small community on this computer")
        record, cut_off = folder.begin(part.name for part in CAST)
        if cut_off:
            show.done("The last start was cut off before it was done. This one begins again.")
        async with _running(folder, port, record, wanted, people, show) as running:
            record = await _play(running, record, show, stay)
            show.heading(f"All of it was seen, {time.monotonic() - began:.0f} s after the start.")
            if stay:
                guide(
                    show.out,
                    url=running.homeserver.url,
                    passwords=record.passwords,
                    wanted=wanted,
                    record=folder.record_file,
                    folder=folder.path,
                )
                settled.set()
                await _watch(running)


@asynccontextmanager
async def _running(
    folder: DemoFolder, port: int, record: Record, wanted: DesiredCommunity, people: People, show: Show
) -> AsyncIterator[_Running]:
    """Homeserver and service, ready, with everybody's account; stopped at the end, the service first."""
    homeserver = EmbeddedHomeserver(
        HomeserverConfig(
            directory=folder.homeserver,
            server_name=wanted.server,
            port=port,
            # A new one each time: nobody needs to know it, and none can be taken.
            appservice_url=f"http://127.0.0.1:{(own_port := free_port())}",
            python=await synapse_python(folder.synapse_environment, show.done),
            durable=False,
            alias_regexes=(rf"^#{re.escape(wanted.id)}-.*:{re.escape(wanted.server)}$",),
        )
    )
    services: list[ServiceProcess] = []
    try:
        with _busy(show, "Starting the homeserver"):
            at = time.monotonic()
            with _log_named(homeserver.config.log_file, folder):
                homeserver.prepare()
                await homeserver.start()
            await homeserver.make_steward_admin()
        show.done(f"The homeserver runs: a real Synapse, only on this computer, at {homeserver.url}.", _s(at))
        with _busy(show, "Making the rooms"):
            at = time.monotonic()
            config = write_service_config(folder.service, homeserver, _POLICY, _PEOPLE, durability="normal")
            service = ServiceProcess(config)
            services.append(service)
            with _log_named(service.log_file, folder):
                await service.start()
        if record.made:
            show.done("Inglenook runs, with the rooms and people of last time.", _s(at))
        else:
            show.done(f"Inglenook runs. It read the policy file and made {len(wanted.rooms)} rooms from it.", _s(at))
            show.words(str(_POLICY))
        registration = load_registration(homeserver.config.registration_file)
        # Imported late: with it comes all of the service, which until now only the child needed.
        yield _Running(folder, homeserver, service, wanted, people, ghosts_of(registration, wanted.server).guardian)
    finally:
        await _stop(homeserver, services, show)
        release_port(own_port)


async def _play(running: _Running, record: Record, show: Show, stay: bool) -> Record:
    """Play what this start has to show; return the record as it is afterwards."""
    folder, homeserver = running.folder, running.homeserver
    if not record.made:
        with _busy(show, "Making accounts"):
            at = time.monotonic()
            await _all(homeserver.register(part.name, record.passwords[part.name]) for part in CAST)
        show.done(f"{len(CAST)} people have accounts: {', '.join(part.called for part in CAST)}.", _s(at))
        record = record.model_copy(update={"made": True})
        folder.write(record)
    if not record.shown:
        show.heading("What happens when people come (every line was seen by another person's program)")
        async with _on_stage(running, record, [part.name for part in CAST]) as stage:
            await tell(stage, show)
        record = record.model_copy(update={"shown": True})
        folder.write(record)
        return record
    show.heading("Does it still work? (seen by Rosa's program)")
    try:
        async with _on_stage(running, record, ["rosa", "sam"]) as stage:
            await tell_shortly(stage, show)
    except PeopleChanged as changed:
        # Whoever tried things out may have banned Sam or changed a password: no reason to keep them out.
        if not stay:
            raise OperationFailed(
                f"{changed} Was something changed by hand? To begin again, delete the folder {folder.path}."
            ) from None
        show.plain(f"  ! This could not be tried: {changed}")
    return record


@asynccontextmanager
async def _on_stage(running: _Running, record: Record, names: Iterable[str]) -> AsyncIterator[Stage]:
    parts = {part.name: part for part in CAST}
    url, server = running.homeserver.url, running.wanted.server
    persons = {name: Person(parts[name], url, server) for name in names}
    try:
        await _all(person.arrive(record.passwords[name]) for name, person in persons.items())
        yield Stage(running.wanted, running.people, persons, running.helper)
    finally:
        await asyncio.gather(*(person.leave() for person in persons.values()), return_exceptions=True)


async def _watch(running: _Running) -> None:
    """Until cancelled. Raises: `OperationFailed` if one of the two ends by itself."""
    while True:
        if running.service.pid is None:
            raise OperationFailed(f"Inglenook ended by itself. See {running.service.log_file}")
        if not running.homeserver.running:
            raise OperationFailed(f"The homeserver ended by itself. See {running.homeserver.config.log_file}")
        await asyncio.sleep(_LOOK_S)


async def _stop(homeserver: EmbeddedHomeserver, services: list[ServiceProcess], show: Show) -> None:
    """Stop ours, then the homeserver. What is said to a closed terminal is lost; the stopping is not."""
    with suppress(OSError):
        show.plain("\nStopping ...")
    for service in services:
        await service.stop()
    await homeserver.stop()
    with suppress(OSError):
        show.plain("Everything has stopped, and is kept for next time.")


def _community() -> tuple[DesiredCommunity, People]:
    loaded = load_files(_POLICY, _PEOPLE)
    if loaded.policy is None or loaded.people is None:
        raise OperationFailed("\n".join(str(finding) for finding in loaded.findings))
    return compile_community(loaded.policy, loaded.people), loaded.people


async def _all(awaited: Iterable[Awaitable[object]]) -> None:
    """Await them side by side, and only when all have ended raise what the first to fail raised."""
    for result in await asyncio.gather(*awaited, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


@contextmanager
def _log_named(log: Path, folder: DemoFolder) -> Iterator[None]:
    """Say where the log lies instead of quoting it: for a newcomer, pages of it hide what happened."""
    try:
        yield
    except OperationFailed as error:
        what = str(error).partition("\n")[0].removesuffix(" Its last words:").rstrip(":.")
        more = f" See {log}." if log.exists() else ""
        raise OperationFailed(f"{what}.{more} To begin again, delete the folder {folder.path}.") from error


def _busy(show: Show, what: str) -> Status:
    return show.out.status(f"{what} ...")


def _s(since: float) -> str:
    return f"{time.monotonic() - since:.1f} s"
