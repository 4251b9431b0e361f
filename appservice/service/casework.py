"""Composes what has to do with cases: their book and clock, evidence and its vault, cards, words and taps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from appservice.cases import (
    Around,
    CaseBook,
    Deadlines,
    Evidence,
    GiveBackExecutor,
    Masked,
    Pace,
    ShadowBook,
    ShowEvidenceExecutor,
    Showing,
    ShowShadowExecutor,
    SweepEditsExecutor,
    follow_up,
)
from appservice.conversation import CardExecutor, Desk
from appservice.detection.care_gate import withheld
from appservice.effects import Speaker
from appservice.flow import (
    UNSENT,
    WAYS,
    Case,
    CaseEvent,
    CaseState,
    Clock,
    Concerned,
    DirectMessage,
    Effect,
    Executor,
    Identity,
    Place,
    Redact,
    Rules,
    TouchCase,
    Track,
    Vault,
)
from appservice.matrix import parse_event
from appservice.service.config import BadConfiguration
from appservice.service.quoting import masking, whole
from appservice.service.vault_key import make_key, misused
from appservice.store import Commit
from appservice.vault import AgeVault
from policies.ladders import ladders_of
from policies.schema import Policy

if TYPE_CHECKING:
    from appservice.service.core import Core

log = structlog.get_logger()

#: Where the store keeps the public half of the key that evidence is sealed for.
_PUBLIC = "vault_public"


class Casework:
    """The cases of one running service."""

    def __init__(self, core: Core, clock: Clock, speaker: Speaker) -> None:
        self._core = core
        self._clock = clock
        self._vault: AgeVault | None = None
        self._mask: Masked | None = None
        self.vault_problems: list[str] = []
        name = core.config.homeserver.name
        self.book = CaseBook(name, clock, core.direct_rooms.is_reached, self._in_room)
        self.evidence = Evidence(name, self.the_vault, self.book, clock, self._community)
        self.shadow = ShadowBook(name, clock)
        core.projection.cases = self.book
        core.projection.removed = self.evidence.removed.keys()
        desk = Desk(
            self.book,
            core.client,
            speaker,
            core.projection.place,
            core.direct_rooms,
            clock,
            core.database.insist,
            core.questions.position,
            self._remember,
            self._sits_in,
            self._is_private,
            self._reads,
        )
        self.cards = CardExecutor(desk)
        guardian = core.actors[Identity.GUARDIAN]
        around = Around(core.client, guardian, core.ghosts.__contains__, core.questions.removed_edits, self._masked)
        showing = Showing(
            self.book,
            core.questions,
            self.the_vault,
            core.direct_rooms,
            speaker,
            clock,
            whole,
            around,
            self._is_private,
            self._is_hidden,
            self._standing,
        )
        self.executors: dict[str, Executor] = {
            "card": self.cards,
            "urgent_card": self.cards,
            "card_edit": self.cards,
            "show_evidence": ShowEvidenceExecutor(showing, self._enact),
            "show_shadow": ShowShadowExecutor(self.shadow, core.direct_rooms, speaker),
            "sweep_edits": SweepEditsExecutor(core.client, guardian, self.evidence, core.database.insist),
        }
        self.recorders = {
            "open_case": self.book.open,
            "touch_case": self._touch,
            "note_reading": self.evidence.note_reading,
            "note_shadow": self.shadow.note,
        }
        self.deadlines = Deadlines(name, self.book, clock, self._enact)

    async def load(self) -> None:
        """Take up what an earlier life knew, and the vault. Raises `BadConfiguration`, `StoreRefused`."""
        await self._open_vault()
        await self.book.load(self._core.questions)
        await self.evidence.load(self._core.questions)
        await self.shadow.load(self._core.questions)

    def cases(self) -> list[Case]:
        """Return the cases that are kept in mind."""
        return [case for one in self.book.all_ids() if (case := self.book.by_id(one)) is not None]

    def giving_back(self, says: Executor) -> Executor:
        """Return what gives people back what was taken away for its time or form."""
        return GiveBackExecutor(says, self._core.questions, self.the_vault, whole)

    def follow(self, rules: Rules, policy: Policy) -> None:
        """From now on these rules say who may, and this policy when somebody is there, who is called and which contacts are public.

        Cases that wait keep their deadline; whoever is called next is called by the new ladder.
        """
        self.book.rules = rules
        self.shadow.rules = rules
        of_groups = {key: group.hours for key, group in policy.groups.items() if group.hours is not None}
        self.book.pace = Pace(
            ladders_of(policy), policy.community.hours, lambda room_id: of_groups.get(self.group(room_id))
        )
        self._mask = masking(policy)

    def _masked(self, content: Mapping[str, Any]) -> str:
        return self._mask(content) if self._mask is not None else ""  # without a policy nobody may see anything

    def older_homeserver(self, lost: Collection[str]) -> Commit:
        """The homeserver is an older copy of itself, without the events `lost`: cards may be gone; return the rows."""
        self.cards.doubt(self.book.all_ids())
        return self.book.forget_events(lost)

    async def held_back(self, effect: Effect) -> None:
        """What was decided before somebody wrote of distress, and waited, is not done: people decide (CARE, rule 1)."""
        if not isinstance(effect, Redact) or effect.conduct_on is None or effect.rule in WAYS:
            return  # that something came too soon, and stays, is nothing to look at
        community, rules = self._community(effect.room_id), self._core.projection.rules
        source = f"held/{effect.key}"
        await self._enact(withheld(source, effect.lane, community, rules, effect.conduct_on, effect.event_id))

    async def not_reached(self, effect: Effect) -> None:
        """Somebody in need could not be told: their case says so, and more people are called (CARE, rule 5)."""
        assert isinstance(effect, DirectMessage)
        if effect.rule == "concern":
            # What nobody could read counts as not written: else they would get nothing for a week (CARE, rule 9).
            note = Concerned(
                source=f"not_reached/{effect.key}",
                rule="not_reached",
                lane=effect.lane,
                ordinal=4,
                user_id=effect.user_id,
                kind=UNSENT,
                severity=0,
                at_ms=self._clock.now_ms(),
            )
            await self._enact([note])
        case = self.book.current(self._core.direct_rooms.community, Track.CONCERN, effect.user_id)
        if case is None or not case.open:
            return
        source, lane = f"not_reached/{effect.key}", effect.lane
        calls = case.state is CaseState.OPEN and case.rung == 0 and case.severity >= 3
        moved: list[Effect] = list(follow_up(source, "not_reached", lane, case, passed_on=calls))
        if calls:
            now = self._clock.now_ms()
            touch = TouchCase(
                source=source, rule="not_reached", lane=lane, case=case.id, action="overdue", by="", at_ms=now
            )
            moved.insert(0, touch)
        await self._enact(moved)

    def _reads(self, room_id: str, user_id: str) -> bool:
        return self._core.projection.membership(room_id, user_id) == "join"

    def _sits_in(self, room_id: str, user_id: str) -> bool:
        return self._core.projection.membership(room_id, user_id) in {"join", "invite"}

    def _is_private(self, room_id: str) -> bool:
        room = self._core.projection.room(room_id)
        return room is not None and room.place is Place.DIRECT

    def _is_hidden(self, room_id: str, user_id: str) -> bool:
        return self._is_private(room_id) or not self._reads(room_id, user_id)

    async def _standing(self, event: CaseEvent) -> Mapping[str, Any]:
        """The content of a message, as it is now."""
        found = await self._core.client.event(event.room_id, event.event_id, self._core.actors[Identity.GUARDIAN])
        return parse_event(found, event.room_id).content

    async def _remember(self, name: str, value: str) -> None:
        row = {"homeserver": self._core.config.homeserver.name, "name": name, "value": value}
        await self._core.database.insist(Commit(positions=[row]))

    async def _enact(self, effects: list[Effect]) -> None:
        await self._core.lanes.enact(effects)

    def _touch(self, effect: Effect) -> Commit:
        assert isinstance(effect, TouchCase)
        rows = self.book.touch(effect)
        case = self.book.by_id(effect.case)
        if effect.action == "release" and case is not None:
            rows.add(self._core.concerns.release(case.about, effect.source, effect.at_ms))
        return rows

    def _in_room(self, community: str, place: str, user_id: str) -> bool:
        """Whether somebody sits in a system room, is asked into it, or may be there: then they see what stands in it."""
        room_id = self._core.projection.place(community, place)
        if room_id is not None and self._core.projection.membership(room_id, user_id) in {"join", "invite"}:
            return True
        rules = self._core.projection.rules
        return rules is not None and rules.admits(community, place, user_id)

    def _community(self, room_id: str) -> str:
        room = self._core.projection.room(room_id)
        return room.community if room is not None else ""

    def group(self, room_id: str) -> str:
        """Return the id of the group whose room it is; "" for a room of another kind."""
        room = self._core.projection.room(room_id)
        return room.group if room is not None and room.place is Place.GROUP else ""

    # -- the vault -------------------------------------------------------------------------------------------------

    def the_vault(self) -> Vault | None:
        """What evidence, and words that wait, are sealed for; None before it is open."""
        return self._vault

    async def _open_vault(self) -> None:
        """Seal for the key in its file; where that is missing, for the one we used before: what is removed is kept."""
        config, known = self._core.config, await self._core.questions.position(_PUBLIC)
        key = config.vault_key
        public = AgeVault.public_of(key)
        try:
            if public is None and known is None:
                if key.exists():
                    raise BadConfiguration(f"{key}: holds no age key. Put the right file there, or take it away.")
                public = make_key(config)
                log.info("vault_key_made")
            elif public is not None and key.stat().st_mode & 0o077:
                key.chmod(0o600)
        except OSError as error:
            raise BadConfiguration(f"{key}: cannot be used ({error.strerror})") from None
        if public is None:
            self.vault_problems.append(
                f"the key that opens evidence is missing ({key.name}): put it back from your backup"
            )
        elif known is not None and public != known:
            self.vault_problems.append(
                "the key that opens evidence is another one than before: older evidence needs the old one"
            )
        if (problem := misused(config)) is not None:
            self.vault_problems.append(problem)
        if self.vault_problems:
            log.error("vault_key_wrong")
        try:
            self._vault = AgeVault(key, public or known or "", config.evidence_recipients)
        except ValueError as error:
            raise BadConfiguration(f"evidence_recipients: {error}") from None
        if known is None and public is not None:
            row = {"homeserver": config.homeserver.name, "name": _PUBLIC, "value": public}
            await self._core.database.commit(Commit(positions=[row]))
