"""Keys that people look for and the language does not have, with what to tell them: see docs/policies.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NOT_OFFERED: Final[Mapping[str, tuple[str, str]]] = {
    "encryption": (
        'groups are not encrypted, so there is no key "encryption"',
        "Leave it out. In an encrypted group nobody could look after people, keep evidence, or delete by age: it comes "
        "when that works there too. What is written goes to your own server only.",
    ),
    "calls": (
        'there are no calls in groups, so there is no key "calls"',
        "Leave it out. Calls are off everywhere: nobody could look after what is said in them.",
    ),
}
"""By key of a group: what is wrong, and what to do."""

__all__ = ["NOT_OFFERED"]
