"""The command `inglenook`. `serve` is dispatched before the command line's libraries are imported: seconds count."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command given on the command line and exit with its status."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["serve"] and "--help" not in arguments:
        from appservice.service.serve import main as serve

        sys.exit(serve(arguments[1:]))
    from appservice.cli import app

    app()


if __name__ == "__main__":
    main()
