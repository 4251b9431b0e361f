"""What the answers mean: go, smaller or not yet, each with its reasons, and where to go instead. The one table of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from policies.beginning.answers import Answers, cover
from policies.beginning.questions import unfit
from policies.beginning.sensitive import telling_words
from policies.beginning.signposts import Signpost, for_a_crisis, for_children
from policies.findings import shown
from policies.hours import DAYS

Outcome = Literal["go", "smaller", "not_yet"]

ENOUGH_ASKED: Final = 5  # people: the advice of those who have done it
WORKING_DAYS: Final = frozenset(range(5))
EVERY_DAY: Final = frozenset(range(7))
LONG_WEEK: Final = 40 * 60  # minutes that one person can be there in a week, at the very most

#: Key of a reason -> what is so, and what to do about it. `{…}` is filled in.
NOT_YET: Final[Mapping[str, tuple[str, str]]] = {
    "works_elsewhere": (
        "People are content where they are now, and it is safe enough.",
        "Keep it. Come back when it no longer works, or no longer feels safe.",
    ),
    "children": (
        "Not all of them are 18 or more. We cannot keep younger people safe here yet.",
        "Look for a place that was made for young people. Your council can tell you of some.",
    ),
    "crisis": (
        "Somebody in danger needs help at any hour. We cannot give that.",
        "Tell people the numbers below. You may still come back for a group that talks.",
    ),
    "one_to_one": (
        "This is made for groups. Two people alone are not looked after in it.",
        "Keep such talks where they are: in a room, or on the phone.",
    ),
    "secret": (
        "Those who keep a group safe must be able to read it. So it cannot be hidden from them.",
        "Use an app that locks each message, for a few people who trust each other.",
    ),
    "nobody_asked": (
        "Nobody who would use it was asked yet.",
        "Ask five people where they talk now, and what they need. Then start again.",
    ),
    "no_lead": (
        "Nobody leads on keeping people safe.",
        "Find the person who will. Your trustees should know and agree.",
    ),
    "no_deputy": (
        "There is no deputy.",
        "Find a second person. The lead will be away one day, or a matter will be about the lead.",
    ),
    "same_person": (
        "Lead and deputy are the same person.",
        "Find a second one. Nobody should carry this alone.",
    ),
    "nobody_there": (
        "Nobody is there to read and answer, at any hour.",
        "Find some hours in each week, and people for them.",
    ),
    "lead_never_there": (
        "With this risk the lead or the deputy must be there at some hours. Neither is.",
        "Agree on hours with one of them.",
    ),
    "cover_high": (
        "With so much risk somebody must be there each day. Nobody is there on {days}.",
        "Find people for these days. Or begin with something that cannot hurt as much.",
    ),
    "nobody_accepts": (
        "Nobody answers for it that people can write to each other alone.",
        "Ask the lead or the deputy. If neither will, the risk is too great for now.",
    ),
    "news_at_high": (
        "Who reads news in a room can be seen by others there. With so much risk that could hurt somebody.",
        "Send the news by post, or by e-mail to each person alone.",
    ),
}
SMALLER: Final[Mapping[str, tuple[str, str]]] = {
    "two_purposes": (
        "There is more than one purpose, and people will not know which one it is.",
        "We begin with the first one. Add the next when this one works.",
    ),
    "cover_medium": (
        "Where people tell hard things, somebody must be there each weekday. Nobody is there on {days}.",
        "We begin with news only, which nobody can answer. Add the group when each weekday has its hours.",
    ),
    "door_at_high": (
        "With so much risk, nobody from outside may see who is in the group.",
        "We begin with one closed group. You let each person in.",
    ),
    "no_news_at_high": (
        "Who reads news in a room can be seen by others there.",
        "We begin without it. Send the news in the closed group.",
    ),
}
ADVICE: Final[Mapping[str, tuple[str, str]]] = {
    "few_asked": ("You asked {count}. Five will tell you more.", "Ask the rest before you let people in."),
    "no_moderators": (
        "Lead and deputy look after all the talk by themselves.",
        "Find one more person for the daily things.",
    ),
    "no_operators": ("Nobody looks after the server.", "Find a person for this first."),
    "long_week": (
        "One person is there for more than 40 hours in a week.",
        "Promise fewer hours. Nobody can keep this up for long.",
    ),
    "risk_too_low": (
        "You called the risk low, but people may tell hard things there: {words}.",
        "Look at it again with your lead. When in doubt, choose the higher one.",
    ),
    "telling_server": (
        "The name of the server tells something about people: {words}. It is for ever.",
        "Choose a plain word before you begin. Later it cannot be changed.",
    ),
    "telling_name": (
        "A name that members read on a locked phone tells something about them: {words}.",
        "Choose a plain word, like the name of a tree.",
    ),
}

__all__ = ["ADVICE", "NOT_YET", "SMALLER", "Outcome", "Pointer", "Reason", "Verdict", "judge"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the verdict is what it is: `key` for programs, what is so, and what to do."""

    key: str
    words: str
    advice: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """A service that may help more: what it is called, and how it is reached."""

    name: str
    contact: str
    how: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Go, smaller or not yet. `reasons` is empty only for go; `advice` changes nothing and is worth a thought."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    advice: tuple[Reason, ...]
    pointers: tuple[Pointer, ...]


