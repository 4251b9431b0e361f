"""The original is sealed in the commit that queues its removal; its later edits go, and nothing stops a removal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from appservice.cases import CaseBook, Evidence, LateEdits
from appservice.flow import VaultClosed
from appservice.matrix import parse_event
from appservice.people import Concerns
from appservice.service.detectors import conduct, personal_data
from appservice.store import Commit, StoreRefused
from appservice.vault import AgeVault
from policies.load import load_policy
from tests.support.house import GROUP, SAM, House, fresh_store, message, open_house
from tests.support.paths import POLICIES


class Sealing:
    """A house that removes phone numbers and keeps them sealed."""

    def __init__(self, house: House, vault: AgeVault | None) -> None:
        self.house = house
        self.book = CaseBook("hearth.example", house.clock, lambda _user: True, lambda *_: False)
        self.evidence = Evidence("hearth.example", lambda: vault, self.book, house.clock, self._community)
        policy = load_policy((POLICIES / "hearth-demo.yaml").read_bytes(), "p").policy
        assert policy is not None
        house.projection.removed = self.evidence.removed.keys()
        house.lanes.handlers = (LateEdits(), personal_data(policy))
        house.lanes._recorders = {"open_case": self.book.open, "concerned": Concerns("x", house.clock).note}
        house.lanes.beside = {"redact": self.evidence.seal}

    def _community(self, room_id: str) -> str:
        room = self.house.projection.room(room_id)
        return room.community if room is not None else ""

    async def says(self, event_id: str, body: str, of: str | None = None) -> list[str]:
        """Let Sam write, or edit; return the types of what was queued."""
        raw: dict[str, Any] = message(event_id, body)
        if of is not None:
            raw["content"] = {
                "msgtype": "m.text",
                "body": f"* {body}",
                "m.new_content": {"msgtype": "m.text", "body": body},
                "m.relates_to": {"rel_type": "m.replace", "event_id": of},
            }
        await self.house.lanes.accept([self.house.input(parse_event(raw, GROUP))])
        return [row[0] for row in await self.house.table(f"SELECT type FROM outbox WHERE source = '{event_id}'")]

    async def kept(self) -> list[tuple[str, str, bytes]]:
        rows = await self.house.table("SELECT event_id, of_event, sealed FROM evidence ORDER BY rowid")
        return [(row[0], row[1], row[2]) for row in rows]


@pytest.fixture
def vault(tmp_path: Path) -> AgeVault:
    return AgeVault(tmp_path / "key", AgeVault.make_key(tmp_path / "key"))


def opened(vault: AgeVault, sealed: bytes) -> Mapping[str, Any]:
    return dict(orjson.loads(vault.unseal(sealed)))


async def test_what_is_removed_is_sealed_in_the_same_commit(tmp_path: Path, vault: AgeVault) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        sealing = Sealing(house, vault)
        commits = house.database.commits
        raw = message("$1", "Ring Jo on 07700 900123")
        await house.lanes.accept([house.input(parse_event(raw, GROUP))])
        assert house.database.commits == commits + 1  # before anything was sent
        assert tuple(await house.table("SELECT type FROM outbox WHERE type = 'redact'")) == (("redact",),)
        ((event_id, _, sealed),) = await sealing.kept()
        assert (event_id, opened(vault, sealed)["content"]["body"]) == ("$1", "Ring Jo on 07700 900123")
        assert opened(vault, sealed)["sender"] == SAM
        assert b"07700" not in sealed
        (case_id,) = await house.table("SELECT case_id FROM evidence")
        assert case_id[0] == sealing.book.all_ids()[0]


async def test_nothing_is_kept_of_what_stays(tmp_path: Path, vault: AgeVault) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        sealing = Sealing(house, vault)
        await sealing.says("$1", "Good morning")
        await sealing.says("$2", "My number is 07700 900123")
        assert await sealing.kept() == []


async def test_edits_of_what_was_removed_go_whatever_they_say_and_are_sealed(tmp_path: Path, vault: AgeVault) -> None:
    path = fresh_store(tmp_path)
    async with open_house(path) as house:
        sealing = Sealing(house, vault)
        await sealing.says("$1", "Ring Jo on 07700 900123")
        assert await sealing.says("$2", "Good morning", of="$1") == ["redact", "card"]
        assert await sealing.says("$3", "Good morning", of="$other") == []
    async with open_house(path) as house:  # also after we were away
        sealing = Sealing(house, vault)
        await sealing.evidence.load(house.questions)
        assert await sealing.says("$4", "Ring Jo on 07700 900124", of="$1") == ["redact", "card"]
        assert [(event, of) for event, of, _ in await sealing.kept()] == [("$1", ""), ("$2", "$1"), ("$4", "$1")]


async def test_care_07_danger_that_stands_is_sealed_too_and_its_edits_stand(tmp_path: Path, vault: AgeVault) -> None:
    path = fresh_store(tmp_path)
    async with open_house(path) as house:
        sealing = Sealing(house, vault)
        policy = load_policy((POLICIES / "hearth-demo.yaml").read_bytes(), "p").policy
        assert policy is not None
        house.lanes.handlers = (LateEdits(), conduct(policy))
        assert await sealing.says("$1", "i know where you live") == ["urgent_card"]
        assert await sealing.kept() == [], "without the rule its author could take it back, and nothing would be left"
        house.lanes.beside = {"redact": sealing.evidence.seal, "open_case": sealing.evidence.seal_standing}
        assert await sealing.says("$2", "i know where you live") == ["urgent_card"]
        ((event_id, _, sealed),) = await sealing.kept()
        assert (event_id, opened(vault, sealed)["content"]["body"]) == ("$2", "i know where you live")
        assert await sealing.says("$3", "Good morning", of="$2") == []
        assert "redact" in await sealing.says("$4", "Ring Jo on 07700 900123")
        assert [one[0] for one in await sealing.kept()] == ["$2", "$4"]
    async with open_house(path) as house:
        sealing = Sealing(house, vault)
        await sealing.evidence.load(house.questions)
        assert list(sealing.evidence.removed) == ["$4"]


async def test_what_cannot_be_sealed_is_removed_all_the_same_and_counted(tmp_path: Path) -> None:
    class Broken:
        def seal(self, plain: bytes) -> bytes:
            raise MemoryError

    async with open_house(fresh_store(tmp_path)) as house:
        sealing = Sealing(house, Broken())  # type: ignore[arg-type]
        assert "redact" in await sealing.says("$1", "Ring Jo on 07700 900123")
        assert (await sealing.kept(), sealing.evidence.failures) == ([], 1)
        none = Sealing(house, None)
        assert "redact" in await none.says("$2", "Ring Jo on 07700 900123")
        assert none.evidence.failures == 1


def test_only_a_key_opens_what_is_sealed(tmp_path: Path, vault: AgeVault) -> None:
    sealed = vault.seal(b"words")
    assert (vault.unseal(sealed), vault.fits()) == (b"words", True)
    other = AgeVault(tmp_path / "other", AgeVault.make_key(tmp_path / "other"))
    for closed in (other, AgeVault(tmp_path / "none", AgeVault.public_of(tmp_path / "key") or "")):
        with pytest.raises(VaultClosed):
            closed.unseal(sealed)
    team = AgeVault(
        tmp_path / "key", AgeVault.public_of(tmp_path / "key") or "", [AgeVault.public_of(tmp_path / "other") or ""]
    )
    assert other.unseal(team.seal(b"words")) == b"words", "the team's own key opens it without ours"


def test_a_key_is_private_marked_and_never_overwritten(tmp_path: Path) -> None:
    AgeVault.make_key(tmp_path / "key", "for a demo")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "key").read_text().startswith("# for a demo\n")
    assert AgeVault.mark_of(tmp_path / "key").splitlines()[0] == "for a demo"
    assert AgeVault.mark_of(tmp_path / "none") == ""
    with pytest.raises(FileExistsError):
        AgeVault.make_key(tmp_path / "key")
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_what_is_no_key_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    assert AgeVault.public_of(tmp_path / "key") is None
    with pytest.raises(ValueError, match="age1"):
        AgeVault(tmp_path / "key", "age1nothing")


async def test_what_the_store_refuses_opens_no_case_and_the_second_time_one(
    tmp_path: Path, vault: AgeVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(fresh_store(tmp_path)) as house:
        sealing = Sealing(house, vault)
        commit = house.database.commit

        async def refuses(_: Commit) -> None:
            raise StoreRefused("disk full")

        monkeypatch.setattr(house.database, "commit", refuses)
        with pytest.raises(StoreRefused):
            await sealing.says("$1", "Ring Jo on 07700 900123")
        assert sealing.book.all_ids() == []
        monkeypatch.setattr(house.database, "commit", commit)
        assert "redact" in await sealing.says("$1", "Ring Jo on 07700 900123")
        (case,) = (sealing.book.by_id(one) for one in sealing.book.all_ids())
        assert case is not None
        assert case.count == 1
        assert len(await sealing.kept()) == 1
