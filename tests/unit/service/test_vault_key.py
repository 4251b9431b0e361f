"""The key of a demo says what it is, and a service for real people does not pass over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appservice.operations.status import read_status
from appservice.service.config import Config, HomeserverSection, ListenSection
from appservice.service.vault_key import is_of_a_demo, make_key, misused
from appservice.vault import AgeVault


def config(folder: Path, *, demo: bool) -> Config:
    return Config(
        homeserver=HomeserverSection(name="hearth.example", url="http://127.0.0.1:9"),
        listen=ListenSection(port=9),
        registration=folder / "registration.yaml",
        data=folder,
        demo=demo,
    )


def test_the_key_of_a_demo_is_private_and_says_that_it_is_for_nobody_real(tmp_path: Path) -> None:
    public = make_key(config(tmp_path, demo=True))
    key = tmp_path / "vault.key"
    assert key.stat().st_mode & 0o777 == 0o600
    first, second, *_ = key.read_text().splitlines()
    assert first == "# DEMO KEY: made for a demo or a test, and for nothing else."
    assert second == "# It protects nobody: never use it for real people."
    assert AgeVault.public_of(key) == public, "and it works"
    assert misused(config(tmp_path, demo=True)) is None


def test_a_real_service_with_a_demos_key_has_a_problem(tmp_path: Path) -> None:
    make_key(config(tmp_path, demo=True))
    problem = misused(config(tmp_path, demo=False))
    assert problem is not None
    assert "made for a demo (vault.key)" in problem


def test_a_real_services_own_key_has_none(tmp_path: Path) -> None:
    make_key(config(tmp_path, demo=False))
    assert not is_of_a_demo(tmp_path / "vault.key")
    assert misused(config(tmp_path, demo=False)) is None


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"# public key: age1\n"])
def test_what_is_no_key_of_a_demo_is_none(tmp_path: Path, content: bytes | None) -> None:
    key = tmp_path / "vault.key"
    if content is not None:
        key.write_bytes(content)
    assert not is_of_a_demo(key)


async def test_status_tells_it_also_where_no_service_runs(tmp_path: Path) -> None:
    (tmp_path / "registration.yaml").write_text(
        "id: i\nas_token: aaaaaaaaaaaaaaaaaaaa\nhs_token: bbbbbbbbbbbbbbbbbbbb\nsender_localpart: inglenook\n"
    )
    real = config(tmp_path, demo=False)
    make_key(config(tmp_path, demo=True))
    assert any("made for a demo" in one for one in (await read_status(real)).problems)
    demo = real.model_copy(update={"demo": True})
    assert not any("made for a demo" in one for one in (await read_status(demo)).problems)
