"""What those read who look after a case: what is so now, how to answer, and what was removed, when they ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from urllib.parse import quote

from appservice.conversation.pieces import DANGER, paragraphs, people
from appservice.flow import Item, Rendered

_Lines = list[list[tuple[str, str]]]
#: How an end is called on a card.
_OUTCOMES = {
    "resolved": "It is resolved.",
    "mistake": "The program was wrong.",
    "referred": "Somebody else has it now.",
    "nothing": "Nothing had to be done.",
}


class CaseTexts:
    """The texts of one community; `hours` is when it is staffed."""

    def __init__(self, server_name: str, hours: str) -> None:
        self._server_name = server_name
        self._hours = hours

    def texts(self) -> Mapping[str, Callable[[tuple[Item, ...]], Rendered]]:
        """Return the texts by key."""
        return {
            "direct.welcome": self._welcome,
            "card.summary": self._summary,
            "card.unanswered": self._unanswered,
            "care.nobody_yet": self._nobody_yet,
            "case.shown": self._shown,
            "case.nothing_kept": self._nothing_kept,
            "case.vault_closed": lambda items: self._line(
                items, "I cannot open it: the key is not on the server. Please ask those who run the server."
            ),
            "case.not_yours": lambda items: self._line(
                items, "Thank you for helping. This is for others to do, so I changed nothing."
            ),
            "case.is_closed": lambda items: self._line(items, f"{_name(items)} was closed before. I changed nothing."),
            "case.tap_expired": lambda items: self._line(
                items,
                "That card is too old to tap. Reply to it with ",
                ("code", "ack"),
                ("", " or "),
                ("code", "escalate"),
                ("", "."),
            ),
            "case.tap_used": self._tap_used,
            "case.unknown": lambda items: self._line(
                items, "I know nothing by that name. It stands on the card, like ", ("code", "H-0001"), ("", ".")
            ),
            "case.which": lambda items: self._line(
                items,
                "Which one do you mean? Reply to its card, or add its name, like ",
                ("code", "ack H-0001"),
                ("", "."),
            ),
            "case.how_to_close": lambda items: self._line(
                items,
                "To close it, say how it ended: ",
                ("code", "close resolved"),
                ("", ", "),
                ("code", "close mistake"),
                ("", ", "),
                ("code", "close referred"),
                ("", " or "),
                ("code", "close nothing"),
                ("", "."),
            ),
            "case.nothing_to_release": lambda items: self._line(
                items, f"Nothing is paused for {_name(items)}. I changed nothing."
            ),
            "case.released": lambda items: self._line(
                items, f"Done. From now on rules work as usual for the person of {_name(items)}."
            ),
            "case.show_not_yours": lambda items: self._line(
                items, "Only those who lead on safeguarding can see what was removed. Please ask one of them."
            ),
            "case.show_why": lambda items: self._line(
                items,
                "Please add why you need it, like ",
                ("code", f"show {_name(items, 'H-0001')} a parent asked"),
                ("", "."),
            ),
        }

    def with_case(self, card: Rendered, items: tuple[Item, ...]) -> Rendered:
        """Return a card with what is so of its case now, and how to answer."""
        item = items[0] if items else {}
        if not item.get("reference"):
            return card
        more = paragraphs(self._now(item))
        calls = tuple(dict.fromkeys((*card.mentions, *item.get("calls", "").split())))
        return Rendered(f"{card.body}\n{more.body}", card.html + more.html, card.msgtype, calls)

    def _now(self, item: Item) -> _Lines:
        reference, owner = item["reference"], item.get("owner", "")
        link = (f"a https://matrix.to/#/{quote(owner)}", owner)
        if item.get("state") == "closed":
            end = _OUTCOMES.get(item.get("outcome", ""), "")
            by: list[tuple[str, str]] = [("", f"✅ {reference} is closed by "), link, ("", f". {end}")]
            return [by if owner else [("", f"✅ {reference} is closed. {end}")]]
        lines: _Lines = []
        if item.get("passed_on") == "yes":
            lines.append([("", "⬆ This was passed on, so that somebody looks at it.")])
        if item.get("state") == "taken":
            lines.append([("", "👀 "), link, ("", " has this.")])
        else:
            lines.append([("", "Do you have this? Tap 👀 or reply "), ("code", f"ack {reference}"), ("", ".")])
        lines.append([("", "To pass it on, tap ⬆ or reply "), ("code", f"escalate {reference}"), ("", ".")])
        lines.append([("", "When it is done, reply "), ("code", f"close {reference} resolved"), ("", ".")])
        return lines

    def _welcome(self, items: tuple[Item, ...]) -> Rendered:
        """CARE, rule 17: what a program does here, who reads, what is kept, and how to complain."""
        return paragraphs(
            [
                [("", "Hello, and welcome. I am the helper program of your group. This is our private room.")],
                [("", "I look for some words, like phone numbers. I miss many, and people decide.")],
                [("", "If you write that you are not safe, I tell the people who look after your group.")],
                [("", "In a group, everybody who is there can read what you write.")],
                [("", "Those who run the server could read it too, also in this room.")],
                [("", "What I remove is kept sealed for one year. Only safeguarding leads open it, with a reason.")],
                [
                    ("", "To reach a person, reply "),
                    ("code", "help"),
                    ("", f". They answer in staffed hours: {self._hours}."),
                ],
                [
                    ("", "Are you unhappy with me, or with what was decided? Reply "),
                    ("code", "appeal"),
                    ("", ". Somebody else looks at it."),
                ],
                [("", DANGER)],
            ],
            mentions=people(items),
        )

    def _summary(self, items: tuple[Item, ...]) -> Rendered:
        lines: _Lines = [
            [("strong", "🔵 More of this week, in one list"), ("", ".")],
            [("", "Messages were removed, and their authors were told. There is no hurry.")],
        ]
        for item in items[:20]:
            person = item.get("person", "")
            closed = item.get("state") == "closed"
            line: list[tuple[str, str]] = [("", f"{item.get('reference', '')}: {item.get('count', '1')} by ")]
            lines.append(
                [*line, (f"a https://matrix.to/#/{quote(person)}", person), ("", ", closed." if closed else ".")]
            )
        if len(items) > 20:
            lines.append([("", f"And {len(items) - 20} more.")])
        lines.append([("", "To close one, reply "), ("code", "close H-0001 resolved"), ("", " with its name.")])
        return paragraphs(lines, msgtype="m.notice")

    def _unanswered(self, items: tuple[Item, ...]) -> Rendered:
        return paragraphs(
            [
                [("strong", "🟠 Somebody should look into the other room"), ("", ".")],
                [("", "Something has waited too long there. Please reach the safeguarding lead.")],
            ]
        )

    def _nobody_yet(self, items: tuple[Item, ...]) -> Rendered:
        return paragraphs(
            [
                [("", "Hello. This is the helper program of your group. I am sorry that you had to wait.")],
                [("", f"No person has answered yet. They are there in staffed hours: {self._hours}.")],
                [("", "Please do not wait for us.")],
                [("", DANGER)],
                [("", "For urgent mental health help call NHS 111 and choose option 2.")],
            ],
            mentions=people(items),
        )

    def _shown(self, items: tuple[Item, ...]) -> Rendered:
        item = items[0] if items else {}
        person = item.get("about", "")
        what = "an edit" if item.get("edit") == "yes" else "a message"
        lines: _Lines = [
            [("strong", f"🔵 What you asked to see, for {item.get('reference', '')}"), ("", ".")],
            [("", f"It is {what}, number {item.get('item', '1')} of {item.get('of', '1')}. It was removed.")],
            [("", "It is by "), (f"a https://matrix.to/#/{quote(person)}", person), ("", ".")],
        ]
        before = paragraphs(lines)
        lines = [[("", "I take this back in ten minutes. Your reason was written down.")]]
        if item.get("cut") == "yes":
            lines.insert(0, [("", "It is longer than what I show here.")])
        if item.get("of", "1") != "1":
            lines.append(
                [("", "For the next one, reply "), ("code", f"show {item.get('reference', '')}/2 REASON"), ("", ".")]
            )
        after, words = paragraphs(lines), item.get("words", "")
        quoted = "<blockquote><p>" + escape(words).replace("\n", "<br>") + "</p></blockquote>"
        body = f"{before.body}\n{words}\n{after.body}"
        if not words:
            quoted, body = "", f"{before.body}\n{after.body}"
        return Rendered(body, before.html + quoted + after.html, mentions=people(items))

    def _nothing_kept(self, items: tuple[Item, ...]) -> Rendered:
        item = items[0] if items else {}
        room, event = item.get("room", ""), item.get("event", "")
        link = f"a https://matrix.to/#/{quote(room)}/{quote(event)}?via={quote(self._server_name)}"
        lines: _Lines = [[("", f"I keep nothing for {item.get('reference', '')}: nothing was removed.")]]
        if room:
            lines.append([("", "The message still stands "), (link, "in its room"), ("", ".")])
        return paragraphs(lines, mentions=people(items))

    def _tap_used(self, items: tuple[Item, ...]) -> Rendered:
        owner = items[0].get("owner", "") if items else ""
        if not owner:
            return self._line(items, f"Somebody did that for {_name(items)} before. I changed nothing.")
        link = (f"a https://matrix.to/#/{quote(owner)}", owner)
        return paragraphs([[("", f"{_name(items)} is taken: "), link, ("", " has it.")]], mentions=people(items))

    def _line(self, items: tuple[Item, ...], words: str, *more: tuple[str, str]) -> Rendered:
        return paragraphs([[("", words), *more]], mentions=people(items))


def _name(items: tuple[Item, ...], otherwise: str = "That") -> str:
    return (items[0].get("reference") if items else "") or otherwise
