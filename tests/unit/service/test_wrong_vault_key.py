"""The file with the key to what is kept: missing, wrong, or somebody else's. Removing goes on, and nothing is lost."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from appservice.flow import VaultClosed
from appservice.service.config import BadConfiguration, load_config, load_registration
from appservice.service.core import Core
from appservice.vault import AgeVault
from tests.support.house import fresh_store
from tests.unit.service.test_configuration import GOOD, REGISTRATION


@asynccontextmanager
async def service(folder: Path) -> AsyncIterator[Core]:
    """One life of the service as far as its vault goes."""
    for name, content in (("inglenook.yaml", GOOD), ("registration.yaml", REGISTRATION)):
        (folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")
    config = load_config(folder / "inglenook.yaml")
    config.data.mkdir(exist_ok=True)
    if not config.store.exists():
        fresh_store(config.data)
    core = Core(config, load_registration(config.registration))
    await core.database.open()
    try:
        await core.casework._open_vault()
        yield core
    finally:
        await core.database.close()


def of(core: Core) -> AgeVault:
    vault = core.casework._vault
    assert vault is not None
    return vault


def a_folder(key: Path) -> None:
    key.mkdir()


def somebody_elses(key: Path) -> None:
    AgeVault.make_key(key, "of another charity")


WRONG: dict[str, Callable[[Path], object]] = {
    "a folder": a_folder,
    "empty": lambda key: key.write_bytes(b""),
    "only a comment": lambda key: key.write_text("# nothing\n"),
    "no text": lambda key: key.write_bytes(os.urandom(3000)),
    "the public half": lambda key: key.write_text("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudthvwjsqvkl7q\n"),
    "very long": lambda key: key.write_text("A" * 2_000_000),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_at_the_first_start_what_is_no_key_stops_the_service_with_a_word(
    tmp_path: Path, wrong: Callable[[Path], object]
) -> None:
    """Nothing was sealed yet, so nothing is at stake: a wrong file is put right before it is used."""
    (tmp_path / "data").mkdir()
    wrong(tmp_path / "data" / "vault.key")
    with pytest.raises(BadConfiguration, match=r"vault\.key"):
        async with service(tmp_path):
            pass


async def test_at_the_first_start_a_key_is_made_for_its_owner_only(tmp_path: Path) -> None:
    async with service(tmp_path) as core:
        assert core.casework.vault_problems == []
        assert of(core).fits()
        assert core.config.vault_key.stat().st_mode & 0o777 == 0o600


async def test_a_key_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    async with service(tmp_path) as core:
        core.config.vault_key.chmod(0o644)
    async with service(tmp_path) as core:
        assert core.config.vault_key.stat().st_mode & 0o777 == 0o600


async def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "vault.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadConfiguration, match=r"vault\.key"):
        async with service(tmp_path):
            pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("wrong", [None, *WRONG.values()], ids=["missing", *WRONG])
async def test_later_what_is_kept_stays_sealed_for_the_key_that_was_and_opens_when_it_is_back(
    tmp_path: Path, wrong: Callable[[Path], object] | None
) -> None:
    async with service(tmp_path) as core:
        key = core.config.vault_key
        before = of(core).seal(b"before")
    kept = key.read_bytes()
    key.unlink()
    if wrong is not None:
        wrong(key)
    async with service(tmp_path) as core:
        assert "the key that opens evidence is missing" in " ".join(core.casework.vault_problems)
        meanwhile = of(core).seal(b"meanwhile")
        for sealed in (before, meanwhile):
            with pytest.raises(VaultClosed):
                of(core).unseal(sealed)
    key.rmdir() if key.is_dir() else key.unlink(missing_ok=True)
    key.write_bytes(kept)
    async with service(tmp_path) as core:
        assert core.casework.vault_problems == []
        assert [of(core).unseal(one) for one in (before, meanwhile)] == [b"before", b"meanwhile"]


async def test_another_key_opens_what_is_sealed_from_now_on_and_says_that_the_old_one_is_wanted(tmp_path: Path) -> None:
    async with service(tmp_path) as core:
        key = core.config.vault_key
        before = of(core).seal(b"before")
    kept = key.read_bytes()
    key.unlink()
    somebody_elses(key)
    for _ in range(2):  # also at the next start
        async with service(tmp_path) as core:
            assert "another one than before" in " ".join(core.casework.vault_problems)
            with pytest.raises(VaultClosed):
                of(core).unseal(before)
    key.write_bytes(kept)
    async with service(tmp_path) as core:
        assert core.casework.vault_problems == []
        assert of(core).unseal(before) == b"before"
