"""What of a plan is done when it is about one group: who may change that group need have no say over another. Pure."""

from __future__ import annotations

from collections.abc import Callable

from policies.changes import Change, SetState
from policies.desired import MANAGED_TYPE
from policies.listing import uncertain

__all__ = ["outside"]


def outside(group: str) -> Callable[[Change], bool]:
    """Return whether a change is not of this group's room; nothing is outside where no group ("") is named.

    The mark of the policy, which nobody notices, is of every room. One that announces a call (`policies.listing`) is not
    written without that call.
    """

    def is_outside(change: Change) -> bool:
        if not group or change.room == group:
            return False
        return not (isinstance(change, SetState) and change.type == MANAGED_TYPE) or uncertain(change.after)

    return is_outside