def judge(answers: Answers, signposts: Sequence[Signpost] = ()) -> Verdict:
    """Return the verdict; pointers are taken from `signposts`, and from nowhere else."""
    decided = unfit(_said(answers))
    if decided:
        reasons = tuple(_reason(NOT_YET, key) for key in decided)
        return Verdict("not_yet", reasons, (), tuple(_pointers(decided, signposts)))
    missing = tuple(_missing(answers))
    if missing:
        return Verdict("not_yet", missing, tuple(_advice(answers)), ())
    less = tuple(_less(answers))
    return Verdict("smaller" if less else "go", less, tuple(_advice(answers)), ())


def _missing(answers: Answers) -> Iterator[Reason]:
    """Yield what must be there before anything can begin."""
    if answers.asked < 1:
        yield _reason(NOT_YET, "nobody_asked")
    if answers.lead is None:
        yield _reason(NOT_YET, "no_lead")
    if answers.deputy is None:
        yield _reason(NOT_YET, "no_deputy")
    elif answers.deputy == answers.lead:
        yield _reason(NOT_YET, "same_person")
    days = _days(answers)
    if not days:
        yield _reason(NOT_YET, "nobody_there")
    elif answers.risk != "low" and answers.lead_hours is None and answers.deputy_hours is None:
        yield _reason(NOT_YET, "lead_never_there")
    if answers.risk == "high":
        if days and EVERY_DAY - days:
            yield _reason(NOT_YET, "cover_high", days=_named(EVERY_DAY - days))
        if answers.accept == "nobody":
            yield _reason(NOT_YET, "nobody_accepts")
        if "talk" not in answers.must:
            yield _reason(NOT_YET, "news_at_high")


def _less(answers: Answers) -> Iterator[Reason]:
    """Yield what is too much to begin with."""
    if len(answers.purposes) > 1:
        yield _reason(SMALLER, "two_purposes")
    away = WORKING_DAYS - _days(answers)
    if answers.risk == "medium" and "talk" in answers.must and away:
        yield _reason(SMALLER, "cover_medium", days=_named(away))
    if answers.risk == "high":
        if answers.door != "closed":
            yield _reason(SMALLER, "door_at_high")
        if "news" in answers.must:
            yield _reason(SMALLER, "no_news_at_high")


def _advice(answers: Answers) -> Iterator[Reason]:
    if 0 < answers.asked < ENOUGH_ASKED:
        count = "one person" if answers.asked == 1 else f"{answers.asked} people"
        yield _reason(ADVICE, "few_asked", count=count)
    if not answers.moderators:
        yield _reason(ADVICE, "no_moderators")
    if not answers.operators:
        yield _reason(ADVICE, "no_operators")
    alone = (answers.lead_hours, answers.deputy_hours)
    if any(sum(span.closes - span.opens for span in one.spans) > LONG_WEEK for one in alone if one):
        yield _reason(ADVICE, "long_week")
    hard = telling_words(" ".join((answers.harm, *answers.purposes)))
    if answers.risk == "low" and hard:
        yield _reason(ADVICE, "risk_too_low", words=", ".join(hard[:3]))
    if telling := telling_words(answers.server):
        yield _reason(ADVICE, "telling_server", words=", ".join(telling[:3]))
    names = answers.name, answers.group if "talk" in answers.must else ""
    if telling := tuple(sorted({word for name in names for word in telling_words(name)})):
        yield _reason(ADVICE, "telling_name", words=", ".join(telling[:3]))


def _pointers(decided: Sequence[str], signposts: Sequence[Signpost]) -> Iterator[Pointer]:
    found = [
        *(for_children(signposts) if "children" in decided else ()),
        *(for_a_crisis(signposts) if "crisis" in decided else ()),
    ]
    for one in found:
        yield Pointer(shown(one.name), shown(one.contact), shown(f"{one.channel}, {one.hours}"))


def _said(answers: Answers) -> dict[str, object]:
    return {"works": answers.works, "for_whom": answers.for_whom, "must": answers.must}


def _days(answers: Answers) -> frozenset[int]:
    hours = cover(answers)
    return frozenset(span.day for span in hours.spans) if hours else frozenset()


def _named(days: frozenset[int]) -> str:
    return ", ".join(DAYS[day] for day in sorted(days))


def _reason(table: Mapping[str, tuple[str, str]], key: str, **values: str) -> Reason:
    words, advice = table[key]
    return Reason(key, words.format(**values), advice)
