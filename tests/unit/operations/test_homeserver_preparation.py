"""What an embedded homeserver needs before it starts: its data, its environment, a port, its configuration."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from appservice.operations.environment import ensure_synapse, missing_pins
from appservice.operations.errors import OperationFailed
from appservice.operations.files import data_path
from appservice.operations.homeserver_config import merge
from appservice.operations.processes import free_port, release_port

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

CHECKOUT = Path(__file__).resolve().parents[3]
SERVER_NAME = "demo.example"  # of every homeserver that tests/conftest.py makes


# Finding data


def test_data_is_found_beside_the_package_in_a_checkout() -> None:
    assert data_path("synapse_config") == CHECKOUT / "synapse-config"
    assert data_path("requirements/synapse.txt") == CHECKOUT / "requirements" / "synapse.txt"
    assert data_path("deploy").is_dir()


def test_data_is_found_inside_the_package_of_a_wheel_even_if_a_stranger_has_a_folder_of_that_name(
    tmp_path: Path,
) -> None:
    package = tmp_path / "site-packages" / "appservice"
    (package / "_data" / "deploy").mkdir(parents=True)
    (tmp_path / "site-packages" / "deploy").mkdir()
    assert data_path("deploy", package=package) == package / "_data" / "deploy"


def test_data_that_is_missing_asks_to_install_again(tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match="install Inglenook again"):
        data_path("synapse_config", package=tmp_path / "appservice")


# Synapse's environment


def test_an_environment_that_make_setup_made_is_complete() -> None:
    assert ensure_synapse(CHECKOUT / ".venv-synapse") == CHECKOUT / ".venv-synapse" / "bin" / "python"


def test_an_interrupted_or_outdated_installation_is_noticed(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    for name in ("matrix_synapse-1.163.2", "twisted-24.1.0", "attrs-26.1.0"):
        (packages / f"{name}.dist-info").mkdir(parents=True)
        (packages / f"{name}.dist-info" / "METADATA").touch()
    (packages / "matrix_synapse-1.163.2.dist-info" / "RECORD").touch()
    (packages / "twisted-24.1.0.dist-info" / "RECORD").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    pins = "matrix-synapse==1.163.2\n    # via us\nTwisted==25.5.0\nattrs==26.1.0\n"
    assert missing_pins(pins, tmp_path) == ["Twisted==25.5.0", "attrs==26.1.0"]


def test_an_environment_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperationFailed, match=r"Could not install Synapse\. Check that"):
        ensure_synapse(tmp_path / "file" / "venv")


# Ports


def test_a_reserved_port_is_given_to_nobody_else_and_can_be_listened_on() -> None:
    port = free_port()
    try:
        stranger = socket.socket()
        with stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)):
            pass
    finally:
        release_port(port)


# Configuration


def test_overrides_replace_single_keys_and_whole_lists() -> None:
    base = {"rc_message": {"per_second": 10, "burst_count": 100}, "listeners": [1, 2], "kept": True}
    merged = merge(base, {"rc_message": {"per_second": 1}, "listeners": [3]})
    assert merged == {"rc_message": {"per_second": 1, "burst_count": 100}, "listeners": [3], "kept": True}
    assert base["listeners"] == [1, 2]


async def test_preparing_again_keeps_every_secret(make_homeserver: MakeHomeserver) -> None:
    server = await make_homeserver(start=False)
    before = {path: path.read_text() for path in (server.config.directory / "secrets").iterdir()}
    tokens = server.registration
    assert server.prepare() == tokens
    assert {path: path.read_text() for path in (server.config.directory / "secrets").iterdir()} == before
    assert len({tokens.as_token, tokens.hs_token, *before.values()}) == 5
    assert tokens.as_token not in repr(tokens)


async def test_no_secret_stands_in_the_configuration(make_homeserver: MakeHomeserver) -> None:
    server = await make_homeserver(start=False)
    hidden = [path.read_text().strip() for path in (server.config.directory / "secrets").iterdir()]
    hidden += [server.registration.as_token, server.registration.hs_token]
    written = server.config.homeserver_file.read_text() + (server.config.directory / "log.yaml").read_text()
    assert not [secret for secret in hidden if secret in written]


async def test_a_damaged_registration_is_named_without_quoting_it(make_homeserver: MakeHomeserver) -> None:
    server = await make_homeserver(start=False)
    server.config.registration_file.write_text("as_token: [very-secret")
    with pytest.raises(OperationFailed, match=r"registration\.yaml is missing or damaged") as failure:
        server.prepare()
    assert "very-secret" not in str(failure.value)


async def test_the_namespace_holds_our_own_people_and_addresses_only(make_homeserver: MakeHomeserver) -> None:
    server = await make_homeserver(start=False, alias_regexes=(r"^#hearth-.*:demo\.example$",))
    registration = yaml.safe_load(server.config.registration_file.read_text())
    assert registration["namespaces"]["rooms"] == []
    assert registration["namespaces"]["aliases"] == [{"exclusive": True, "regex": r"^#hearth-.*:demo\.example$"}]
    (users,) = registration["namespaces"]["users"]
    assert users["exclusive"] is True
    # Synapse uses `re.match`, which does not look at what follows.
    assert re.match(users["regex"], f"@inglenook-guardian:{SERVER_NAME}")
    for other in (
        f"@alice:{SERVER_NAME}",
        "@inglenook-x:demo-example",
        f"@inglenook-x:{SERVER_NAME}.elsewhere.example",
    ):
        assert not re.match(users["regex"], other)
