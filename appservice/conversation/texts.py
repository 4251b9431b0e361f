"""The words. Every sentence a person reads from us stands here and nowhere else.

Plain words, sentences of at most 20 words, only HTML that Element X shows, a neutral first line, a `body` that is
complete by itself (docs/architecture.md, "Texts").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from appservice.conversation.care_texts import CareTexts
from appservice.conversation.case_texts import CaseTexts
from appservice.conversation.pieces import DANGER, paragraphs, people, told
from appservice.flow import Item, Rendered

Words = Callable[[tuple[Item, ...]], Rendered]


class Catalogue:
    """`flow.Wording` for one community: `room_name(room_id)` is what people call a room, `hours` when it is staffed."""

    def __init__(self, room_name: Callable[[str], str], server_name: str, hours: str) -> None:
        self._hours = hours
        self._room_name = room_name
        self._server_name = server_name
        self._cases = CaseTexts(server_name, hours)
        self._texts: Mapping[str, Words] = {
            "removed.contact_details": self._removed_notice,
            "your.contact_details_removed": self._removed_for_author,
            "your.own_number": self._own_number,
            "card.contact_details_removed": self._removed_card,
            "card.asks_help": self._asks_help,
            "card.asks_appeal": self._asks_appeal,
            "your.not_in_group": self._not_in_group,
            "your.invite_withdrawn": self._your_invite_withdrawn,
            "your.request_heard": self._request_heard,
            "your.request_declined": self._request_declined,
            "card.intruder": self._intruder_card,
            "card.invite_withdrawn": self._invite_withdrawn_card,
            "card.asks_to_join": self._asks_to_join,
            "request.not_yours": self._request_not_yours,
            "request.unknown": self._request_unknown,
            "request.added": self._request_added,
            "request.declined": self._request_answered_no,
            **CareTexts(server_name, hours).texts(),
            **self._cases.texts(),
            "direct.how": self._how,
            "direct.here_instead": self._here_instead,
            "direct.help_heard": self._help_heard,
            "direct.appeal_heard": self._appeal_heard,
        }

    def render(self, text: str, items: tuple[Item, ...]) -> Rendered:
        words = self._texts[text](items)
        return self._cases.with_case(words, items) if text.startswith("card.") else words

    def _removed_notice(self, items: tuple[Item, ...]) -> Rendered:
        count = len(items)
        what = "a message" if count <= 1 else f"{count} messages"
        why = f"it had {_what(items)} in it" if count <= 1 else f"they had {_what(items)} in them"
        return paragraphs(
            [
                [("strong", f"I removed {what}"), ("", f" because {why}.")],
                [("", "We keep contact details private here. Nobody is in trouble.")],
                [("", "Questions? Send me a private message.")],
            ],
            msgtype="m.notice",
        )

    def _removed_for_author(self, items: tuple[Item, ...]) -> Rendered:
        rooms = self._room_names(items)
        count = len(items)
        removed = "I removed a message of yours" if count <= 1 else f"I removed {count} messages of yours"
        return paragraphs(
            [
                [("", "Hello. This is the helper program of your group.")],
                [("", f"{removed} in {rooms}. There was {_what(items)} in it.")],
                [("", "We keep contact details private, so that everybody stays safe. You are not in trouble.")],
                [("", "Was it your own? You can still share it with people you trust, in private.")],
                [
                    ("", "Do you think this was wrong? Reply "),
                    ("code", "appeal"),
                    ("", " and a person will look at it."),
                ],
            ],
            mentions=people(items),
        )

    def _own_number(self, items: tuple[Item, ...]) -> Rendered:
        return paragraphs(
            [
                [("", "Hello. This is the helper program of your group.")],
                [
                    (
                        "",
                        f"You wrote {_what(items, 'your own')} in {self._room_names(items)}. Everybody there can see it.",
                    )
                ],
                [("", "That is your choice, and I left it there.")],
                [("", "To take it back, remove the message yourself. Or reply "), ("code", "help"), ("", ".")],
            ],
            mentions=people(items),
        )

    def _removed_card(self, items: tuple[Item, ...]) -> Rendered:
        count = int(items[0].get("count", len(items))) if items else 0
        what = "1 message removed" if count <= 1 else f"{count} messages removed"
        person = items[0].get("person", "") if items else ""
        lines: list[list[tuple[str, str]]] = [
            [("strong", f"🟠 {what}"), ("", ".")],
            [
                (
                    "",
                    f"There was {_what(items)}. {told(items, 'They were told privately how to ask for a second look.')}",
                )
            ],
            [("", "Written by "), (f"a https://matrix.to/#/{quote(person)}", person), ("", ".")],
        ]
        for item in items[:10]:
            room = item.get("room", "")
            link = f"a https://matrix.to/#/{quote(room)}/{quote(item.get('event', ''))}?via={quote(self._server_name)}"
            lines.append([("", "In "), (link, self._room_name(room)), ("", ".")])
        if count > 10:
            lines.append([("", f"And {count - 10} more.")])
        return paragraphs(lines)

    def _not_in_group(self, items: tuple[Item, ...]) -> Rendered:
        return paragraphs(
            [
                [("", "Hello. This is the helper program of a group. I have news for you. It is nothing bad.")],
                [("", f"Somebody put you into {self._room_names(items)}, and I took you out again.")],
                [("", "People come in there only when those who look after it have said yes. You did nothing wrong.")],
                [("", "Would you like to be there? Reply "), ("code", "help"), ("", " and a person will answer.")],
            ],
            mentions=people(items),
        )

    def _your_invite_withdrawn(self, items: tuple[Item, ...]) -> Rendered:
        return paragraphs(
            [
                [("", "Hello. This is the helper program of your group.")],
                [("", f"You invited somebody to {self._room_names(items)}. I took the invite back.")],
                [("", "People come in there only when those who look after it have said yes.")],
                [("", "Ask them first, or reply "), ("code", "help"), ("", " and a person will answer.")],
            ],
            mentions=people(items),
        )

    def _request_heard(self, items: tuple[Item, ...]) -> Rendered:
        return paragraphs(
            [
                [("", "Hello. This is the helper program of a group. Thank you for asking to join.")],
                [("", f"A person will look at it. The room is {self._room_names(items)}.")],
                [("", f"They do that in staffed hours: {self._hours}.")],
                [("", DANGER)],
            ],
            mentions=people(items),
        )

    def _request_declined(self, items: tuple[Item, ...]) -> Rendered:
        return paragraphs(
            [
                [("", "Hello. This is the helper program of a group. It is about the question you asked.")],
                [("", f"We cannot add you to {self._room_names(items)} right now.")],
                [("", "This is not about you as a person.")],
                [("", "To ask somebody to look again, reply "), ("code", "appeal"), ("", ".")],
            ],
            mentions=people(items),
        )

    def _intruder_card(self, items: tuple[Item, ...]) -> Rendered:
        reached = told(items, "They were told privately.")
        return self._about(
            items, "🟠 I took somebody out of a room", f"They were in a room without your yes. {reached}"
        )

    def _invite_withdrawn_card(self, items: tuple[Item, ...]) -> Rendered:
        return self._about(items, "🟠 I took an invite back", "Nobody whose role may let people in had said yes.")

    def _asks_to_join(self, items: tuple[Item, ...]) -> Rendered:
        reference = items[0].get("reference", "") if items else ""
        answer: list[tuple[str, str]] = [
            ("", "Reply "),
            ("code", f"add {reference}"),
            ("", " or "),
            ("code", f"decline {reference}"),
            ("", ", or invite them by hand."),
        ]
        reached = told(items, "They know that a person will answer.")
        return self._about(items, "🔵 Somebody asks to join", reached, answer)

    def _about(
        self, items: tuple[Item, ...], title: str, why: str, answer: list[tuple[str, str]] | None = None
    ) -> Rendered:
        person = items[0].get("person", "") if items else ""
        return paragraphs(
            [
                [("strong", title), ("", ".")],
                [("", f"{why} This line is for those who look after the community.")],
                [("", "It is "), (f"a https://matrix.to/#/{quote(person)}", person), ("", ".")],
                [("", f"The room is {self._room_names(items)}.")],
                *([answer] if answer else []),
            ]
        )

    def _request_not_yours(self, items: tuple[Item, ...]) -> Rendered:
        return self._reply("Only those whose role may let people in can answer requests.")

    def _request_unknown(self, items: tuple[Item, ...]) -> Rendered:
        return self._reply("I know no such request. It may have been answered, or taken back.")

    def _request_added(self, items: tuple[Item, ...]) -> Rendered:
        return self._reply("Thank you. I asked them in.")

    def _request_answered_no(self, items: tuple[Item, ...]) -> Rendered:
        return self._reply("Thank you. I took the request back. I tell them kindly, if they can be reached.")

    def _reply(self, words: str) -> Rendered:
        return paragraphs([[("", words)]], msgtype="m.notice")

    def _how(self, items: tuple[Item, ...]) -> Rendered:
        return paragraphs(
            [
                [("", "Hello. I am a program, and nobody reads along here.")],
                [("", "To reach a person, reply "), ("code", "help"), ("", ".")],
                [("", "If I removed something of yours by mistake, reply "), ("code", "appeal"), ("", ".")],
                [("", f"A person answers in staffed hours: {self._hours}.")],
                [("", DANGER)],
            ],
            mentions=people(items),
        )

    def _here_instead(self, items: tuple[Item, ...]) -> Rendered:
        room = items[0].get("room", "") if items else ""
        link = f"a https://matrix.to/#/{quote(room)}?via={quote(self._server_name)}"
        return paragraphs(
            [
                [("", "Hello. I am the helper program of your group.")],
                [
                    ("", "I read only our own private room. Please write to me there: "),
                    (link, "our private room"),
                    ("", "."),
                ],
                [("", "To reach a person, write "), ("code", "help"), ("", " there.")],
                [("", DANGER)],
            ],
            mentions=people(items),
        )

    def _help_heard(self, items: tuple[Item, ...]) -> Rendered:
        return paragraphs(
            [
                [("", "Thank you. I told the people who look after your group that you asked for them.")],
                [("", f"They read this in staffed hours: {self._hours}. I do not watch in between.")],
                [("", DANGER)],
            ],
            mentions=people(items),
        )

    def _appeal_heard(self, items: tuple[Item, ...]) -> Rendered:
        return paragraphs(
            [
                [("", "Thank you. I asked a person to look at it again.")],
                [("", f"They read this in staffed hours: {self._hours}.")],
            ],
            mentions=people(items),
        )

    def _asks_help(self, items: tuple[Item, ...]) -> Rendered:
        return self._asks(items, "🔵 Somebody asks for a person", "They wrote “help” to the helper program.")

    def _asks_appeal(self, items: tuple[Item, ...]) -> Rendered:
        return self._asks(items, "🔵 Please look again", "They say that a message of theirs was removed by mistake.")

    def _asks(self, items: tuple[Item, ...], title: str, why: str) -> Rendered:
        person = items[0].get("person", "") if items else ""
        return paragraphs(
            [
                [("strong", title), ("", ".")],
                [("", f"{why} {told(items, 'I tell them that somebody will write to them in staffed hours.')}")],
                [("", "It is "), (f"a https://matrix.to/#/{quote(person)}", person), ("", ".")],
            ]
        )

    def _room_names(self, items: tuple[Item, ...]) -> str:
        names = list(dict.fromkeys(self._room_name(item.get("room", "")) for item in items))
        if len(names) > 3:
            return f"{len(names)} rooms"
        return " and ".join(names) or "your group"


#: What was found, as people call it. Numbers of health and money get a name that says no more.
_WHAT = {
    "phone": "a phone number",
    "email": "an e-mail address",
    "address": "an address",
    "nhs_number": "a personal number",
    "card": "bank details",
    "bank": "bank details",
}
_OWN = {"phone": "your own phone number", "email": "your own e-mail address", "address": "your own address"}


def _what(items: tuple[Item, ...], own: str = "") -> str:
    kinds = {item.get("kind", "phone") for item in items} or {"phone"}
    kind = kinds.pop() if len(kinds) == 1 else "several"
    return _OWN.get(kind, "your own contact details") if own else _WHAT.get(kind, "contact details")
