"""`plan`, `apply P-17`, `undo P-17`, `set capacity 40`: how those whose role may apply policies where they are.

Typed in the rooms of those who look after the community, to the guardian in private, or addressed to it in a group. Who
may is asked when it happens, and again before anything is done. Answers that name people never go into a group.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from appservice.cases import answered, is_addressed, plain_key, spoken
from appservice.flow import (
    ApplyPlan,
    Effect,
    EventInput,
    Facts,
    Place,
    Plans,
    PlanState,
    Proposal,
    ProposePlan,
    Rules,
    TakePlan,
    UrgentMessage,
)
from policies.layers import SETTABLE, BadSetting, setting_of

#: What is tapped on a card to say yes.
YES: Final = "✅"
_WORDS: Final = frozenset({"plan", "apply", "undo", "set"})
_HOUSE: Final = frozenset({Place.MODERATORS, Place.SAFEGUARDING, Place.OPS})
_GROUPS: Final = frozenset({"open", "hybrid", "closed", "announce"})
_NUMBER: Final = re.compile(r"P-([0-9]{1,9})", re.IGNORECASE)
#: How a name of a plan begins, whatever comes behind it.
_NAMED: Final = "p-"
#: Duties of those who look after a community: whoever has one of them and may not is told so.
_DUTIES: Final = ("moderate", "approve_join")
#: Characters of a message that are looked at.
_LOOKED_AT: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Asked:
    """What somebody typed: the first word, the words behind it as typed, whether they can be nothing but about plans."""

    word: str
    rest: tuple[str, ...]
    plain: bool
    answers: str
    raw: str = field(default="", repr=False)


class PolicyWords:
    """Decides what a word or a tap about plans leads to. Reads `Facts.plans`; what is not for it is somebody's talk."""

    name = "policy_words"

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event, room, rules, plans = item.event, facts.room, facts.rules, facts.plans
        if rules is None or plans is None or event.redacted or event.sender in facts.ghosts:
            return ()
        if room.members.get(event.sender) != "join":
            return ()
        if event.type == "m.reaction":
            return self._tapped(item, facts, rules, plans)
        if event.type != "m.room.message" or event.content.get("msgtype") != "m.text" or event.replaces is not None:
            return ()
        asked = _read(event.content, facts, _is_theirs(item, facts))
        return self._typed(item, facts, rules, plans, asked) if asked is not None else ()

    # -- taps ------------------------------------------------------------------------------------------------------

    def _tapped(self, item: EventInput, facts: Facts, rules: Rules, plans: Plans) -> Iterable[Effect]:
        relation = item.event.content.get("m.relates_to")
        if not isinstance(relation, Mapping) or relation.get("rel_type") != "m.annotation":
            return
        target, key = relation.get("event_id"), relation.get("key")
        if not isinstance(target, str) or not isinstance(key, str) or plain_key(key) != YES:
            return
        proposal = plans.by_card(item.event.room_id, target)
        if proposal is None:
            return  # no card of ours
        if not rules.may_change(proposal.community, item.event.sender, proposal.group):
            yield self._told(item, "plan.not_yours")
        else:
            yield from self._yes(item, facts, proposal, typed=False)

    def _yes(self, item: EventInput, facts: Facts, proposal: Proposal, *, typed: bool) -> Iterable[Effect]:
        sender = item.event.sender
        if proposal.state is PlanState.OPEN and proposal.expires_ms <= facts.now_ms:
            yield self._told(item, "plan.expired", plan=proposal.name)
        elif proposal.state is not PlanState.OPEN:
            if typed or proposal.taken_by != sender:  # a second tap says nothing new, words ask for an answer
                yield self._told(item, "plan.over", plan=proposal.name)
        else:
            common: dict[str, Any] = {"source": item.id, "rule": self.name, "lane": item.lane}
            common |= {"community": proposal.community, "number": proposal.number, "by": sender}
            yield TakePlan(**common)
            yield ApplyPlan(**common)

    # -- words -----------------------------------------------------------------------------------------------------

    def _typed(self, item: EventInput, facts: Facts, rules: Rules, plans: Plans, asked: _Asked) -> Iterable[Effect]:
        sender, community = item.event.sender, facts.room.community
        if not _may_something(rules, community, sender, facts):
            # In private, words of a member may be a plea that looks like this: whoever answers there says how to reach
            # a person. Those who look after others are told, if it can be nothing else.
            holds = any(rules.can(community, sender, duty) for duty in _DUTIES)
            if facts.room.place is not Place.DIRECT or (holds and asked.plain):
                yield self._told(item, "plan.not_yours")
            return
        if asked.word == "plan":
            yield from self._plan(item, facts, rules, asked)
        elif asked.word == "apply":
            yield from self._apply(item, facts, rules, plans, asked)
        elif asked.word == "undo":
            yield from self._undo(item, facts, rules, plans, asked)
        else:
            yield from self._set(item, facts, rules, asked)

    def _plan(self, item: EventInput, facts: Facts, rules: Rules, asked: _Asked) -> Iterable[Effect]:
        community, sender = facts.room.community, item.event.sender
        group = asked.rest[0].lower() if asked.rest else _group_of(facts)
        if not group and not rules.may_change(community, sender):
            yield self._told(item, "plan.which_group")
        elif rules.may_change(community, sender, group):
            yield self._propose(item, facts, "plan", group)
        else:
            yield self._told(item, "plan.not_yours")

    def _apply(self, item: EventInput, facts: Facts, rules: Rules, plans: Plans, asked: _Asked) -> Iterable[Effect]:
        community, sender = facts.room.community, item.event.sender
        number = _number(asked.rest)
        if asked.rest:
            proposal = plans.by_number(community, number) if number is not None else None
        else:
            waiting = list(plans.open_in(item.event.room_id))
            proposal = plans.by_card(item.event.room_id, asked.answers) if asked.answers else None
            proposal = proposal or (waiting[0] if len(waiting) == 1 else None)
            if proposal is None:
                yield self._told(item, "plan.which")
                return
        if proposal is None or not rules.may_change(community, sender, proposal.group):
            yield self._told(item, "plan.unknown")  # who may not see it learns not even that it is there
        else:
            yield from self._yes(item, facts, proposal, typed=True)

    def _undo(self, item: EventInput, facts: Facts, rules: Rules, plans: Plans, asked: _Asked) -> Iterable[Effect]:
        community, sender = facts.room.community, item.event.sender
        number = _number(asked.rest)
        known = plans.by_number(community, number) if number is not None else None
        group = known.group if known is not None and known.what != "undo" else ""
        if asked.rest and number is None:
            yield self._told(item, "plan.unknown")
        elif rules.may_change(community, sender, group):
            yield self._propose(item, facts, "undo", group, undoes=number)
        else:
            yield self._told(item, "plan.unknown" if number is not None else "plan.undo_which")

    def _set(self, item: EventInput, facts: Facts, rules: Rules, asked: _Asked) -> Iterable[Effect]:
        community, sender = facts.room.community, item.event.sender
        words = asked.rest
        group = _group_of(facts)
        if words and words[0].lower() in _groups(facts, rules):
            group, words = words[0].lower(), words[1:]
        elif not group or (len(words) > 1 and words[0].lower() not in SETTABLE and words[1].lower() in SETTABLE):
            yield self._told(item, "plan.which_group")
            return
        if not rules.may_change(community, sender, group):
            yield self._told(item, "plan.not_yours")
            return
        key = words[0].lower() if words else ""
        # The value as it was typed: spaces within a sentence are part of it.
        value = asked.raw.split(None, len(asked.rest) - len(words) + 2)[-1] if len(words) > 1 else ""
        try:
            settable, found = setting_of(key, value)
        except BadSetting as wrong:
            yield self._told(item, f"set.how.{wrong.key}" if wrong.key else "set.how", group=group)
            return
        yield self._propose(item, facts, "set", group, key_set=settable.key, value=found)

    def _propose(self, item: EventInput, facts: Facts, what: str, group: str, **more: Any) -> ProposePlan:
        return ProposePlan(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            community=facts.room.community,
            what=what,
            group=group,
            by=item.event.sender,
            room_id=item.event.room_id,
            at_ms=item.received_ms,
            **more,
        )

    def _told(self, item: EventInput, text: str, **values: str) -> UrgentMessage:
        entry = {"person": item.event.sender, **{name: value for name, value in values.items() if value}}
        return UrgentMessage(
            source=item.id, rule=self.name, lane=item.lane, user_id=item.event.sender, text=text, items=(entry,)
        )


