"""What an embedded homeserver is told: a frozen value, and the three files that are rendered from it.

Templates lie in `synapse-config/`; secrets are files beside the rendered configuration, never lines in it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import yaml

from appservice.operations.directory_config import directory_settings
from appservice.operations.errors import OperationFailed
from appservice.operations.federation_config import STEWARD_LOCALPART, dump, federation_values
from appservice.operations.files import data_path, private_folder, secret_file, write_private
from policies.federation import settings_for

SENDER_LOCALPART = STEWARD_LOCALPART
SECRETS = ("macaroon", "form", "registration")


@dataclass(frozen=True)
class HomeserverConfig:
    """One homeserver on 127.0.0.1 with all that it has in one folder.

    - `directory`: holds configuration, secrets, database, media and log; made if missing, mode 0700
    - `server_name`: the part after the colon in every id, for ever; needs no DNS entry where there is no federation
    - `port`: TCP port for clients; `appservice_url`: where events are pushed to, e.g. `http://127.0.0.1:29328`
    - `python`: the executable that `environment.ensure_synapse` returned
    - `durable`: False lets the last commits be lost with the machine's power (not with a crash or SIGKILL); each
      message is then accepted sooner. For the demo and tests only.
    - `alias_regexes`: the room addresses that are ours alone, e.g. `^#inglenook-.*:demo\\.example$`
    - `partners`: the servers that it talks to; none, or None for any
    - `log_level`: of Synapse's log; message bodies are not written at `WARNING` or `INFO`
    - `overrides`: merged over the rendered YAML (mappings key by key, anything else replaced)
    """

    directory: Path
    server_name: str
    port: int
    appservice_url: str
    python: Path
    durable: bool = True
    alias_regexes: tuple[str, ...] = ()
    partners: tuple[str, ...] | None = ()
    log_level: str = "WARNING"
    profile: str = "embedded-sqlite"
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Base URL for clients, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def homeserver_file(self) -> Path:
        """Synapse's rendered configuration."""
        return self.directory / "homeserver.yaml"

    @property
    def registration_file(self) -> Path:
        """The application service's registration; holds both tokens."""
        return self.directory / "registration.yaml"

    @property
    def database_file(self) -> Path:
        """The SQLite database (`-wal` and `-shm` lie beside it while the homeserver runs)."""
        return self.directory / "homeserver.db"

    @property
    def signing_key_file(self) -> Path:
        """The server's identity towards others; made by Synapse itself at its first start."""
        return self.directory / "signing.key"

    @property
    def registration_secret_file(self) -> Path:
        """Who holds this secret may make accounts, administrators included."""
        return self.directory / "secrets" / "registration"

    @property
    def python_path(self) -> Path | None:
        """A folder that goes before Synapse's own modules: what makes SQLite less durable, if that was asked for."""
        return None if self.durable else self.directory / "relaxed-durability"

    @property
    def log_file(self) -> Path:
        """Synapse's log; older ones end in `.1`, `.2`, `.3`."""
        return self.directory / "logs" / "homeserver.log"

    @property
    def console_file(self) -> Path:
        """What Synapse printed before its log was set up, e.g. that its configuration is wrong."""
        return self.directory / "logs" / "console.log"


@dataclass(frozen=True)
class Registration:
    """What the homeserver and the application service know of each other. Tokens never show in a `repr`."""

    sender: str
    url: str
    as_token: str = field(repr=False)
    hs_token: str = field(repr=False)


def write_configuration(config: HomeserverConfig) -> Registration:
    """Render all files of `config` into its folder. Secrets and tokens that are there already are kept.

    Raises: `OperationFailed` if an existing registration cannot be read.
    """
    private_folder(config.directory)
    for name in ("secrets", "media", "logs"):
        private_folder(config.directory / name)
    for name in SECRETS:
        secret_file(config.directory / "secrets" / name)
    if config.registration_file.exists():
        known = read_registration(config)
        as_token, hs_token = known.as_token, known.hs_token
    else:
        as_token, hs_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    write_private(config.registration_file, render_registration(config, as_token=as_token, hs_token=hs_token))
    write_private(config.directory / "log.yaml", render_log(config))
    write_private(config.homeserver_file, render_homeserver(config))
    if config.python_path:
        # A copy: Python leaves byte code beside it, which does not belong into the installed program.
        private_folder(config.python_path)
        template = data_path("synapse_config") / "relaxed-durability" / "sitecustomize.py"
        write_private(config.python_path / template.name, template.read_text(encoding="utf-8"))
    return read_registration(config)


def read_registration(config: HomeserverConfig) -> Registration:
    """Read the tokens from the registration file. Raises: `OperationFailed` if it is missing or not one of ours."""
    try:
        content = yaml.safe_load(config.registration_file.read_text(encoding="utf-8"))
        return Registration(
            sender=f"@{content['sender_localpart']}:{config.server_name}",
            url=content["url"],
            as_token=content["as_token"],
            hs_token=content["hs_token"],
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        # The parser's message would quote the line, and with it a token: only its kind is told.
        raise OperationFailed(
            f"{config.registration_file} is missing or damaged ({type(error).__name__}): put back a copy of it, "
            "or delete it so that new tokens are made."
        ) from None


def render_homeserver(config: HomeserverConfig) -> str:
    """The text of `homeserver.yaml`: base, profile and overrides merged. Reads the templates only."""
    values = {
        "directory": str(config.directory.absolute()),
        "server_name": config.server_name,
        "port": config.port,
        "public_baseurl": f"{config.url}/",
        **federation_values(settings_for(config.partners)),
        "directory_settings": dump(directory_settings(f"@{SENDER_LOCALPART}:{config.server_name}")),
    }
    merged: Mapping[str, Any] = {}
    for template in ("base.yaml.j2", f"profiles/{config.profile}.yaml.j2"):
        merged = merge(merged, yaml.safe_load(_render(template, values)))
    return yaml.safe_dump(_plain(merge(merged, config.overrides)), sort_keys=False, allow_unicode=True)


def render_log(config: HomeserverConfig) -> str:
    """The text of Synapse's logging configuration."""
    return _render("log.yaml.j2", {"directory": str(config.directory.absolute()), "level": config.log_level})


def render_registration(config: HomeserverConfig, *, as_token: str, hs_token: str) -> str:
    """The text of the registration, in the format of the specification (Application Service API, "Registration")."""
    return _render(
        "registration.yaml.j2",
        {
            "appservice_url": config.appservice_url,
            "as_token": as_token,
            "hs_token": hs_token,
            "sender_localpart": SENDER_LOCALPART,
            "user_regex": f"^@inglenook-.*:{re.escape(config.server_name)}$",
            "alias_regexes": config.alias_regexes,
        },
    )


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid on top: mappings key by key, anything else (lists too) replaced. Neither is changed."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _plain(value: Any) -> Any:
    """The same data in the types that YAML knows (a caller may hand in tuples, paths or other mappings)."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _render(template: str, values: Mapping[str, Any]) -> str:
    # Every value goes through `tojson`, and JSON is YAML: quoting is not left to luck, and HTML escaping is not wanted.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_path("synapse_config")),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(),
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(values)
