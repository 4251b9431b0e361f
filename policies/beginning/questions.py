"""The questions, in their order: words, help, how an answer is read, when it is asked, and what to think of again."""

from __future__ import annotations

from typing import Any, Final

from policies.beginning.answers import NOT_FOR, Answers
from policies.beginning.question import Question, choice
from policies.beginning.reading import (
    NotUnderstood,
    Said,
    contact,
    hours,
    name,
    nobody_or_user,
    number,
    sentence,
    server,
    user,
)
from policies.beginning.sensitive import telling_words

PARTS: Final = (
    "Is this the right place?",
    "What people told you",
    "What it will be",
    "The risk",
    "Who is there",
)

__all__ = ["PARTS", "QUESTIONS", "NotUnderstood", "Said", "answers_of", "relevant", "unfit"]


def relevant(said: Said) -> tuple[Question, ...]:
    """Return the questions to ask, as far as what was said so far tells: none after an answer that decides all."""
    asked: list[Question] = []
    so_far: dict[str, Any] = {}
    for question in QUESTIONS:
        if not question.when(so_far):
            continue
        asked.append(question)
        if question.key in said:
            so_far[question.key] = said[question.key]
        if unfit(so_far):
            break
    return tuple(asked)


def unfit(said: Said) -> tuple[str, ...]:
    """Return the keys of the reasons for which this program is not what is needed, whatever else is answered."""
    must = said.get("must", ())
    found = {
        "works_elsewhere": said.get("works") == "yes",
        "children": said.get("for_whom") in ("young", "both"),
        "crisis": "crisis" in must,
        "one_to_one": "one-to-one" in must,
        "secret": "secret" in must,
    }
    return tuple(key for key, so in found.items() if so)


def answers_of(said: Said) -> Answers | None:
    """Return the answers, if every question that is to be asked has one."""
    asked = relevant(said)
    if any(question.key not in said for question in asked):
        return None
    return Answers(**{question.key: said[question.key] for question in asked})


def _talk(said: Said) -> bool:
    return "talk" in said.get("must", ("talk",))


def _some_asked(said: Said) -> bool:
    return bool(said.get("asked", 1))


def _high(said: Said) -> bool:
    return said.get("risk") == "high"


def _accepted(said: Said) -> bool:
    return _high(said) and said.get("accept", "lead") != "nobody"


def _telling_name(value: str) -> str:
    found = telling_words(value)
    if not found:
        return ""
    return f"People may read this name on a locked phone. It tells something about them: {', '.join(found)}."


def _telling_server(value: str) -> str:
    found = telling_words(value)
    if not found:
        return ""
    return (
        f"This name will stand in each user name, for ever. It tells something about people: {', '.join(found)}. "
        "A plain word is safer, like the name of a tree."
    )


def _telling_user(value: str | None) -> str:
    first = (value or "").partition(":")[0]
    return "This looks like a real name. Two words that tell nothing are safer." if set(first) & set("._=") else ""


def _telling_users(values: tuple[str, ...]) -> str:
    return next((worry for worry in map(_telling_user, values) if worry), "")


_NAMES: Final = "Members read it, also on a locked phone. So it should not tell what is hard in their lives."
_USERS: Final = (
    "Write the user name only, and no real name. Two words that tell nothing are good, like copper-lark. "
    "If there is nobody yet, write none."
)
_HOURS: Final = (
    "You may also write: Mon 9am to noon, Thu 2pm to 6pm. "
    "Promise only what you can keep. If there are no such hours yet, write none."
)

