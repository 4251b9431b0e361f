"""Medians, percentiles and spreads of samples. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

__all__ = ["Summary", "percentile", "spread", "summarise"]


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the samples lie, interpolated between the two nearest ranks.

    Raises ValueError without samples, or for a share outside 0 to 1.
    """
    if not samples or not 0 <= share <= 1:
        raise ValueError("a percentile needs samples, and a share between 0 and 1")
    ranked = sorted(samples)
    place = (len(ranked) - 1) * share
    below = int(place)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (ranked[above] - ranked[below]) * (place - below)


def spread(values: Sequence[float]) -> float:
    """Return how far repetitions lie apart: (largest - smallest) / median; 0 for a single one, or where all are 0."""
    middle = median(values) if values else 0.0
    return (max(values) - min(values)) / middle if middle else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What samples come to, in `unit`. `spread` is that of the repetitions' medians, `repetitions` holds these."""

    unit: str
    n: int
    median: float
    p95: float
    least: float
    most: float
    spread: float
    repetitions: tuple[float, ...]

    def record(self) -> dict[str, Any]:
        """Return it as JSON has it, rounded to what the clock can tell."""
        fields = asdict(self)
        fields["min"], fields["max"] = fields.pop("least"), fields.pop("most")
        fields["repetitions"] = [rounded(value) for value in self.repetitions]
        return {name: rounded(value) if isinstance(value, float) else value for name, value in fields.items()}


def summarise(unit: str, repetitions: Sequence[Sequence[float]]) -> Summary:
    """Return the summary of all samples together; one inner sequence a repetition, empty ones are left out.

    Raises ValueError if there is no sample at all.
    """
    filled = [list(samples) for samples in repetitions if samples]
    pooled = [sample for samples in filled for sample in samples]
    if not pooled:
        raise ValueError("nothing was measured")
    medians = tuple(median(samples) for samples in filled)
    return Summary(
        unit, len(pooled), median(pooled), percentile(pooled, 0.95), min(pooled), max(pooled), spread(medians), medians
    )


def rounded(value: float) -> float:
    """Return `value` with four significant digits."""
    return float(f"{value:.4g}")
