"""What a change of a room's state means, in words that a person who has never heard of Matrix can weigh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from policies.desired import MANAGED_TYPE, PREDECESSOR_TYPE
from policies.findings import shown
from policies.governed_rooms import HELD_LEVEL
from policies.movements import KEPT_FOR_EVER, PowerMovement, Shift, kept_ms, power_movement
from policies.times import MS_A_DAY

_ENTRY: Final = {
    "public": "anybody {could} come in",
    "restricted": "people of the space {could} come in",
    "knock_restricted": "people of the space {could} come in, and others {could} ask to",
    "knock": "people {could} ask to come in",
    "invite": "only people who {were} invited {could} come in",
}
# What was written keeps the visibility that it was written under (specification, "Room History Visibility").
_HISTORY: Final = {
    "world_readable": "anyone, in the room or not, {could} read the history",
    "shared": "those who {came} in later {could} read the history",
    "invited": "only those who {were} invited by then {could} read what {was} written",
    "joined": "only those who {were} there when something {was} written {could} read it",
}
_GUESTS: Final = {
    "can_join": "guests without an account {could} come in",
    "forbidden": "guests without an account {could_not} come in",
}
_WORDED: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "m.room.join_rules": ("join_rule", _ENTRY),
    "m.room.history_visibility": ("history_visibility", _HISTORY),
    "m.room.guest_access": ("guest_access", _GUESTS),
}
_UNCLEAR: Final = {
    "m.room.join_rules": "it {was} not clear who {could} come in",
    "m.room.history_visibility": "it {was} not clear who {could} read the history",
    "m.room.guest_access": "it {was} not clear whether guests {could} come in",
}
_SIMPLE: Final = {
    "m.room.name": "It gets its name.",
    "m.room.topic": "It gets its purpose, for its members to read.",
    "m.room.avatar": "It gets the picture of the old room.",
    "m.room.pinned_events": "It gets the pins of the old room, which lead there.",
    PREDECESSOR_TYPE: "It takes the place of a room that others made.",
    "m.room.encryption": "Messages are encrypted from now on. This cannot be undone, and nobody can look after them.",
    "m.room.tombstone": "The room is closed for good. This cannot be undone.",
}
_POWERS: Final = {
    "invite": "invite others",
    "kick": "remove others",
    "ban": "ban others",
    "redact": "take away what others wrote",
    "notifications.room": "call the whole room",
    "state_default": "change settings",
    "m.room.name": "change its name",
    "m.room.topic": "change its topic",
    "m.room.avatar": "change its picture",
    "m.room.pinned_events": "pin messages",
    "m.room.power_levels": "give powers",
    "m.room.join_rules": "change who comes in",
    "m.room.history_visibility": "change who reads the history",
    "m.reaction": "react",
    "m.room.redaction": "take back what they wrote",
}

__all__ = ["entry_words", "meaning", "named", "quoted", "retired_words", "state_words"]


def quoted(name: str) -> str:
    """Return a room's name as it stands in a sentence, with what nobody could see made visible."""
    return f"“{shown(name)}”"