QUESTIONS: Final[tuple[Question, ...]] = (
    Question(
        "now",
        0,
        "Where people meet now",
        "Where do people meet or talk now?",
        "A group chat, a hall, a phone call on Fridays: write all you know of. If there is no such place, write none. "
        "Please write no names of people.",
        sentence,
    ),
    choice(
        "works",
        0,
        "Does that work",
        "Does it work well there, and is it safe enough?",
        "Ask people who go there. A new place costs them time, and some will not come along.",
        {
            "yes": "people are content there, and nobody comes to harm",
            "partly": "some of it works, some does not",
            "no": "it does not work, or it is not safe",
            "none": "there is no such place yet",
        },
    ),
    choice(
        "for_whom",
        0,
        "For whom",
        "How old are the people it is for?",
        "We cannot keep people under 18 safe here yet. There are places made for them.",
        {"adults": "all are 18 or more", "young": "all are under 18", "both": "some are under 18"},
    ),
    choice(
        "must",
        0,
        "What it must do",
        "What must it do? You may write more than one, with ; between them.",
        "Choose only what people would miss at once. The rest can come later.",
        {
            "talk": "people talk with each other in a group",
            "news": "people read what you tell them",
            "crisis": "somebody in danger gets help at any hour",
            "one-to-one": "two people talk alone, like a helper with one person",
            "secret": "not even those who keep the group safe can read it",
        },
        most=5,
    ),
    Question(
        "asked",
        1,
        "How many were asked",
        "How many people who would use it did you ask?",
        "Ask five or more, and not only those who agree with you. Ask where they talk now, and what they need. "
        "If you asked nobody yet, write 0.",
        number,
    ),
    Question(
        "learnt",
        1,
        "What was learnt",
        "What did you learn from them?",
        "Two or three short lines. What surprised you? Please write no names of people.",
        sentence,
        when=_some_asked,
    ),
    Question(
        "access",
        1,
        "What people need to take part",
        "What do they need, so that they can take part?",
        "Big letters, a screen reader, short words, an old phone, no cost, a quiet hour: ask, and do not guess. "
        "If they need nothing, write none.",
        sentence,
        when=_some_asked,
    ),
    Question("name", 2, "Name", "What will it be called?", _NAMES, name, worry=_telling_name),
    Question(
        "purposes",
        2,
        "Purpose",
        "What is it for? One plain line, with one purpose.",
        "Members read it. If you have more than one, write ; between them. One works best to begin with.",
        sentence,
        most=5,
    ),
    Question(
        "not_for",
        2,
        "What it is not for",
        "What is it not for? Press Enter for the usual words.",
        f"Say what people should not count on, and where they go for that. The usual words are: {NOT_FOR}",
        sentence,
        empty=NOT_FOR,
    ),
    choice(
        "door",
        2,
        "Open, closed or both",
        "Will it be open, closed or both?",
        "Open is easy to find. Closed is better where people tell what few may know.",
        {
            "open": "anybody may come in, and read what was said before",
            "closed": "only people that you let in; nobody else learns of it",
            "both": "one open room to say hello; for the other one people ask, and you answer",
        },
        when=_talk,
    ),
    Question(
        "door_why",
        2,
        "Why",
        "Why did you choose that?",
        "One line. It helps those who come after you.",
        sentence,
        when=_talk,
    ),
    Question(
        "group",
        2,
        "Name of the group",
        "What is the group called, in which people talk?",
        _NAMES,
        name,
        when=_talk,
        worry=_telling_name,
    ),
    Question(
        "harm",
        3,
        "What could go wrong",
        "What could go wrong?",
        "Think of three things: what is said, who comes in, and who writes to whom. Two or three short lines will do.",
        sentence,
    ),
    choice(
        "risk",
        3,
        "The risk",
        "How much could go wrong?",
        "When in doubt, choose the higher one.",
        {
            "low": "little: everyday talk, and nothing that few may know",
            "medium": "some: people tell what is hard in their lives",
            "high": "much: to be seen there could hurt somebody",
        },
    ),
    choice(
        "accept",
        3,
        "Who accepts it",
        "People could still write to each other alone. We cannot stop that yet. Who answers for it?",
        "With so much risk a person must say yes to this, and say why. If nobody will, write nobody.",
        {"lead": "the one who leads on keeping people safe", "deputy": "the one who stands in", "nobody": "no one"},
        when=_high,
    ),
    Question(
        "accept_why",
        3,
        "Why it is accepted",
        "Why can that be accepted?",
        "Say what you do about it, or where it was agreed. Please write no names of people.",
        sentence,
        when=_accepted,
    ),
    Question(
        "server",
        4,
        "Server",
        "What is the server called? This name is for ever.",
        "It is the last part of each user name, like chat.charity.example. "
        "It must not name an illness, or a hard time in somebody's life.",
        server,
        worry=_telling_server,
    ),
    Question("lead", 4, "Lead", "Who leads on keeping people safe?", _USERS, nobody_or_user, worry=_telling_user),
    Question(
        "deputy",
        4,
        "Deputy",
        "Who is the deputy, when the lead is away?",
        f"It must be somebody else: the matter may be about the lead. {_USERS}",
        nobody_or_user,
        worry=_telling_user,
    ),
    Question(
        "moderators",
        4,
        "Moderators",
        "Who else looks after the talk? Press Enter for nobody.",
        f"Such people are called moderators. You may write more than one, with ; between them. {_USERS}",
        user,
        most=20,
        empty="none",
        worry=_telling_users,
    ),
    Question(
        "operators",
        4,
        "Who looks after the server",
        "Who looks after the server? Press Enter for nobody.",
        f"You may write more than one, with ; between them. {_USERS}",
        user,
        most=20,
        empty="none",
        worry=_telling_users,
    ),
    Question(
        "lead_hours",
        4,
        "Hours of the lead",
        "When is the lead there to read? Write it like this: weekdays 9am to 5pm.",
        _HOURS,
        hours("lead_hours"),
        when=lambda said: said.get("lead", "") is not None,
    ),
    Question(
        "deputy_hours",
        4,
        "Hours of the deputy",
        "When is the deputy there to read? Write it like this: weekdays 9am to 5pm.",
        _HOURS,
        hours("deputy_hours"),
        when=lambda said: said.get("deputy", "") is not None,
    ),
    Question(
        "moderator_hours",
        4,
        "Hours of the moderators",
        "When are the moderators there to read? Write it like this: weekdays 9am to 5pm.",
        _HOURS,
        hours("moderator_hours"),
        when=lambda said: bool(said.get("moderators")),
    ),
    Question(
        "contacts",
        4,
        "Your public numbers and addresses",
        "Which phone numbers and e-mail addresses of yours are public? Press Enter for none.",
        "Anybody may write these. All others are taken away, to keep people safe. Write ; between them.",
        contact,
        most=20,
        empty="none",
    ),
)
