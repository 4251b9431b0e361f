"""Reads the rule data that lies with the policies, and builds the detectors from it and from the policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import policies
from appservice.detection.concern import Concern, ConcernRules
from appservice.detection.conduct import Conduct, Seen
from appservice.detection.conduct_rules import ConductRules
from appservice.detection.identifiers import NEVER_SHOWN, Identifiers, helpline_addresses
from appservice.detection.links import Hosts
from appservice.detection.media import Media
from appservice.detection.ownership import Ownership, OwnershipRules, Placed, is_of_a_place, ownership_rules, whose
from appservice.detection.personal_data import NOBODYS, OTHERS, OWN, Details
from appservice.detection.phone_numbers import NumberKind, PhoneFinder, helpline_numbers, reserved_ranges
from appservice.detection.slow_mode import SlowMode, TurnBook
from appservice.detection.text import visible_text
from appservice.detection.wording import Spelling
from policies.conduct import modes_of_group, modes_of_groups
from policies.defaults import CONDUCT_RULES
from policies.intent import pause_of, words_only
from policies.schema import Policy

_RULES = Path(policies.__file__).parent / "rules"


def finders(policy: Policy) -> tuple[PhoneFinder, Identifiers]:
    """Return what finds contact details; the charity's own and public helplines are never findings."""
    signposts, own = _rule("signposts/en-GB.csv"), policy.community.allowed_contacts
    reserved = reserved_ranges(_rule("reserved-numbers-gb.csv"))
    phones = PhoneFinder([*helpline_numbers(signposts), *own], reserved=reserved)
    return phones, Identifiers([*own, *helpline_addresses(signposts)])


def conduct(policy: Policy) -> Conduct:
    """Return the handler for what people do, with every rule; each acts or counts as the policy and the tier say."""
    found, rules = details(policy), _conduct_rules()
    hosts = Hosts(_rule("link-hosts.csv"), own=_own_hosts(policy))

    def look(content: Mapping[str, Any]) -> Seen:
        text = visible_text(content)
        return Seen(found(text), rules.look(text, hosts.look(content, text)))

    return Conduct(look, _modes(policy))


def personal_data(policy: Policy) -> Conduct:
    """Return the handler with the rule about contact details alone."""
    found = details(policy)
    return Conduct(lambda content: Seen(found(visible_text(content))), _modes(policy))


def _modes(policy: Policy) -> Callable[[str], Mapping[str, str]]:
    by_group, otherwise = modes_of_groups(policy), modes_of_group(policy, "low")
    return lambda group: by_group.get(group, otherwise)


def _own_hosts(policy: Policy) -> set[str]:
    """The charity's own: where its rooms are, and where its published addresses are."""
    community = policy.community
    return {community.server.partition(":")[0], *(one.partition("@")[2] for one in community.allowed_contacts)}


def details(policy: Policy) -> Callable[[str], Details]:
    """Return what finds contact details in a visible text, and says whose; the charity's own and public helplines are
    never findings.

    The library that knows the world's numbers (55 ms, 6 MB) is loaded here, not with the first number that comes.
    """
    ownership = _ownership_rules()
    finder, identifiers = finders(policy)
    finder.warm_up()

    def look(text: str) -> Details:
        # A helpline or an office that nobody listed is no person's secret: removing it could cost somebody help.
        phones = [
            one
            for one in finder.find(text)
            if one.kind.may_be_private and not (one.kind is NumberKind.LANDLINE and is_of_a_place(text, one, ownership))
        ]
        others = identifiers.find(text)
        kinds = tuple(dict.fromkeys([*("phone" for _ in phones), *(one.kind for one in others)]))
        if not kinds:
            return Details(NOBODYS)
        if NEVER_SHOWN.intersection(kinds):
            return Details(OTHERS, kinds)
        placed: list[Placed] = [*phones, *others]
        owners = {whose(text, one, ownership) for one in placed}
        return Details(OWN if owners == {Ownership.OWN} else OTHERS, kinds)

    return look


def slow_mode(policy: Policy, turns: TurnBook) -> SlowMode:
    """Return the handler for how often people write; `turns` notes from now on who wrote when in its groups."""
    pauses = {key: pause.ms for key, group in policy.groups.items() if (pause := pause_of(group)) is not None}
    turns.slow = pauses.__contains__
    return SlowMode(pauses)


def media(policy: Policy) -> Media:
    """Return the handler for what is more than words, in groups of words only."""
    return Media([key for key, group in policy.groups.items() if words_only(group)])


def concern() -> Concern:
    """Return the handler for signs of distress. Every visible word is looked at, in every room where members talk."""
    rules = _concern_rules()
    return Concern(lambda content: rules.look(visible_text(content)))


# Read once in a process: they say the same for every policy, and reading them takes longer than an event may wait.


@cache
def _concern_rules() -> ConcernRules:
    return ConcernRules(_rule("concern-en.csv"), Spelling(_rule("spelling-en.csv")))


@cache
def _conduct_rules() -> ConductRules:
    return ConductRules(_rule("conduct-en.csv"), CONDUCT_RULES)


@cache
def _ownership_rules() -> OwnershipRules:
    return ownership_rules(_rule("ownership-en.csv"))


def _rule(name: str) -> str:
    return (_RULES / name).read_text(encoding="utf-8")
