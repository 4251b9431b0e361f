"""What each kind, tier and system room is unless a policy says otherwise: the one table, which `explain` can print.

Each row says why it is so (`because`). No code here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["open", "hybrid", "closed", "announce"]
Tier = Literal["low", "medium", "high", "children"]
Duty = Literal["moderate", "approve_join", "safeguard", "operate"]
RuleMode = Literal["enforce", "shadow"]
SystemRoomKey = Literal["moderators", "safeguarding", "ops"]
JoinRule = Literal["public", "restricted", "knock", "invite"]
HistoryVisibility = Literal["joined", "invited", "shared"]
"""From the narrowest to the widest; what anyone may read without being in the room is not offered."""
Posting = Literal["everybody", "moderators"]
Media = Literal["none", "allowed"]
Pins = Literal["nobody", "moderators", "everybody"]
Publish = Literal["nothing", "address", "directory"]
"""How a group is found: not at all from outside, by who knows its address, or in the homeserver's list of rooms."""
DriftAspect = Literal["settings", "powers", "links", "look"]
DriftAnswer = Literal["enforce", "warn", "ignore"]
"""What follows when somebody changes by hand what the policy says, from the strictest to none."""
Approver = Literal["safeguarding_lead", "deputy"]
"""Who may answer for a weaker setting: one of the owners of the community, by office."""
Federation = Literal["closed", "partners", "open"]
"""Of which servers people can take part, from the narrowest to the widest: this one; named ones too; any."""

ROOM_VERSION: Final = "12"
# What may leave the homeserver where a community lets it: a closed group never does, nor what is of high risk.
FEDERATED_KINDS: Final[tuple[Kind, ...]] = ("open", "hybrid", "announce")
FEDERATED_TIERS: Final[tuple[Tier, ...]] = ("low", "medium")
FEDERATED_HISTORY: Final[HistoryVisibility] = "joined"  # what a server is given it keeps, so it is given no past
SHARED_SPACE: Final = "shared-space"  # the key of the space that shows what leaves the homeserver, and nothing else
SPACE_EVENTS_DEFAULT: Final = 100  # the specification advises it: nobody writes into a space
MODERATION_LEVEL: Final = 50  # what the homeserver asks for to redact, remove and ban
ROOM_ADMIN_LEVEL: Final = 75
"""From this level on, who moderates a group may set in the room what can be set there."""

__all__ = [
    "CONDUCT_RULES",
    "DRIFT",
    "FEDERATED_HISTORY",
    "FEDERATED_KINDS",
    "FEDERATED_TIERS",
    "KINDS",
    "MODERATION_LEVEL",
    "RESERVED_KEYS",
    "ROOM_VERSION",
    "SHARED_SPACE",
    "SPACES",
    "SPACE_EVENTS_DEFAULT",
    "SYSTEM_ROOMS",
    "TIERS",
    "Approver",
    "ConductRule",
    "DriftAnswer",
    "DriftAspect",
    "DriftDefault",
    "Duty",
    "Federation",
    "HistoryVisibility",
    "JoinRule",
    "Kind",
    "KindDefaults",
    "Media",
    "Pins",
    "Posting",
    "Publish",
    "RuleMode",
    "SpaceDefaults",
    "SystemRoom",
    "SystemRoomKey",
    "Tier",
    "TierDefaults",
]


@dataclass(frozen=True, slots=True)
class KindDefaults:
    """How people come into a group of this kind, what they find there, and who writes."""

    join_rule: JoinRule  # of an open group: in tier low; see TierDefaults.open_join_rule
    history_visibility: HistoryVisibility
    events_default: int  # power level needed to write
    in_open_space: bool  # whether a space that anybody can enter may show it
    because: str


@dataclass(frozen=True, slots=True)
class TierDefaults:
    """What a tier allows and asks for."""

    kinds: tuple[Kind, ...]  # kinds that a group of this tier may have
    open_join_rule: JoinRule  # of its open groups
    in_space: bool  # whether the community's space may show it at all
    needs_accept_limits: bool  # CARE 11: high loads only with a reason and a name
    offered: bool  # CARE 11: children is not offered until the homeserver can protect them
    kept_days: int  # how long messages are kept: what is not there cannot be leaked
    because: str


@dataclass(frozen=True, slots=True)
class SpaceDefaults:
    """How the community's space is entered."""

    join_rule: JoinRule
    history_visibility: HistoryVisibility
    because: str


@dataclass(frozen=True, slots=True)
class ConductRule:
    """A rule about what people do, as it ships: where it looks, and whether it acts or only counts (DESIGN 7.3)."""

    tiers: tuple[Tier, ...]  # CARE 16: tiers of groups in which it looks; elsewhere only where a policy names it
    mode: RuleMode
    because: str


