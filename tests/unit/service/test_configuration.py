"""Bad configuration: exit status 2, the file, the field and what is wanted, and never a token."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from appservice.service import serve
from appservice.service.config import BadConfiguration, load_config, load_registration
from tests.support.paths import POLICIES

AS_TOKEN = "as-secret-1234567890abcdef"
HS_TOKEN = "hs-secret-1234567890abcdef"

GOOD: dict[str, Any] = {
    "homeserver": {"name": "hearth.example", "url": "http://127.0.0.1:8008"},
    "listen": {"host": "127.0.0.1", "port": 8090},
    "registration": "registration.yaml",
    "data": "data",
    "policy": str(POLICIES / "hearth-demo.yaml"),
    "people": str(POLICIES / "hearth-demo.people.yaml"),
}
REGISTRATION: dict[str, Any] = {
    "id": "inglenook",
    "url": "http://127.0.0.1:8090",
    "as_token": AS_TOKEN,
    "hs_token": HS_TOKEN,
    "sender_localpart": "inglenook-steward",
    "namespaces": {},
}


@pytest.fixture(autouse=True)
def logs_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's logs are set up once for a process, and these tests share theirs with others."""
    monkeypatch.setattr(serve, "configure", lambda _section: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inglenook.yaml").write_text(yaml.safe_dump(GOOD), encoding="utf-8")
    (tmp_path / "registration.yaml").write_text(yaml.safe_dump(REGISTRATION), encoding="utf-8")
    return tmp_path


def written(folder: Path, content: Any, name: str = "inglenook.yaml") -> Path:
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    else:
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_a_good_configuration_loads_and_its_paths_count_from_its_folder(folder: Path) -> None:
    config = load_config(folder / "inglenook.yaml")
    assert config.registration == folder / "registration.yaml"
    assert config.store == folder / "data" / "inglenook.db"
    assert config.durability == "full"
    assert load_registration(config.registration).sender_localpart == "inglenook-steward"


def test_tokens_do_not_show_when_the_registration_is_printed(folder: Path) -> None:
    registration = load_registration(folder / "registration.yaml")
    assert AS_TOKEN not in f"{registration!r} {registration}"
    assert HS_TOKEN not in f"{registration!r} {registration}"


def changed(*path: str, to: Any) -> Callable[[], dict[str, Any]]:
    def change() -> dict[str, Any]:
        content: dict[str, Any] = yaml.safe_load(yaml.safe_dump(GOOD))
        inner = content
        for name in path[:-1]:
            inner = inner[name]
        if to is None:
            del inner[path[-1]]
        else:
            inner[path[-1]] = to
        return content

    return change


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "no homeserver": (changed("homeserver", to=None), "homeserver"),
    "no name": (changed("homeserver", "name", to=None), "homeserver.name"),
    "an empty name": (changed("homeserver", "name", to=""), "homeserver.name"),
    "a name that is a number": (changed("homeserver", "name", to=5), "homeserver.name"),
    "an address without a scheme": (changed("homeserver", "url", to="127.0.0.1:8008"), "homeserver.url"),
    "an address with a path": (changed("homeserver", "url", to="http://x.example/y"), "homeserver.url"),
    "no port": (changed("listen", "port", to=None), "listen.port"),
    "port 0": (changed("listen", "port", to=0), "listen.port"),
    "a port beyond all ports": (changed("listen", "port", to=70_000), "listen.port"),
    "a port that is a word": (changed("listen", "port", to="http"), "listen.port"),
    "all addresses of this machine": (changed("listen", "host", to="0.0.0.0"), "listen.host"),
    "an address of a network": (changed("listen", "host", to="192.0.2.1"), "listen.host"),
    "a name of some machine": (changed("listen", "host", to="hearth.example"), "listen.host"),
    "all addresses, IPv6": (changed("listen", "host", to="::"), "listen.host"),
    "no registration": (changed("registration", to=None), "registration"),
    "no data folder": (changed("data", to=None), "data"),
    "an unknown durability": (changed("durability", to="none"), "durability"),
    "an unknown level of logging": (changed("log", to={"level": "loud"}), "log.level"),
    "a misspelt field": (changed("listn", to={}), "listn"),
    "a token where none belongs": (changed("as_token", to=AS_TOKEN), "as_token"),
    "a list": (lambda: [1], "the file"),
    "nothing": (lambda: b"", "the file"),
    "text": (lambda: "just words", "the file"),
    "not YAML": (lambda: "a: [1\nb: 2", "line"),
    "a tab": (lambda: "homeserver:\n\tname: x", "line 2"),
    "not UTF-8": (lambda: b"homeserver: \xff\xfe", "UTF-8"),
    "a NUL": (lambda: b"homeserver: \x00", "YAML"),
    "nesting of 10,000": (lambda: "[" * 10_000, "YAML"),
    "far too large": (lambda: "# " + "x" * 2_000_000, "larger"),
}


