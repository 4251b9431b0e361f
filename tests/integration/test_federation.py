"""A community with partners, on three real homeservers that talk over TLS: who takes part, what is seen there, what is not.

Nothing that a homeserver checks of another is turned off: names, certificates and lists of servers are as in real life.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
import yaml

from appservice.operations.control import apply_policy, plan_policy
from appservice.operations.service_process import ServiceProcess, write_service_config
from policies.federation import homeserver_settings, reach_of_community
from policies.load import load_policy
from tests.support.neighbours import Town, certify
from tests.support.waiting import eventually

pytestmark = pytest.mark.homeserver

HOME, PARTNER, STRANGER = "chat.home.example", "chat.partner.example", "chat.stranger.example"
VIOLATION = "Ring Jo on 07700 900123"
GUARDIAN = "inglenook-guardian"


def policy_of(home: str, partner: str, today: str, until: str) -> dict[str, Any]:
    group = {"purpose": "Talk.", "tier": "low"}
    return {
        "schema": 1,
        "community": {
            "id": "c",
            "name": "Carers",
            "purpose": "Carers support each other.",
            "not_for": "Not a crisis service.",
            "server": home,
            "owners": {"safeguarding_lead": "lead", "deputy": "deputy"},
            "hours": "Mon-Sun 00:00-23:59 Europe/London",
            "risk_assessment": {"reviewed": today, "next": until, "by": "lead"},
            "federation": {
                "mode": "partners",
                "servers": [partner],
                "because": "We run this together.",
                "approved_by": "deputy",
            },
        },
        "roles": {
            "lead": {"level": 75, "can": ["moderate", "approve_join", "safeguard", "operate"]},
            "deputy": {"level": 75, "can": ["moderate", "approve_join", "safeguard"]},
        },
        "groups": {
            "welcome": {**group, "name": "Start here", "kind": "open"},
            "lounge": {**group, "name": "Lounge", "kind": "hybrid"},
            "news": {**group, "name": "News", "kind": "announce"},
            "quiet": {**group, "name": "Quiet", "kind": "closed"},
        },
    }


@dataclass
class Country:
    """The community's own town, its partner's, and one that nobody let in; rooms by key of the policy."""

    home: Town
    partner: Town
    stranger: Town
    service: ServiceProcess
    policy: Path
    people: Path
    rooms: dict[str, str]

    @property
    def pat(self) -> str:
        return self.partner.user_id("pat")

    async def apply(self) -> None:
        done = await apply_policy(self.service.config, self.policy)
        assert done.settled, done
        self.rooms = dict(done.rooms)

    def unlist(self, user_id: str) -> None:
        """Have the people file say nothing of somebody."""
        said = yaml.safe_load(self.people.read_text(encoding="utf-8"))
        del said["people"][user_id]
        self.people.write_text(yaml.safe_dump(said), encoding="utf-8")

    def lists(self, user_id: str, *groups: str) -> None:
        """Have the people file say that somebody may be in these groups."""
        said = yaml.safe_load(self.people.read_text(encoding="utf-8"))
        said["people"][user_id] = {"groups": list(groups)}
        self.people.write_text(yaml.safe_dump(said), encoding="utf-8")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def country(synapse_python: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Country]:
    folder = tmp_path_factory.mktemp("country")
    certificates = await asyncio.to_thread(certify, folder / "certificates", synapse_python, (HOME, PARTNER, STRANGER))
    partner = Town.plan(folder, synapse_python, PARTNER, certificates, partners=None)
    stranger = Town.plan(folder, synapse_python, STRANGER, certificates, partners=None)
    home = Town.plan(
        folder,
        synapse_python,
        HOME,
        certificates,
        partners=(partner.name,),
        alias_regexes=(r"^#c-.*:chat\.home\.example:.*$",),
    )
    now = datetime.now(UTC).date()
    said = policy_of(home.name, partner.name, str(now), str(now + timedelta(days=300)))
    policy, people = folder / "policy.yaml", folder / "policy.people.yaml"
    policy.write_text(yaml.safe_dump(said), encoding="utf-8")
    listed = {
        home.user_id("amina"): {"roles": ["lead"], "groups": ["quiet", "lounge"]},
        home.user_id("dewi"): {"roles": ["deputy"]},
        partner.user_id("pat"): {"groups": ["lounge"]},
    }
    people.write_text(yaml.safe_dump({"schema": 1, "people": listed}), encoding="utf-8")
    towns = (home, partner, stranger)
    service = None
    try:
        for town in towns:
            await asyncio.to_thread(town.homeserver.prepare)
        await asyncio.gather(*(town.homeserver.start() for town in towns))
        await home.homeserver.make_steward_admin()
        service = ServiceProcess(write_service_config(folder / "service", home.homeserver, durability="normal"))
        await asyncio.gather(
            service.start(), home.sign_up("amina", "sam"), partner.sign_up("pat"), stranger.sign_up("max")
        )
        made = Country(home, partner, stranger, service, policy, people, {})
        await made.apply()
        yield made
    finally:
        if service is not None:
            await service.stop()
        await asyncio.gather(*(town.stop() for town in towns))


def test_the_homeserver_runs_as_the_policy_says(country: Country) -> None:
    loaded = load_policy(country.policy.read_bytes(), "policy").policy
    assert loaded is not None
    running = yaml.safe_load(country.home.homeserver.config.homeserver_file.read_text(encoding="utf-8"))
    for name, value in homeserver_settings(reach_of_community(loaded)).items():
        assert running[name] == value, name


async def test_a_partners_member_takes_part_and_both_sides_see_it(country: Country) -> None:
    home, partner, welcome = country.home, country.partner, country.rooms["welcome"]
    assert await home.join("sam", welcome, home.name) == 200
    before = await home.say("sam", welcome, "Before anybody came")
    assert await partner.join("pat", f"#c-welcome:{home.name}", home.name) == 200
    hers = await partner.say("pat", welcome, "Good morning from the other side")
    his = await home.say("sam", welcome, "Good morning, and welcome")
    await eventually(lambda: home.sees("sam", welcome, hers), "he sees what she said")
    seen = await eventually(lambda: partner.sees("pat", welcome, his), "she sees what he said")
    assert seen["content"]["body"] == "Good morning, and welcome"
    assert await partner.sees("pat", welcome, before) is None, "their server was given what was said before"


async def test_she_is_asked_into_a_private_room_that_goes_nowhere_but_to_her_server(country: Country) -> None:
    home, partner = country.home, country.partner

    async def invited() -> str | None:
        invites = (await partner.everything("pat"))["rooms"].get("invite", {})
        by_guardian = [
            room_id
            for room_id, room in invites.items()
            for event in room["invite_state"]["events"]
            if event["type"] == "m.room.member" and event["sender"] == home.user_id(GUARDIAN)
        ]
        return by_guardian[0] if by_guardian else None

    room_id = await eventually(invited, "the guardian asks her into a private room")
    assert await partner.join("pat", room_id, home.name) == 200
    path = f"/rooms/{quote(room_id, safe='')}/state/m.room.server_acl/"
    assert (await partner.call("pat", "GET", path))[1]["allow"] == [home.name, HOME, PARTNER]

    async def greeted() -> bool:
        return any("helper program" in str(event["content"]) for event in await partner.timeline("pat", room_id))

    await eventually(greeted, "she reads there what the helper program is")
    status = await country.service.status()
    assert status is not None
    assert not status["problems"]


async def test_what_harms_is_taken_away_on_her_server_too(country: Country) -> None:
    welcome = country.rooms["welcome"]
    harm = await country.partner.say("pat", welcome, VIOLATION)

    async def gone() -> bool:
        event = await country.partner.sees("pat", welcome, harm)
        return event is not None and not event["content"] and "redacted_because" in event.get("unsigned", {})

    await eventually(gone, "the message is empty on her server")


async def test_she_comes_into_approved_and_announced_groups_by_the_shared_space(country: Country) -> None:
    home, partner, rooms = country.home, country.partner, country.rooms
    assert await partner.join("pat", rooms["lounge"], home.name) == 200, "she is in the people file"
    assert await partner.join("pat", rooms["news"], home.name) == 403, "she is not in the space yet"
    assert await partner.join("pat", f"#c-shared-space:{home.name}", home.name) == 200
    assert await partner.join("pat", rooms["news"], home.name) == 200
    path = f"/rooms/{quote(rooms['shared-space'], safe='')}/hierarchy"
    status, shown = await partner.call("pat", "GET", path, version="v1")
    assert status == 200, shown
    listed = {room["room_id"] for room in shown["rooms"]}
    assert listed == {rooms[key] for key in ("shared-space", "welcome", "lounge", "news")}


async def test_who_is_taken_off_the_list_is_out_on_her_server_too(country: Country) -> None:
    lounge = country.rooms["lounge"]
    country.lists(country.pat)
    await country.apply()

    async def out() -> bool:
        joined = (await country.partner.call("pat", "GET", "/joined_rooms"))[1]["joined_rooms"]
        return lounge not in joined

    await eventually(out, "she is out of the lounge, on her server")


async def test_a_person_removes_her_and_her_server_follows(country: Country) -> None:
    welcome = country.rooms["welcome"]
    assert await country.home.join("amina", welcome, country.home.name) == 200

    async def kicked() -> bool:
        path = f"/rooms/{quote(welcome, safe='')}/kick"
        status, _ = await country.home.call("amina", "POST", path, {"user_id": country.pat, "reason": "conduct"})
        return status == 200

    await eventually(kicked, "the lead has come in, and takes her out")

    async def out() -> bool:
        joined = (await country.partner.call("pat", "GET", "/joined_rooms"))[1]["joined_rooms"]
        return welcome not in joined

    await eventually(out, "she is out, on her server")
    assert await country.home.membership("sam", welcome, country.pat) == "leave"


async def test_a_third_server_is_refused(country: Country) -> None:
    home, partner, stranger = country.home, country.partner, country.stranger
    # Nothing is wrong with it: the partner, who lets in any server, has it as a guest.
    status, made = await partner.call("pat", "POST", "/createRoom", {"preset": "public_chat"})
    assert status == 200, made
    assert await stranger.join("max", made["room_id"], partner.name) == 200
    assert await stranger.join("max", f"#c-welcome:{home.name}", home.name) >= 400
    for key in ("welcome", "shared-space"):
        assert await stranger.join("max", country.rooms[key], home.name) == 403, key
    assert (await stranger.call("max", "GET", "/joined_rooms"))[1]["joined_rooms"] == [made["room_id"]]
    assert await home.membership("sam", country.rooms["welcome"], stranger.user_id("max")) == ""


async def test_a_closed_group_never_leaves_its_homeserver(country: Country) -> None:
    home, partner, quiet = country.home, country.partner, country.rooms["quiet"]
    assert await home.join("amina", quiet, home.name) == 200
    room = f"/rooms/{quote(quiet, safe='')}"
    created = (await home.call("amina", "GET", f"{room}/state/m.room.create/"))[1]
    assert created["m.federate"] is False
    status, refused = await home.call("amina", "POST", f"{room}/invite", {"user_id": country.pat})
    assert status == 403, refused
    assert await partner.join("pat", quiet, home.name) >= 400
    # Nothing that the partner's people are given, or can ask for, says that there is such a room.
    given = json.dumps(await partner.everything("pat"))
    for key in ("shared-space", "news"):
        path = f"/rooms/{quote(country.rooms[key], safe='')}/state"
        given += json.dumps((await partner.call("pat", "GET", path))[1])
    for key in ("quiet", "moderators", "safeguarding", "ops"):
        status, answer = await partner.call("pat", "GET", f"/directory/room/{quote(f'#c-{key}:{home.name}', safe='')}")
        assert status == 404, answer
        assert country.rooms[key] not in given
    assert country.rooms["news"] in given
    assert country.rooms["space"] not in given


async def test_a_plan_says_where_the_homeserver_is_not_what_the_policy_wants(country: Country) -> None:
    planned = await plan_policy(country.service.config, country.policy)
    assert not [note for note in planned.plan.notes if note.kind == "homeserver"]
    said = yaml.safe_load(country.policy.read_text(encoding="utf-8"))
    said["community"]["federation"]["servers"].append("chat.further.example")
    country.policy.write_text(yaml.safe_dump(said), encoding="utf-8")
    planned = await plan_policy(country.service.config, country.policy)
    [note] = [note for note in planned.plan.notes if note.kind == "homeserver"]
    assert "chat.further.example" in note.text


async def test_a_community_that_closes_and_opens_again(country: Country) -> None:
    home, partner, rooms = country.home, country.partner, country.rooms
    said = yaml.safe_load(country.policy.read_text(encoding="utf-8"))
    opened = said["community"].pop("federation")
    country.unlist(country.pat)
    country.policy.write_text(yaml.safe_dump(said), encoding="utf-8")
    await country.apply()

    async def out() -> bool:
        joined = (await partner.call("pat", "GET", "/joined_rooms"))[1]["joined_rooms"]
        return not {rooms[key] for key in ("news", "shared-space")} & set(joined)

    await eventually(out, "she is out of all rooms of the community, on her server")
    status = await country.service.status()
    assert status is not None
    assert any(partner.name in problem for problem in status["problems"]), "the homeserver is still open to it"
    address = f"/directory/room/{quote(f'#c-quiet:{home.name}', safe='')}"
    assert (await home.call("amina", "GET", address))[1]["room_id"] == rooms["quiet"]
    said["community"]["federation"] = opened | {"servers": [partner.name]}
    country.policy.write_text(yaml.safe_dump(said), encoding="utf-8")
    await country.apply()
    assert (await home.call("amina", "GET", address))[0] == 404
    path = f"/rooms/{quote(rooms['quiet'], safe='')}/state/m.room.canonical_alias/"
    assert "alias" not in (await home.call("amina", "GET", path))[1]
    assert await partner.join("pat", rooms["shared-space"], home.name) == 200
