"""What all commands share: the app, where they print, options that several have, and how a mistake ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

# What asks a service or a homeserver is imported by the commands that do: `check` alone is typed again and again.
if TYPE_CHECKING:
    from appservice.service.config import Config

app = typer.Typer(
    name="inglenook",
    help="A federated community server for charities, on Matrix.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The service's configuration file.")]
PolicyArgument = Annotated[Path | None, typer.Argument(help="The policy file; else the one of the configuration.")]
DEFAULT_CONFIG = Path("inglenook.yaml")
FAILED, BAD_INPUT = 1, 2


def configured(path: Path) -> Config:
    """Return the service's configuration. Raises `typer.Exit` if it is a bad one."""
    from appservice.service.config import BadConfiguration, load_config

    try:
        return load_config(path)
    except BadConfiguration as error:
        raise bad(str(error)) from None


def bad(message: str) -> typer.Exit:
    """Say what is wrong with what was typed; return how to end."""
    err.print(f"inglenook: {message}", markup=False)
    return typer.Exit(BAD_INPUT)
