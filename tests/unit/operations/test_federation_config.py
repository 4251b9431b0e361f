"""What Synapse is told of other servers: printed for who runs it, and the same in the configuration that we render."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from appservice.cli import app
from appservice.operations.federation_config import homeserver_snippet, port_of
from appservice.operations.homeserver_config import HomeserverConfig, render_homeserver
from policies.federation import homeserver_settings, reach_of_community
from tests.support.paths import POLICIES
from tests.unit.plan.worlds import policy_with

VOUCHED = {"because": "Board minute 4", "approved_by": "deputy"}
PARTNERS = {"mode": "partners", "servers": ["chat.partner.example"], **VOUCHED}
LEEDS = POLICIES / "leeds-carers.yaml"


@pytest.mark.parametrize(
    ("federation", "servers", "resources"),
    [
        (None, [], ["client"]),
        (PARTNERS, ["chat.partner.example"], ["client", "federation"]),
        ({"mode": "open", **VOUCHED}, None, ["client", "federation"]),
    ],
)
def test_the_homeserver_lets_in_whom_the_policy_does_and_answers_others_only_then(
    federation: Any, servers: Any, resources: list[str]
) -> None:
    policy = policy_with({"hello": "open low"}, federation=federation)
    told = yaml.safe_load(homeserver_snippet(policy, 8010))
    assert told["federation_domain_whitelist"] == servers
    assert told["allow_public_rooms_over_federation"] is False
    [listener] = told["listeners"]
    assert (listener["port"], listener["bind_addresses"]) == (8010, ["127.0.0.1"])
    assert listener["resources"] == [{"names": resources, "compress": False}]
    # The demo's and the tests' own homeservers are told the same.
    rendered = yaml.safe_load(
        render_homeserver(
            HomeserverConfig(
                directory=Path("/data"),
                server_name="chat.example",
                port=8010,
                appservice_url="http://127.0.0.1:9",
                python=Path("/python"),
                partners=None if servers is None else tuple(servers),
            )
        )
    )
    assert rendered["listeners"][0]["resources"] == listener["resources"]
    for name, value in homeserver_settings(reach_of_community(policy)).items():
        assert rendered[name] == told[name] == value, name


@pytest.mark.parametrize("publish", [None, {"value": "directory", **VOUCHED}])
def test_only_the_steward_puts_rooms_into_the_public_list_and_only_where_the_policy_lists_any(publish: Any) -> None:
    hello = {"kind": "open", **({"publish": publish} if publish else {})}
    told = yaml.safe_load(homeserver_snippet(policy_with({"hello": hello}, federation={"mode": "open", **VOUCHED})))
    allowed = [{"action": "allow", "user_id": "@inglenook-steward:chat.example"}] if publish else []
    assert told["room_list_publication_rules"] == [*allowed, {"action": "deny"}]
    assert told["enable_room_list_search"] is bool(publish)
    assert told["allow_public_rooms_without_auth"] is told["allow_public_rooms_over_federation"] is False


def test_the_port_is_that_of_the_service_s_homeserver() -> None:
    assert port_of("http://127.0.0.1:8123/") == 8123
    assert port_of("http://127.0.0.1") == 8008


def typed(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["homeserver-config", *arguments])
    assert "Traceback" not in done.output
    return done.exit_code, done.output


def test_it_is_printed_or_written_for_who_runs_the_server(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none.yaml")
    status, text = typed(str(LEEDS), "--config", nowhere)
    assert status == 0
    assert yaml.safe_load(text)["federation_domain_whitelist"] == []
    file = tmp_path / "other-servers.yaml"
    assert typed(str(LEEDS), "--config", nowhere, "--out", str(file)) == (0, "")
    assert file.read_text(encoding="utf-8") == text
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["missing.yaml"], 2, "missing.yaml"),
        ([], 2, "none.yaml"),
        (["--in-force"], 2, "none.yaml"),
    ],
)
def test_what_cannot_be_read_is_said_in_words(tmp_path: Path, arguments: list[str], status: int, words: str) -> None:
    found, text = typed(*arguments, "--config", str(tmp_path / "none.yaml"))
    assert found == status
    assert words in text.replace("\n", "")
