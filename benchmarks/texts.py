"""What the invented people say: messages with other people's telephone numbers, and ordinary ones, some with digits.

Numbers come from the range that Ofcom keeps free for drama.
"""

from __future__ import annotations

from random import Random

_VIOLATING = (
    "Ring Jo on {number}",
    "Ask Jo about the minibus, ring {number} after tea",
    "The man who fixed our boiler is Al, call him on {number}",
    "Jo said to phone {number} about Thursday",
    "For a lift text Pat: {number}",
)
_CHAT = (
    "Good morning all, how did everybody sleep?",
    "Thank you, that was kind of you",
    "The kettle is on if anybody wants to pop in",
    "I had a hard day, but talking here helps",
    "Has anyone been to the garden centre lately?",
    "She smiled today, first time this week",
    "Does the library still have the large print books?",
    "I will try that tomorrow, thank you both",
)
_CHAT_WITH_DIGITS = (
    "See you at {hour}.30 on {day:02d}/03/2026",
    "It came to £{hour}.50 for the two of us",
    "We waited {minutes} minutes for the number {bus} bus",
    "The meeting is in room {bus} on the 3rd floor",
    "Order number 203-{seven}-{seven} has not come yet",
    "He is {minutes} in May, would you believe it",
)


def violating(random: Random) -> str:
    """Return a message that carries somebody else's number."""
    number = f"07700 900{random.randrange(1000):03d}"
    return random.choice(_VIOLATING).format(number=number if random.random() < 0.7 else number.replace(" ", ""))


def harmless(random: Random, digits: float = 0.25) -> str:
    """Return a message that must stand; `digits` is the share of those with figures in them."""
    if random.random() >= digits:
        return random.choice(_CHAT)
    return random.choice(_CHAT_WITH_DIGITS).format(
        hour=random.randrange(8, 23),
        day=random.randrange(1, 29),
        minutes=random.randrange(10, 100),
        bus=random.randrange(1, 400),
        seven=random.randrange(1_000_000, 10_000_000),
    )