@pytest.mark.parametrize(("content", "field"), BAD.values(), ids=BAD)
def test_a_mistake_in_the_configuration_names_file_and_field_and_ends_with_2(
    folder: Path, content: Callable[[], Any], field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(folder, content())
    assert serve.main(["--config", str(path)]) == 2
    said = capsys.readouterr().err
    assert str(path) in said
    assert field in said
    assert AS_TOKEN not in said
    assert "Traceback" not in said
    assert len(said.split(str(path))[-1].split()) >= 3, "there is some advice"


def test_a_wrong_listening_address_says_which_would_be_right(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve.main(["--config", str(written(folder, changed("listen", "host", to="0.0.0.0")()))])
    assert "127.0.0.1" in capsys.readouterr().err


BAD_REGISTRATION: dict[str, Any] = {
    "no id": {name: value for name, value in REGISTRATION.items() if name != "id"},
    "no token": {name: value for name, value in REGISTRATION.items() if name != "as_token"},
    "a token that is a list": REGISTRATION | {"as_token": [AS_TOKEN]},
    "a token that is too short": REGISTRATION | {"hs_token": HS_TOKEN[:10]},
    "a token that is too long": REGISTRATION | {"hs_token": HS_TOKEN * 20},
    "a list": [AS_TOKEN, HS_TOKEN],
    "text": f"{AS_TOKEN} {HS_TOKEN}",
    "not YAML": f"as_token: [{AS_TOKEN}\nhs_token: {HS_TOKEN}",
    "a token that YAML takes for an alias": f"as_token: *{AS_TOKEN}\nhs_token: {HS_TOKEN}",
    "a token that YAML takes for a tag": f"as_token: !{AS_TOKEN} x\nhs_token: {HS_TOKEN}",
    "a token that YAML takes for an anchor twice": f"as_token: &{AS_TOKEN} &{HS_TOKEN} x",
    "a token that YAML takes for a directive": f"%{AS_TOKEN}\nhs_token: {HS_TOKEN}",
    "a token as a key that cannot be one": f"? [{{{AS_TOKEN}: 1}}]\n: {HS_TOKEN}",
}


@pytest.mark.parametrize("content", BAD_REGISTRATION.values(), ids=BAD_REGISTRATION)
def test_a_mistake_in_the_registration_never_shows_a_token(
    folder: Path, content: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(folder, content, "registration.yaml")
    assert serve.main(["--config", str(folder / "inglenook.yaml")]) == 2
    said = capsys.readouterr().err
    assert str(path) in said
    assert "Traceback" not in said
    for secret in (AS_TOKEN, HS_TOKEN, HS_TOKEN[:10]):
        assert secret not in said


@pytest.mark.parametrize("name", ["registration", "policy", "people"])
def test_a_file_that_is_not_there_is_named(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(folder, changed(name, to="missing.yaml")())
    assert serve.main(["--config", str(path)]) == 2
    assert "missing.yaml" in capsys.readouterr().err


def test_a_configuration_that_is_a_folder_or_nowhere_is_bad_input(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (folder, folder / "nowhere.yaml"):
        assert serve.main(["--config", str(path)]) == 2
        assert str(path) in capsys.readouterr().err


def test_a_policy_of_another_homeserver_is_refused_by_both_names(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(folder, changed("homeserver", "name", to="other.example")())
    assert serve.main(["--config", str(path)]) == 2
    said = capsys.readouterr().err
    assert "other.example" in said
    assert "hearth.example" in said


def test_a_broken_policy_is_told_with_file_and_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = (POLICIES / "hearth-demo.yaml").read_text(encoding="utf-8").replace("kind: open", "kind: opne")
    written(folder, policy, "policy.yaml")
    path = written(folder, changed("policy", to="policy.yaml")())
    assert serve.main(["--config", str(path)]) == 2
    said = capsys.readouterr().err
    assert "policy.yaml:" in said
    assert "opne" in said


@pytest.mark.parametrize("arguments", [[], ["--config"], ["--wrong", "x"], ["x"], ["--config", "a", "b"]], ids=str)
def test_a_wrong_call_says_how_it_is_called(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.main(arguments) == 2
    assert "usage" in capsys.readouterr().err


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`inglenook` as a person calls it."""
    return subprocess.run(
        [sys.executable, "-m", "appservice", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        cwd=folder,
        env=os.environ | {"COLUMNS": "200"},
    )


@pytest.mark.parametrize("arguments", [("serve",), ("status",), ("audit", "verify")], ids=" ".join)
def test_every_command_ends_with_2_for_a_bad_configuration(folder: Path, arguments: tuple[str, ...]) -> None:
    written(folder, changed("listen", "port", to=0)())
    done = command(folder, *arguments, "--config", "inglenook.yaml")
    assert done.returncode == 2
    assert "listen.port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("status",), ("audit", "verify")], ids=" ".join)
def test_asking_about_a_service_that_never_ran_fails_in_words(folder: Path, arguments: tuple[str, ...]) -> None:
    done = command(folder, *arguments, "--config", "inglenook.yaml")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "inglenook" in done.stdout + done.stderr or "does not run" in done.stdout


def test_a_port_that_is_taken_is_a_failure_that_ends(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path = written(folder, changed("listen", "port", to=taken.getsockname()[1])())
        done = command(folder, "serve", "--config", str(path))
    assert done.returncode == 1
    assert "address already in use" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_a_store_that_is_no_database_is_a_failure_in_words(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "inglenook.db").write_bytes(b"a letter and no database" * 200)
    done = command(folder, "serve", "--config", "inglenook.yaml")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_bad_configuration_is_one_exception_that_every_command_knows(folder: Path) -> None:
    with pytest.raises(BadConfiguration):
        load_config(folder / "nowhere.yaml")
