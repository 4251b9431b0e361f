"""Reads the rule data that lies with the policies, and builds the detectors from it and from the policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import policies
from appservice.detection.concern import Concern, ConcernRules
from appservice.detection.identifiers import NEVER_SHOWN, Identifiers, helpline_addresses
from appservice.detection.ownership import Ownership, Placed, is_of_a_place, ownership_rules, whose
from appservice.detection.personal_data import NOBODYS, OTHERS, OWN, Details, PersonalData
from appservice.detection.phone_numbers import NumberKind, PhoneFinder, helpline_numbers, reserved_ranges
from appservice.detection.text import visible_text
from appservice.detection.wording import Spelling
from policies.schema import Policy

_RULES = Path(policies.__file__).parent / "rules"


def personal_data(policy: Policy) -> PersonalData:
    """Return the handler for contact details; the charity's own and public helplines are never findings."""
    return PersonalData(details(policy))


def details(policy: Policy) -> Callable[[Mapping[str, Any]], Details]:
    """Return what says which personal data a content carries, and whose.

    The library that knows the world's numbers (55 ms, 6 MB) is loaded here, not with the first number that comes.
    """
    ownership = ownership_rules(_rule("ownership-en.csv"))
    allowed = [*helpline_numbers(_rule("signposts/en-GB.csv")), *policy.community.allowed_contacts]
    finder = PhoneFinder(allowed, reserved=reserved_ranges(_rule("reserved-numbers-gb.csv")))

    finder.warm_up()
    identifiers = Identifiers([*policy.community.allowed_contacts, *helpline_addresses(_rule("signposts/en-GB.csv"))])

    def look(content: Mapping[str, Any]) -> Details:
        text = visible_text(content)
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


def concern() -> Concern:
    """Return the handler for signs of distress. Every visible word is looked at, in every room where members talk."""
    rules = ConcernRules(_rule("concern-en.csv"), Spelling(_rule("spelling-en.csv")))
    return Concern(lambda content: rules.look(visible_text(content)))


def _rule(name: str) -> str:
    return (_RULES / name).read_text(encoding="utf-8")
