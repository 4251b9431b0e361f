"""Before a community begins: the questions, what the answers mean (go, smaller, not yet), and its first files. Pure."""

from __future__ import annotations

from policies.beginning.answers import Answers
from policies.beginning.answers_file import AnswersRead, read_answers
from policies.beginning.judgement import Pointer, Reason, Verdict, judge
from policies.beginning.question import Question, read_typed
from policies.beginning.questions import QUESTIONS, NotUnderstood, Said, answers_of, relevant
from policies.beginning.signposts import Signpost, signposts_of
from policies.beginning.writing import first_steps, written

__all__ = [
    "QUESTIONS",
    "Answers",
    "AnswersRead",
    "NotUnderstood",
    "Pointer",
    "Question",
    "Reason",
    "Said",
    "Signpost",
    "Verdict",
    "answers_of",
    "first_steps",
    "judge",
    "read_answers",
    "read_typed",
    "relevant",
    "signposts_of",
    "written",
]
