"""The service's own configuration file: where things are. What the community is stands in the policy."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from appservice.flow import Ghosts


class BadConfiguration(Exception):
    """A person's mistake in a file, in words they can act on."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class HomeserverSection(_Strict):
    """`name` is the part after the colon of every user id; `url` is where the homeserver listens for clients."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=230)]
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+/?$")]


class ListenSection(_Strict):
    """Where the homeserver reaches us. Loopback only: the token that opens this door is server admin."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)]

    @field_validator("host")
    @classmethod
    def _loopback(cls, host: str) -> str:
        try:
            loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            loopback = host == "localhost"
        if not loopback:
            raise ValueError("must be an address of this machine only, such as 127.0.0.1")
        return host


class LogSection(_Strict):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Config(_Strict):
    """`inglenook.yaml`. Relative paths count from the file's own folder.

    evidence_key: the key that opens what was removed; made at the first start, in the data folder unless said otherwise.
    evidence_recipients: age keys (`age1…`) of the team, each of which opens it too, without us.
    demo: nobody real is here. The key that a demo makes for itself says so, and is a problem anywhere else.
    policy: what is put in force at the first start; without it the service waits for `inglenook apply FILE`.
    """

    homeserver: HomeserverSection
    listen: ListenSection
    registration: Path
    data: Path
    policy: Path | None = None
    people: Path | None = None
    evidence_key: Path | None = None
    evidence_recipients: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=200)], ...], Field(max_length=20)
    ] = ()
    demo: bool = False
    durability: Literal["full", "normal"] = "full"
    log: LogSection = LogSection()

    @property
    def store(self) -> Path:
        return self.data / "inglenook.db"

    @property
    def vault_key(self) -> Path:
        return self.evidence_key or self.data / "vault.key"


class _Namespace(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    regex: Annotated[str, StringConstraints(max_length=500)]

    @field_validator("regex")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error:
            raise ValueError("is no regular expression") from None
        return pattern


class _Namespaces(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    aliases: tuple[_Namespace, ...] = ()


class Registration(BaseModel):
    """What we need of the registration file that the homeserver also reads."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    as_token: Annotated[str, StringConstraints(min_length=16, max_length=200)] = Field(repr=False)
    hs_token: Annotated[str, StringConstraints(min_length=16, max_length=200)] = Field(repr=False)
    sender_localpart: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    namespaces: _Namespaces = _Namespaces()

    @property
    def address_patterns(self) -> tuple[str, ...]:
        """The patterns of the room addresses that the homeserver lets us use."""
        return tuple(alias.regex for alias in self.namespaces.aliases)


def load_config(path: Path) -> Config:
    """Return the configuration at `path`. Raises `BadConfiguration`."""
    data = _read_yaml(path, "Type the command in its folder, or name it with --config.")
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise BadConfiguration(f"{path}: {_first(error)}") from None
    here = path.parent
    moved = {
        name: here / value
        for name in ("registration", "data", "policy", "people", "evidence_key")
        if (value := getattr(config, name)) is not None
    }
    return config.model_copy(update=moved)


def load_registration(path: Path) -> Registration:
    """Return the registration at `path`. Raises `BadConfiguration`, which never quotes a token."""
    data = _read_yaml(path)
    try:
        return Registration.model_validate(data)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise BadConfiguration(f"{path}: “{where}” is missing or not what a registration has there") from None


def _read_yaml(path: Path, where: str = "") -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadConfiguration(f"{path}: there is no such file. {where}".rstrip()) from None
    except OSError as error:
        raise BadConfiguration(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise BadConfiguration(f"{path}: is not UTF-8 text") from None
    if len(text) > 1_000_000:
        raise BadConfiguration(f"{path}: is larger than any configuration (1 MB)")
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        # The parser's own words may quote the line, and with it a token.
        raise BadConfiguration(
            f"{path}, line {line}: not YAML (look at the signs in it, and put texts into quotes)"
        ) from None
    except (yaml.YAMLError, RecursionError):
        raise BadConfiguration(f"{path}: not YAML") from None


def _first(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    return f"“{where}”: {first['msg']}"


def ghosts_of(registration: Registration, server_name: str) -> Ghosts:
    """The user ids we act as; the namespace of the registration holds all but the steward."""
    return Ghosts(
        steward=f"@{registration.sender_localpart}:{server_name}",
        guardian=f"@inglenook-guardian:{server_name}",
        custodian=f"@inglenook-custodian:{server_name}",
    )
