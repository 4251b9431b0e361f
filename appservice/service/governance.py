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
from appservice.provisioning import Applied as Made
from appservice.provisioning import Progress, Provisioner, Reconciled
from appservice.service.assessing import Assessing, Lacking, Waiting, with_note
from appservice.service.consent import Consent, Proposed, Undoing
from appservice.service.history import Applied, History, NothingToUndo, plan_id
from appservice.service.policy_files import BadPolicy, PolicyFiles, Reader, Said
from appservice.service.succession import Asked, CannotFollow, Successions
from appservice.store import AuditLine, Commit, Database, Questions
from policies.changes import Change
from policies.compile import policy_digest
from policies.desired import DesiredCommunity
from policies.findings import Finding
from policies.layers import layers_from_json, layers_to_json, notes_of
from policies.limits import Limits
from policies.load import out_of_date
from policies.one_group import outside
from policies.other_words import other_words
from policies.plan import Plan
from policies.risk import is_risky_where_people_are
from policies.thresholds import Share
from policies.undoing import what_stays

log = structlog.get_logger()

_LANE = "policy"
#: From what was in force and what is now: rows to commit with it, and what starts on them.
Told = Callable[[Said, Said], tuple[Commit, Callable[[], None]]]
#: Files made from those in force at the moment when they are applied, so that nothing applied meanwhile is taken back.
Anew = Callable[[Said], PolicyFiles]


