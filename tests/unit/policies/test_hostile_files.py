"""Files in every state that a hand, an editor or an enemy can bring them into: a clear word at the right place, and soon."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from appservice.cli import app
from policies.files import EXAMPLES
from policies.findings import Finding
from policies.load import load_people, load_policy
from policies.schema import Policy
from tests.support.hostile import HOSTILE, HOSTILE_PEOPLE, PEOPLE, POLICY
from tests.support.paths import CHECKOUT
from tests.unit.policies.test_load_malformed import FOLDER, example_policy

#: Seconds that all of them may take together in a process of their own, on a machine that does other things: it only
#: ends what hangs. And bytes of memory: what unfolds itself must not.
_LIMIT_S, _LIMIT_BYTES = 120, 1 << 30


def assert_told(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        said = str(finding)
        assert finding.line >= 1
        assert finding.column >= 1
        assert finding.message
        assert finding.advice
        assert said.count("\n") == 1
        assert all(sign.isprintable() or sign == "\n" for sign in said)
        assert len(said) < 2_000


def first_error(findings: tuple[Finding, ...]) -> Finding:
    assert_told(findings)
    return next(one for one in findings if one.severity == "error")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_policy_that_cannot_be_read_says_where_why_and_what_to_do(name: str) -> None:
    text, line, column, message, advice = HOSTILE[name]
    loaded = load_policy(text, "f.yaml")
    error = first_error(loaded.findings)
    assert loaded.policy is None
    assert (error.line, error.column, message in error.message, advice in error.advice) == (line, column, True, True), (
        str(error)
    )


@pytest.mark.parametrize("name", HOSTILE_PEOPLE)
def test_people_that_cannot_be_read_are_told_the_same_way(name: str) -> None:
    text, line, column, message, advice = HOSTILE_PEOPLE[name]
    loaded = load_people(text, "f.yaml", example_policy())
    error = first_error(loaded.findings)
    assert loaded.people is None
    assert (error.line, error.column, message in error.message, advice in error.advice) == (line, column, True, True), (
        str(error)
    )


def as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def files(folder: Path) -> list[tuple[Path, Path]]:
    """Write all of them down; return each with its other file, as (policy, people)."""
    good_policy, good_people = folder / "good.yaml", folder / "good.people.yaml"
    good_policy.write_text(POLICY, encoding="utf-8")
    good_people.write_text(PEOPLE, encoding="utf-8")
    made: list[tuple[Path, Path]] = []
    for number, (text, *_) in enumerate(HOSTILE.values()):
        made.append((folder / f"policy-{number}.yaml", good_people))
        made[-1][0].write_bytes(as_bytes(text))
    for number, (text, *_) in enumerate(HOSTILE_PEOPLE.values()):
        made.append((good_policy, folder / f"people-{number}.yaml"))
        made[-1][1].write_bytes(as_bytes(text))
    for path in sorted(FOLDER.glob("*.yaml")):
        made.append((good_policy, path) if path.name.startswith("people-") else (path, good_people))
    return made


def test_check_says_the_same_and_ends_with_two(tmp_path: Path) -> None:
    for policy, people in files(tmp_path):
        done = CliRunner().invoke(app, ["check", str(policy), "--people", str(people)])
        assert done.exit_code == 2, (policy.name, people.name, done.output)
        assert "Traceback" not in done.output
        assert isinstance(done.exception, SystemExit), (policy.name, people.name)
        assert ": error: " in done.output.replace("\n", " ")


@pytest.mark.parametrize("name", [".", "/", "", "x" * 5_000, f"{'x' * 248}.yaml"])
def test_a_name_that_is_no_files_name_is_told_like_any_other_mistake(name: str) -> None:
    done = CliRunner().invoke(app, ["check", name])
    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit), repr(done.exception)
    assert ":1:1: error: " in done.output.replace("\n", "")


_READ_ALL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
from pathlib import Path
from policies.load import load_files
for line in sys.stdin:
    policy, _, people = line.strip().partition("|")
    loaded = load_files(Path(policy), Path(people))
    print(sum(one.severity == "error" for one in loaded.findings))
"""


