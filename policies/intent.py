"""What a group's words mean: each choice with its default, where it comes from, and whether it is weaker than that.

Compiling, checking and explaining ask here, so that they cannot come apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

from policies.defaults import (
    CONDUCT_RULES,
    DRIFT,
    FEDERATED_HISTORY,
    KINDS,
    MODERATION_LEVEL,
    TIERS,
    DriftAnswer,
    DriftAspect,
    HistoryVisibility,
    JoinRule,
    Media,
    Pins,
    Posting,
    Publish,
)
from policies.escalation import LadderBlock
from policies.federation import reach_of_community, reach_of_group, stays_by_nature
from policies.governed_rooms import GOVERNED_LEVEL
from policies.keeping import kept, longer_than_usual
from policies.ladders import BAND_WORDS, ladders_of, weaker_in
from policies.limits import DANGERS, Limits, looser, setting_of
from policies.schema import Group, Policy
from policies.settings import LimitSetting, PostingSetting, Setting
from policies.times import Pause

Aspect = Literal["history", "posting", "pins", "media", "publish"]

_WIDTH: Final = {
    "history": get_args(HistoryVisibility),
    "posting": ("moderators", "everybody"),
    "pins": get_args(Pins),
    "media": get_args(Media),
    "publish": get_args(Publish),
}
"""The words of each aspect from the narrowest to the widest."""
_PINS_LEVELS: Final = {"everybody": 0, "moderators": MODERATION_LEVEL, "nobody": GOVERNED_LEVEL}

__all__ = [
    "Aspect",
    "Choice",
    "DriftChoice",
    "Weakening",
    "approvers_of",
    "choices",
    "drift_choices",
    "first_messages_of",
    "history_of",
    "join_rule_of",
    "pause_of",
    "pins_level_of",
    "pins_of",
    "posting_level_of",
    "publish_choice",
    "publish_of",
    "roles_in",
    "weakenings",
    "words_only",
]


@dataclass(frozen=True, slots=True)
class Choice:
    """What holds for one aspect of a group: its value, what its kind would give, and what the file says of it, if it does."""

    aspect: Aspect
    value: str
    default: str
    written: bool
    setting: Setting | None = None

    @property
    def weaker(self) -> bool:
        """Whether people are less protected than by the default."""
        words = _WIDTH[self.aspect]
        return words.index(self.value) > words.index(self.default)

    @property
    def vouched(self) -> bool:
        """Whether somebody answers for it, with a reason."""
        return self.setting is not None and self.setting.vouched


@dataclass(frozen=True, slots=True)
class DriftChoice:
    """What follows when one aspect is changed by hand, and what the file says of it, if it does."""

    aspect: DriftAspect
    answer: DriftAnswer
    setting: Setting | None = None

    @property
    def weaker(self) -> bool:
        """Whether less follows than by itself."""
        answers = get_args(DriftAnswer)
        return answers.index(self.answer) > answers.index(DRIFT[self.aspect].answer)

    @property
    def vouched(self) -> bool:
        """Whether somebody answers for it, with a reason, or nobody needs to."""
        return not DRIFT[self.aspect].vouched or (self.setting is not None and self.setting.vouched)


@dataclass(frozen=True, slots=True)
class Weakening:
    """Something that is weaker than its default, and who answers for it: of a group, or of all (`group` is None)."""

    group: str | None
    what: str  # an aspect, `federation`, `rule NAME`, `ladder for BAND`, `drift ASPECT`, or `limit DANGER`
    value: str  # of a ladder: how it is weaker, in words; of federation: the servers
    because: str
    approved_by: str


def choices(group: Group, *, federated: bool) -> tuple[Choice, ...]:
    """Return what holds for each aspect of a group that a policy may choose.

    federated: whether people of other servers can be in it; their servers keep what they are given.
    """
    kind = KINDS[group.kind]
    narrow = FEDERATED_HISTORY if federated else kind.history_visibility
    posting: Posting = "moderators" if kind.events_default else "everybody"
    history, pins, said = group.history, group.pins, group.posting or PostingSetting()
    return (
        Choice(
            "history",
            history.value if history else narrow,
            narrow,
            history is not None,
            history,
        ),
        Choice("posting", said.who or posting, posting, said.who is not None, said if group.posting else None),
        Choice("pins", pins.value if pins else "moderators", "moderators", pins is not None, pins),
        Choice("media", group.media or "allowed", "allowed", group.media is not None),
    )


def publish_choice(policy: Policy, group: Group) -> Choice:
    """Return how a group can be found.

    Where a community lets in other servers, what nobody may learn of has no address: servers answer others what an address
    leads to, whatever the room says.
    """
    default: Publish = "nothing" if stays_by_nature(group) and reach_of_community(policy).federates else "address"
    said = group.publish
    return Choice("publish", said.value if said else default, default, said is not None, said)


def publish_of(policy: Policy, group: Group) -> Publish:
    """Return how a group can be found."""
    value = publish_choice(policy, group).value
    return "nothing" if value == "nothing" else "directory" if value == "directory" else "address"


def drift_choices(policy: Policy) -> tuple[DriftChoice, ...]:
    """Return what follows when somebody changes something by hand, for each aspect."""
    return tuple(
        DriftChoice(aspect, setting.value if setting is not None else default.answer, setting)
        for aspect, default in DRIFT.items()
        for setting in (getattr(policy.drift, aspect),)
    )


def _choice(group: Group, aspect: Literal["posting", "pins"]) -> str:
    return next(choice.value for choice in choices(group, federated=False) if choice.aspect == aspect)


def join_rule_of(group: Group) -> JoinRule:
    """Return the join rule of a group: that of its kind, and of an open group that of its tier."""
    return TIERS[group.tier].open_join_rule if group.kind == "open" else KINDS[group.kind].join_rule


def history_of(group: Group, *, federated: bool) -> HistoryVisibility:
    """Return the history visibility of a group."""
    if group.history is not None:
        return group.history.value
    return FEDERATED_HISTORY if federated else KINDS[group.kind].history_visibility


def posting_level_of(group: Group) -> int:
    """Return the power level needed to write in a group."""
    return MODERATION_LEVEL if _choice(group, "posting") == "moderators" else 0


def pause_of(group: Group) -> Pause | None:
    """Return how long each person waits between two messages in a group, None where they need not."""
    return group.posting.slow if group.posting is not None else None


def first_messages_of(group: Group) -> int:
    """Return how many messages of somebody new to a group are read before everybody sees them, 0 for none."""
    return (group.posting.first_messages or 0) if group.posting is not None else 0


def roles_in(group: Group) -> tuple[str, ...]:
    """Return the roles whose holders may be in a group without being listed for it."""
    return tuple(sorted(group.membership.roles)) if group.membership is not None else ()


def approvers_of(policy: Policy, group: Group) -> tuple[str, ...]:
    """Return the roles whose holders answer requests to join a group: all that can, unless the group names them."""
    can = sorted(name for name, role in policy.roles.items() if "approve_join" in role.can)
    return tuple(role for role in can if group.join is None or role in group.join.approved_by)


def words_only(group: Group) -> bool:
    """Return whether no pictures, files and recordings can be shared in a group, but by those who moderate."""
    return group.media == "none"


def pins_of(group: Group) -> str:
    """Return who can pin messages in a group: `nobody`, `moderators` or `everybody`."""
    return _choice(group, "pins")


def pins_level_of(group: Group) -> int:
    """Return the power level needed to pin messages in a group."""
    return _PINS_LEVELS[pins_of(group)]


def _of_federation(policy: Policy) -> Iterator[Weakening]:
    whole, said = reach_of_community(policy), policy.community.federation
    if said is not None and whole.federates:
        yield _weakening(None, "federation", ", ".join(whole.servers) or "any server", said)


def weakenings(policy: Policy) -> Iterator[Weakening]:
    """Yield what a policy makes weaker than its default, with who answers for it: the whole, groups by id, rules, ladders,
    drift, limits."""
    yield from _of_federation(policy)
    for group_id, group in sorted(policy.groups.items()):
        federated = reach_of_group(policy, group).federates
        for choice in (*choices(group, federated=federated), publish_choice(policy, group)):
            if choice.weaker and choice.setting is not None:
                yield _weakening(group_id, choice.aspect, choice.value, choice.setting)
        # What version 1 let anybody keep for ever has nobody who answers for it, and is no news.
        if group.retention is not None and group.retention.vouched and longer_than_usual(group):
            yield _weakening(group_id, "retention", str(kept(group)), group.retention)
    for name, setting in sorted(policy.rules.items()):
        if name in CONDUCT_RULES and CONDUCT_RULES[name].mode == "enforce" and setting.mode == "shadow":
            yield _weakening(None, f"rule {name}", setting.mode, setting)
    for band, ladder in ladders_of(policy).items():
        block = policy.escalation.of(band) if policy.escalation is not None else None
        if block is not None and (reasons := "; ".join(weaker_in(band, ladder))):
            yield _weakening(None, f"ladder for {BAND_WORDS[band]}", reasons, block)
    for drift in drift_choices(policy):
        if drift.weaker and drift.setting is not None and DRIFT[drift.aspect].vouched:
            yield _weakening(None, f"drift {drift.aspect}", drift.answer, drift.setting)
    for danger in DANGERS:
        limit = setting_of(policy, danger)
        if limit is not None and looser(limit):
            yield _weakening(None, f"limit {danger}", str(Limits.of_policy(policy).of(danger)), limit)


def _weakening(group: str | None, what: str, value: str, setting: Setting | LadderBlock | LimitSetting) -> Weakening:
    return Weakening(group, what, value, setting.because or "", setting.approved_by or "")
