"""How much may be taken from people at once before somebody must insist: as it is by itself, and as a policy has it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from policies.schema import Policy
from policies.settings import LIMIT_FROM, LIMIT_PERCENT, LimitSetting

Danger = Literal["removals", "demotions"]
DANGERS: Final[tuple[Danger, ...]] = get_args(Danger)

__all__ = ["DANGERS", "Danger", "Limit", "Limits", "looser", "setting_of"]


@dataclass(frozen=True, slots=True)
class Limit:
    """More than `percent` of the people are too many, from `enough` people on: of three people, one is 33 %."""

    percent: int = LIMIT_PERCENT
    enough: int = LIMIT_FROM

    def stricter(self, other: Limit) -> Limit:
        """Return the limit that refuses whatever one of the two refuses."""
        return Limit(min(self.percent, other.percent), min(self.enough, other.enough))

    def __str__(self) -> str:
        return f"{self.percent}% of at least {self.enough} people"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limit of each danger."""

    removals: Limit = field(default_factory=Limit)
    demotions: Limit = field(default_factory=Limit)

    def of(self, danger: Danger) -> Limit:
        """Return the limit of one danger."""
        return self.removals if danger == "removals" else self.demotions

    def stricter(self, other: Limits) -> Limits:
        """Return what refuses whatever one of the two refuses."""
        return Limits(self.removals.stricter(other.removals), self.demotions.stricter(other.demotions))

    @classmethod
    def of_policy(cls, policy: Policy) -> Limits:
        """Return the limits that a policy sets; what it leaves out is as it is by itself."""
        return cls(*(_limit(setting_of(policy, danger)) for danger in DANGERS))


def setting_of(policy: Policy, danger: Danger) -> LimitSetting | None:
    """Return what a policy says of one danger, if it does."""
    limits = policy.community.limits
    if limits is None:
        return None
    return limits.removals if danger == "removals" else limits.demotions


def looser(setting: LimitSetting) -> bool:
    """Whether more may be taken at once than by itself."""
    limit = _limit(setting)
    return limit.stricter(Limit()) != limit


def _limit(setting: LimitSetting | None) -> Limit:
    if setting is None:
        return Limit()
    return Limit(
        LIMIT_PERCENT if setting.percent is None else setting.percent,
        LIMIT_FROM if setting.of_at_least is None else setting.of_at_least,
    )