class Governance:
    """Knows the policy in force. `taken(said, standing)` is called as soon as another one is; `told` decides
    what is said of it."""

    def __init__(
        self,
        homeserver: str,
        ghosts: Ghosts,
        database: Database,
        questions: Questions,
        provisioner: Provisioner,
        audit: Audit,
        clock: Clock,
        successions: Successions,
        taken: Callable[[Said, Standing], None],
        told: Told = lambda _before, _now: (Commit(), _nothing),
    ) -> None:
        self._homeserver = homeserver
        self._database = database
        self._questions = questions
        self._provisioner = provisioner
        self._audit = audit
        self._clock = clock
        self._taken = taken
        self._history = History(homeserver, database, questions, clock)
        self._assessing = Assessing(self._history, clock)
        self._successions = successions
        self._changing = asyncio.Lock()
        self.reader = Reader(homeserver, (ghosts.steward, ghosts.guardian, ghosts.custodian))
        self.said: Said | None = None
        self.standing: Standing | None = None
        self.settled = False
        self.remaining = 0
        self._unguarded = False
        self.held: tuple[Share, ...] = ()
        self._unassessed = False
        self.waiting: Waiting | None = None
        self._told = told
        #: whether a change would put back what somebody did by hand, and the policy says to leave it
        self.left_alone: Callable[[Change], bool] = lambda _change: False
        #: a community with those newcomers who wait at this moment, as it would be if it were in force
        self.with_newcomers: Callable[[DesiredCommunity], DesiredCommunity] = lambda community: community
        #: the rows by which whoever comes along from an old room is no newcomer in the one that takes its place
        self.brought: Callable[[Plan], Commit] = lambda _planned: Commit()

    # -- which it is -----------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Take up the policy that an earlier life of ours had in force. Raises `BadPolicy`, `StoreRefused`."""
        stored = await self._questions.in_force()
        if stored is None:
            return
        layers = layers_from_json(stored.layers)
        files = PolicyFiles(stored.policy, stored.policy_name, stored.people, stored.people_name, layers)
        said = await self.reader.read(files, was_accepted=True)
        refused = [f"{one.file}:{one.line}:{one.column}" for one in said.advice if one.severity == "error"]
        if refused:
            log.warning(
                "policy_in_force_is_refused_today", places=refused, follows="it stays in force; see `inglenook check`"
            )
        standing = self._standing_of(said)
        standing.load(await self._questions.approvals())
        self._unguarded = stored.unguarded
        self._unassessed = bool(await self._questions.position(_unassessed_of(said)))
        self._take(said, standing, settled=stored.settled)

    async def begin_with(self, files: PolicyFiles) -> None:
        """Put the first policy in force. Nobody has looked at its plan: `keep` does, before it removes anybody.

        Raises `BadPolicy`, `StoreRefused`.
        """
        said = await self.reader.read(files)
        standing = self._standing_of(said)
        standing.load(await self._questions.approvals())
        await self._write(said, settled=False, unguarded=True)
        self._take(said, standing, settled=False)

    def follows(self, files: PolicyFiles) -> bool:
        """Whether what is in force was written just so."""
        return self.said is not None and self.said.files.same_words(files)

    def _standing_of(self, said: Said) -> Standing:
        return Standing(self._homeserver, said.policy, said.community, said.people)

    def _take(self, said: Said, standing: Standing, *, settled: bool) -> None:
        self.said, self.standing, self.settled = said, standing, settled
        self._taken(said, standing)

    async def _write(
        self, said: Said, *, settled: bool, unguarded: bool | None = None, beside: Commit | None = None
    ) -> None:
        unguarded = self._unguarded if unguarded is None else unguarded
        row = {
            "homeserver": self._homeserver,
            "policy": said.files.policy,
            "policy_name": said.files.policy_name,
            "people": said.files.people,
            "people_name": said.files.people_name,
            "settled": settled,
            "since_ms": self._clock.now_ms(),
            "unguarded": unguarded,
            "layers": layers_to_json(said.layers.kept),
        }
        commit = Commit(in_force=[row])
        if beside is not None:
            commit.add(beside)
        await self._database.commit(commit)
        self._unguarded = unguarded

    # -- another one -----------------------------------------------------------------------------------------------

    async def plan(
        self, files: PolicyFiles, *, audit: bool = False, undoes: int | None = None, within: str = ""
    ) -> tuple[Said, Plan]:
        """Return what `files` say, and what would be done if they were applied; `undoes` which apply that undid.

        within: the group whose room alone is touched, "" for all.

        Raises `BadPolicy`, `StoreRefused`, and `HomeserverError` where something must be looked up and cannot be.
        """
        said = await self._acceptable(files)
        standing = self._succeeding(said)
        judged = self.with_newcomers(said.community.judged_by(self._limits()))
        planned = await self._provisioner.plan(judged, standing.people(), audit=audit, leave=outside(within))
        late = out_of_date(said.policy, files.policy, files.policy_name, self._assessing.today(said))
        told = replace(said, advice=(*said.advice, *late))
        other = other_words(self.said.policy, said.policy) if self.said is not None else ()
        planned = replace(planned, notes=(*planned.notes, *notes_of(said.layers), *other))
        return told, with_note(planned, await self._lacking(said, planned, undoes))

    def _limits(self) -> Limits:
        """What a plan is judged by beside its own limits: those in force, or a file could loosen its own guard."""
        return self.said.community.limits if self.said is not None and not self._unguarded else Limits()

    async def _lacking(self, said: Said, planned: Plan, undoes: int | None) -> Lacking | None:
        if undoes is not None and self.said is not None:
            return await self._assessing.lacking_to_undo(self.said, said, planned, plan_id(undoes))
        if self._unguarded or self._unassessed:  # nobody has looked at what is in force, so it speaks for nothing
            return await self._assessing.unassessed(self.said, said, planned)
        return await self._assessing.lacking(self.said, said, planned)

    @property
    def review_due(self) -> date | None:
        """The day by which the risk assessment was to be looked at again, if that has passed; nothing stops for it."""
        risk = self.said.policy.community.risk_assessment if self.said is not None else None
        due = self.said is not None and risk is not None and risk.next <= self._assessing.today(self.said)
        return risk.next if risk is not None and due else None

    async def apply(
        self,
        files: PolicyFiles | Anew,
        consent: Consent | None = None,
        progress: Progress | None = None,
        *,
        proposed: Proposed | None = None,
    ) -> tuple[Reconciled, int | None]:
        """Put `files` (or what they make of what is in force by then) in force and make the homeserver follow; return what
        came of it, and the number it can be undone by.

        Raises `BadPolicy`, `Moved`, `Refused`, `HomeserverError`, `StoreRefused`: then nothing is done.
        """
        async with self._changing:
            if not isinstance(files, PolicyFiles):
                assert self.said is not None  # only a policy in force can be changed
                files = files(self.said)
            return await self._put_in_force(files, consent or Consent(), progress, proposed=proposed)

    async def _put_in_force(
        self,
        files: PolicyFiles,
        consent: Consent,
        progress: Progress | None,
        undoes: int | None = None,
        proposed: Proposed | None = None,
    ) -> tuple[Reconciled, int | None]:
        within = proposed.within if proposed is not None else ""
        whole = self.settled or not within  # what was cut off in other rooms is still to be finished
        said, planned = await self.plan(files, undoes=undoes, within=within)
        lacking = await self._lacking(said, planned, undoes)
        if lacking is not None:
            raise lacking.refusal(said)
        consent.check(said, planned)
        asked = proposed.number if proposed is not None else None
        rows, number = await self._history.note(self.said, said, planned, undoes, asked)
        if proposed is not None:
            rows.add(proposed.rows)
        more, start = self._told(self.said, said) if self.said is not None else (Commit(), _nothing)
        rows.add(more)
        rows.audit.append(AuditLine(_LANE, self._line(said, planned, consent, number, undoes)))
        rows.positions.append(self._unassessed_row(said, waits=False))
        await self._write(said, settled=False, unguarded=False, beside=rows)  # a person has looked at it
        log.info("policy_in_force", community=said.community.id, changes=len(planned.changes), number=number)
        if proposed is not None:
            proposed.written = True
        standing = self._succeeding(said)  # whoever was approved while we looked is among them
        self._take(said, standing, settled=False)
        self.held, self.waiting, self._unassessed = (), None, False
        start()
        result = await self._reconcile(first=planned, progress=progress, leave=outside(within), whole=whole)
        return result, number

    def _line(
        self, said: Said, planned: Plan, consent: Consent, number: int | None, undoes: int | None
    ) -> dict[str, object]:
        """Return the line of the audit; it is in the commit that puts the policy in force, so that neither is alone."""
        line: dict[str, object] = {"in_force": policy_digest(said.policy), "plan": planned.digest}
        line |= {name: value for name, value in (("number", number), ("undoes", undoes)) if value is not None}
        allowed = [share for share in planned.too_much() if share.what in consent.allow]
        if allowed:
            line |= {"allowed": [share.record() for share in allowed], "because": consent.because}
        return line

    # -- new rooms for old ones ------------------------------------------------------------------------------------

    async def plan_following(self, asked: Asked) -> Plan:
        """Return what is to be done so that a room takes the place of another one, under the policy in force.

        Raises `CannotFollow`, and as `plan`.
        """
        said, planned = await self._following(asked)
        return with_note(planned, await self._assessing.unassessed(self.said, said, planned))

    async def _following(self, asked: Asked) -> tuple[Said, Plan]:
        said, standing = self.said, self.standing
        if said is None or standing is None:
            raise CannotFollow("no policy is in force yet. First: inglenook apply POLICY")
        community = self.with_newcomers(said.community.judged_by(self._limits()))
        return said, await self._successions.plan(asked, community, standing.people(), self._provisioner)

    async def follow(
        self, asked: Asked, consent: Consent | None = None, progress: Progress | None = None
    ) -> tuple[Reconciled, int | None]:
        """Have a room take the place of another one. It has no number: what is closed for good cannot be undone.

        Raises `CannotFollow`, and as `apply`. Once begun it goes on after any interruption, without being asked again.
        """
        async with self._changing:
            said, planned = await self._following(asked)
            lacking = await self._assessing.unassessed(self.said, said, planned)
            if lacking is not None:
                raise lacking.refusal(said)
            consent = consent or Consent()
            consent.check(said, planned)
            rows = Commit(audit=[AuditLine(_LANE, self._line(said, planned, consent, None, None))])
            rows.add(self.brought(planned))
            await self._write(said, settled=False, beside=rows)
            self.settled = False
            return await self._reconcile(first=planned, progress=progress), None

    # -- and back --------------------------------------------------------------------------------------------------

    async def history(self) -> list[Applied]:
        """Return what was applied, oldest first. Raises `StoreRefused`."""
        return [] if self.said is None else await self._history.entries(self.said.community.id)

    async def take_number(self) -> int:
        """Return the number of a plan that is proposed; no other has it. Raises `StoreRefused`."""
        assert self.said is not None
        return await self._history.take_number(self.said.community.id)

    async def plan_undo(self, number: int | None, *, within: str = "") -> Undoing:
        """Return what undoing this apply (else the newest that stands) would be.

        Raises `NothingToUndo`, and as `plan`.
        """
        if self.said is None:
            raise NothingToUndo("Nothing was applied yet, so there is nothing to undo.")
        past = await self._history.past(self.said, number)
        said, planned = await self.plan(past.files, undoes=past.applied.number, within=within)
        return Undoing(past, said, planned, what_stays(past.plan, planned, said.community))

    async def undo(
        self,
        number: int | None,
        consent: Consent | None = None,
        progress: Progress | None = None,
        *,
        proposed: Proposed | None = None,
    ) -> tuple[Reconciled, int | None]:
        """Put in force what was before this apply (else before the newest that stands). Raises as `apply`, `plan_undo`."""
        async with self._changing:
            if self.said is None:
                raise NothingToUndo("Nothing was applied yet, so there is nothing to undo.")
            past = await self._history.past(self.said, number)
            return await self._put_in_force(past.files, consent or Consent(), progress, past.applied.number, proposed)

    async def _acceptable(self, files: PolicyFiles) -> Said:
        now = self.said
        if files.layers is None and now is not None:  # what was set in rooms goes on to hold, but for what a file says
            files = replace(files, layers=now.layers.kept)
        said = await self.reader.read(files)
        if now is not None and now.community.id != said.community.id:
            message = f"this service looks after {now.community.id}, and this is a policy for {said.community.id}"
            advice = "A community keeps its id for ever. A second community needs a service of its own."
            raise BadPolicy((Finding("error", files.policy_name, 1, 1, said.community.id, message, advice),))
        return replace(said, files=replace(files, layers=said.layers.kept))

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
            community = self.with_newcomers(self.said.community.judged_by(self._limits()))
            present = self._provisioner.present(community, self.standing.people())
            if self._unguarded and not await self._let_pass(present):
                return
            self._note_waiting(present)
            missing = [change for change in present.changes if not self._leaves(change)]
            if again or not self.settled or missing:
                await self._reconcile(leave=self._leaves)

    async def _let_pass(self, present: Plan) -> bool:
        """Whether what the configuration brought may be made true: not if it takes from many people at once.

        Our store may be new and the rooms old, with people in them whom a file lacks, or whom cards let in. Once it has
        passed, and for what a person applied, this is not asked again: then a stranger among many is a stranger. What
        would expose people there, or cannot be undone, waits for a risk assessment meanwhile.
        """
        assert self.said is not None
        self.held = present.too_much()
        if self.held:
            self.remaining = len(present.changes)
            log.error("policy_held", figures=[share.figures() for share in self.held])
            return False
        waits = await self._assessing.lacking_at_first(self.said, present) is not None
        row = self._unassessed_row(self.said, waits=waits)
        await self._write(self.said, settled=self.settled, unguarded=False, beside=Commit(positions=[row]))
        self._unassessed = waits
        return True

    def waits(self, change: Change) -> bool:
        """Whether a change waits for a risk assessment: the configuration's first policy would expose people who are there."""
        return self._unassessed and is_risky_where_people_are(change)

    def _leaves(self, change: Change) -> bool:
        return self.waits(change) or self.left_alone(change)

    def _note_waiting(self, present: Plan) -> None:
        count = sum(map(self.waits, present.changes))
        self.waiting = Waiting(count) if count else None
        if self.waiting is not None:
            log.warning("policy_waits_for_assessment", changes=count)

    def _unassessed_row(self, said: Said, *, waits: bool) -> dict[str, str]:
        return {"homeserver": self._homeserver, "name": _unassessed_of(said), "value": "yes" if waits else ""}

    async def audit(self) -> None:
        """Look at every room, cheaply, and make good what was missed. Raises as `keep`."""
        if self.review_due is not None:
            log.warning("risk_assessment_review_due", since=str(self.review_due))
        if self.said is not None:
            await self._provisioner.notice_vanished()
            await self._provisioner.glance(self.said.community)
            await self.keep()

    async def repair(self, look: Callable[[], Plan]) -> Made | None:
        """Make a small plan that `look` returns when nothing else is under way; None where no room may be touched yet."""
        async with self._changing:
            return None if self.said is None or self._unguarded else await self._provisioner.repair(look)

    async def _reconcile(
        self,
        first: Plan | None = None,
        progress: Progress | None = None,
        leave: Callable[[Change], bool] = lambda _change: False,
        *,
        whole: bool = True,
    ) -> Reconciled:
        assert self.said is not None
        assert self.standing is not None
        result = await self._provisioner.apply(
            self.with_newcomers(self.said.community), self.standing.people, first=first, progress=progress, leave=leave
        )
        self.remaining = len(result.undone) + result.remaining
        for note in result.notes:
            log.warning("provisioning_note", kind=note.kind, group=note.room)
        log.info("provisioned", done=result.done, calls=result.calls, undone=len(result.undone), rounds=result.rounds)
        if (settled := result.settled and whole) != self.settled:
            await self._write(self.said, settled=settled)
            self.settled = settled
        return result


def _unassessed_of(said: Said) -> str:
    """What the store calls it that the first policy waits for a risk assessment."""
    return f"unassessed {said.community.id}"


def _nothing() -> None:
    """Start on nothing."""
