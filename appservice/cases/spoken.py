"""What somebody typed to us, without what their client or a bridge put before it: a quotation, or our name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appservice.flow import GUARDIAN_NAME

#: Characters of a body that are looked at; a quotation may be longer than what stands below it.
_LOOKED_AT: Final = 20_000


def spoken(content: Mapping[str, Any], guardian: str) -> str:
    """Return the words of a message to us; "" where there are none. `guardian` is our user id.

    Older clients quote what they answer, each line after a sign, and a mention stands before the words: neither is said
    by who writes. Else our own "reply `help`", quoted above a no, would be heard as a call for help.
    """
    body = content.get("body")
    if not isinstance(body, str):
        return ""
    lines = body[:_LOOKED_AT].split("\n")
    while lines and lines[0].startswith(">"):
        lines.pop(0)
    return _unaddressed("\n".join(lines).strip(), guardian)


def is_addressed(content: Mapping[str, Any], guardian: str) -> bool:
    """Return whether a message begins with our name, or mentions us: it is for us and not for the others in the room."""
    body = content.get("body")
    if not isinstance(body, str):
        return False
    mentions = content.get("m.mentions")
    users = mentions.get("user_ids") if isinstance(mentions, Mapping) else None
    if isinstance(users, list) and guardian in users:
        return True
    said = body[:_LOOKED_AT].strip()
    return _unaddressed(said, guardian) != said


def answered(content: Mapping[str, Any]) -> str:
    """Return the id of the message that a content answers, also as the newest of a thread; "" if none."""
    relation = content.get("m.relates_to")
    if not isinstance(relation, Mapping):
        return ""
    if relation.get("rel_type") == "m.thread" and relation.get("is_falling_back", False) is not False:
        root = relation.get("event_id")
        return root if isinstance(root, str) else ""
    answer = relation.get("m.in_reply_to")
    target = answer.get("event_id") if isinstance(answer, Mapping) else None
    return target if isinstance(target, str) else ""


def _unaddressed(text: str, guardian: str) -> str:
    """Take our name off the start of a text, unless it is all that was said."""
    local = guardian.partition(":")[0]
    for name in (guardian, local, local[1:], GUARDIAN_NAME, f"@{GUARDIAN_NAME}"):
        rest = text[len(name) :]
        if text[: len(name)].casefold() == name.casefold() and not rest[:1].isalnum():
            return rest.lstrip(" \n\t:,") or text
    return text
