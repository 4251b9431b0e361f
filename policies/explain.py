"""What a policy means, value by value: in plain words, where it comes from, and what Matrix state it becomes. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

from policies.compile import compile_community
from policies.defaults import CONDUCT_RULES, DRIFT, KINDS, SHARED_SPACE, SPACES, SYSTEM_ROOMS, TIERS
from policies.desired import DesiredCommunity, DesiredRoom, MembershipRule, RoomKey
from policies.duties import duties_of
from policies.escalation import BANDS, Band
from policies.explain_found import LISTED, found_words, why_found_so
from policies.explain_ladders import ladder_words
from policies.federation import Reach, reach_of_community, reach_of_group, shared_groups, stays_by_nature
from policies.intent import Choice, approvers_of, choices, drift_choices, first_messages_of, pause_of, publish_choice
from policies.keeping import longer_than_usual
from policies.ladders import BECAUSE
from policies.layers import SETTABLE, Layer, day_set
from policies.limits import DANGERS, Limits, looser, setting_of
from policies.people import People
from policies.plain_words import meaning, named
from policies.schema import Group, Policy
from policies.source import Path, Source

OriginKind = Literal["file", "room", "kind", "tier", "always"]

_NOBODY: Final = People({})
_WORDS: Final[Mapping[tuple[str, str], str]] = {
    ("posting", "everybody"): "Everybody who is in it can write.",
    ("posting", "moderators"): "Only those who moderate can write. Everybody can react, and take back their own words.",
    ("media", "allowed"): "Pictures, files and recordings can be shared.",
    ("media", "none"): (
        "Words only: nobody can share pictures, files, recordings, places or stickers, but those who moderate. The helper "
        "program takes them away, and tells who sent them privately. Nothing is taken from somebody in distress."
    ),
    ("pins", "everybody"): "Everybody can pin messages.",
    ("pins", "moderators"): "Those who moderate can pin messages.",
    ("pins", "nobody"): "Nobody can pin messages.",
}
_DRIFT: Final[Mapping[str, str]] = {
    "enforce": "It is put back at once, and those who run the server are told.",
    "warn": "It stands, and people are told.",
    "ignore": "It stands, and nobody is told.",
}
_ALWAYS: Final = "It is the same in every room, so that no file can forget it."

__all__ = ["Explained", "Origin", "explain_community", "explain_room", "explain_rooms", "rooms_to_explain"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: the file (`where` is `FILE:LINE`), somebody who set it in a room, a default of a kind or
    tier, or always so; and why."""

    kind: OriginKind
    where: str
    because: str

    def __str__(self) -> str:
        return f"{self.where}. {self.because}" if self.because else self.where


@dataclass(frozen=True, slots=True)
class Explained:
    """One value: what it is about, what it means in plain words, where it comes from, what state it becomes ("" for none)."""

    about: str
    words: str
    origin: Origin
    matrix: str = ""


def rooms_to_explain(policy: Policy) -> tuple[RoomKey, ...]:
    """Return the keys of all rooms that can be explained: the space, groups by id, the rooms of the house."""
    shared = (SHARED_SPACE,) if shared_groups(policy) else ()
    return ("space", *shared, *sorted(policy.groups), *(room.key for room in SYSTEM_ROOMS))


def explain_community(policy: Policy, source: Source) -> tuple[Explained, ...]:
    """Return what the policy says of the whole community, in the order of the file."""
    return tuple(_Explainer(policy, source).community())


def explain_room(policy: Policy, source: Source, key: RoomKey, layers: Iterable[Layer] = ()) -> tuple[Explained, ...]:
    """Return every value of one room. Raises KeyError for a room that there is not.

    layers: what was set in rooms, and holds in `policy` already.
    """
    return tuple(_Explainer(policy, source, layers).room(key))


def explain_rooms(policy: Policy, source: Source, keys: Iterable[RoomKey]) -> Iterator[tuple[Explained, ...]]:
    """Yield every value of each of these rooms, as `explain_room`; the policy is compiled once for all."""
    explainer = _Explainer(policy, source)
    for key in keys:
        yield tuple(explainer.room(key))


