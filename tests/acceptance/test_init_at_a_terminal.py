"""`inglenook init` as somebody meets it who begins: the real command at a terminal, question by question."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from policies.load import load_files
from tests.support.beginning_session import SESSION
from tests.support.paths import CHECKOUT
from tests.support.terminal import Terminal

KEPT = ".inglenook-init.json"


class Init(Protocol):
    """Start `inglenook init` at a terminal of its own, in the test's folder; it is taken away when the test ends."""

    def __call__(self, *arguments: str, **variables: str) -> Terminal: ...


@pytest.fixture
def init(tmp_path: Path) -> Iterator[Init]:
    started: list[Terminal] = []

    def start(*arguments: str, **variables: str) -> Terminal:
        started.append(Terminal(("init", *arguments), tmp_path, **variables))
        return started[-1]

    yield start
    for terminal in started:
        terminal.close()


def test_from_the_first_question_to_files_that_load_and_the_guide_shows_just_that(init: Init, tmp_path: Path) -> None:
    terminal = init("hearth").answers(*SESSION)
    assert terminal.ends() == 0, terminal.shown
    loaded = load_files(tmp_path / "hearth" / "policy.yaml")
    assert loaded.policy is not None, loaded.findings
    assert loaded.people is not None, loaded.findings
    assert list(loaded.policy.groups) == ["welcome", "talk"]
    assert not (tmp_path / "hearth" / KEPT).exists()
    assert stat.S_IMODE((tmp_path / "hearth" / "people.yaml").stat().st_mode) == 0o600
    guide = (CHECKOUT / "docs" / "beginning.md").read_text(encoding="utf-8")
    assert terminal.shown.strip() in guide


def test_an_interrupted_session_keeps_the_answers_for_their_owner_alone_and_goes_on(init: Init, tmp_path: Path) -> None:
    first = init().answers(*SESSION[:7]).presses(b"\x03")
    assert first.ends() == 1, first.shown
    assert "Traceback" not in first.shown
    assert KEPT in first.shown
    assert stat.S_IMODE((tmp_path / KEPT).stat().st_mode) == 0o600
    asked_then = first.shown.rpartition(" of ")[0].rpartition("\n")[2]

    second = init()
    assert f"\n{asked_then} of " in second.asks(), "it goes on with the question at which it was stopped"
    assert "1 of " not in second.shown
    second.types(SESSION[7])
    assert second.answers(*SESSION[8:]).ends() == 0, second.shown
    assert load_files(tmp_path / "policy.yaml").policy is not None


@pytest.mark.parametrize(
    "kept", ["", "[1]", '{"now": 1}', "[" * 100_000, "\x00"], ids=["empty", "list", "number", "deep", "zero"]
)
def test_kept_answers_that_were_damaged_are_a_mistake_in_words(init: Init, tmp_path: Path, kept: str) -> None:
    (tmp_path / KEPT).write_text(kept, encoding="utf-8")
    terminal = init()
    assert terminal.ends() == 2, terminal.shown
    assert "cannot be read. Delete that file to begin again." in terminal.shown
    assert (tmp_path / KEPT).read_text(encoding="utf-8") == kept


def test_kept_answers_that_no_longer_hold_are_asked_again(init: Init, tmp_path: Path) -> None:
    kept = {"now": "tea", "works": "sometimes", "for_whom": "adults", "gone": "x"}
    (tmp_path / KEPT).write_text(json.dumps(kept), encoding="utf-8")
    terminal = init()
    assert "\n2 of " in terminal.asks()
    terminal.types("partly")
    assert "\n4 of " in terminal.asks()
    assert terminal.presses_end_of_input().ends() == 1


def test_answers_outlive_a_power_cut(init: Init, tmp_path: Path) -> None:
    terminal = init().answers(*SESSION[:3])
    terminal.dies()
    assert len(json.loads((tmp_path / KEPT).read_text(encoding="utf-8"))) == 3


