"""Rules: what it costs to look at one message, with every rule on, as the lane does it before it answers."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from time import perf_counter

from appservice.cases import CaseBook, LateEdits, ShadowWords
from appservice.detection.text import visible_text
from appservice.flow import Event, EventInput, Facts, Ghosts, Handler, Origin, Place, RoomFacts
from appservice.service.clock import SystemClock
from appservice.service.detectors import concern, conduct
from benchmarks.figures import Bar, Figure
from benchmarks.samples import percentile, summarise
from benchmarks.settings import Settings
from benchmarks.texts import harmless, violating
from policies.files import EXAMPLES
from policies.load import load_policy

RULES_MS = 1.0
#: What rules see: some of it counts, some is made harmless by a word beside it.
_CONDUCT = (
    "Your account is suspended, verify your identity at https://secure-login.example/id",
    "Has anyone else had this, verify your account at https://secure-login.example/id",
    "shut it you ugly rat",
    "someone shouted go back to your own country at me today",
    "i know where you live, I can bring the cake",
    "please look at https://www.carers.example/walk and bit.ly/walk and share it",
)
_SERVER = "chat.leedscarers.example"


async def run(settings: Settings) -> Figure:
    figure = Figure("rules")
    policy = load_policy((EXAMPLES / "leeds-carers.yaml").read_bytes(), "leeds-carers.yaml").policy
    assert policy is not None
    handlers: tuple[Handler, ...] = (concern(), LateEdits(), conduct(policy), ShadowWords())
    ghosts = Ghosts(f"@s:{_SERVER}", f"@g:{_SERVER}", f"@c:{_SERVER}")
    book = CaseBook(_SERVER, SystemClock(), lambda _user: True, lambda *_: False)
    facts = Facts(0, RoomFacts("!r", Place.GROUP, "leeds-carers", "carers-lounge"), ghosts, _SERVER, cases=book)
    count = 2_000 if settings.quick else 20_000
    ours: list[list[float]] = []
    floor: list[list[float]] = []
    for turn in range(settings.repetitions):
        messages = list(_messages(Random(turn), count))
        floor.append([_timed(lambda item=item: visible_text(item.event.content)) for item in messages])
        ours.append([_timed(lambda item=item: _all(handlers, item, facts)) for item in messages])
    pooled = [one for turn in ours for one in turn]
    figure.measures["every rule, a message"] = summarise("ms", ours)
    figure.measures["floor: the visible text alone"] = summarise("ms", floor)
    figure.facts["99 of 100 within [ms]"] = percentile(pooled, 0.99)
    figure.notes.append(
        "ordinary messages, a quarter with figures in them, one in ten with somebody's number, one in twenty with words "
        "or a link of the rule packs; the group has every rule that its tier switches on"
    )
    figure.bars.append(Bar("p99 of every rule, a message [ms]", percentile(pooled, 0.99), at_most=RULES_MS))
    return figure


def _messages(random: Random, count: int) -> Iterable[EventInput]:
    for n in range(count):
        body = violating(random) if n % 10 == 0 else harmless(random)
        if n % 20 == 5:
            body = f"{body} {random.choice(_CONDUCT)}"
        event = Event(f"${n}", "!r", f"@a:{_SERVER}", "m.room.message", {"msgtype": "m.text", "body": body})
        yield EventInput(_SERVER, event, Origin.PUSH, 0)


def _all(handlers: tuple[Handler, ...], item: EventInput, facts: Facts) -> None:
    for handler in handlers:
        list(handler.handle(item, facts))


def _timed(work: object) -> float:
    assert callable(work)
    started = perf_counter()
    work()
    return (perf_counter() - started) * 1000
