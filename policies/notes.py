"""Notes: what a plan says beside its changes, for a person to know or to decide. Nothing is done about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from policies.defaults import DRIFT
from policies.desired import DesiredRoom, RoomKey
from policies.federation import Reach
from policies.findings import shown
from policies.intent import Weakening
from policies.observed import HomeserverReach, ObservedRoom, Standing
from policies.plain_words import named, quoted
from policies.times import FOREVER

NoteKind = Literal[
    "no_admin",
    "no_address",
    "not_in_policy",
    "replaced",
    "abandoned",
    "banned",
    "encrypted",
    "unalterable",
    "weakened",
    "not_assessed",
    "full",
    "overruled",
    "followed",
    "left_behind",
    "taken_over",
    "otherwise",
    "homeserver",
    "not_listed",
    "called_otherwise",
    "newcomers",
]

NOT_LISTED: Final = (
    "The homeserver does not let us put rooms into its public list. Whoever runs it puts in place what `inglenook "
    "homeserver-config` prints under room_list_publication_rules, and restarts it; then apply again."
)
_WEAKER: Final[Mapping[tuple[str, str], str]] = {
    ("history", "invited"): "those who come in can read what was written since they were invited.",
    ("history", "shared"): "those who come in can read all that was written before.",
    ("pins", "everybody"): "everybody can pin messages.",
    ("publish", "directory"): "whoever has an account on this server can find it in the public list of rooms.",
}

__all__ = [
    "NOT_LISTED",
    "Note",
    "NoteKind",
    "abandoned_room",
    "banned_person",
    "crowd_of_newcomers",
    "encrypted_room",
    "full_room",
    "homeserver_notes",
    "no_address",
    "no_admin",
    "not_listed",
    "note_from_record",
    "note_record",
    "replaced_room",
    "room_not_in_policy",
    "unalterable",
    "weakened",
]


@dataclass(frozen=True, slots=True)
class Note:
    """One remark: its kind, the room it is about (None for the whole community), and its text in plain words."""

    kind: NoteKind
    room: RoomKey | None
    text: str


def no_admin() -> Note:
    """We are not administrator of the homeserver."""
    return Note(
        "no_admin",
        None,
        "This homeserver does not let us act as its administrator: people are invited and come in by themselves, and "
        "private messages reach only those who accept our invite.",
    )


def no_address(room: DesiredRoom, address: str, why: Literal["taken", "former", "refused"]) -> Note:
    """The address of a room cannot be had: another room or a former one of ours has it, or we may not use it."""
    reason = {
        "taken": "belongs to another room",
        "former": "still leads to a former room",
        "refused": "is not one that this homeserver lets us use",
    }[why]
    what = "Until that is put right, people get in by the space and by invites."
    return Note(
        "no_address", room.key, f"{quoted(room.name)} goes without its address: {named(address)} {reason}. {what}"
    )


def not_listed() -> Note:
    """The homeserver refused to show a room in its public list."""
    return Note("not_listed", None, NOT_LISTED)


def room_not_in_policy(room: ObservedRoom, *, unlisted: bool = False) -> Note:
    """A room of ours whose group the policy does not have any more; `unlisted` where it is taken out of the list."""
    done = "It is taken out of the public list. Nothing else" if unlisted else "Nothing"
    text = (
        f"is not in the policy any more. {done} is done to it, and its members stay, but nobody looks after it by this "
        "policy: close it by hand, or put the group back."
    )
    return Note("not_in_policy", room.key, f"The room of the group {quoted(room.key)} {text}")


def replaced_room(room: DesiredRoom, standing: Standing) -> Note:
    """A room that cannot be governed (`foreign`, `closed`, `gone`), so that another one is made."""
    why = {
        "foreign": "carries our mark, but was not made by us, and is left alone",
        "closed": "was closed for good",
        "gone": "was deleted on the homeserver",
    }[standing]
    return Note(
        "replaced",
        room.key,
        f"The room of {quoted(room.name)} {why}: another one is made, and people are asked in anew.",
    )


def abandoned_room(room: DesiredRoom) -> Note:
    """A room that the steward has left, so that nothing can be written there."""
    text = "has lost its steward, which alone can change it: nothing is done there until the guardian has asked it back in."
    return Note("abandoned", room.key, f"{quoted(room.name)} {text}")


def banned_person(room: DesiredRoom, user_id: str) -> Note:
    """A person who is approved for a room, and banned from it."""
    text = f"{named(user_id)} is approved for {quoted(room.name)} and banned from it: no invite is sent. Lift the ban, or the approval."
    return Note("banned", room.key, text)


def encrypted_room(room: DesiredRoom) -> Note:
    """A room whose messages were encrypted, which cannot be undone."""
    text = (
        "are encrypted, so nobody can look after them. This cannot be undone; only a new room would change it: "
        f"inglenook upgrade {room.key}"
    )
    return Note("encrypted", room.key, f"Messages in {quoted(room.name)} {text}")


def unalterable(room: DesiredRoom, what: str) -> Note:
    """Something that was fixed when a room was made; `what` says in a sentence what it is, and how it should be."""
    return Note(
        "unalterable",
        room.key,
        f"{quoted(room.name)}: {what} Only a new room would change this: inglenook upgrade {room.key}",
    )


def full_room(room: DesiredRoom, present: int, waiting: int) -> Note:
    """A room that has not got room for all who are approved: nobody is asked in."""
    figures = f"{room.capacity} places, {present} of them taken, {waiting} more people approved"
    text = "nobody is asked in until there is room for all of them. Raise its capacity, or take somebody off the list."
    return Note("full", room.key, f"{quoted(room.name)} is full ({figures}): {text}")


def crowd_of_newcomers(room: DesiredRoom, beyond: int) -> Note:
    """More people wait as newcomers than a room's list of powers has room for."""
    text = (
        f"{beyond} more people are new than the homeserver can be told to hold back. What they write is taken away as it "
        "comes, and given back to them. Read what waits, or let fewer people in at a time."
    )
    return Note("newcomers", room.key, f"{quoted(room.name)}: {text}")


