"""Words that tell what is hard in somebody's life, and so may stand in no name that others see (CARE, rule 13)."""

from __future__ import annotations

import re
from typing import Final

from policies.findings import shown

# Also inside a longer word: the names of servers are often written without spaces.
_PARTS: Final = re.compile(
    "abortion|abuse|addict|adhd|alcohol|alzheim|amputee|anorex|anxiety|arthrit|asylum|autis|bereave|bipolar|bulimi|cancer"
    "|cerebral|convict|dementia|depress|diabet|disab|disorder|domestic|dyslex|endometri|epilep|fertility|gambl|grief"
    "|griev|homeless|hospice|illness|leukaem|leukem|lesbian|lgbt|lupus|lymphoma|menopaus|migraine|miscarriage|offender"
    "|overdose|palliat|parkinson|phobia|postnatal|prison|probation|psychosis|psychot|ptsd|refugee|rehab|schizo|sexual|stillb"
    "|stroke|suicid|surviv|terminal|trauma|tumour|tumor|victim|violence|widow"
)
# Only as words of their own: inside others they mean something else.
_WORDS: Final = re.compile("aids|asd|bpd|debts?|drugs?|gay|hiv|ibs|ms|ocd|queer|rape|trans")
# Two words, or one.
_PAIRS: Final = re.compile("mentalhealth|selfharm|eatingdis|motorneuron|multiplescler|genderident|drugs?alcohol")
_LETTERS: Final = re.compile(r"[a-z]+")

__all__ = ["telling_words"]


def telling_words(text: str) -> tuple[str, ...]:
    """Return what in `text` tells of an illness or of a hard time: the words, in small letters, each once."""
    words = _LETTERS.findall(text.casefold())
    found = {word for word in words if _PARTS.search(word) or _WORDS.fullmatch(word)}
    return tuple(map(shown, sorted(found | set(_PAIRS.findall("".join(words))))))
