"""`inglenook init --answers`: what is written, what is said, and how it ends. At a terminal: tests/acceptance."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from appservice.cli import app
from appservice.operations import beginning
from tests.support.beginnings import GO, NOT_YET, SMALLER, answers_file
from tests.support.paths import CHECKOUT
from tests.support.reading import grade, sentences
from tests.support.text_lint import HIGHEST_GRADE, MOST_WORDS

WRITTEN = {name: case[0] for name, case in (*GO.items(), *SMALLER.items())}


def init(folder: Path, changed: dict[str, object] | str, *more: str) -> Result:
    file = folder.parent / "answers.yaml"
    file.write_text(changed if isinstance(changed, str) else answers_file(changed), encoding="utf-8")
    return CliRunner().invoke(app, ["init", str(folder), "--answers", str(file), *more])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new" / "community"


@pytest.fixture(autouse=True)
def _beside(folder: Path) -> None:
    folder.parent.mkdir()


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_passes_the_check_with_advice_at_most(folder: Path, name: str) -> None:
    done = init(folder, dict(WRITTEN[name]))
    assert done.exit_code == 0, done.output
    assert ("Go." if name in GO else "Smaller.") in done.output
    assert sorted(path.name for path in folder.iterdir()) == ["people.yaml", "policy.yaml"]
    assert stat.S_IMODE((folder / "people.yaml").stat().st_mode) == 0o600
    checked = CliRunner().invoke(app, ["check", str(folder / "policy.yaml")])
    assert checked.exit_code == 0, checked.output
    findings = json.loads(CliRunner().invoke(app, ["check", str(folder / "policy.yaml"), "--json"]).output)
    assert {one["severity"] for one in findings} <= {"advice"}


@pytest.mark.parametrize("name", NOT_YET)
def test_not_yet_ends_with_one_and_leaves_what_to_do_first(folder: Path, name: str) -> None:
    changed, keys = NOT_YET[name]
    done = init(folder, dict(changed), "--json")
    assert done.exit_code == 1, done.output
    said = json.loads(done.output)
    assert said["outcome"] == "not_yet"
    assert [reason["key"] for reason in said["reasons"]] == list(keys)
    assert all(reason["words"] and reason["advice"] for reason in said["reasons"])
    assert [path.name for path in folder.iterdir()] == ["what-to-do-first.txt"]
    assert said["files"] == [str(folder / "what-to-do-first.txt")]
    assert said["reasons"][0]["words"] in " ".join((folder / "what-to-do-first.txt").read_text("utf-8").split())


def test_a_later_not_yet_replaces_the_earlier_text_and_no_file_of_anybody_else(folder: Path) -> None:
    init(folder, {"asked": 0})
    done = init(folder, {"deputy": "none"})
    assert done.exit_code == 1
    text = (folder / "what-to-do-first.txt").read_text("utf-8")
    assert "There is no deputy." in text
    assert "asked yet" not in text
    (folder / "what-to-do-first.txt").write_text("Buy milk.", encoding="utf-8")
    done = init(folder, {"asked": 0})
    assert done.exit_code == 1
    assert "a file of yours" in done.output
    assert (folder / "what-to-do-first.txt").read_text("utf-8") == "Buy milk."


def test_a_later_go_takes_away_what_was_to_be_done_first_unless_somebody_changed_it(folder: Path) -> None:
    init(folder, {"asked": 0})
    done = init(folder, {})
    assert done.exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["people.yaml", "policy.yaml"]
    for path in folder.iterdir():
        path.unlink()
    init(folder, {"asked": 0})
    first = folder / "what-to-do-first.txt"
    changed = first.read_text("utf-8").replace("1. ", "1. (Jo does this) ")
    first.write_text(changed, encoding="utf-8")
    assert "a file of yours" in init(folder, {"deputy": "none"}).output
    done = init(folder, {})
    assert done.exit_code == 0
    assert "does not hold any more" in done.output
    assert first.read_text("utf-8") == changed


@pytest.mark.parametrize("upto", [0, 40, None], ids=["nothing of it", "a part of it", "all of it"])
def test_a_run_that_was_killed_between_its_two_files_is_gone_on_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch, upto: int | None
) -> None:
    def killed(path: Path, text: str, mode: int) -> None:
        path.write_text(text[:upto], encoding="utf-8")
        os._exit(9)

    monkeypatch.setattr(beginning, "_create", killed)
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            init(folder, {})
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    monkeypatch.undo()
    assert (folder / "people.yaml").exists()
    done = init(folder, {"asked": 7})
    assert done.exit_code == 0, done.output
    assert "cut off while it wrote" in done.output
    assert sorted(path.name for path in folder.iterdir()) == ["people.yaml", "policy.yaml"]


def test_a_people_file_that_somebody_changed_after_a_kill_stays(folder: Path) -> None:
    folder.mkdir()
    note = {"policy.yaml": "schema: 2", "people.yaml": "schema: 1"}
    (folder / beginning.WRITING).write_text(json.dumps(note), encoding="utf-8")
    (folder / "people.yaml").write_text("schema: 1 # mine", encoding="utf-8")
    done = init(folder, {})
    assert done.exit_code == 2
    assert (folder / "people.yaml").read_text("utf-8") == "schema: 1 # mine"


@pytest.mark.parametrize("name", ["policy.yaml", "people.yaml"])
def test_nothing_is_ever_written_over(folder: Path, name: str) -> None:
    folder.mkdir()
    (folder / name).write_text("mine", encoding="utf-8")
    done = init(folder, {})
    assert done.exit_code == 2
    assert f"There is a {name}" in done.output
    assert {path.name: path.read_text("utf-8") for path in folder.iterdir()} == {name: "mine"}


def test_a_link_to_nowhere_in_the_place_of_the_policy_is_not_followed(folder: Path) -> None:
    folder.mkdir()
    (folder / "policy.yaml").symlink_to(folder.parent / "elsewhere.yaml")
    assert init(folder, {}).exit_code == 2
    assert not (folder.parent / "elsewhere.yaml").exists()


def test_wrong_answers_end_with_two_line_and_advice_and_write_nothing(folder: Path) -> None:
    text = answers_file({}).replace("risk: low", "risk: lowish").replace("asked:", "askd:")
    done = init(folder, text)
    assert done.exit_code == 2
    shown = done.output.replace("\n", " ")
    for line, words in (("askd:", 'Did you mean "asked"?'), ("risk:", 'Did you mean "low"?')):
        number = text[: text.index(f"\n{line}") + 1].count("\n") + 1
        assert f"answers.yaml:{number}:" in shown
        assert words in shown
    assert not folder.exists()
    findings = json.loads(init(folder, text, "--json").output)
    assert all(one["advice"] and one["line"] for one in findings)


@pytest.mark.parametrize("text", ["", "- a", "asked: &a 5", "a: b: c", "\x00"])
def test_what_is_no_file_of_answers_ends_with_two_and_no_traceback(folder: Path, text: str) -> None:
    done = init(folder, text)
    assert done.exit_code == 2
    assert "answers.yaml:1:" in done.output.replace("\n", "")
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_a_file_of_answers_that_is_not_there_is_a_mistake_in_words(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["init", str(tmp_path), "--answers", str(tmp_path / "none.yaml")])
    assert done.exit_code == 2
    assert "there is no such file" in done.output


def test_a_folder_that_is_a_file_is_a_mistake_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        done = CliRunner().invoke(app, ["init", str(place), "--answers", str(_good(tmp_path))])
        assert done.exit_code == 2, done.output
        assert "cannot be used" in done.output
        assert isinstance(done.exception, SystemExit)


def test_without_a_terminal_it_says_how_to_do_without(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["init", str(tmp_path / "other")])
    assert done.exit_code == 2
    assert "--answers" in done.output
    assert not (tmp_path / "other").exists()
    done = CliRunner().invoke(app, ["init", str(tmp_path / "other"), "--json"])
    assert done.exit_code == 2
    assert "--json goes with --answers" in done.output


def test_the_answers_in_the_guide_are_good_ones(folder: Path) -> None:
    guide = (CHECKOUT / "docs" / "beginning.md").read_text(encoding="utf-8")
    (example,) = [block.partition("\n```")[0] for block in guide.split("```yaml\n")[1:]]
    done = init(folder, example, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["outcome"] == "go"


def _said_in(path: Path) -> Iterator[str]:
    """What a module says, with "it" for what is filled in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in node.values}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "it" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


@pytest.mark.parametrize("module", ["appservice/cli/beginning.py", "appservice/operations/beginning.py"])
def test_what_the_command_says_besides_is_plain_english(module: str) -> None:
    said = [one for one in _said_in(CHECKOUT / module) if len(one.split()) > 3]
    assert said
    for text in said:
        assert grade(text) <= HIGHEST_GRADE, (grade(text), text)
        assert [one for one in sentences(text) if len(one.split()) > MOST_WORDS] == []


def _good(folder: Path) -> Path:
    file = folder / "answers.yaml"
    file.write_text(answers_file({}), encoding="utf-8")
    return file
