"""Every figure of the README, each a ratio against a floor measured in the same run: `python -m benchmarks`."""

from __future__ import annotations
