"""The policy in force: which it is, how another one takes its place, and that the homeserver keeps following it.

What was applied last stays in force whatever becomes of the files, and over restarts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import structlog

from appservice.effects import Audit
from appservice.flow import Clock, Ghosts
from appservice.membership import Standing
from appservice.provisioning import Progress, Provisioner, Reconciled
from appservice.service.policy_files import BadPolicy, PolicyFiles, Reader, Said
from appservice.store import Commit, Database, Questions
from policies.compile import policy_digest
from policies.findings import Finding
from policies.load import out_of_date
from policies.plan import Plan
from policies.risk import assessment_lacking, refusal_without_assessment, with_assessment_note
from policies.times import day_at

log = structlog.get_logger()

_LANE = "policy"


class Moved(Exception):
    """A plan was approved, and another one would be made now; `plan` is that."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("something has changed since the plan was made: look at it again")
        self.plan = plan


class Governance:
    """Knows the policy in force. `taken(said, standing)` is called as soon as another one is."""

    def __init__(
        self,
        homeserver: str,
        ghosts: Ghosts,
        database: Database,
        questions: Questions,
        provisioner: Provisioner,
        audit: Audit,
        clock: Clock,
        taken: Callable[[Said, Standing], None],
    ) -> None:
        self._homeserver = homeserver
        self._database = database
        self._questions = questions
        self._provisioner = provisioner
        self._audit = audit
        self._clock = clock
        self._taken = taken
        self._changing = asyncio.Lock()
        self.reader = Reader(homeserver, (ghosts.steward, ghosts.guardian, ghosts.custodian))
        self.said: Said | None = None
        self.standing: Standing | None = None
        self.settled = False
        self.remaining = 0

    # -- which it is -----------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Take up the policy that an earlier life of ours had in force. Raises `BadPolicy`, `StoreRefused`."""
        stored = await self._questions.in_force()
        if stored is None:
            return
        files = PolicyFiles(stored.policy, stored.policy_name, stored.people, stored.people_name)
        said = await self.reader.read(files)
        standing = self._standing_of(said)
        standing.load(await self._questions.approvals())
        self._take(said, standing, settled=stored.settled)

    async def begin_with(self, files: PolicyFiles) -> None:
        """Put the first policy in force. Raises `BadPolicy`, `StoreRefused`."""
        said = await self.reader.read(files)
        standing = self._standing_of(said)
        standing.load(await self._questions.approvals())
        await self._write(said, settled=False)
        self._take(said, standing, settled=False)

    def follows(self, files: PolicyFiles) -> bool:
        """Whether what is in force was written just so."""
        return self.said is not None and self.said.files.same_words(files)

    def _standing_of(self, said: Said) -> Standing:
        return Standing(self._homeserver, said.policy, said.community, said.people)

    def _take(self, said: Said, standing: Standing, *, settled: bool) -> None:
        self.said, self.standing, self.settled = said, standing, settled
        self._taken(said, standing)

    async def _write(self, said: Said, *, settled: bool) -> None:
        row = {
            "homeserver": self._homeserver,
            "policy": said.files.policy,
            "policy_name": said.files.policy_name,
            "people": said.files.people,
            "people_name": said.files.people_name,
            "settled": settled,
            "since_ms": self._clock.now_ms(),
        }
        await self._database.commit(Commit(in_force=[row]))

    # -- another one -----------------------------------------------------------------------------------------------

    async def plan(self, files: PolicyFiles, *, audit: bool = False) -> tuple[Said, Plan]:
        """Return what `files` say, and what would be done if they were applied.

        Raises `BadPolicy`, and `HomeserverError` where something must be looked up and cannot be.
        """
        said = await self._acceptable(files)
        standing = self._succeeding(said)
        planned = await self._provisioner.plan(said.community, standing.people(), audit=audit)
        late = out_of_date(said.policy, files.policy, files.policy_name, self._today(said))
        told = replace(said, advice=(*said.advice, *late))
        return told, with_assessment_note(planned, self._lacking(said, planned))

    def _lacking(self, said: Said, planned: Plan) -> str | None:
        """Why a plan may not be made for want of a risk assessment. What is in force already stays so, whatever expires."""
        return None if self.follows(said.files) else assessment_lacking(said.policy, planned, self._today(said))

    def _today(self, said: Said) -> date:
        return day_at(self._clock.now_ms(), said.policy.community.hours.zone)

    @property
    def review_due(self) -> date | None:
        """The day by which the risk assessment was to be looked at again, if that has passed; nothing stops for it."""
        risk = self.said.policy.community.risk_assessment if self.said is not None else None
        return risk.next if self.said is not None and risk is not None and risk.next <= self._today(self.said) else None

    async def apply(
        self, files: PolicyFiles, *, digest: str | None = None, progress: Progress | None = None
    ) -> Reconciled:
        """Put `files` in force and make the homeserver follow.

        digest: of the plan that was approved; with another one now, nothing is done. Raises `BadPolicy`, `Moved`,
        `HomeserverError`, `StoreRefused`.
        """
        async with self._changing:
            said, planned = await self.plan(files)
            if digest is not None and planned.digest != digest:
                raise Moved(planned)
            lacking = self._lacking(said, planned)
            if lacking is not None:
                raise BadPolicy((refusal_without_assessment(lacking, files.policy, files.policy_name),))
            await self._write(said, settled=False)
            self._audit.note(_LANE, {"in_force": policy_digest(said.policy), "plan": planned.digest})
            log.info("policy_in_force", community=said.community.id, changes=len(planned.changes))
            standing = self._succeeding(said)  # whoever was approved while we looked is among them
            self._take(said, standing, settled=False)
            return await self._reconcile(first=planned, progress=progress)

    async def _acceptable(self, files: PolicyFiles) -> Said:
        said = await self.reader.read(files)
        now = self.said
        if now is not None and now.community.id != said.community.id:
            message = f"this service looks after {now.community.id}, and this is a policy for {said.community.id}"
            advice = "A community keeps its id for ever. A second community needs a service of its own."
            raise BadPolicy((Finding("error", files.policy_name, 1, 1, said.community.id, message, advice),))
        return replace(said, files=files)

    def _succeeding(self, said: Said) -> Standing:
        standing = self._standing_of(said)
        if self.standing is not None:
            standing.load(self.standing.approvals())
        return standing

    # -- keeping it ------------------------------------------------------------------------------------------------

    async def keep(self, *, again: bool = False) -> None:
        """Make the homeserver follow what is in force, where it does not. Raises `HomeserverError`, `StoreRefused`.

        No call is made while all is as it should be; `again` looks even if nothing seems to be wrong.
        """
        async with self._changing:
            if self.said is None or self.standing is None:
                return
            if not self.settled:
                # It was cut off: what was done, and not told us, is not done again.
                await self._provisioner.audit(self.said.community)
            present = self._provisioner.present(self.said.community, self.standing.people())
            if again or not self.settled or not present.empty:
                await self._reconcile()

    async def audit(self) -> None:
        """Read every room once, and make good what was missed. Raises as `keep`."""
        if self.review_due is not None:
            log.warning("risk_assessment_review_due", since=str(self.review_due))
        if self.said is not None:
            await self._provisioner.notice_vanished()
            await self._provisioner.audit(self.said.community)
            await self.keep()

    async def _reconcile(self, first: Plan | None = None, progress: Progress | None = None) -> Reconciled:
        assert self.said is not None
        assert self.standing is not None
        result = await self._provisioner.apply(
            self.said.community, self.standing.people, first=first, progress=progress
        )
        self.remaining = len(result.undone) + result.remaining
        for note in result.notes:
            log.warning("provisioning_note", kind=note.kind, group=note.room)
        log.info("provisioned", done=result.done, calls=result.calls, undone=len(result.undone), rounds=result.rounds)
        if result.settled != self.settled:
            await self._write(self.said, settled=result.settled)
            self.settled = result.settled
        return result