@dataclass(frozen=True, slots=True)
class DriftDefault:
    """What follows when one aspect of a room is changed by hand: which state it is, and who must answer for less."""

    types: tuple[str, ...]
    answer: DriftAnswer
    vouched: bool  # less than this needs a reason and a name
    words: str
    because: str


@dataclass(frozen=True, slots=True)
class SystemRoom:
    """A room that every community has, and no policy writes down: invite only, without tier, for holders of a duty."""

    key: SystemRoomKey
    name: str  # follows the community's name
    topic: str
    duty: Duty


KINDS: Final[Mapping[Kind, KindDefaults]] = {
    "open": KindDefaults("public", "shared", 0, True, "Everybody may come in, and read what was said before."),
    "hybrid": KindDefaults("knock", "joined", 0, True, "Everybody may see that it exists and ask; a person approves."),
    "closed": KindDefaults("invite", "joined", 0, False, "Only approved people come in, and nobody else learns of it."),
    "announce": KindDefaults("restricted", "shared", 50, True, "Everybody in the space reads; moderators write."),
}

TIERS: Final[Mapping[Tier, TierDefaults]] = {
    "low": TierDefaults(
        ("open", "hybrid", "closed", "announce"), "public", True, False, True, 730, "Little can go wrong."
    ),
    "medium": TierDefaults(
        ("open", "hybrid", "closed", "announce"),
        "restricted",
        True,
        False,
        True,
        365,
        "People enter by the community's space, not from anywhere.",
    ),
    "high": TierDefaults(
        ("hybrid", "closed"),
        "invite",
        False,
        True,
        True,
        180,
        "To be listed in it tells something of a person: nobody outside may see it or who is in it.",
    ),
    "children": TierDefaults(
        ("closed",), "invite", False, True, False, 180, "Private rooms and messages cannot be stopped yet."
    ),
}

_EVERY_TIER: Final[tuple[Tier, ...]] = ("low", "medium", "high", "children")

#: In the order in which they are named where a message breaks several. Their words: `rules/conduct-en.csv`.
CONDUCT_RULES: Final[Mapping[str, ConductRule]] = {
    "personal_data": ConductRule(_EVERY_TIER, "enforce", "Somebody else's number cannot be called back once shared."),
    "phishing": ConductRule(_EVERY_TIER, "enforce", "Money and passwords are gone before a person has looked."),
    "self_harm_encouragement": ConductRule(
        _EVERY_TIER, "shadow", "It is danger to somebody, so people are called; a person decides what is removed."
    ),
    "bullying": ConductRule(
        _EVERY_TIER[1:], "shadow", "The same words are banter among friends: people judge them first."
    ),
    "hate": ConductRule(_EVERY_TIER[1:], "shadow", "The same words stand in what was done to somebody: people judge."),
    "threats": ConductRule((), "shadow", "By choice; what sounds like danger is told to people everywhere."),
    "sexual": ConductRule((), "shadow", "By choice: some groups talk about sex and health, and should."),
}

DRIFT: Final[Mapping[DriftAspect, DriftDefault]] = {
    "settings": DriftDefault(
        (
            "m.room.join_rules",
            "m.room.history_visibility",
            "m.room.guest_access",
            "m.room.server_acl",
            "m.room.retention",
            "m.room.encryption",
            "m.room.tombstone",
        ),
        "enforce",
        True,
        "who may come in and read",
        "A door that somebody opened lets people in within minutes.",
    ),
    "powers": DriftDefault(
        ("m.room.power_levels",), "enforce", True, "who may do what", "Who has power can hurt people, and hide it."
    ),
    "links": DriftDefault(
        ("m.space.child", "m.space.parent", "m.room.canonical_alias"),
        "enforce",
        False,
        "where the room is found",
        "A group that is shown in the wrong place tells who is in it.",
    ),
    "look": DriftDefault(
        ("m.room.name", "m.room.topic"),
        "ignore",
        False,
        "name and purpose",
        "They belong to those who moderate the room.",
    ),
}

SPACES: Final[Mapping[bool, SpaceDefaults]] = {  # by whether the community has an open group
    True: SpaceDefaults("public", "shared", "Whoever may enter an open group may enter the space that shows it."),
    False: SpaceDefaults("invite", "joined", "Nothing in it is open: the space shows its groups to approved people."),
}

SYSTEM_ROOMS: Final[tuple[SystemRoom, ...]] = (
    SystemRoom("moderators", "moderators", "Cases of conduct, and everyday matters.", "moderate"),
    SystemRoom(
        "safeguarding", "safeguarding", "Concern for a person. Nothing from here is told elsewhere.", "safeguard"
    ),
    SystemRoom("ops", "ops", "Whether the server is well. No names and no messages of members.", "operate"),
)

RESERVED_KEYS: Final = frozenset({"space", SHARED_SPACE, *(room.key for room in SYSTEM_ROOMS)})
