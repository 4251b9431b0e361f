"""How answers are read, from a terminal and from a file, and how plain the words are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import policies
from policies.beginning import QUESTIONS, NotUnderstood, first_steps, judge, read_answers, read_typed, relevant, written
from policies.beginning.answers import compact
from policies.beginning.judgement import ADVICE, NOT_YET, SMALLER
from policies.beginning.questions import PARTS
from policies.findings import Finding
from policies.hours import StaffedHours, parse_hours
from tests.support.beginnings import BASE, GO, answers_file
from tests.support.beginnings import SMALLER as SMALLER_SETS
from tests.support.reading import grade, sentences
from tests.support.text_lint import HIGHEST_GRADE, MOST_WORDS, invented_help, published_numbers

QUESTION = {one.key: one for one in QUESTIONS}
SIGNPOSTS = Path(policies.__file__).parent / "rules" / "signposts" / "en-GB.csv"
HERE = {"server": "chat.charity.example"}


def findings_of(text: str) -> tuple[Finding, ...]:
    read = read_answers(text, "answers.yaml")
    assert read.answers is None
    assert read.findings
    return read.findings


@pytest.mark.parametrize(
    ("typed", "hours"),
    [
        ("Mon-Fri 09:00-17:00 Europe/London", "Mon-Fri 09:00-17:00 Europe/London"),
        ("weekdays 9am to 5pm", "Mon-Fri 09:00-17:00 Europe/London"),
        ("Each weekday 9.30am – 12pm", "Mon-Fri 09:30-12:00 Europe/London"),
        ("every day 9-17", "Mon-Sun 09:00-17:00 Europe/London"),
        ("Monday to Thursday 10am until noon and Sundays 12am to 1am UTC", "Mon-Thu 10:00-12:00, Sun 00:00-01:00 UTC"),
        ("weekends 8pm to midnight Europe/Dublin", "Sat-Sun 20:00-24:00 Europe/Dublin"),
    ],
)
def test_hours_are_read_as_people_write_them(typed: str, hours: str) -> None:
    read = read_typed(QUESTION["lead_hours"], typed, HERE)
    assert isinstance(read, StaffedHours)
    assert read == parse_hours(hours)
    assert compact(read) == hours
    assert parse_hours(compact(read)) == read


@pytest.mark.parametrize(
    "typed", ["often", "Mon 9am", "Mon 17:00-9:00", "Mon 25:00-26:00", "Mon 9-12, Mon 11-13", "9-5"]
)
def test_hours_that_cannot_be_meant_are_refused_with_what_to_write(typed: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        read_typed(QUESTION["lead_hours"], typed, HERE)
    assert refused.value.advice


def test_hours_in_two_time_zones_are_refused() -> None:
    lead = read_typed(QUESTION["lead_hours"], "weekdays 9-12", HERE)
    with pytest.raises(NotUnderstood, match="two time zones"):
        read_typed(QUESTION["deputy_hours"], "weekdays 9-12 Europe/Paris", {**HERE, "lead_hours": lead})


@pytest.mark.parametrize(
    ("key", "typed", "value"),
    [
        ("asked", "5", 5),
        ("asked", "none", 0),
        ("works", "PARTLY", "partly"),
        ("works", "2", "partly"),
        ("must", "talk; news", ("talk", "news")),
        ("must", "2;1;2", ("news", "talk")),
        ("server", "Chat.Charity.Example.", "chat.charity.example"),
        ("lead", "Copper-Lark", "@copper-lark:chat.charity.example"),
        ("lead", "@copper-lark:chat.charity.example", "@copper-lark:chat.charity.example"),
        ("lead", "nobody", None),
        ("moderators", "", ()),
        ("moderators", "a; b;a", ("@a:chat.charity.example", "@b:chat.charity.example")),
        ("not_for", "", "Not a crisis service: in danger call 999."),
        ("purposes", "One;  two \t words ", ("One", "two words")),
        ("contacts", "01632 960123; hello@charity.example", ("01632 960123", "hello@charity.example")),
    ],
)
def test_an_answer_is_read_as_it_is_meant(key: str, typed: str, value: object) -> None:
    assert read_typed(QUESTION[key], typed, HERE) == value


@pytest.mark.parametrize(
    ("key", "typed"),
    [
        ("asked", "a few"),
        ("asked", "-1"),
        ("asked", "99999999999999999999"),
        ("asked", "٣"),
        ("works", "0"),
        ("works", "5"),
        ("works", "perhaps"),
        ("must", "talk; sing"),
        ("must", ";"),
        ("server", "localhost"),
        ("server", "https://chat.charity.example"),
        ("server", "a" * 200 + ".example"),
        ("lead", "Jo Smith"),
        ("lead", "@jo:elsewhere.example"),
        ("lead", "@jo:"),
        ("lead", "inglenook-guardian"),
        ("moderators", ";".join(f"m{n}" for n in range(21))),
        ("contacts", "07"),
        ("contacts", "www.charity.example"),
        ("now", ""),
    ],
)
def test_an_answer_that_cannot_be_meant_is_refused_in_words(key: str, typed: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        read_typed(QUESTION[key], typed, HERE)
    assert refused.value.message.endswith(".")
    assert refused.value.advice.endswith(".")


@pytest.mark.parametrize("typed", ["jo.smith", "jo_smith", "jo=40charity"])
def test_a_user_name_that_looks_like_a_real_name_is_worth_a_thought(typed: str) -> None:
    assert QUESTION["lead"].worry(read_typed(QUESTION["lead"], typed, HERE))
    assert not QUESTION["lead"].worry(read_typed(QUESTION["lead"], "copper-lark", HERE))


def test_nobody_is_asked_what_their_answers_have_made_needless() -> None:
    def keys(**said: object) -> set[str]:
        return {one.key for one in relevant(said)}

    everything = set(QUESTION)
    assert keys() == everything - {"accept", "accept_why", "moderator_hours"}
    assert keys(now="x", works="yes") == {"now", "works"}
    assert keys(now="x", works="no", for_whom="both") == {"now", "works", "for_whom"}
    assert {"learnt", "access"}.isdisjoint(keys(asked=0))
    assert {"door", "door_why", "group"}.isdisjoint(keys(must=("news",)))
    assert {"accept", "accept_why"} <= keys(risk="high")
    assert "accept_why" not in keys(risk="high", accept="nobody")
    assert "lead_hours" not in keys(lead=None)


@pytest.mark.parametrize(
    ("line", "wrong", "says"),
    [
        ("works: partly", "works: perhaps", "none of these"),
        ("works: partly", "workz: partly", 'no question "workz"'),
        ("asked: 6", "asked: true", "true or false"),
        ("asked: 6", "asked: [6]", "a list"),
        ("asked: 6", "asked:", "nothing"),
        ("asked: 6", "asked: {many: 6}", "a block of keys"),
        ("server: chat.charity.example", "server: 7", "cannot be the name of a server"),
        ("- amber-kite", "- 7", "a number"),
        ("- amber-kite", "- Jo Smith", "cannot be a user name"),
        ("lead_hours: weekdays 9am to 1pm", "lead_hours: often", "not a day"),
    ],
)
def test_a_wrong_answer_in_a_file_is_told_with_its_line_and_advice(line: str, wrong: str, says: str) -> None:
    text = answers_file({})
    number = text[: text.index(line)].count("\n") + 1
    found = [one for one in findings_of(text.replace(line, wrong)) if one.line == number]
    assert any(says in one.message or says in one.advice for one in found), found
    assert all(one.advice for one in found)


@pytest.mark.parametrize("key", [one.key for one in QUESTIONS if one.empty is None and one.key in BASE])
def test_an_answer_that_is_missing_from_a_file_is_named(key: str) -> None:
    lines = answers_file({}).splitlines(keepends=True)
    start = next(index for index, line in enumerate(lines) if line.startswith(f"{key}:"))
    end = next((i for i in range(start + 1, len(lines)) if lines[i][0] not in " -"), len(lines))
    found = findings_of("".join(lines[:start] + lines[end:]))
    assert any(f'"{key}"' in one.message for one in found), found


@pytest.mark.parametrize(
    "text", ["", "- a", "hello", "asked: &a 5", "a: b: c", "\t", "asked: 5\nasked: 6", "\x00", b"\xff\xfe"]
)
def test_what_is_no_file_of_answers_gives_findings(text: str | bytes) -> None:
    read = read_answers(text, "answers.yaml")
    assert read.answers is None
    assert all(one.message and one.advice and one.line for one in read.findings)
    assert read.findings


def _texts() -> Iterator[tuple[str, str]]:
    for question in QUESTIONS:
        yield question.key, f"{question.words} {question.help}"
        if question.choices:
            yield f"{question.key} choices", ". ".join(question.choices.values()) + "."
    for table in (NOT_YET, SMALLER, ADVICE):
        for key, (words, advice) in table.items():
            filled = words.format_map({"days": "Sat, Sun", "count": "3 people", "words": "grief"})
            yield key, f"{filled} {advice}"
    for key, value in (("name", "grief"), ("server", "grief.example"), ("lead", "@jo.smith:chat.example")):
        yield f"{key} worry", QUESTION[key].worry(value)


TEXTS = dict(_texts())


@pytest.mark.parametrize("name", TEXTS)
def test_every_question_help_reason_and_piece_of_advice_is_plain_english(name: str) -> None:
    text = TEXTS[name]
    assert grade(text) <= HIGHEST_GRADE, grade(text)
    assert [one for one in sentences(text) if len(one.split()) > MOST_WORDS] == []
    assert not invented_help(text.replace("999", ""), published_numbers(SIGNPOSTS) | HARMLESS), text


#: Numbers in our words that nobody would ring.
HARMLESS = frozenset({"0", "18", "40", "9", "5", "2", "6", "3", "1"})


def test_the_parts_have_names_and_every_question_is_in_one() -> None:
    assert sorted({one.part for one in QUESTIONS}) == list(range(len(PARTS)))
    assert len(QUESTION) == len(QUESTIONS)


JARGON = ("homeserver", "power level", "federat", "matrix", "localpart", "yaml", "synapse", "instance", "knock", "mxid")


def test_nobody_has_to_know_how_it_is_built() -> None:
    everything = " ".join((*TEXTS.values(), *(one.label for one in QUESTIONS), *PARTS)).casefold()
    assert [word for word in JARGON if word in everything] == []


@pytest.mark.parametrize("changed", [case[0] for case in (*GO.values(), *SMALLER_SETS.values())])
def test_comments_in_the_files_are_plain_english(changed: dict[str, object]) -> None:
    read = read_answers(answers_file(changed), "answers.yaml")
    assert read.answers is not None
    files = written(read.answers)
    assert files is not None
    for file in files:
        comments = [line.partition("# ")[2] for line in file.splitlines() if "# " in line]
        text = " ".join(f"{one.rstrip('.')}." for one in comments if "inglenook check" not in one and ": " not in one)
        assert grade(text) <= HIGHEST_GRADE, (grade(text), text)


def test_what_to_do_first_is_plain_english() -> None:
    read = read_answers(answers_file({"asked": 0, "deputy": "none", "lead_hours": "none"}), "answers.yaml")
    assert read.answers is not None
    text = first_steps(judge(read.answers))
    assert grade(text) <= HIGHEST_GRADE, grade(text)


@pytest.mark.parametrize("nobody", ["none", "None", "nobody", "No", "none; nobody"])
@pytest.mark.parametrize("key", ["moderators", "operators"])
def test_a_word_for_nobody_is_no_account(key: str, nobody: str) -> None:
    question = next(one for one in QUESTIONS if one.key == key)
    assert read_typed(question, nobody, {"server": "chat.hearth.example"}) == ()


@pytest.mark.parametrize("typed", ["Ring Jo on 07700 900123.", "Write to jo@mail.example.", "Ask @jo:hearth.example."])
@pytest.mark.parametrize("key", ["purposes", "not_for", "name", "group"])
def test_contact_details_in_what_members_would_read_are_refused(key: str, typed: str) -> None:
    with pytest.raises(NotUnderstood, match=r"There is an? (phone number|e-mail address|user id) in it") as refused:
        read_typed(QUESTION[key], typed, HERE)
    assert "asked for later" in refused.value.advice
