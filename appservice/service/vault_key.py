"""The key that opens evidence: made at the first start. That of a demo says so, and is reported where it is no demo."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from appservice.service.config import Config
from appservice.vault import AgeVault

#: By these words a demo's key is known.
_KNOWN_BY: Final = "made for a demo or a test"
#: What stands in a demo's key, for whoever opens the file.
DEMO_MARK: Final = f"DEMO KEY: {_KNOWN_BY}, and for nothing else.\nIt protects nobody: never use it for real people."


def make_key(config: Config) -> str:
    """Make the key of a service in its file, of mode 0600; return its public half. Raises `OSError`."""
    return AgeVault.make_key(config.vault_key, DEMO_MARK if config.demo else "")


def is_of_a_demo(key: Path) -> bool:
    """Return whether a file holds a demo's key; False where none can be read."""
    return _KNOWN_BY in AgeVault.mark_of(key).lower()


def misused(config: Config) -> str | None:
    """Return the problem of a service for real people whose evidence a demo's key opens, None where all is well."""
    if config.demo or not is_of_a_demo(config.vault_key):
        return None
    return (
        f"the key that opens evidence was made for a demo ({config.vault_key.name}) and protects nobody: "
        "begin with a data folder of your own, where the first start makes a new key"
    )
