"""The words of the policy in force: whoever speaks has them from here, whichever policy that is by then."""

from __future__ import annotations

from collections.abc import Callable

from appservice.conversation import Catalogue, conduct_fields, opens_again, plain_hours, time_at
from appservice.flow import Clock, Item, Rendered, Wording
from policies.schema import Policy


class WordingInForce:
    """`flow.Wording` of the policy in force."""

    now: Wording | None = None

    def take(
        self, policy: Policy, clock: Clock, room_name: Callable[[str], str], group_of: Callable[[str], str]
    ) -> None:
        """Word everything by this policy; `group_of(room_id)` is the group whose room it is, "" for another room."""
        community = policy.community
        hours = community.hours
        of_groups = {key: plain_hours(group.hours) for key, group in policy.groups.items() if group.hours is not None}
        self.now = Catalogue(
            room_name,
            community.server,
            plain_hours(hours),
            at=lambda ms: time_at(hours, ms),
            hours_of=lambda room_id: of_groups.get(group_of(room_id), ""),
            opens=lambda: opens_again(hours, clock.now_ms()),
            conduct=conduct_fields(community.code_of_conduct),
        )

    def render(self, text: str, items: tuple[Item, ...]) -> Rendered:
        if self.now is None:
            raise KeyError(text)
        return self.now.render(text, items)

    def farewell(self) -> str:
        """Return what is said in a room when it is closed, since another one took its place."""
        return self.render("room.moved", ()).body
