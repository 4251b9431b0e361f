"""Where rooms meet: what each side may assume of the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from appservice.flow.effects import Effect, Item
from appservice.flow.facts import Facts
from appservice.flow.inputs import EventInput
from appservice.flow.results import Attempt, Result


class Clock(Protocol):
    """The one clock; tests move their own."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970 (UTC)."""
        ...


class Handler(Protocol):
    """Decides. Pure: no I/O, no clock, no state of its own; the same input and facts give the same effects.

    May raise: after three failures its input is set aside for this handler alone, and the others go on.
    """

    name: str

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        """Return what shall happen; nothing is the usual answer. Called in lane order."""
        ...


class Executor(Protocol):
    """Makes one type of effect true, in a way that a second call does no harm.

    May be called again after any interruption. `docs/architecture.md` has the table of how each type is recognised as
    already true. Raises only `matrix` errors, which the outbox turns into another attempt.
    """

    async def execute(self, effect: Effect, attempt: Attempt) -> Result: ...


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text for one event: plain `body` complete in itself, safe `html`, and whom it notifies."""

    body: str
    html: str
    msgtype: str = "m.text"
    mentions: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


class Wording(Protocol):
    """Turns a text key and its items into words, when the words leave. Does no I/O."""

    def render(self, text: str, items: tuple[Item, ...]) -> Rendered:
        """Raises KeyError for a text the catalogue does not have."""
        ...


class VaultClosed(Exception):
    """What was sealed cannot be opened here: the key is missing, or does not fit."""


class Vault(Protocol):
    """Seals what must be kept, so that whoever has our disk alone cannot read it. Opening needs a key."""

    def seal(self, plain: bytes) -> bytes:
        """Return `plain` sealed for the vault's key, and for the team's own keys if there are any."""
        ...

    def unseal(self, sealed: bytes) -> bytes:
        """Return what was sealed. Raises `VaultClosed`."""
        ...


class AuditSink(Protocol):
    """Takes a line for a lane's audit chain; it is stored with the commit that is under way."""

    def note(self, lane: str, line: Mapping[str, Any], person: str | None = None) -> None: ...
