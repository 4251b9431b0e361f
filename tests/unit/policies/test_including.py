"""`include`: a policy in several files is one policy, and every mistake is found in the file and line where it stands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.bundle import MAX_PARTS, packed, unpacked
from policies.compile import compile_community
from policies.explain import explain_room
from policies.files import EXAMPLES
from policies.findings import Finding
from policies.including import read_policy
from policies.load import compose_beside, load_files, load_policy
from policies.people import People
from policies.risk import refusal_without_assessment

WHOLE = (EXAMPLES / "leeds-carers.yaml").read_text(encoding="utf-8")
PEOPLE = (EXAMPLES / "leeds-carers.people.yaml").read_text(encoding="utf-8")
HEAD, _REST = WHOLE.split("\nroles:\n")
ROLES, GROUPS = _REST.split("\ngroups:\n")
FIRST, SECOND = GROUPS.split("  bereaved:\n")
SPLIT = {
    "policy.yaml": f"{HEAD}\ninclude: [roles.yaml, groups/all.yaml]\ngroups:\n{FIRST}",
    "roles.yaml": f"# who does what\nroles:\n{ROLES}",
    "groups/all.yaml": "include: [more/quiet.yaml]\n",
    "groups/more/quiet.yaml": f"groups:\n  bereaved:\n{SECOND}",
}


def folder_with(tmp_path: Path, files: Mapping[str, str]) -> Path:
    for name, text in {"people.yaml": PEOPLE, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / "policy.yaml"


def found(tmp_path: Path, files: Mapping[str, str]) -> Finding:
    """The one error in these files."""
    loaded = load_files(folder_with(tmp_path, files))
    errors = [finding for finding in loaded.findings if finding.severity == "error"]
    assert loaded.policy is None
    assert len({(one.file, one.line, one.message) for one in errors}) == 1, errors
    return errors[0]


def test_a_policy_in_several_files_is_the_same_policy(tmp_path: Path) -> None:
    path = folder_with(tmp_path, SPLIT)
    loaded, whole = load_files(path), load_policy(WHOLE, "whole").policy
    assert loaded.findings == ()
    assert loaded.policy is not None
    assert whole is not None
    assert compile_community(loaded.policy, People({})) == compile_community(whole, People({}))


def test_packed_it_needs_no_disk_and_its_findings_name_the_file_all_the_same(tmp_path: Path) -> None:
    path = folder_with(
        tmp_path, SPLIT | {"groups/more/quiet.yaml": SPLIT["groups/more/quiet.yaml"] + "    colour: red\n"}
    )
    policy = packed(path.read_bytes(), compose_beside(path, path.read_bytes()).parts)
    for name in SPLIT:
        (tmp_path / name).unlink()
    loaded = load_policy(policy, "/elsewhere/policy.yaml")
    [finding] = loaded.findings
    assert (finding.file, finding.text) == ("/elsewhere/groups/more/quiet.yaml", "colour")
    assert finding.line == SPLIT["groups/more/quiet.yaml"].count("\n") + 1


def test_explain_and_refusals_name_the_file_in_which_a_value_stands(tmp_path: Path) -> None:
    path = folder_with(tmp_path, SPLIT)
    text = packed(path.read_bytes(), compose_beside(path, path.read_bytes()).parts)
    policy = load_policy(text, "policy.yaml").policy
    assert policy is not None
    said = {one.about: one.origin.where for one in explain_room(policy, read_policy(text, "policy.yaml"), "bereaved")}
    assert said["purpose"] == "groups/more/quiet.yaml:4"
    assert refusal_without_assessment("it is old", text, "policy.yaml").file == "policy.yaml"


def mistake(name: str, text: str) -> dict[str, str]:
    return SPLIT | {name: text}


@pytest.mark.parametrize(
    ("files", "where", "message", "advice"),
    [
        (mistake("roles.yaml", "include: [policy.yaml]\n"), "roles.yaml:1:11", "in a circle: policy.yaml → roles.yaml", "Take one"),
        (mistake("roles.yaml", "include:\n  - roles.yaml\n"), "roles.yaml:2:5", "in a circle", "Take one of them out"),
        (mistake("groups/all.yaml", "include: [more/none.yaml]\n"), "groups/all.yaml:1:11", "no such file", "spelling"),
        (mistake("groups/all.yaml", "include: [../roles.yaml]\n"), "groups/all.yaml:1:11", "not the name of a file", '".."'),
        (mistake("groups/all.yaml", "include: [/etc/passwd]\n"), "groups/all.yaml:1:11", "not the name of a file", "root"),
        (mistake("groups/all.yaml", "include: [more]\n"), "groups/all.yaml:1:11", "not the name of a file", "slashes"),
        (mistake("groups/all.yaml", "include: [5]\n"), "groups/all.yaml:1:11", "not the name of a file", "slashes"),
        (mistake("groups/all.yaml", "include: more/quiet.yaml\n"), "groups/all.yaml:1:10", "a list of files", "include: ["),
        (mistake("groups/all.yaml", "include: [people.yaml]\n"), "groups/all.yaml:1:11", "is a people file", "stays apart"),
        (mistake("groups/all.yaml", PEOPLE.partition("people:")[1] + "\n  x: {}\n"), "groups/all.yaml:1:1", "people do not", "beside"),
        (mistake("groups/all.yaml", "schema: 2\n"), "groups/all.yaml:1:1", "the first file alone", "Take this line out"),
        (mistake("groups/all.yaml", "- x\n"), "groups/all.yaml:1:1", "does not hold keys and values", "Begin with groups:"),
        (mistake("groups/all.yaml", 'groups: "x\n'), "groups/all.yaml:1:9", "a quote is opened here", "Close it"),
        (mistake("groups/all.yaml", "groups:\n  welcome: {}\n"), "groups/all.yaml:2:3", "stands already in ", "Keep one of the two"),
        (mistake("groups/all.yaml", "roles: {admin: {level: 5}}\n"), "groups/all.yaml:1:9", "roles.admin", "Keep one"),
        (mistake("groups/all.yaml", "include: [more/quiet.yaml, more/quiet.yaml]\n"), "groups/all.yaml:1:28", "included already", "once"),
        (mistake("policy.yaml", SPLIT["policy.yaml"].replace("schema: 2", "schema: 1")), "policy.yaml:24:1", "came with version 2", "migrate"),
    ],
)  # fmt: skip
def test_a_mistake_among_files_is_found_where_it_stands(
    tmp_path: Path, files: Mapping[str, str], where: str, message: str, advice: str
) -> None:
    finding = found(tmp_path, files)
    assert message in finding.message
    assert advice in finding.advice
    file, line, column = where.split(":")
    place = (Path(finding.file).relative_to(tmp_path).as_posix(), finding.line, finding.column)
    assert place == (file, int(line), int(column))


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("groups: {}\n", encoding="utf-8")
    inside = tmp_path / "inside"
    inside.mkdir()
    path = folder_with(inside, {"policy.yaml": f"{HEAD}\ninclude: [there.yaml]\n"})
    os.symlink(tmp_path / "secret.yaml", inside / "there.yaml")
    assert any("leads out of the folder" in one.message for one in load_files(path).findings)
    (inside / "there.yaml").unlink()
    os.symlink("there.yaml", inside / "there.yaml")
    assert any("there.yaml" in one.text for one in load_files(path).findings)
    (inside / "there.yaml").unlink()
    os.mkfifo(inside / "there.yaml")
    assert any("this is not a file" in one.message for one in load_files(path).findings)


def test_files_are_bounded_in_number_depth_and_size(tmp_path: Path) -> None:
    many = {f"f{n}.yaml": f"groups: {{g{n}: {{}}}}\n" for n in range(MAX_PARTS + 1)}
    loaded = load_policy_of(tmp_path / "many", {"policy.yaml": f"schema: 2\ninclude: [{', '.join(many)}]\n", **many})
    assert [one.message for one in loaded] == [f"more than {MAX_PARTS} files are included"]
    deep = {f"f{n}.yaml": f"include: [f{n + 1}.yaml]\n" for n in range(9)} | {"f9.yaml": "groups: {}\n"}
    loaded = load_policy_of(tmp_path / "deep", {"policy.yaml": "schema: 2\ninclude: [f0.yaml]\n", **deep})
    assert [one.message for one in loaded] == ["files are nested more than 4 deep"]
    large = {f"f{n}.yaml": f"# {'x' * 300_000}\n" for n in range(4)}
    loaded = load_policy_of(tmp_path / "large", {"policy.yaml": f"schema: 2\ninclude: [{', '.join(large)}]\n", **large})
    assert "with this file, the policy is larger than 1 MiB" in [one.message for one in loaded]


def load_policy_of(folder: Path, files: Mapping[str, str]) -> list[Finding]:
    folder.mkdir()
    path = folder_with(folder, files)
    return [one for one in compose_beside(path, path.read_bytes()).source.findings if one.severity == "error"]


@settings(max_examples=50)
@given(
    st.binary(max_size=200).filter(lambda data: not data.startswith(b"\x00inglenook")),
    st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?\.yaml", fullmatch=True), st.binary(max_size=200)),
)
def test_a_bundle_gives_back_what_was_put_into_it(first: bytes, parts: dict[str, bytes]) -> None:
    assert unpacked(packed(first, parts)) == (first, parts)
    assert packed(first, {}) is first


@given(st.binary(max_size=60))
def test_a_damaged_bundle_is_a_file_that_says_what_is_wrong(more: bytes) -> None:
    damaged = packed(b"schema: 2\n", {"a.yaml": b"x: 1\n"})[:-2] + more
    assert load_policy(damaged, "f").policy is None
    assert load_policy(damaged, "f").findings


def test_a_part_that_a_bundle_lacks_is_named(tmp_path: Path) -> None:
    [finding] = load_policy(SPLIT["policy.yaml"].replace("roles.yaml, ", ""), "policy.yaml").findings
    assert (finding.message, finding.text) == ("this file is not there", "groups/all.yaml")