def test_not_yet_ends_with_reasons_and_places_to_go_and_no_policy(init: Init, tmp_path: Path) -> None:
    terminal = init().answers("a phone line", "partly", "adults", "talk; crisis", "")
    assert terminal.ends() == 1, terminal.shown
    assert "Not yet." in terminal.shown
    for place in ("999", "111", "116 123"):
        assert place in terminal.shown
    assert sorted(path.name for path in tmp_path.iterdir()) == [KEPT, "what-to-do-first.txt"]
    assert "116 123" in (tmp_path / "what-to-do-first.txt").read_text(encoding="utf-8")


def test_whoever_changes_an_answer_after_not_yet_is_asked_the_rest(init: Init, tmp_path: Path) -> None:
    assert init().answers(*SESSION[:3], "talk; crisis", "").ends() == 1
    terminal = init().answers("4", *SESSION[3:])
    assert terminal.ends() == 0, terminal.shown
    assert "We go on where you stopped." in terminal.shown


def test_an_answer_that_others_hang_on_can_be_changed_and_they_are_asked_again(init: Init, tmp_path: Path) -> None:
    terminal = init().answers(*SESSION[:-1], "21", "weekdays 9am to 1pm Europe/Dublin")
    assert "\n22 of 24. When is the deputy" in terminal.asks().rpartition("These are your answers")[2]
    terminal.types("weekdays 1pm to 5pm Europe/Dublin")
    assert terminal.answers("none", "").ends() == 0, terminal.shown
    policy = load_files(tmp_path / "policy.yaml").policy
    assert policy is not None
    assert policy.community.hours.zone == "Europe/Dublin"


def test_back_and_help_and_answers_that_are_not_understood(init: Init, tmp_path: Path) -> None:
    terminal = init().answers("tea on Fridays", "perhaps", "", "?", "back", "", "none")
    shown = terminal.asks()
    assert '"perhaps" is none of these.' in shown
    assert "Known here: no, none, partly, yes." in shown
    assert "This needs an answer." in shown
    assert "A new place costs them time" in shown
    assert "Now: tea on Fridays (press Enter to keep it)" in shown
    assert shown.rstrip("> \n").rpartition("of 2")[0].endswith("\n3 ")
    assert terminal.presses_end_of_input().ends() == 1


def test_a_server_name_that_tells_of_an_illness_is_asked_again(init: Init, tmp_path: Path) -> None:
    until = SESSION.index("chat.hearth.example")
    terminal = init().answers(*SESSION[:until], "chat.cancerfriends.example", "no", *SESSION[until:])
    assert terminal.ends() == 0, terminal.shown
    assert (
        "This name will stand in each user name, for ever. It tells something about people: cancerfriends."
        in terminal.shown
    )
    assert "cancer" not in (tmp_path / "policy.yaml").read_text(encoding="utf-8")


def test_a_policy_that_is_there_is_never_written_over(init: Init, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("mine", encoding="utf-8")
    terminal = init()
    assert terminal.ends() == 2
    assert "There is a policy.yaml" in terminal.shown
    assert [path.name for path in tmp_path.iterdir()] == ["policy.yaml"]


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LANG": "C", "PYTHONUTF8": "0", "LC_ALL": "POSIX"},
    ],
    ids=["ascii", "latin-1", "posix"],
)
def test_a_terminal_that_is_not_utf_8_gets_words_and_no_traceback(
    init: Init, tmp_path: Path, variables: dict[str, str]
) -> None:
    terminal = init(**variables)
    terminal.asks()
    terminal.types(b"caf\xe9 \xff\xfe in T\xc3\xbcbingen")
    terminal.answers("tea on Fridays", "partly")
    terminal.asks()
    assert terminal.presses_end_of_input().ends() == 1
    assert "Traceback" not in terminal.shown
    assert "Error" not in terminal.shown
    assert os.path.lexists(tmp_path / KEPT)


def test_what_no_terminal_should_obey_is_not_sent_back_to_it(init: Init, tmp_path: Path) -> None:
    terminal = init()
    terminal.asks()
    terminal.types("red [bold red]\x16\x1b[31mred")
    terminal.answers("plain [bold red]{{words}}", "yes", "")
    assert terminal.ends() == 1, terminal.shown
    assert "There is a sign in it that cannot be seen or read." in terminal.shown
    assert "1. Where people meet now: plain [bold red]{{words}}" in terminal.shown
    assert b"\x1b[31m" not in terminal.raw