def is_for_policies(item: EventInput, facts: Facts) -> bool:
    """Return whether somebody speaks of plans in a private room, so that nobody else need answer."""
    return any(True for _ in PolicyWords().handle(item, facts))


def _is_theirs(item: EventInput, facts: Facts) -> bool:
    return facts.room.place is Place.DIRECT and facts.direct_rooms.get(item.event.sender) == item.event.room_id


def _group_of(facts: Facts) -> str:
    return facts.room.group if facts.room.place is Place.GROUP else ""


def _groups(facts: Facts, rules: Rules) -> Collection[str]:
    community = facts.room.community
    return {group for group in facts.groups.values() if rules.kind(community, group) in _GROUPS}


def _may_something(rules: Rules, community: str, user_id: str, facts: Facts) -> bool:
    if rules.may_change(community, user_id):
        return True
    return any(rules.may_change(community, user_id, group) for group in _groups(facts, rules))


def _number(words: tuple[str, ...]) -> int | None:
    found = _NUMBER.fullmatch(words[0].rstrip(".,")) if words else None
    return int(found[1]) if found is not None else None


def _read(content: Mapping[str, Any], facts: Facts, theirs: bool) -> _Asked | None:
    """What was said to us about plans; None for talk. In a group it must be addressed to us."""
    place = facts.room.place
    addressed = theirs or is_addressed(content, facts.ghosts.guardian)
    if not (addressed and place in {Place.GROUP, Place.DIRECT}) and place not in _HOUSE:
        return None
    raw = spoken(content, facts.ghosts.guardian)[:_LOOKED_AT]
    words = raw.split()
    if not words or (word := words[0].lower().rstrip(".,!:")) not in _WORDS:
        return None
    rest = tuple(words[1:])
    rules = facts.rules
    known = _groups(facts, rules) if rules is not None else ()
    named = [one.lower() for one in rest[:2]]
    plain = word != "set" or any(one in known for one in named[:1]) or any(one in SETTABLE for one in named)
    said = _Asked(word, rest, plain, answered(content), raw)
    if word == "plan":
        return said if not rest or (len(rest) == 1 and rest[0].lower() in known) else None
    if word in {"apply", "undo"}:
        if len(rest) == 1 and rest[0].lower().startswith(_NAMED):
            return said
        return said if not rest and (addressed or said.answers or word == "undo") else None
    short = len(rest) <= 2  # in private, a longer sentence is talk, and may be a plea, whoever says it
    return said if plain or (addressed and (short or not theirs)) else None
