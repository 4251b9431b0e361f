"""Who asked a program not to write to them: known in memory at once, and in the store with the same commit."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from appservice.flow import BeQuiet, DirectMessage, Effect, GiveBack
from appservice.store import Commit, Questions

_NAME: Final = "quiet/"
#: Texts about a person, which they may not want on their screen. Answers to what they write themselves are no such.
_OUR_OWN_WORDS: Final = ("your.", "care.", "direct.")
_ANSWERS: Final = "requests"


class Quiet:
    """The people of one homeserver who want no messages of ours (CARE, rule 6)."""

    def __init__(self, homeserver: str) -> None:
        self._homeserver = homeserver
        self._people: set[str] = set()
        self.people: Collection[str] = self._people

    async def load(self, questions: Questions) -> None:
        """Take up who said so earlier. Raises `StoreRefused`."""
        for name, value in await questions.positions_below(_NAME):
            if value:
                self._people.add(name.removeprefix(_NAME))

    def note(self, effect: Effect) -> Commit:
        """Note what somebody wants; return the row. Where the store refuses it, it is as it was: their word comes again."""
        assert isinstance(effect, BeQuiet)
        before = effect.user_id in self._people
        self._set(effect.user_id, quiet=effect.quiet)
        row = {"homeserver": self._homeserver, "name": _NAME + effect.user_id, "value": "yes" if effect.quiet else ""}
        return Commit(positions=[row], undo=[lambda: self._set(effect.user_id, quiet=before)])

    def _set(self, user_id: str, *, quiet: bool) -> None:
        (self._people.add if quiet else self._people.discard)(user_id)

    def wants(self, effect: DirectMessage) -> bool:
        """Whether its person wants this message.

        What was taken from them before they asked for quiet is given back: else their words would be lost untold.
        """
        if effect.user_id not in self._people or effect.rule == _ANSWERS or isinstance(effect, GiveBack):
            return True
        return not effect.text.startswith(_OUR_OWN_WORDS)
