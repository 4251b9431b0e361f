"""What the chaos tests measured, printed at the end of a run: promises are judged in `benchmarks/`, told here."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_told = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the lines."""
    config.stash[_told] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print them."""
    if config.stash[_told]:
        terminalreporter.section("what the chaos tests measured")
        for line in config.stash[_told]:
            terminalreporter.write_line(line)


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a line for the end of the run."""
    lines = request.config.stash[_told]
    return lambda line: lines.append(f"{request.node.name}: {line}")
