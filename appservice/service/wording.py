"""The words of the policy in force: whoever speaks has them from here, whichever policy that is by then."""

from __future__ import annotations

from appservice.flow import Item, Rendered, Wording


class WordingInForce:
    """`flow.Wording` of the policy in force."""

    now: Wording | None = None

    def render(self, text: str, items: tuple[Item, ...]) -> Rendered:
        if self.now is None:
            raise KeyError(text)
        return self.now.render(text, items)