def named(identifier: str) -> str:
    """Return a user id or an address whole and on one line: from other servers they may hold anything."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in identifier)


def entry_words(join_rules: object) -> str:
    """Return a sentence on who can come into a room with these join rules."""
    return meaning("m.room.join_rules", join_rules)


def meaning(event_type: str, content: object) -> str:
    """Return a sentence on what join rules, history visibility, guest access or retention mean for people."""
    if event_type == "m.room.retention":
        return _kept_words(None, content)
    return _sentence(_present(_phrase(event_type, content)))


def state_words(event_type: str, before: object, after: Mapping[str, object], subject: str = "") -> str:
    """Return one or more sentences on what a change of state means for people.

    before: the content that holds now, None if there is none; subject: the name of the room that a link leads to.
    """
    if event_type in _WORDED:
        return _said(event_type, before, after)
    if event_type == "m.room.power_levels":
        return _power_words(power_movement(before, after), before, after)
    if event_type == "m.room.server_acl":
        return _server_words(before, after)
    if event_type == "m.room.retention":
        return _kept_words(before, after)
    if event_type == "m.room.canonical_alias":
        if not after.get("alias"):
            return "It has no address any more."
        return f"Its address is {named(str(after.get('alias')))}."
    if event_type == "m.space.child":
        unnamed = "another room" if after.get("via") else "a former room of this community"
        return _link_words(before, after, quoted(subject) if subject else unnamed)
    if event_type == "m.space.parent":
        how = "now says" if after.get("via") else "no longer says"
        return f"It {how} that it belongs to {quoted(subject)}." if subject else f"It {how} that it belongs to a space."
    if event_type == MANAGED_TYPE:
        return "It is marked as a room of this community, under the policy as it stands now."
    return _SIMPLE.get(event_type, "A setting is put to what the policy says.")


def retired_words(event_type: str, before: object, subject: str) -> str:
    """Return a sentence or two on what a step means by which an old room is closed, or a link to it taken down."""
    if event_type == "m.space.child":
        return f"It no longer shows the old room of {quoted(subject)}."
    if event_type == "m.space.parent":
        return f"It no longer says that it belongs to the old {quoted(subject)}."
    if event_type == "m.room.join_rules":
        return "Nobody can come into the old room any more."
    if event_type == "m.room.tombstone" and before:
        return "The old room, which is closed, leads to the new one."
    if event_type == "m.room.tombstone":
        return "The old room is closed for good, and leads to the new one. This cannot be undone."
    return "Nobody can write in the old room any more. Who is in it can still read it."


def _said(event_type: str, before: object, after: object) -> str:
    now = _present(_phrase(event_type, after))
    if before is None:
        return f"From now on, {now}."
    was = _past(_phrase(event_type, before))
    if _present(_phrase(event_type, before)) == now:
        return f"{_sentence(now)[:-1]}, as before; which space that is, is put right."
    return f"{_sentence(was)[:-1]} before; {now} from now on."


def _phrase(event_type: str, content: object) -> str:
    name, phrases = _WORDED[event_type]
    value = content.get(name) if isinstance(content, Mapping) else None
    return phrases.get(value, _UNCLEAR[event_type]) if isinstance(value, str) else _UNCLEAR[event_type]


def _past(phrase: str) -> str:
    return phrase.format(could="could", could_not="could not", was="was", were="were", came="came")


def _present(phrase: str) -> str:
    return phrase.format(could="can", could_not="cannot", was="is", were="are", came="come")


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _link_words(before: object, after: Mapping[str, object], subject: str) -> str:
    if not after.get("via"):
        return f"It no longer shows {subject}."
    if isinstance(before, Mapping) and before.get("via"):
        return f"{subject} stands in its place among what it shows."
    return f"It shows {subject} to those who are in it."


def _server_words(before: object, after: Mapping[str, object]) -> str:
    allow, deny = ([str(one) for one in _list(after.get(name))] for name in ("allow", "deny"))
    if "*" in allow:
        but = f", but for {', '.join(map(named, deny))}" if deny else ""
        now = f"people of any server can take part{but}"
    else:
        now = f"only people of {', '.join(map(named, allow))} can take part"
    return f"From now on, {now}." if before is None else f"Which servers take part is put right: {now} from now on."


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _kept_words(before: object, after: object) -> str:
    was, now = kept_ms(before), kept_ms(after)
    if now == KEPT_FOR_EVER:
        return "Messages are kept until a person removes them. What was deleted does not come back."
    days = f"Messages are kept for {now / MS_A_DAY:g} days"
    if now > was:
        return f"{days}, longer than before. What was deleted does not come back."
    return f"{days}. Older ones are deleted. This cannot be undone."


def _power_words(moved: PowerMovement, before: object, after: object) -> str:
    said = [f"{_who(shift)} from level {shift.before} up to {shift.after}." for shift in moved.raised]
    said += [f"{_who(shift)} from level {shift.before} down to {shift.after}." for shift in moved.lowered]
    if moved.first:
        return " ".join(["Who may do what is set as the policy says.", *said])
    if "events_default" in moved.tightened:
        said.append("Fewer people can write from now on: only those with a role.")
    elif "events_default" in moved.widened:
        said.append("More people can write from now on.")
    for names, more in ((moved.tightened, "more"), (moved.widened, "less")):
        told = sorted({_POWERS.get(name, "other things") for name in names if name != "events_default"})
        if told:
            said.append(f"From now on it takes {more} power to: {', '.join(told)}.")
    if _held(before) != _held(after):
        said.append("Whose first messages are read before everybody sees them is put right.")
    return " ".join(said) or "The list of powers is put in order; nobody can do more or less than before."


def _held(levels: object) -> set[str]:
    users = levels.get("users") if isinstance(levels, Mapping) else None
    return {user for user, level in users.items() if level == HELD_LEVEL} if isinstance(users, Mapping) else set()


def _who(shift: Shift) -> str:
    return (
        f"The power of {named(shift.user_id)} goes" if shift.user_id else "The power of everybody without a role goes"
    )