class _Explainer:
    def __init__(self, policy: Policy, source: Source, layers: Iterable[Layer] = ()) -> None:
        self.policy = policy
        self.source = source
        self.layers: dict[Path, Layer] = {("groups", one.group, *SETTABLE[one.key].path): one for one in layers}

    def written(self, path: Path, because: str = "") -> Origin:
        layer = self.layers.get(path)
        if layer is not None:
            return Origin("room", f"set in the room by {layer.by} on {day_set(self.policy, layer)}", because)
        return Origin("file", self.source.where(path), because)

    def community(self) -> Iterator[Explained]:
        community, at = self.policy.community, self.written
        yield Explained("name", community.name, at(("community", "name")))
        yield Explained("purpose", community.purpose, at(("community", "purpose")))
        yield Explained("what it is not", community.not_for, at(("community", "not_for")))
        owners = f"The safeguarding lead is {community.owners.safeguarding_lead}, the deputy {community.owners.deputy}."
        yield Explained("who answers for it", owners, at(("community", "owners")))
        yield Explained("when somebody is there", str(community.hours), at(("community", "hours")))
        if community.allowed_contacts:
            contacts = ", ".join(community.allowed_contacts)
            yield Explained("what anybody may write", contacts, at(("community", "allowed_contacts")))
        code = community.code_of_conduct
        if code is not None:
            said = " ".join(part for part in (code.text, code.address) if part)
            words = f"Version {code.version}, told to each who joins: {said}"
            yield Explained("code of conduct", words, at(("community", "code_of_conduct")))
        risk = community.risk_assessment
        if risk is not None:
            words = f"Reviewed on {risk.reviewed} by the role {risk.by}; to be looked at again by {risk.next}."
            yield Explained("risk assessment", words, at(("community", "risk_assessment")))
        else:
            words = "There is none: nothing is changed that exposes people or cannot be undone."
            yield Explained("risk assessment", words, Origin("always", "not in the file", ""))
        yield Explained("other servers", _servers(reach_of_community(self.policy)), self._reach_from(None))
        yield from self._limits()
        for name, role in self.policy.roles.items():
            duties = duties_of(self.policy, name)
            can = f" It can: {', '.join(duties)}." if duties else ""
            can += " Who answers for safeguarding can always act on a case." if duties != role.can else ""
            yield Explained(f"role {name}", f"Level {role.level} in rooms.{can}", at(("roles", name)))
        for group_id, group in sorted(self.policy.groups.items()):
            words = f"{group.name}: {group.kind}, tier {group.tier}. {group.purpose}"
            yield Explained(f"group {group_id}", words, at(("groups", group_id)))
        for band in BANDS:
            yield from self._ladder(band)
        yield from self._drift()

    def _ladder(self, band: Band) -> Iterator[Explained]:
        block = self.policy.escalation.of(band) if self.policy.escalation is not None else None
        always = Origin("always", "unless the file says otherwise", BECAUSE[band])
        for about, step, words in ladder_words(self.policy, band):
            origin = always
            if step is None:
                origin = Origin("always", "always so", "Whoever waits is told the truth.")
            elif block is not None:
                answers = _answers(block.approved_by, block.because) if block.vouched else ""
                origin = self.written(("escalation", band, "steps", step), answers)
            yield Explained(about, words, origin)

    def _limits(self) -> Iterator[Explained]:
        limits = Limits.of_policy(self.policy)
        for danger in DANGERS:
            words = f"More than {limits.of(danger)} are refused in one apply, unless somebody insists with a reason."
            setting = setting_of(self.policy, danger)
            origin = Origin(
                "always", "unless the file says otherwise", "An emptied file takes more than anybody means to."
            )
            if setting is not None:
                answers = _answers(setting.approved_by, setting.because) if looser(setting) else ""
                origin = self.written(("community", "limits", danger), answers)
            yield Explained(f"{danger} at once", words, origin)

    @cached_property
    def _compiled(self) -> DesiredCommunity:
        return compile_community(self.policy, _NOBODY)

    @cached_property
    def _ids(self) -> Mapping[RoomKey, str]:
        return {room.key: f"(id of {room.key})" for room in self._compiled.rooms}

    def room(self, key: RoomKey) -> Iterator[Explained]:
        room = replace(self._compiled.room(key), state=self._compiled.complete_state(key, self._ids))
        group = self.policy.groups.get(key)
        path: Path = ("groups", key)
        if group is None:
            yield from self._of_the_house(room)
        else:
            yield from self._of_group(path, group, room)
        yield from self._always(room)
        if group is not None:
            yield from self._rules(group)

    def _drift(self) -> Iterator[Explained]:
        for choice in drift_choices(self.policy):
            default = DRIFT[choice.aspect]
            origin = Origin("always", "unless the file says otherwise", default.because)
            if choice.setting is not None:
                vouched = choice.weaker and choice.setting.vouched
                answers = _answers(choice.setting.approved_by, choice.setting.because) if vouched else ""
                origin = self.written(("drift", choice.aspect), answers)
            yield Explained(f"changed by hand: {default.words}", _DRIFT[choice.answer], origin)

    def _of_group(self, path: Path, group: Group, room: DesiredRoom) -> Iterator[Explained]:
        kind, tier = KINDS[group.kind], TIERS[group.tier]
        of_kind = Origin("kind", f"kind {group.kind}", kind.because)
        of_tier = Origin("tier", f"tier {group.tier}", tier.because)
        yield Explained("name", group.name, self.written((*path, "name")), self._look(room, "m.room.name"))
        yield Explained("purpose", group.purpose, self.written((*path, "purpose")), self._look(room, "m.room.topic"))
        yield Explained("kind", f"{group.kind}. {kind.because}", self.written((*path, "kind")))
        yield Explained("tier", f"{group.tier}. {tier.because}", self.written((*path, "tier")))
        if group.accept_limits is not None:
            limits = group.accept_limits
            words = "Private rooms and messages between members cannot be stopped, which was accepted."
            origin = self.written((*path, "accept_limits"), _answers(limits.approved_by, limits.because))
            yield Explained("limits", words, origin)
        by_tier = group.kind == "open" and tier.open_join_rule != kind.join_rule
        yield _meant("who comes in", room, "m.room.join_rules", of_tier if by_tier else of_kind)
        yield self._who(path, group, room, of_kind)
        if group.kind == "hybrid":
            yield self._approvers(path, group)
        space = self._compiled.room(room.parent or "space")
        in_it = any(child.key == room.key for child in space.children)
        name = "shared" if room.parent == SHARED_SPACE else "community's"
        shown = f"The {name} space shows it." if in_it else "The community's space does not show it."
        parent = "m.space.parent" if room.parent else ""
        of_space = of_kind if tier.in_space else of_tier
        if room.parent and not kind.in_open_space:  # the kind alone would say that nobody learns of it
            of_space = Origin("always", "no group of this community is open", SPACES[False].because)
        yield Explained("in the space", shown, of_space, parent)
        federated = reach_of_group(self.policy, group).federates
        narrow = Origin("always", "people of other servers are in it", "What their servers are given, they keep.")
        for choice in choices(group, federated=federated):
            of_choice = narrow if federated and choice.aspect == "history" else of_kind
            yield self._choice(path, choice, room, of_choice)
        yield self._published(path, group, room)
        yield self._pace(path, group)
        yield self._newcomers(path, group)
        if group.capacity is not None:
            words = f"{group.capacity} people at most, those who look after it too. Nobody is let in beyond."
            yield Explained("how many", words, self.written((*path, "capacity")))
        yield self._kept(path, group, room)
        yield self._hours(path, group)
        if group.welcome is not None:
            yield Explained("told to newcomers", group.welcome, self.written((*path, "welcome")))

    def _who(self, path: Path, group: Group, room: DesiredRoom, of_kind: Origin) -> Explained:
        origin = self.written((*path, "membership")) if group.membership is not None else of_kind
        return Explained("who may be there", _admitted(room.membership), origin)

    def _approvers(self, path: Path, group: Group) -> Explained:
        roles = ", ".join(approvers_of(self.policy, group))
        words = f"Those who hold one of the roles {roles}, but never their own."
        if group.join is None:
            origin = Origin("always", "unless the file says otherwise", "Every role that can approve_join.")
            return Explained("who answers requests", words, origin)
        return Explained("who answers requests", words, self.written((*path, "join")))

    def _published(self, path: Path, group: Group, room: DesiredRoom) -> Explained:
        choice = publish_choice(self.policy, group)
        origin = Origin("always", *why_found_so(choice.default))
        if (said := choice.setting) is not None:
            origin = self.written((*path, "publish"), _answers(said.approved_by, said.because) if choice.weaker else "")
        matrix = _state(room, "m.room.canonical_alias") if room.addressed else ""
        words = found_words(room, self.policy.community.server)
        return Explained("how it is found", words, origin, f"{matrix}, {LISTED}" if room.listed else matrix)

    def _pace(self, path: Path, group: Group) -> Explained:
        slow = pause_of(group)
        if slow is None:
            return Explained("how often", "People can write at once.", Origin("always", "not in the file", ""))
        words = (
            f"Each person can write once in {slow}, but those who moderate. What comes sooner is taken away and given "
            "back in private; the first time in a day it stays. Nobody in distress is slowed."
        )
        return Explained("how often", words, self.written((*path, "posting", "slow")))

    def _newcomers(self, path: Path, group: Group) -> Explained:
        first = first_messages_of(group)
        if not first:
            return Explained(
                "what newcomers write", "Everybody sees it at once.", Origin("always", "not in the file", "")
            )
        what = "first message" if first == 1 else f"first {first} messages"
        words = (
            f"The {what} of whoever comes in from then on are read by those who moderate before everybody sees them. "
            "They are sent to the helper program in private. Not those who moderate themselves."
        )
        origin = self.written((*path, "posting", "first_messages"))
        return Explained("what newcomers write", words, origin)

    def _hours(self, path: Path, group: Group) -> Explained:
        usual = self.policy.community.hours
        if group.hours is None:
            return Explained("when somebody is there", str(usual), self.written(("community", "hours")))
        words = f"{group.hours}. Who asks for a person is answered in those of the community: {usual}"
        return Explained("when somebody is there", words, self.written((*path, "hours")))

    def _choice(self, path: Path, choice: Choice, room: DesiredRoom, of_kind: Origin) -> Explained:
        origin = (
            of_kind
            if choice.aspect not in ("pins", "media")
            else Origin("always", "unless the file says otherwise", "")
        )
        if choice.written:
            setting = choice.setting
            answers = _answers(setting.approved_by, setting.because) if setting is not None and choice.weaker else ""
            origin = self.written((*path, choice.aspect), answers)
        if choice.aspect == "history":
            return _meant("who reads what was written", room, "m.room.history_visibility", origin)
        words = _WORDS[choice.aspect, choice.value]
        if choice.aspect == "posting":
            words = self._writers(room) if choice.value == "moderators" else words
            return Explained("who writes", words, origin, _level(room, "events_default"))
        if choice.aspect == "media":
            matrix = _level(room, "m.sticker") if choice.value == "none" else ""
            return Explained("pictures and files", words, origin, matrix)
        return Explained("who pins", words, origin, _level(room, "m.room.pinned_events"))

    def _kept(self, path: Path, group: Group, room: DesiredRoom) -> Explained:
        setting, where = group.retention, (*path, "retention")
        origin = Origin("tier", f"tier {group.tier}", "What is not there any more cannot hurt anybody.")
        if setting is not None and where in self.source.places:
            vouched = setting.vouched and longer_than_usual(group)
            origin = self.written(where, _answers(setting.approved_by, setting.because) if vouched else "")
        elif setting is not None:
            because = (
                f"Version {self.policy.schema_version} of the language keeps messages unless the file says otherwise."
            )
            origin = Origin("always", "not in the file", because)
        if ("m.room.retention", "") in room.state:
            return _meant("how long messages are kept", room, "m.room.retention", origin)
        return Explained("how long messages are kept", "Messages are kept until a person removes them.", origin)

    def _of_the_house(self, room: DesiredRoom) -> Iterator[Explained]:
        house: dict[str, str] = {one.key: one.topic for one in SYSTEM_ROOMS}
        public = room.membership.anyone
        house[SHARED_SPACE] = "It shows what people of other servers may be in, and nothing else."
        because = SPACES[public].because if room.key == "space" else house.get(room.key, "")
        where = (
            "every community that lets in other servers has it"
            if room.key == SHARED_SPACE
            else "every community has it"
        )
        origin = Origin("always", where, because)
        yield Explained("name", room.name, origin, _state(room, "m.room.name"))
        yield _meant("who comes in", room, "m.room.join_rules", origin)
        yield Explained("who may be there", _admitted(room.membership), origin)
        yield _meant("who reads what was written", room, "m.room.history_visibility", origin)
        if room.kind == "space":
            yield Explained("what it shows", ", ".join(child.key for child in room.children) or "Nothing.", origin)

    def _always(self, room: DesiredRoom) -> Iterator[Explained]:
        always = Origin("always", "always so", _ALWAYS)
        yield _meant("guests", room, "m.room.guest_access", always)
        yield self._other_servers(room)
        yield self._names(room, always)
        words = "Nobody can turn on encryption, start calls, share a live location or add programs."
        yield Explained("what nobody can do", words, always, _level(room, "state_default"))

    def _look(self, room: DesiredRoom, event_type: str) -> str:
        """What a name or purpose becomes: people may change it afterwards, unless the policy has it put back."""
        look = next(choice for choice in drift_choices(self.policy) if choice.aspect == "look")
        return f"{_state(room, event_type)}{'' if look.answer == 'enforce' else ', when the room is made'}"

    def _writers(self, room: DesiredRoom) -> str:
        """Who can write where not everybody can: it goes by level, which others than those who moderate may have."""
        needed = room.state["m.room.power_levels", ""]["events_default"]
        assert isinstance(needed, int)
        roles = {name: role for name, role in self.policy.roles.items() if role.level >= needed}
        words = _WORDS["posting", "moderators"]
        if all("moderate" in role.can for role in roles.values()):
            return words
        return words.replace("those who moderate", f"those with one of the roles {', '.join(roles)}")

    def _names(self, room: DesiredRoom, always: Origin) -> Explained:
        look = next(choice for choice in drift_choices(self.policy) if choice.aspect == "look")
        words = "Those who moderate can change name, purpose and picture."
        if look.answer == "enforce":
            words = "Nobody can change name and purpose by hand. Those who moderate can change the picture."
            return Explained("who names it", words, self.written(("drift", "look")), _level(room, "m.room.name"))
        return Explained("who names it", words, always, _level(room, "m.room.name"))

    def _other_servers(self, room: DesiredRoom) -> Explained:
        reach = room.membership.reach or reach_of_community(self.policy)
        words = _servers(reach)
        group = self.policy.groups.get(room.key)
        if not room.addressed and (group is None or publish_choice(self.policy, group).default == "nothing"):
            words = f"{words} The room has no address, since other servers could ask where it leads."
        leaves = json.dumps(room.creation_content["m.federate"])
        matrix = f'{_state(room, "m.room.server_acl")}, and "m.federate": {leaves} when it is made'
        return Explained("other servers", words, self._reach_from(room.key), matrix)

    def _reach_from(self, key: RoomKey | None) -> Origin:
        """Where it comes from of which servers people can be in a room, or take part at all."""
        said = self.policy.community.federation
        group = self.policy.groups.get(key or "")
        always = Origin("always", "always so", _ALWAYS)
        if group is not None and group.federation is not None:
            return self.written(("groups", str(key), "federation"))
        if key is not None and key != SHARED_SPACE and (group is None or stays_by_nature(group)):
            what = "A group that is closed, or of high risk" if group is not None else "What belongs to the house"
            return Origin("always", "always so", f"{what} never leaves its homeserver.")
        if said is None:
            return always if key is not None else Origin("always", "not in the file", "")
        answers = _answers(said.approved_by, said.because) if said.mode != "closed" else ""
        return self.written(("community", "federation"), answers)

    def _rules(self, group: Group) -> Iterator[Explained]:
        for name, rule in CONDUCT_RULES.items():
            setting = self.policy.rules.get(name)
            if setting is None and group.tier not in rule.tiers:
                yield Explained(
                    f"rule {name}", "It does not look here.", Origin("tier", f"tier {group.tier}", rule.because)
                )
                continue
            mode = setting.mode if setting is not None else rule.mode
            words = "It acts." if mode == "enforce" else "It only counts; danger to somebody is told all the same."
            origin = Origin("tier", f"tier {group.tier}", rule.because)
            if setting is not None:
                answers = _answers(setting.approved_by, setting.because) if setting.vouched else ""
                origin = self.written(("rules", name), answers)
            yield Explained(f"rule {name}", words, origin)


