"""A policy with its people as they were written, with what was set in rooms, and what they say: read once for the same."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from policies.bundle import packed
from policies.compile import compile_community
from policies.desired import DesiredCommunity
from policies.files import people_beside, read_file
from policies.findings import Finding
from policies.layers import Layer, Layered, layered
from policies.load import compose_beside, load_people, load_policy
from policies.people import People
from policies.schema import Policy

#: Policies kept as they were read: the one in force, and one or two that somebody is thinking about.
_KEPT: Final = 3


class BadPolicy(Exception):
    """A policy or its people cannot be used; `findings` say where and why."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """The bytes of the two, and what findings call them. A policy in several files is a bundle of them (`policies.bundle`).

    layers: what was set in rooms and holds beside them; None for whatever is set there when they are put in force.
    """

    policy: bytes
    policy_name: str
    people: bytes
    people_name: str
    layers: tuple[Layer, ...] | None = None

    def same_words(self, other: PolicyFiles) -> bool:
        """Whether both files hold the same bytes."""
        return (self.policy, self.people) == (other.policy, other.people)


@dataclass(frozen=True, slots=True)
class Said:
    """What two files say, and what they want of a homeserver. `advice` are findings that are no errors (of what is in force,
    also those that are errors by now).

    layers: what was set in rooms, as far as it holds in `policy` and not. written: what the policy's file says alone.
    """

    files: PolicyFiles
    policy: Policy
    people: People
    community: DesiredCommunity
    advice: tuple[Finding, ...]
    layers: Layered
    written: Policy

    def same_as(self, other: Said | None) -> bool:
        """Whether both were written just so, and the same is set in rooms."""
        return other is not None and self.files.same_words(other.files) and self.layers.kept == other.layers.kept


def read_files(policy: Path, people: Path | None = None) -> PolicyFiles:
    """Return the bytes of a policy, of what it includes, and of its people (else those beside it).

    Raises `BadPolicy` for a missing or unreadable file.
    """
    beside = people or people_beside(policy)
    read, read_people = read_file(policy), read_file(beside)
    if read.data is None or read_people.data is None:
        raise BadPolicy((*read.findings, *read_people.findings))
    composed = compose_beside(policy, read.data)
    if not composed.whole:
        raise BadPolicy(composed.source.findings)
    return PolicyFiles(packed(read.data, composed.parts), str(policy), read_people.data, str(beside))


class Reader:
    """Reads policies for the homeserver called `server_name`, beside the event loop. `ours` are our own user ids."""

    def __init__(self, server_name: str, ours: Iterable[str]) -> None:
        self._server_name = server_name
        self._ours = frozenset(ours)
        self._read: OrderedDict[tuple[bytes, bytes, tuple[Layer, ...], bool], Said] = OrderedDict()

    async def read(self, files: PolicyFiles, *, was_accepted: bool = False) -> Said:
        """Return what `files` say. Raises `BadPolicy`.

        was_accepted: they are in force. What a newer version of this program refuses is then among the findings only:
        a community must not lose its service to a rule that it could not know.
        """
        asked = (files.policy, files.people, files.layers or (), was_accepted)
        known = self._read.get(asked)
        if known is None:
            known = await asyncio.to_thread(self._understand, files, was_accepted)
            self._read[asked] = known
        self._read.move_to_end(asked)
        while len(self._read) > _KEPT:
            self._read.popitem(last=False)
        return known

    def _understand(self, files: PolicyFiles, was_accepted: bool) -> Said:
        policy = load_policy(files.policy, files.policy_name, was_accepted=was_accepted)
        people = load_people(files.people, files.people_name, policy.policy, was_accepted=was_accepted)
        findings = (*policy.findings, *people.findings)
        if policy.policy is None or people.people is None:
            raise BadPolicy(findings)
        server = policy.policy.community.server
        if server != self._server_name:
            message = f"the community is of {server}, but this homeserver is {self._server_name}"
            advice = "A policy is for one homeserver: name this one under community, or use the other one's service."
            raise BadPolicy((Finding("error", files.policy_name, 1, 1, server, message, advice),))
        for user_id in sorted(self._ours & people.people.by_id.keys()):
            message = "this is one of Inglenook's own accounts, and no person"
            advice = "Take it out of the people file: it looks after every room as it is."
            raise BadPolicy((Finding("error", files.people_name, 1, 1, user_id, message, advice),))
        laid = layered(policy.policy, files.layers or ())
        community = compile_community(laid.policy, people.people)
        told = replace(files, layers=laid.kept)
        return Said(told, laid.policy, people.people, community, findings, laid, policy.policy)
