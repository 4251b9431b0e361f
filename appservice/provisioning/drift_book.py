"""What somebody changed by hand, remembered: as rows, in memory, and whether people are to be told of it.

The same person changing the same setting again within an hour is one row that counts. Of one room and aspect people are
told once an hour at most, and of what stands once until it changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

from appservice.flow import Clock, Written
from appservice.store import AuditLine, Commit, Database, read_drifts
from policies.defaults import DriftAspect
from policies.desired import StateKey
from policies.drift import TELL_AGAIN_MS, WINDOW_MS, Deviation, wait_ms

Done = Literal["seen", "put_back", "stands", "ignored", "failed", "final"]
"""`seen`: something follows soon. `put_back`: it is as the policy says again. `stands`: people were told. `failed`: it is
tried again. `final`: nothing can take it back."""
_OPEN: Final = ("seen", "stands", "failed", "final", "ignored")
#: ms for which `status` counts, and rows of that time that are kept in memory at most.
COUNTED_MS: Final = 7 * 24 * 3600 * 1000
_AT_MOST: Final = 2000

#: A room and an aspect of it.
Place = tuple[str, DriftAspect]


@dataclass(frozen=True, slots=True)
class Episode:
    """One setting of a room that one person (`sender`) changed, `times` often within an hour, and what followed.

    event_id: the first event; first_ms, last_ms: when it was made, by the homeserver's clock, and when it was seen last.
    """

    event_id: str
    room_id: str
    community: str
    grp: str
    aspect: DriftAspect
    type: str
    state_key: str
    sender: str
    first_ms: int
    last_ms: int
    times: int
    done: Done

    @property
    def key(self) -> StateKey:
        return self.type, self.state_key

    @property
    def place(self) -> Place:
        return self.room_id, self.aspect


class DriftBook:
    """All episodes of the last days."""

    def __init__(self, homeserver: str, clock: Clock) -> None:
        self._homeserver = homeserver
        self._clock = clock
        self._episodes: dict[str, Episode] = {}
        self._put_right: defaultdict[Place, list[int]] = defaultdict(list)
        self._told: dict[tuple[Place, str], int] = {}
        self._standing: set[Place] = set()  # of which people know

    async def load(self, database: Database) -> None:
        """Take up what an earlier life saw. Raises `StoreRefused`."""
        since = self._clock.now_ms() - COUNTED_MS
        for row in await read_drifts(database, self._homeserver, since_ms=since, limit=_AT_MOST):
            self._episodes[row["event_id"]] = (episode := Episode(**row))
            if episode.done == "stands":
                self._standing.add(episode.place)

    # -- what was seen ---------------------------------------------------------------------------------------------

    def seen(self, room_id: str, community: str, group: str, deviation: Deviation, by: Written) -> Commit:
        """Note that a setting is not as the policy says, and by whom; return the rows."""
        now = self._clock.now_ms()
        event_type, state_key = deviation.key
        before = self._lately(room_id, deviation.key, by.sender, now)
        if before is not None:
            return self._keep(replace(before, last_ms=now, times=before.times + 1, done="seen"))
        self._forget(now)
        made_ms = min(by.at_ms, now) or now
        cause = by.cause or by.event_id
        aspect = deviation.aspect
        episode = Episode(
            cause, room_id, community, group, aspect, event_type, state_key, by.sender, made_ms, now, 1, "seen"
        )
        rows = self._keep(episode)
        line = {"drift": event_type, "room": group, "aspect": aspect, "answer": deviation.answer, "event": cause}
        rows.audit.append(AuditLine(f"provisioning {community}", line, by.sender))
        return rows

    def knows(self, room_id: str, cause: str) -> bool:
        """Whether this very event was seen already."""
        episode = self._episodes.get(cause)
        return episode is not None and episode.room_id == room_id

    def no_longer(self, room_id: str, key: StateKey) -> Commit:
        """A setting is as the policy says (again); return the rows."""
        rows = Commit()
        for episode in list(self.open_in(room_id)):
            if episode.key == key:
                rows.add(self.settle(episode, "put_back"))
        return rows

    def settle(self, episode: Episode, done: Done) -> Commit:
        """Note what followed; return the rows. If it was changed again since, that is yet to follow."""
        now = self._episodes.get(episode.event_id)
        if now is not None and now.times != episode.times:
            return Commit()
        rows = self._keep(replace(episode, done=done))
        if done == "put_back" and episode.place in self._standing:
            self._standing.discard(episode.place)
            rows.undo.append(lambda: self._standing.add(episode.place))
        return rows

    def _lately(self, room_id: str, key: StateKey, sender: str, now: int) -> Episode | None:
        for episode in self._episodes.values():
            same = (episode.room_id, episode.key, episode.sender) == (room_id, key, sender)
            if same and episode.last_ms > now - WINDOW_MS:
                return episode
        return None

    def _keep(self, episode: Episode) -> Commit:
        before = self._episodes.get(episode.event_id)
        self._episodes[episode.event_id] = episode

        def undo() -> None:
            if self._episodes.get(episode.event_id) is not episode:
                return  # it was changed again since, and that has rows of its own
            if before is not None:
                self._episodes[episode.event_id] = before
            else:
                del self._episodes[episode.event_id]

        return Commit(drifts=[{"homeserver": self._homeserver, **asdict(episode)}], undo=[undo])

    def _forget(self, now: int) -> None:
        old = [one for one in self._episodes.values() if one.last_ms <= now - COUNTED_MS and one.done == "put_back"]
        spare = sorted(self._episodes.values(), key=lambda one: one.last_ms)[: max(0, len(self._episodes) - _AT_MOST)]
        for episode in (*old, *spare):
            self._episodes.pop(episode.event_id, None)

    # -- what follows ----------------------------------------------------------------------------------------------

    def open_in(self, room_id: str) -> Iterator[Episode]:
        """Yield what is not as the policy says in a room, as far as it was seen."""
        return (one for one in list(self._episodes.values()) if one.room_id == room_id and one.done in _OPEN)

    def open_rooms(self) -> set[str]:
        """Return the rooms in which something is not as the policy says, as far as it was seen."""
        return {one.room_id for one in self._episodes.values() if one.done in _OPEN}

    def stands(self, room_id: str, key: StateKey) -> bool:
        """Whether somebody changed this by hand, and it is so still."""
        return any(one.key == key for one in self.open_in(room_id))

    def note_put_right(self, place: Place) -> None:
        """One aspect of a room was put right, or it was tried."""
        now = self._clock.now_ms()
        self._put_right[place] = [at for at in self._put_right[place] if at > now - WINDOW_MS] + [now]

    def times_put_right(self, place: Place) -> int:
        """How often that was within the last hour."""
        return len(self._put_right[place])

    def wait_ms(self, place: Place) -> int:
        """Return how long to wait before it is put right again."""
        return wait_ms(self._put_right[place], self._clock.now_ms())

    def may_tell(self, place: Place, what: str) -> tuple[bool, Commit]:
        """Return whether people are told `what` of a room and aspect now, and what takes back that this was noted."""
        now = self._clock.now_ms()
        was = self._told.get((place, what), 0)
        if (what == "stands" and place in self._standing) or was > now - TELL_AGAIN_MS:
            return False, Commit()
        self._told[place, what] = now
        if what == "stands":
            self._standing.add(place)

        def undo() -> None:
            self._told[place, what] = was
            if what == "stands":
                self._standing.discard(place)

        return True, Commit(undo=[undo])

    @property
    def counts(self) -> dict[str, int]:
        """How often something was changed in seven days, what stands of it, what was contested within the hour."""
        since = self._clock.now_ms() - COUNTED_MS
        return {
            "seen_7_days": sum(one.times for one in self._episodes.values() if one.last_ms > since),
            "standing": sum(one.done in ("stands", "failed", "final") for one in self._episodes.values()),
            "contested": sum(self.wait_ms(place) > 0 for place in self._put_right),
        }
