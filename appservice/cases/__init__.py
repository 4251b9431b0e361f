"""Cases: what people must look at, who has it, until when; the evidence of it; and the words that move it."""

from __future__ import annotations

from appservice.cases.around import Around, Masked
from appservice.cases.book import CARDS_A_WEEK, CaseBook
from appservice.cases.buttons import BUTTONS, plain_key
from appservice.cases.deadlines import Deadlines
from appservice.cases.evidence import Evidence, SweepEditsExecutor
from appservice.cases.giving_back import GiveBackExecutor
from appservice.cases.ladder import Pace
from appservice.cases.late_edits import LateEdits
from appservice.cases.requests import Requests, is_a_call
from appservice.cases.shadow import ShadowBook, ShadowWords, ShowShadowExecutor
from appservice.cases.showing import SHOWN_MS, ShowEvidenceExecutor, Showing
from appservice.cases.spoken import answered, is_addressed, spoken
from appservice.cases.words import OUTCOMES, CaseWords, follow_up

__all__ = [
    "BUTTONS",
    "CARDS_A_WEEK",
    "OUTCOMES",
    "SHOWN_MS",
    "Around",
    "CaseBook",
    "CaseWords",
    "Deadlines",
    "Evidence",
    "GiveBackExecutor",
    "LateEdits",
    "Masked",
    "Pace",
    "Requests",
    "ShadowBook",
    "ShadowWords",
    "ShowEvidenceExecutor",
    "ShowShadowExecutor",
    "Showing",
    "SweepEditsExecutor",
    "answered",
    "follow_up",
    "is_a_call",
    "is_addressed",
    "plain_key",
    "spoken",
]
