"""What texts are made of: paragraphs whose body and HTML say the same, and small words that several texts share."""

from __future__ import annotations

from html import escape

from appservice.flow import Item, Rendered

#: Numbers from the published table of signposts (policies/rules/signposts/en-GB.csv).
DANGER = "In danger now? Call 999. Samaritans, free, day or night: 116 123."


def told(items: tuple[Item, ...], words: str) -> str:
    """Whether the person a card is about knows: a message that nobody can read is none."""
    reached = bool(items) and items[0].get("told", "yes") == "yes"
    return words if reached else "They could not be told: not reached. Please find another way."


def people(items: tuple[Item, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item["person"] for item in items if item.get("person")))


def paragraphs(lines: list[list[tuple[str, str]]], msgtype: str = "m.text", mentions: tuple[str, ...] = ()) -> Rendered:
    """Return body and HTML with the same words; a piece is (tag, text), where `a URL` makes a link."""
    body = "\n".join("".join(text for _, text in pieces) for pieces in lines)
    html = "".join("<p>" + "".join(_piece(tag, text) for tag, text in pieces) + "</p>" for pieces in lines)
    return Rendered(body=body, html=html, msgtype=msgtype, mentions=mentions)


def _piece(tag: str, text: str) -> str:
    words = escape(text)
    if not tag:
        return words
    if tag.startswith("a "):
        return f'<a href="{escape(tag[2:])}">{words}</a>'
    return f"<{tag}>{words}</{tag}>"