def _servers(reach: Reach) -> str:
    kept = "Their servers keep what is said there, and need not delete it."
    if reach.mode == "open":
        but = f", but for {', '.join(map(named, reach.deny))}" if reach.deny else ""
        return f"People of any server can take part{but}. {kept}"
    servers = ", ".join(map(named, (reach.home, *reach.servers)))
    return f"Only people of {servers} can take part.{f' {kept}' if reach.servers else ''}"


def _answers(office: str | None, because: str | None) -> str:
    return f"The {str(office).replace('_', ' ')} answers for it: {because}"


def _meant(about: str, room: DesiredRoom, event_type: str, origin: Origin) -> Explained:
    words = meaning(event_type, room.state[event_type, ""])
    return Explained(about, words, origin, _state(room, event_type))


def _state(room: DesiredRoom, event_type: str) -> str:
    return f"{event_type} {json.dumps(room.state[event_type, ''], ensure_ascii=False)}"


def _level(room: DesiredRoom, name: str) -> str:
    levels = room.state["m.room.power_levels", ""]
    events = levels["events"]
    level = levels[name] if name in levels else events[name] if isinstance(events, Mapping) else ""
    return f"m.room.power_levels: {name} {level}"


def _admitted(rule: MembershipRule) -> str:
    if rule.anyone:
        elsewhere = rule.reach is not None and rule.reach.federates
        return f"Anybody with an account on this server{', or on one that is let in' if elsewhere else ''}."
    said = [f"people approved for {', '.join(rule.groups)}"] if rule.groups else []
    said += [f"those who hold one of the roles {', '.join(rule.roles)}"] if rule.roles else []
    words = ", and ".join(said) or "nobody"
    return f"{words[:1].upper()}{words[1:]}."