def test_none_of_them_takes_long_or_much_memory(tmp_path: Path) -> None:
    """In a process of its own, which is ended when it hangs."""
    asked = files(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", _READ_ALL, str(_LIMIT_BYTES)],
        input="\n".join(f"{policy}|{people}" for policy, people in asked),
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        cwd=CHECKOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    counts = [int(line) for line in done.stdout.split()]
    assert len(counts) == len(asked)
    assert all(counts), [asked[n][0].name for n, count in enumerate(counts) if not count]


# -- and what nobody thought of -----------------------------------------------------------------------------------------

TEXTS = [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.yaml"))]
LADDERS = """
escalation:
  conduct: [{call: card_only, within: 2h}, {call: lead, within: 2h}]
  serious:
    steps:
      - {call: lead, within: 30m}
      - {call: [deputy], within: 30m}
    because: We are few.
    approved_by: deputy
  danger: [{call: [lead, deputy], within: 5m}, {call: same_again, within: 10m}]
"""
TEXTS += [POLICY + LADDERS]
#: What has a meaning in YAML, in the language, or to whoever reads it.
SNIPPETS = [
    *"-:?{}[],#&*!|>'\"%@`~\t \n\\",
    *("- ", ": ", "? ", "\n---\n", "\n...\n", "<<: ", "&a ", "*a", "!!int ", "!!python/name:os.system ", "%YAML 1.1\n"),
    *("null", "true", ".nan", "-1", "1e999", "9" * 40, "0x7f", "2026-02-30", "{}", "[]", "[[[[", '"', "|\n  x\n"),
    *("schema: 1\n", "roles:", "groups:", "people:", "escalation: []\n", "steps:", "call:", "value:", "because:"),
    *("\x00", "\ufeff", "\u202e", "\u200b", "\u2028", "\u00ad", "\ud7ff", "🔥", "é", "٣", "a" * 500, "\n" * 50),
]
place = st.integers(min_value=0, max_value=1 << 16)
edits = st.lists(
    st.one_of(
        st.tuples(st.just("put"), place, st.sampled_from(SNIPPETS)),
        st.tuples(st.just("type"), place, st.text(max_size=5)),
        st.tuples(st.just("cut"), place, st.integers(1, 80)),
        st.tuples(st.just("again"), place, st.integers(1, 200)),
        st.tuples(st.just("line"), place, place),
        st.tuples(st.just("value"), place, st.sampled_from(SNIPPETS)),
    ),
    min_size=1,
    max_size=4,
)


def edited(text: str, changes: list[tuple[str, int, str | int]]) -> str:
    for what, where, how in changes:
        at = where % (len(text) + 1)
        if isinstance(how, str):
            end = at if what != "value" else (text.find("\n", at) + 1 or len(text))
            start = at if what != "value" else (text.rfind(": ", 0, at) + 2)
            text = f"{text[:start]}{how}{text[max(end - 1, start) if what == 'value' else end :]}"
        elif what == "cut":
            text = text[:at] + text[at + how :]
        elif what == "again":
            text = text[: at + how] + text[at:]
        else:
            lines = text.split("\n")
            moved = lines.pop(where % len(lines))
            lines.insert(how % (len(lines) + 1), moved)
            text = "\n".join(lines)
    return text


def check(data: str | bytes, policy: Policy | None) -> None:
    loaded = load_policy(data, "f.yaml")
    people = load_people(data, "f.yaml", policy)
    for good, findings in ((loaded.policy, loaded.findings), (people.people, people.findings)):
        assert_told(findings)
        assert (good is None) == any(one.severity == "error" for one in findings)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(TEXTS), edits)
@example(POLICY, [("put", 0, "\ud7ff")])
def test_whatever_is_typed_into_a_file_it_is_a_policy_or_a_list_of_mistakes(
    text: str, changes: list[tuple[str, int, str | int]]
) -> None:
    check(edited(text, changes), example_policy())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(TEXTS), st.lists(st.tuples(place, st.binary(min_size=1, max_size=4)), min_size=1, max_size=5))
def test_whatever_becomes_of_its_bytes_too(text: str, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(text.encode())
    for where, more in changes:
        at = where % (len(data) + 1)
        data[at : at + len(more)] = more
    check(bytes(data), example_policy())


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=300), st.binary(max_size=300)))
def test_what_was_never_a_policy_is_none(data: str | bytes) -> None:
    check(data, None)
