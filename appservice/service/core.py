"""Core: the one process that holds the application service's token. Composes all rooms and runs them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

import structlog
from aiohttp import web

from appservice import switches
from appservice.cases import CaseWords, LateEdits, Requests, ShadowWords
from appservice.conversation import PolicyWords, ReadingWords, Say, is_for_policies, is_for_reading
from appservice.detection.care_gate import care_gate
from appservice.detection.first_messages import FirstMessages
from appservice.detection.slow_mode import TurnBook
from appservice.effects import Audit, NoticeExecutor, Outbox, Pace, RedactExecutor, Speaker
from appservice.flow import GUARDIAN_NAME, Clock, Effect, Executor, Handler, Identity
from appservice.intake import Endpoint, GapCheck, Lanes, Projection, RestoreCheck
from appservice.matrix import (
    Actor,
    AdminCapability,
    HomeserverClient,
    HomeserverError,
    Unreachable,
    Watch,
    wait_until_up,
)
from appservice.membership import (
    Arrivals,
    Doors,
    GreetingExecutor,
    Invitations,
    InviteExecutor,
    JoinWords,
    RemoveExecutor,
    Standing,
)
from appservice.people import (
    AnswerInviteExecutor,
    Concerns,
    DirectMessageExecutor,
    DirectRooms,
    EnsureDirectRoomExecutor,
    Greetings,
    Quiet,
)
from appservice.provisioning import Applier, Observer, Provisioner
from appservice.service.casework import Casework
from appservice.service.clock import SystemClock
from appservice.service.config import BadConfiguration, Config, Registration, ghosts_of
from appservice.service.control import Control
from appservice.service.detectors import concern, conduct, media, slow_mode
from appservice.service.drifting import DriftWatch
from appservice.service.governance import Governance
from appservice.service.policy_files import BadPolicy, Said, read_files
from appservice.service.reading import Reading
from appservice.service.report import status_of
from appservice.service.room_plans import RoomPlans
from appservice.service.succession import Successions
from appservice.service.upkeep import Upkeep
from appservice.service.wording import WordingInForce
from appservice.store import Commit, Database, Questions, StoreRefused, ensure_current
from policies.keeping import kept

log = structlog.get_logger()

#: Devices whose transaction ids the homeserver remembers for us (24 h, over restarts).
DEVICE = "INGLENOOK"
#: Seconds between two audits, in which each room is looked at.
AUDIT_S = 3600.0
#: Seconds that a start waits at most for what was missed, before rooms are compared with the policy.
_CATCH_UP_S = 10.0


class Core:
    """The running service. `handlers` are added after the house's own; tests use that."""

    def __init__(
        self,
        config: Config,
        registration: Registration,
        *,
        handlers: Sequence[Handler] = (),
        clock: Clock | None = None,
    ) -> None:
        self.config = config
        self._registration = registration
        self._more_handlers = tuple(handlers)
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self.started = time.time()
        self.ready = False
        self._opened = False
        self.waiting_for: str | None = "start"
        self.file_differs = False
        self._clock = clock = clock or SystemClock()
        name = config.homeserver.name
        self.ghosts = ghosts_of(registration, name)
        self.database = Database(config.store, config.durability)
        self.questions = Questions(self.database, name)
        self.client = HomeserverClient(config.homeserver.url, registration.as_token)
        self.pace = Pace()
        self.client.observe = self.pace.observe
        self.client.reconnected = self._reconnected
        self.audit = Audit(self.database)
        self.admin = AdminCapability(self.client, self.ghosts.steward, self.audit)
        self.projection = Projection(name, self.ghosts)
        steward, guardian = Actor(self.ghosts.steward, DEVICE), Actor(self.ghosts.guardian, DEVICE)
        self.actors = {Identity.STEWARD: steward, Identity.GUARDIAN: guardian}
        self._wording = WordingInForce()
        speaker = Speaker(self.client, self.actors, self._wording)
        self.concerns, self.quiet, self.turns = Concerns(name, clock), Quiet(name), TurnBook()
        self.direct_rooms = DirectRooms(
            self.client, self.admin, self.projection, self.database, self.ghosts, guardian, ""
        )
        self.notices, self.greetings = NoticeExecutor(speaker), Greetings(name, clock)
        self.casework, self.room_plans = Casework(self, clock, speaker), RoomPlans(self, clock, speaker)
        self.reading = Reading(self, clock, speaker)
        redact = RedactExecutor(self.client, speaker)
        self._make_people_known()
        message = DirectMessageExecutor(self.direct_rooms, speaker, self.quiet.wants, self.casework.not_reached)
        executors: Mapping[str, Executor] = {
            "redact": redact,
            "withdraw": redact,
            "notice": self.notices,
            "ensure_direct_room": EnsureDirectRoomExecutor(self.direct_rooms),
            "direct_message": message,
            "urgent_message": message,
            "greeting": GreetingExecutor(message, self.projection.membership, self.concerns.in_distress),
            "give_back": self.casework.giving_back(message),
            "return_words": self.reading.returning(message),
            "remove": RemoveExecutor(self.client, self.projection, self.ghosts),
            "invite": InviteExecutor(self.client, self.projection, self.ghosts),
            "answer_invite": AnswerInviteExecutor(self.client, self.direct_rooms, speaker, guardian),
            **self.casework.executors,
            **self.room_plans.executors,
            **self.reading.executors,
        }
        self.outbox = Outbox(name, self.database, self.questions, executors, clock, self.pace)
        self.lanes = Lanes(
            name,
            self.database,
            self.questions,
            self.projection,
            (),
            self.outbox,
            self.client,
            self.ghosts,
            clock,
            {
                "approve": self._approve,
                "concerned": self.concerns.note,
                "be_quiet": self.quiet.note,
                "note_greeting": self.greetings.note,
                **self.casework.recorders,
                **self.room_plans.recorders,
                **self.reading.recorders,
            },
        )
        self._guard()
        self.restore_check = RestoreCheck(
            self.client,
            (guardian, steward),
            self.database,
            self.questions,
            self.projection,
            self.outbox,
            self.audit,
            clock,
        )
        self._watch_for_older_copies()
        self.gap = GapCheck(name, self.client, guardian, self.lanes, self.questions, self.restore_check, clock)
        self.endpoint = Endpoint(name, registration.hs_token, self.lanes, clock, self.ghosts.__contains__, self.status)
        observer = Observer(
            self.client, self.admin, self.projection, self.lanes, self.ghosts, registration.address_patterns
        )
        applier = Applier(self.client, self.admin, observer, self.ghosts, guardian, self.audit, self._wording.farewell)
        self.provisioner = Provisioner(observer, applier, self.ghosts)
        self.governance = Governance(
            name,
            self.ghosts,
            self.database,
            self.questions,
            self.provisioner,
            self.audit,
            clock,
            Successions(self.client, observer, self.ghosts, lambda room_id: len(self.casework.book.open_in(room_id))),
            self._take_into_force,
            self._beside,
        )
        self.drift = DriftWatch(self, observer, clock)
        self.control = Control(self.governance, self.endpoint.authorised, lambda: self.ready)
        self.upkeep = Upkeep(self.database, clock)
        self._connect()

    def _make_people_known(self) -> None:
        """Who is in distress, who wants no messages, and what people were told, is known wherever something is decided."""
        self.projection.concerns = self.concerns.by_person
        self.projection.turns = self.turns
        self.projection.greeted = self.greetings.by_person
        self.projection.quiet = self.direct_rooms.quiet = self.quiet.people

    def _connect(self) -> None:
        """Text that was purged leaves the disk; pushes wait for what was missed; who waits as a newcomer stands in every
        plan, and is put right at once, which is no drift."""
        self.lanes.text_purged = self.upkeep.text_was_purged
        self.endpoint.passed_over, self.endpoint.in_order = self.gap.soon, self.gap.caught_up
        self.reading.hold(self.governance)
        self.drift.newcomers_moved = self.reading.levels.wake

    def _watch_for_older_copies(self) -> None:
        self.restore_check.noticed = self.casework.older_homeserver
        self.restore_check.begin_anew = self._begin_anew

    def _guard(self) -> None:
        """What is removed is sealed with its removal; nobody in distress is corrected (CARE, rule 1)."""
        evidence = self.casework.evidence
        self.lanes.beside = {"redact": evidence.seal, "open_case": evidence.seal_standing}
        self.outbox.moot = self.casework.book.moot
        self.lanes.heard = self.turns.heard
        if not switches.off("care_gate"):
            self.lanes.gate = care_gate
            self.outbox.hold_back = self.concerns.hold_back
            self.outbox.held = self.casework.held_back

    def _take_into_force(self, said: Said, standing: Standing) -> None:
        """From now on everything is decided and worded by this policy."""
        names = {room.key: room.name for room in said.community.rooms}
        groups = said.policy.groups
        capacities = {key: group.capacity for key, group in groups.items() if group.capacity is not None}
        lifetimes = {key: str(kept(group).days or "none") for key, group in groups.items()}
        own_hours = {key for key, group in groups.items() if group.hours is not None}
        self._wording.take(
            said.policy, self._clock, lambda room_id: self._room_name(room_id, names), self.casework.group
        )
        self.projection.rules = standing
        self.casework.follow(standing, said.policy)
        self.drift.follow(said.community)
        self.direct_rooms.community = said.community.id
        self.reading.follow(said.community)
        self.direct_rooms.reaches = said.community.reach.lets
        doors = Doors(capacities)
        self.lanes.doorkeepers = (doors,)
        self.lanes.handlers = (
            concern(),
            LateEdits(),
            conduct(said.policy),
            slow_mode(said.policy, self.turns),
            media(said.policy),
            FirstMessages(),
            doors,
            Arrivals({key: group.welcome for key, group in groups.items() if group.welcome}, own_hours, lifetimes),
            JoinWords(capacities),
            Invitations(),
            CaseWords(),
            ShadowWords(),
            Requests(lambda item, facts: is_for_policies(item, facts) or is_for_reading(item, facts)),
            PolicyWords(),
            Say(),
            ReadingWords(),
            *self._more_handlers,
        )

    def _beside(self, before: Said, said: Said) -> tuple[Commit, Callable[[], None]]:
        """What is committed with another policy being put in force: what members are told, and who waits no longer."""
        rows, start = self.room_plans.members.beside(before, said)
        rows.add(self.reading.book.ending(said.community))
        return rows, start

    def _approve(self, effect: Effect) -> Commit:
        standing = self.governance.standing
        assert standing is not None  # only a policy's handlers decide
        return standing.approve(effect)

    def _room_name(self, room_id: str, names: Mapping[str, str]) -> str:
        room = self.projection.room(room_id)
        return names.get(room.group, "your group") if room is not None and room.managed else "your group"

    def _reconnected(self) -> None:
        self.outbox.homeserver_is_back()
        self.gap.doubt()

    async def _begin_anew(self) -> None:
        """The homeserver is an older copy of itself: identities, rooms, state and token are made true again."""
        self.gap.forget_token()
        self.notices.forget()
        self.projection.forget_all()
        await self._exist(again=True)
        await self._learn(again=True)
        self.direct_rooms.forget_vanished(await self.client.joined_rooms(self.ghosts.guardian))
        await self.governance.keep(again=True)

    # -- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the store, rebuild what we know, listen, and go on with what an earlier life left open."""
        await asyncio.to_thread(ensure_current, self.config.store)
        self._opened = True
        await self.database.open()
        self._stack.push_async_callback(self.database.close)
        await self._stack.enter_async_context(self.client)
        await self.projection.load(self.questions)
        await self.concerns.load(self.questions)
        await self.quiet.load(self.questions)
        await self.greetings.load(self.database)
        await self.casework.load()
        await self.room_plans.load()
        await self.reading.load()
        self.turns.load(self.casework.cases())
        await self.drift.book.load(self.database)
        await self._govern()
        await self.gap.start()
        resumed = await self.lanes.resume(), await self.outbox.resume()
        if any(resumed):
            log.info("resumed", inputs=resumed[0], effects=resumed[1])
        app = self.endpoint.application()
        self.control.add_to(app)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=5.0)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self.config.listen.host, self.config.listen.port).start()
        log.info("listening", port=self.config.listen.port)
        self._tasks = [
            asyncio.create_task(self.outbox.run(), name="outbox"),
            asyncio.create_task(self._join_in(), name="join-in"),
            asyncio.create_task(self.upkeep.run(), name="upkeep"),
            asyncio.create_task(self.casework.deadlines.run(), name="deadlines"),
            asyncio.create_task(self.room_plans.run(), name="plans"),
            asyncio.create_task(self.reading.run(), name="reading"),
            asyncio.create_task(self._audits(), name="audits"),
            asyncio.create_task(Watch(self.config.homeserver.url, self._reconnected).run(), name="watch"),
        ]

    async def _govern(self) -> None:
        """Take up the policy in force, or at the first start that of the configuration; its file may be wrong later.

        Raises `BadConfiguration` where there is nothing to go by.
        """
        await self.governance.load()
        if self.config.policy is None:
            return
        try:
            files = read_files(self.config.policy, self.config.people)
            if self.governance.said is None:
                await self.governance.begin_with(files)
            self.file_differs = not self.governance.follows(files)
        except BadPolicy as error:
            if self.governance.said is None:
                raise BadConfiguration(str(error)) from None
            self.file_differs = True
        if self.file_differs:
            log.warning("policy_file_differs", follows="what was applied stays in force; see `inglenook plan`")

    async def _join_in(self) -> None:
        """Everything that needs the homeserver: be pinged, exist, resume, provision, then check for gaps for ever."""
        while not self.ready:
            try:
                self.waiting_for = "homeserver"
                await wait_until_up(self.client)
                with suppress(HomeserverError):
                    await self.client.ping(self._registration.id)
                await self._exist()
                await self._learn()
                if not any(task.get_name() == "gap" for task in self._tasks):
                    self._tasks.append(asyncio.create_task(self.gap.run(), name="gap"))
                self.waiting_for = "provisioning"
                await self._caught_up()
                await self.governance.keep()
                self.waiting_for = None
                self.ready = True
                self.drift.begin()
                self.reading.begin()
                log.info("ready", rooms=len(list(self.projection.rooms())))
            except Unreachable:
                await asyncio.sleep(0.5)
            except (HomeserverError, StoreRefused) as error:
                self.waiting_for = f"homeserver answered {error}"
                log.error("start_failed", error=str(error))
                await asyncio.sleep(5)

    async def _caught_up(self) -> None:
        """Plan from what is, not from before what was missed: wait a moment until that is known and read."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CATCH_UP_S):
                await self.gap.caught_up.wait()
                await self.endpoint.quiet()
                await self.lanes.idle()

    async def _exist(self, again: bool = False) -> None:
        """Make our own identities and their devices exist; asked of the homeserver once in a store's life."""
        if not again and await self.questions.position("identities") == DEVICE:
            return
        for user_id in (self.ghosts.guardian, self.ghosts.custodian):
            await self.client.register(user_id[1:].partition(":")[0])
        for actor in self.actors.values():
            await self.client.put_device(actor, "Inglenook")
        await self.client.set_display_name(self.actors[Identity.GUARDIAN], GUARDIAN_NAME)
        await self._remember("identities", DEVICE)

    async def _learn(self, again: bool = False) -> None:
        """Know every room that we are in: from the store, or by one read of each."""
        if not again and await self.questions.position("rooms_learnt") is not None:
            self.direct_rooms.all_are_known()
            await self.provisioner.notice_vanished()
            return
        await self.lanes.learn_rooms(await self.client.joined_rooms(self.ghosts.guardian))
        await self.direct_rooms.adopt()
        await self._remember("rooms_learnt", "yes")

    async def _audits(self) -> None:
        """Every hour each room is looked at, and what was missed is made good."""
        while True:
            await asyncio.sleep(AUDIT_S)
            if self.ready:
                try:
                    await self.governance.audit()
                except (HomeserverError, StoreRefused) as error:
                    log.warning("audit_failed", error=str(error))

    async def _remember(self, name: str, value: str) -> None:
        row = {"homeserver": self.config.homeserver.name, "name": name, "value": value}
        await self.database.commit(Commit(positions=[row]))

    async def stop(self) -> None:
        """Stop cleanly: nothing new is taken, what is under way is written down."""
        for task in self._tasks:
            task.cancel()
        await self.control.close()
        await self.drift.close()
        await self.reading.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.lanes.close()
        await self.outbox.close()
        await self.audit.flush()
        if self._opened:
            await self.database.truncate_log()
        await self._stack.aclose()

    # -- what others may ask ---------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Return how we are, for `inglenook status`. No names, no texts, no room ids."""
        return status_of(self)
