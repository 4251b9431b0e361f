"""What Synapse must be told so that a policy's partners can take part: the part of its configuration that a policy decides.

The service cannot change it: it is compiled here, and put in place by who runs the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

from appservice.operations.directory_config import directory_settings, lists_rooms
from policies.federation import homeserver_settings, reach_of_community
from policies.schema import Policy

DEFAULT_PORT = 8008
STEWARD_LOCALPART = "inglenook-steward"
"""The application service's sender: who makes rooms, and puts them into the public list."""

_CLOSED = """\
# Nobody else takes part, so Synapse needs no certificate, no port that the world reaches and no DNS entry for this.
"""
_OPEN = """\
# The proxy in front passes these paths of {server} on to this port, unchanged to the last sign (a path that it decodes
# breaks signatures): /_matrix/federation, /_matrix/key, /_matrix/media and /_matrix/client. It needs a certificate that the
# world trusts. Servers come to port 8448, unless https://{host}/.well-known/matrix/server says {{"m.server": "{host}:443"}}.
# Never pass on /_synapse/admin. More: synapse-config/README.md.
"""

_LISTING = """\
# The public list of rooms: only Inglenook puts rooms there, and only those that the policy lists. Who has an account here
# can search it; who is not signed in, and other servers, cannot, however far the policy opens.
"""
_NO_LIST = """\
# The policy lists no room, so there is no public list of rooms.
"""

__all__ = ["DEFAULT_PORT", "STEWARD_LOCALPART", "dump", "federation_values", "homeserver_snippet", "port_of"]


def federation_values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template of `homeserver.yaml` says of other servers: its settings as text, and its interfaces."""
    federates = settings["federation_domain_whitelist"] != []
    return {
        "federation": dump(settings).strip(),
        "resources": ["client", "federation"] if federates else ["client"],
    }


def homeserver_snippet(policy: Policy, port: int = DEFAULT_PORT) -> str:
    """Return a YAML file for Synapse's folder `conf.d`, with comments. `port`: where Synapse listens on 127.0.0.1."""
    reach = reach_of_community(policy)
    settings = homeserver_settings(reach)
    resources = federation_values(settings)["resources"]
    listener = {
        "port": port,
        "type": "http",
        "tls": False,
        "bind_addresses": ["127.0.0.1"],
        "x_forwarded": True,
        "resources": [{"names": resources, "compress": False}],
    }
    server = policy.community.server
    comment = _OPEN.format(server=server, host=server.partition(":")[0]) if reach.federates else _CLOSED
    head = (
        f"# Other servers, as the policy of {policy.community.id} has it: {reach.mode}. Made by `inglenook homeserver-config`.\n"
        "# Put it among Synapse's configuration (a later file goes before an earlier one), and restart Synapse.\n"
    )
    listing = lists_rooms(policy)
    directory = directory_settings(f"@{STEWARD_LOCALPART}:{server}", listing=listing)
    shown = f"{_LISTING if listing else _NO_LIST}{dump(directory)}"
    return f"{head}{dump(settings)}{comment}{dump({'listeners': [listener]})}{shown}"


def port_of(url: str) -> int:
    """Return the port of a homeserver's address for clients."""
    return urlsplit(url).port or DEFAULT_PORT


def dump(values: Mapping[str, Any]) -> str:
    """Return settings as YAML, in their order."""
    return yaml.safe_dump(dict(values), sort_keys=False)
