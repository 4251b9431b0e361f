"""Saved plans as files, and what the commands about plans refuse before they ask anybody: exit status 2, no traceback."""

from __future__ import annotations

import json
import stat
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner, Result

from appservice.cli import app
from appservice.cli.policies import number_of, override_of
from appservice.cli.printing import print_history, print_plan
from appservice.operations.control import Override, PastPlan, PlanAnswer, PlannedChange
from appservice.operations.errors import BadInput
from appservice.operations.saved_plans import read_plan, save_plan
from appservice.service.config import Config, load_config
from policies.plan import Plan
from policies.saved import GOOD_FOR_MS, SavedPlan
from tests.unit.plan.test_saved import GROUPS, after, saved
from tests.unit.plan.test_thresholds import between
from tests.unit.plan.worlds import people_of

MANY = people_of({f"p{number}": "quiet" for number in range(12)})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose service does not run: what asks it fails with 1."""
    registration = {"id": "x", "as_token": "a" * 32, "hs_token": "b" * 32, "sender_localpart": "inglenook"}
    (tmp_path / "registration.yaml").write_text(yaml.safe_dump(registration), encoding="utf-8")
    content = {
        "homeserver": {"name": "chat.example", "url": "http://127.0.0.1:9"},
        "listen": {"port": 9},
        "registration": "registration.yaml",
        "data": "data",
    }
    path = tmp_path / "inglenook.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    (tmp_path / "policy.yaml").write_text("community: [", encoding="utf-8")
    (tmp_path / "people.yaml").write_text("people: {}", encoding="utf-8")
    return path


def answer(made: Plan) -> PlanAnswer:
    """What the service would answer with."""
    changes = tuple(PlannedChange(one.room, one.do, one.change_class, one.describe()) for one in made.changes)
    return PlanAnswer(
        community=made.community,
        digest=made.digest,
        calls=made.calls,
        counts={str(name): count for name, count in made.counts.items()},
        changes=changes,
        notes=tuple(note.text for note in made.notes),
        advice=(),
        summary=made.summary(),
        shares=made.shares,
        people="sha256:people",
        plan=made,
        raw={},
    )


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def apply_plan(config: Path, path: Path) -> Result:
    return invoke("apply", "--plan", str(path), "--config", str(config))


def written(folder: Path, **changed: Any) -> Path:
    """A plan saved just now, with parts changed before it was sealed."""
    path = folder / "saved.plan"
    made = replace(saved(), made_ms=time.time_ns() // 1_000_000)
    path.write_text(json.dumps(replace(made, **changed).record()), encoding="utf-8")
    return path


# -- files -------------------------------------------------------------------------------------------------------------


def test_a_plan_is_saved_for_its_owner_alone_and_read_as_it_was(config: Path, tmp_path: Path) -> None:
    path, made = tmp_path / "monday.plan", after(quiet={"members": {"eve": "join"}})
    read: Config = load_config(config)
    kept = save_plan(path, answer(made), read, tmp_path / "policy.yaml", None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.glob("*plan*")] == ["monday.plan"], "nothing half written is left"
    assert read_plan(path, read) == kept
    assert (kept.plan, kept.people, kept.server) == (made, "sha256:people", "chat.example")
    assert (kept.policy_file, kept.people_file) == (str(tmp_path / "policy.yaml"), str(tmp_path / "people.yaml"))


def test_a_newer_plan_takes_the_place_of_an_older_one_and_of_nothing_else(config: Path, tmp_path: Path) -> None:
    read, path = load_config(config), tmp_path / "monday.plan"
    save_plan(path, answer(after()), read, tmp_path / "policy.yaml", None)
    newer = after(quiet={"members": {"eve": "join"}})
    save_plan(path, answer(newer), read, tmp_path / "policy.yaml", None)
    assert read_plan(path, read).plan == newer
    policy = tmp_path / "policy.yaml"
    for other in (policy, tmp_path, Path("/dev/null")):
        with pytest.raises(BadInput, match="something else than a saved plan"):
            save_plan(other, answer(newer), read, policy, None)
    with pytest.raises(BadInput, match="there is no folder"):
        save_plan(tmp_path / "nowhere" / "monday.plan", answer(newer), read, policy, None)
    assert policy.read_text(encoding="utf-8") == "community: ["


def test_out_at_the_place_of_a_policy_is_refused_before_anything_is_asked(config: Path, tmp_path: Path) -> None:
    policy = str(tmp_path / "policy.yaml")
    done = invoke("plan", policy, "--out", policy, "--config", str(config))
    assert (done.exit_code, "left as it is" in done.output) == (2, True)


# -- what is refused ---------------------------------------------------------------------------------------------------

BAD_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no saved plan"),
    "a policy": (b"schema: 1\ncommunity: {}\n", "no saved plan"),
    "not text": (bytes(range(256)), "no saved plan"),
    "cut off": (json.dumps(saved().record()).encode()[:-40], "no saved plan"),
    "another JSON": (b'{"plan": 1}', "no saved plan"),
    "a number": (b"3", "no saved plan"),
    "nested": (b'{"inglenook_plan": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "no saved plan"),
    "changed by hand": (json.dumps(saved().record()).replace("Quiet", "Quite").encode(), "damaged"),
    "a newer format": (b'{"inglenook_plan": 2}', "newer Inglenook"),
    "no format": (b'{"inglenook_plan": {}}', "damaged"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_whole_plan_is_refused_in_words(config: Path, tmp_path: Path, name: str) -> None:
    content, words = BAD_FILES[name]
    path = tmp_path / "bad.plan"
    path.write_bytes(content)
    done = apply_plan(config, path)
    assert done.exit_code == 2, done.output
    assert words in done.output
    assert "bad.plan" in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_a_plan_of_another_server_one_of_last_week_and_one_of_tomorrow_are_refused(
    config: Path, tmp_path: Path
) -> None:
    now = time.time_ns() // 1_000_000
    for changed, words in (
        ({"server": "other.example"}, "for other.example, and this service looks after chat.example"),
        ({"made_ms": now - GOOD_FOR_MS - 86_400_000}, "8 days old"),
        ({"made_ms": now + 86_400_000}, "in the future"),
    ):
        done = apply_plan(config, written(tmp_path, **changed))
        assert (done.exit_code, words in done.output) == (2, True), done.output


def test_a_plan_that_is_not_there_or_is_a_folder_is_refused(config: Path, tmp_path: Path) -> None:
    assert apply_plan(config, tmp_path / "nothing.plan").exit_code == 2
    assert apply_plan(config, tmp_path).exit_code == 2


def test_a_plan_whose_policy_has_gone_is_refused_and_a_good_one_reaches_the_service(
    config: Path, tmp_path: Path
) -> None:
    done = apply_plan(config, written(tmp_path))
    assert (done.exit_code, "no such file" in done.output) == (2, True)
    files = {"policy_file": str(tmp_path / "policy.yaml"), "people_file": str(tmp_path / "people.yaml")}
    done = apply_plan(config, written(tmp_path, **files))
    assert (done.exit_code, "The service does not run" in done.output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("apply", "--allow", "removals"), "--because"),
        (("apply", "--because", "we must"), "--allow"),
        (("apply", "--allow", "removals", "--because", "   "), "--because"),
        (("apply", "--allow", "removals", "--because", "…"), "say why"),
        (("apply", "--allow", "everything", "--because", "we must"), "removals or demotions"),
        (("apply", "--allow", "removals", "--because", "told to by @amina:chat.example"), "without names"),
        (("apply", "--allow", "removals", "--because", "x" * 501), "500"),
        (("apply", "--plan", "a.plan", "--digest", "sha256:1"), "--digest"),
        (("undo", "17b"), "P-1, P-2"),
        (("undo", "P-0"), "P-1, P-2"),
        (("undo", "P-" + "9" * 400), "P-1, P-2"),
    ],
)
def test_options_that_make_no_sense_are_bad_input(config: Path, arguments: tuple[str, ...], words: str) -> None:
    done = invoke(*arguments, "--config", str(config))
    assert done.exit_code == 2, done.output
    assert words in done.output.replace("\n", " ")


def test_options_that_make_sense_are_understood() -> None:
    assert override_of([], "") == Override()
    assert override_of(["removals"], " The  project\nends ") == Override(frozenset({"removals"}), "The project ends")
    assert [number_of(text) for text in ("P-17", "p17", " 17 ", None)] == [17, 17, 17, None]


# -- what it looks like ------------------------------------------------------------------------------------------------


def shown(planned: PlanAnswer, *, terminal: bool, width: int = 100) -> str:
    out = Console(file=StringIO(), force_terminal=terminal, width=width, soft_wrap=True, color_system=None)
    print_plan(planned, out)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    return str(text)


def test_at_a_terminal_a_plan_is_a_table_by_class_with_what_asks_for_most_care_last() -> None:
    made = after(
        quiet={"set": {"m.room.join_rules": {"join_rule": "public"}}, "members": {"eve": "join"}},
        hello={"set": {"m.room.history_visibility": {"history_visibility": "joined"}}},
    )
    text = shown(answer(made), terminal=True)
    places = [text.index(part) for part in ("safe (1)", "disruptive: takes", "exposing: lets", made.summary())]
    assert places == sorted(places)
    assert max(map(len, text.splitlines())) <= 100


def test_in_a_pipe_each_change_is_one_line() -> None:
    made = after(quiet={"members": {f"stranger-with-a-long-name-{number}": "join" for number in range(3)}})
    lines = shown(answer(made), terminal=False, width=20).splitlines()
    assert [line for line in lines if line.startswith("  ! ")] == [f"  ! {words}" for words in made.describe()]


def test_markup_in_names_is_no_markup() -> None:
    made = after(quiet={"members": {"[red]eve[/]": "join"}})
    for terminal in (True, False):
        assert "@[red]eve[/]:chat.example" in shown(answer(made), terminal=terminal)


def test_a_plan_that_will_be_refused_says_so_with_the_figures_and_the_words_to_insist() -> None:
    made = between(MANY, people_of({}))
    text = shown(answer(made), terminal=False)
    assert "✗ This is refused: 100.00% is over 30.00% (12/12 people would be removed)." in text
    assert '--allow removals --because "…"' in text
    assert "refused" not in shown(answer(after()), terminal=False)


def test_what_was_applied_is_listed_with_what_became_of_it() -> None:
    out = Console(file=StringIO(), width=100, soft_wrap=True, color_system=None)
    plans = [
        PastPlan("P-1", 1_800_000_000_000, "3 changes.", None, "P-2", False),
        PastPlan("P-2", 1_800_000_060_000, "3 changes.", "P-1", None, True),
    ]
    print_history(plans, out)
    lines = [line.split() for line in out.file.getvalue().splitlines() if "P-" in line]  # type: ignore[attr-defined]
    assert lines[0] == ["P-1", "2027-01-15", "08:00", "3", "changes.", "undone", "by", "P-2"]
    assert lines[1] == ["P-2", "2027-01-15", "08:01", "undoes", "P-1:", "3", "changes."]


def test_a_saved_plan_holds_its_groups_and_nothing_that_members_wrote() -> None:
    record = saved().record()
    assert set(record) == {
        "inglenook_plan",
        "server",
        "made_ms",
        "policy_file",
        "people_file",
        "people",
        "plan",
        "check",
    }
    assert SavedPlan.from_record(record).plan.community == "carers"
    assert {change["room"] for change in record["plan"]["changes"]} >= set(GROUPS)
