"""The wheel, built and installed away from the checkout: it runs there, from its own files, with all its data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from appservice.operations.processes import free_port, release_port

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
TIMEOUT = 300  # seconds


def run(*command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command without anything in its environment that leads back to the checkout, and without a network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "UV_"))}
    environment = {**kept, "UV_OFFLINE": "1", "PIP_NO_INDEX": "1", **variables}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("dist")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", to, cwd=CHECKOUT)
    assert built.returncode == 0, built.stderr
    (made,) = to.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment `venv` that holds the wheel; libraries come from this run's own environment."""
    folder = tmp_path_factory.mktemp("elsewhere")
    python = folder / "venv" / "bin" / "python"
    commands: tuple[tuple[str | Path, ...], ...] = (
        (BIN / "uv", "venv", "--quiet", "--python", sys.executable, folder / "venv"),
        (BIN / "uv", "pip", "install", "--quiet", "--no-deps", "--python", python, wheel),
    )
    for command in commands:
        done = run(*command, cwd=folder)
        assert done.returncode == 0, done.stderr
    (site,) = (folder / "venv").glob("lib/*/site-packages")
    # A folder named here is put on the path, after this one; .pth files in it (the editable install) are not read.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder


def ask(installed: Path, program: str) -> object:
    """Run `program` in the installed environment; return the JSON that it prints."""
    done = run(installed / "venv" / "bin" / "python", "-c", program, cwd=installed)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def inglenook(installed: Path, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(installed / "venv" / "bin" / "inglenook", *arguments, cwd=installed, **variables)


def test_only_our_packages_are_in_the_wheel_and_no_secrets_or_caches(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"appservice", "bridges", "policies"}
    assert not [name for name in names if name.endswith((".pyc", ".key", ".db", ".log"))]


def test_the_modules_are_those_of_the_wheel_and_not_of_the_checkout(installed: Path) -> None:
    files = ask(
        installed,
        "import json, appservice.operations.files, appservice.service.core, bridges, policies.load as load, nio\n"
        "print(json.dumps([m.__file__ for m in (appservice, appservice.operations.files, appservice.service.core,"
        " bridges, load)]))",
    )
    assert isinstance(files, list)
    for file in files:
        assert Path(file).is_relative_to(installed / "venv"), file


def test_every_file_of_our_packages_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in ("appservice", "bridges", "policies"):
        for path in (CHECKOUT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert str(path.relative_to(CHECKOUT)) in names


def test_the_help_names_the_commands(installed: Path) -> None:
    done = inglenook(installed, "--help")
    assert done.returncode == 0, done.stderr
    for command in ("serve", "demo", "status", "audit"):
        assert command in done.stdout


def test_status_without_a_configuration_is_bad_input_and_says_which_file(installed: Path) -> None:
    done = inglenook(installed, "status")
    assert done.returncode == 2, done.stderr
    assert "inglenook.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_data_that_belongs_to_it_is_found_inside(installed: Path) -> None:
    found = ask(
        installed,
        "import json\n"
        "from appservice.operations.files import data_path\n"
        "names = ('synapse_config', 'deploy', 'requirements/synapse.txt')\n"
        "print(json.dumps([str(data_path(name)) for name in names]))",
    )
    assert isinstance(found, list)
    for path in found:
        assert Path(path).is_relative_to(installed / "venv"), path
    templates = Path(found[0])
    assert {p.relative_to(templates) for p in templates.rglob("*.j2")} == {
        p.relative_to(CHECKOUT / "synapse-config") for p in (CHECKOUT / "synapse-config").rglob("*.j2")
    }
    assert "matrix-synapse==" in Path(found[2]).read_text(encoding="utf-8")


def test_rules_and_examples_load_from_there(installed: Path) -> None:
    loaded = ask(
        installed,
        "import json, pathlib, policies\n"
        "from policies.load import load_files\n"
        "from appservice.service.detectors import conduct\n"
        "folder = pathlib.Path(policies.__file__).parent / 'examples'\n"
        "found = load_files(folder / 'hearth-demo.yaml', folder / 'hearth-demo.people.yaml')\n"
        "print(json.dumps([found.policy.community.name, len(found.people.by_id), conduct(found.policy).name]))",
    )
    assert loaded == ["Hearth", 5, "conduct"]


def test_the_words_are_read_from_there(installed: Path) -> None:
    said = ask(
        installed,
        "import json\n"
        "from appservice.conversation import Catalogue\n"
        "catalogue = Catalogue(lambda room: room, 'hearth.example', 'Monday 9am to 5pm')\n"
        "print(json.dumps([catalogue.render(text, ()).body for text in sorted(catalogue.texts)]))",
    )
    assert isinstance(said, list)
    assert all(said)
    assert any("Monday 9am to 5pm" in body for body in said)


@pytest.mark.homeserver
def test_the_demo_runs_from_the_wheel(installed: Path, synapse_python: Path) -> None:
    folder = installed / "demo"
    folder.mkdir()
    # Where the wheel would install Synapse; the one of this checkout stands in, so that nothing is downloaded.
    (folder / "venv-synapse").symlink_to(synapse_python.parent.parent)
    port = free_port()
    try:
        done = inglenook(installed, "demo", "--check", "--directory", folder, "--port", str(port))
    finally:
        release_port(port)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "It is gone for Rosa." in done.stdout
    assert str(CHECKOUT) not in done.stdout


def test_without_synapse_and_without_a_network_the_demo_says_what_is_missing(installed: Path, tmp_path: Path) -> None:
    port = free_port()
    folder = installed / "no-network"
    try:
        done = inglenook(
            installed,
            *("demo", "--check", "--directory", folder, "--port", str(port)),
            UV_CACHE_DIR=str(tmp_path / "empty"),
        )
    finally:
        release_port(port)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Could not install Synapse." in done.stderr
    assert "Traceback" not in done.stderr
