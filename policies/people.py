"""Who holds which role and is approved for which group: the people file, kept beside a policy and never inside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from policies.strict import StrictModel
from policies.written import Slug, UserId

__all__ = ["People", "PeopleFile", "Person", "people_of"]


class PersonEntry(StrictModel):
    """What the file says of one person."""

    roles: tuple[Slug, ...] = Field(default=(), description="Roles of the policy.", examples=["[lead]"])
    groups: tuple[Slug, ...] = Field(default=(), description="Groups that the person may be in.", examples=["[lounge]"])


class PeopleFile(StrictModel):
    """A whole people file."""

    schema_version: Literal[1, 2] = Field(
        alias="schema", description="The version of the language; of people, each says the same.", examples=["1"]
    )
    people: Mapping[UserId, PersonEntry] = Field(
        description="People by user id.", examples=['{"@amina:chat.charity.example": {roles: [lead]}}']
    )


@dataclass(frozen=True, slots=True)
class Person:
    """A person by user id (`@user:server`), with the roles held and the groups approved for."""

    user_id: str
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class People:
    """All people that a community knows of, by user id. Somebody who is not here holds nothing and is approved for nothing."""

    by_id: Mapping[str, Person]

    def get(self, user_id: str) -> Person:
        """Return what is known of a user id; of a stranger, a person without roles and groups."""
        return self.by_id.get(user_id) or Person(user_id)

    def holders(self, role: str) -> tuple[str, ...]:
        """Return the user ids of those who hold a role, sorted."""
        return tuple(sorted(user_id for user_id, person in self.by_id.items() if role in person.roles))


def people_of(file: PeopleFile) -> People:
    """Return the people of a valid file."""
    return People(
        {
            user_id: Person(user_id, frozenset(entry.roles), frozenset(entry.groups))
            for user_id, entry in sorted(file.people.items())
        }
    )
