"""What somebody in distress reads, and what those read who are called (CARE, rules 6, 8, 9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from appservice.conversation.pieces import paragraphs, people, told
from appservice.flow import Item, Rendered

#: What a sign is called on a card.
_KINDS = {
    "suicide": "thoughts of suicide",
    "self_harm": "self-harm",
    "disclosure": "harm or danger",
    "domestic_abuse": "harm by somebody close",
}


class CareTexts:
    """The texts of one community; `hours` is when it is staffed."""

    def __init__(self, server_name: str, hours: str) -> None:
        self._server_name = server_name
        self._hours = hours

    def texts(self) -> Mapping[str, Callable[[tuple[Item, ...]], Rendered]]:
        """Return the texts by key."""
        return {
            "care.suicide": self._care_suicide,
            "care.self_harm": self._care_suicide,
            "care.disclosure": self._care_disclosure,
            "care.domestic_abuse": self._care_disclosure,
            "care.danger": self._care_danger,
            "card.concern": self._concern_card,
            "card.concern_privately": self._concern_card,
            "card.withheld": self._withheld_card,
        }

    def _care_suicide(self, items: tuple[Item, ...]) -> Rendered:
        return paragraphs(
            [
                [("", "Hello. This is the helper program of your group. I am glad that you wrote.")],
                [("", "You do not have to carry this alone. You did nothing wrong, and I removed nothing.")],
                [("", "You can talk to somebody now. Samaritans, free, day or night: 116 123.")],
                [("", "For urgent mental health help call NHS 111 and choose option 2. In danger now? Call 999.")],
                [("", f"I told the people who look after your group. They read it in staffed hours: {self._hours}.")],
                [("", "I do not watch in between. To ask for a person, reply "), ("code", "help"), ("", ".")],
            ],
            mentions=people(items),
        )

    def _care_disclosure(self, items: tuple[Item, ...]) -> Rendered:
        return paragraphs(
            [
                [("", "Hello. This is the helper program of your group. Thank you for writing.")],
                [("", "You did nothing wrong, and I removed nothing.")],
                [("", "Is it safe for you to read messages here? When it is, reply "), ("code", "help"), ("", ".")],
                [("", f"A person then answers in staffed hours: {self._hours}. I do not watch in between.")],
                [("", "In danger now? Call 999.")],
            ],
            mentions=people(items),
        )

    def _care_danger(self, items: tuple[Item, ...]) -> Rendered:
        return paragraphs(
            [
                [("", "Hello. This is the helper program of your group. Please stop for a moment and read this.")],
                [("strong", "In danger now? Call 999.")],
                [("", "Samaritans, free, day or night: 116 123. NHS urgent mental health help: 111, then option 2.")],
                [("", "You matter, and you did nothing wrong. I removed nothing.")],
                [
                    (
                        "",
                        f"I called the people who look after your group. They are there in staffed hours: {self._hours}.",
                    )
                ],
                [("", "I am a program and cannot come to you. Please call one of these numbers now.")],
            ],
            mentions=people(items),
        )

    def _concern_card(self, items: tuple[Item, ...]) -> Rendered:
        item = items[0] if items else {}
        person, room = item.get("person", ""), item.get("room", "")
        urgent = item.get("severity", "") == "4"
        title = "🔴 Somebody needs you at once" if urgent else "🟠 Somebody may need you"
        link = f"a https://matrix.to/#/{quote(room)}/{quote(item.get('event', ''))}?via={quote(self._server_name)}"
        reached = told(items, "They got a kind message with helplines, and nothing was removed.")
        calls = tuple(dict.fromkeys([*item.get("calls", "").split(), *([item["to"]] if item.get("to") else [])]))
        lines: list[list[tuple[str, str]]] = [
            [("strong", title), ("", ".")],
            # First what may light up on a lock screen (CARE, rule 6).
            [("", "This line is for those who look after the community. Please open it.")],
            [
                (
                    "",
                    f"A program saw words of {_KINDS.get(item.get('kind', ''), 'distress')}. It may be wrong: please read.",
                )
            ],
            [("", "It is "), (f"a https://matrix.to/#/{quote(person)}", person), ("", ", "), (link, "here"), ("", ".")],
            [("", reached)],
        ]
        if item.get("contact") == "yes":
            lines.append(
                [("", "There are contact details in the message. I left them, since they may be a way to help.")]
            )
        if item.get("late") == "yes":
            lines.append([("", "The message reached me late: it is more than ten minutes old.")])
        for one in calls:
            lines.append([("", "This is for "), (f"a https://matrix.to/#/{quote(one)}", one), ("", ".")])
        return paragraphs(lines, mentions=calls)

    def _withheld_card(self, items: tuple[Item, ...]) -> Rendered:
        item = items[0] if items else {}
        person, room = item.get("person", ""), item.get("room", "")
        link = f"a https://matrix.to/#/{quote(room)}/{quote(item.get('event', ''))}?via={quote(self._server_name)}"
        return paragraphs(
            [
                [("strong", "🟠 I left a message for you to look at"), ("", ".")],
                [("", "A rule would have removed it. Its author was in distress today, so a person decides.")],
                [
                    ("", "It is "),
                    (f"a https://matrix.to/#/{quote(person)}", person),
                    ("", ", "),
                    (link, "here"),
                    ("", "."),
                ],
            ],
            mentions=(item["to"],) if item.get("to") else (),
        )
