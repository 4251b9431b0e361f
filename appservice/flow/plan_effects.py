"""Effects that propose, decide and carry out plans. `TakePlan` and `EndPlan` are true as soon as they are decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from appservice.flow.effects import Effect, Item, Urgency


@dataclass(frozen=True, kw_only=True)
class _OfPlan(Effect):
    """About a plan that has its number."""

    community: str
    number: int

    @property
    def target(self) -> str:
        return f"{self.community} P-{self.number}"


@dataclass(frozen=True, kw_only=True)
class _OfDecision(_OfPlan):
    """What follows when a person (`by`) said yes."""

    by: str

    @property
    def person(self) -> str:
        return self.by


@dataclass(frozen=True, kw_only=True)
class ProposePlan(Effect):
    """Make a plan and show it to who asked: see `flow.Proposal` for the fields. `room_id` is where they asked."""

    type: ClassVar[str] = "propose_plan"
    urgency: ClassVar[Urgency] = Urgency.SOON

    community: str
    what: str
    by: str
    room_id: str
    at_ms: int
    group: str = ""
    key_set: str = ""
    value: str | int | None = None
    undoes: int | None = None

    @property
    def target(self) -> str:
        return f"{self.community} {self.what} {self.group} {self.key_set}"

    @property
    def person(self) -> str:
        return self.by

    def describe(self) -> str:
        return f"show one person a plan ({self.what})"


@dataclass(frozen=True, kw_only=True)
class TakePlan(_OfDecision):
    """Somebody said yes to a plan: nobody else can any more."""

    type: ClassVar[str] = "take_plan"
    urgency: ClassVar[Urgency] = Urgency.NOW

    def describe(self) -> str:
        return f"take the plan P-{self.number}, as one person decided"


@dataclass(frozen=True, kw_only=True)
class EndPlan(_OfPlan):
    """A plan that nobody said yes to ends."""

    type: ClassVar[str] = "end_plan"
    urgency: ClassVar[Urgency] = Urgency.NOW

    def describe(self) -> str:
        return f"let the plan P-{self.number} end"


@dataclass(frozen=True, kw_only=True)
class ApplyPlan(_OfDecision):
    """Do what a plan says, if it is still the same plan and who said yes still may."""

    type: ClassVar[str] = "apply_plan"
    urgency: ClassVar[Urgency] = Urgency.SOON

    def describe(self) -> str:
        return f"do what the plan P-{self.number} says"


@dataclass(frozen=True, kw_only=True)
class PlanCardEdit(_OfPlan):
    """The cards of a plan say what became of it."""

    type: ClassVar[str] = "plan_card_edit"
    urgency: ClassVar[Urgency] = Urgency.SOON

    def describe(self) -> str:
        return f"say on its cards what became of the plan P-{self.number}"


@dataclass(frozen=True, kw_only=True)
class TellGroup(Effect):
    """Tell the members of a group what is different for them, as soon as it is so. `policy` is the digest that made it
    so; `items` hold what is told, no names."""

    type: ClassVar[str] = "tell_group"
    urgency: ClassVar[Urgency] = Urgency.SOON

    community: str
    group: str
    policy: str
    at_ms: int
    items: tuple[Item, ...] = ()

    @property
    def target(self) -> str:
        return f"{self.community} {self.group}"

    def describe(self) -> str:
        return f"tell the members of {self.group} what is different for them"