def homeserver_notes(wanted: Reach, seen: HomeserverReach) -> tuple[Note, ...]:
    """The homeserver lets in other servers than the policy does, as far as it can be seen; no note if it does not."""
    what = _difference(wanted, seen)
    how = "Put in place what `inglenook homeserver-config` prints, and restart the homeserver."
    return (Note("homeserver", None, f"{what} {how}"),) if what is not None else ()


def _difference(wanted: Reach, seen: HomeserverReach) -> str | None:
    if not seen.told:
        if seen.answers is wanted.federates:
            return None
        if wanted.federates:
            return "As far as can be seen from here, the homeserver does not answer other servers, and the policy lets some in."
        return "The homeserver answers other servers, and the policy lets none in."
    if seen.servers is None:
        return (
            None
            if wanted.mode == "open"
            else "The homeserver talks to any server, and the policy does not let them in."
        )
    if wanted.mode == "open":
        return "The homeserver talks to some servers only, and the policy lets in any."
    allowed = set(seen.servers) - {wanted.home}
    missing, more = sorted(set(wanted.servers) - allowed), sorted(allowed - set(wanted.servers))
    if missing:
        return f"The homeserver does not talk to {', '.join(map(named, missing))} yet, which the policy lets in."
    if more:
        return f"The homeserver talks to {', '.join(map(named, more))}, which the policy does not let in."
    return None


def weakened(weakening: Weakening, names: Mapping[RoomKey, str]) -> Note:
    """Something that is weaker than its default; `names` are the names of rooms by key."""
    aspect = weakening.what.removeprefix("drift ")
    if aspect != weakening.what:
        told = "people are told" if weakening.value == "warn" else "nobody is told"
        words = next(one.words for name, one in DRIFT.items() if name == aspect)
        what = f"What somebody changes by hand of {words} stays as it is, and {told}."
    elif weakening.what.startswith("limit "):
        danger = weakening.what.removeprefix("limit ")
        what = f"Before anything is refused, {danger} may touch {weakening.value} at once."
    elif weakening.what == "federation":
        what = f"People of other servers can take part, and their servers keep what is said: {named(weakening.value)}."
    elif weakening.group is None and weakening.what.startswith("rule "):
        what = f"The {weakening.what} only counts, and does not act."
    elif weakening.group is None:
        what = f"The {weakening.what}: {weakening.value}."
    elif weakening.what == "retention":
        how_long = "for ever" if weakening.value == FOREVER else f"for {weakening.value}"
        what = f"{quoted(names[weakening.group])}: messages are kept {how_long}."
    else:
        what = f"{quoted(names[weakening.group])}: {_WEAKER[weakening.what, weakening.value]}"
    office = weakening.approved_by.replace("_", " ")
    text = f"{what} This is weaker than it is by itself. The {office} answers for it: {shown(weakening.because)}"
    return Note("weakened", weakening.group, text)


def note_record(note: Note) -> dict[str, Any]:
    """Return a note as JSON values."""
    return asdict(note)


def note_from_record(record: object) -> Note:
    """Return the note that `note_record` wrote. Raises ValueError for anything else."""
    if not isinstance(record, Mapping):
        raise ValueError("this is not the record of a note")
    return _ADAPTER.validate_python(record, extra="forbid")


_ADAPTER = TypeAdapter(Note)
