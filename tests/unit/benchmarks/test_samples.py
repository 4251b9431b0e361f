"""The figures in the README are only as right as the sums behind them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import Bar, Figure, write
from benchmarks.intake import fifths
from benchmarks.reaction import is_void
from benchmarks.samples import percentile, rounded, spread, summarise

SAMPLES = st.lists(st.floats(min_value=0, max_value=1e6), min_size=2, max_size=50)


def test_a_percentile_lies_between_the_two_samples_nearest_to_it() -> None:
    assert percentile([10, 20, 30, 40, 50], 0.5) == 30
    assert percentile([50, 10, 40, 20, 30], 0.95) == pytest.approx(48)
    assert percentile([7], 0.95) == 7


@given(SAMPLES)
def test_percentiles_agree_with_the_standard_library(samples: list[float]) -> None:
    wanted = quantiles(samples, n=20, method="inclusive")
    assert [percentile(samples, n / 20) for n in range(1, 20)] == pytest.approx(wanted)


@given(SAMPLES)
def test_percentiles_never_leave_the_samples_and_never_fall(samples: list[float]) -> None:
    values = [percentile(samples, share / 10) for share in range(11)]
    assert values[0] == min(samples)
    assert values[-1] == max(samples)
    assert all(before <= after or before == pytest.approx(after) for before, after in pairwise(values))


@pytest.mark.parametrize(("samples", "share"), [([], 0.5), ([1.0], -0.1), ([1.0], 1.1)])
def test_a_percentile_of_nothing_or_beyond_everything_is_refused(samples: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(samples, share)


def test_a_summary_pools_all_repetitions_and_tells_how_far_they_lie_apart() -> None:
    summary = summarise("ms", [[10, 20, 30], [], [20, 30, 40]])
    assert (summary.n, summary.median, summary.least, summary.most) == (6, 25, 10, 40)
    assert summary.repetitions == (20, 30)
    assert summary.spread == pytest.approx(10 / 25)


def test_a_single_repetition_and_repetitions_of_nothing_but_zeros_have_no_spread() -> None:
    assert spread([5.0]) == 0
    assert spread([0.0, 0.0]) == 0


def test_a_summary_of_nothing_is_an_error_and_never_a_good_figure() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        summarise("ms", [[], []])


def test_a_bar_holds_on_its_limit_and_says_by_how_much_it_is_missed() -> None:
    assert Bar("ratio", 1.3, at_most=1.3).holds
    missed = Bar("ratio", 1.56, at_most=1.3)
    assert not missed.holds
    assert missed.verdict() == "MISSED by 0.26 (20%): 1.56 ≤ 1.3 does not hold"
    assert Bar("rate", 2400, at_least=3000).verdict() == "MISSED by 600 (20%): 2400 ≥ 3000 does not hold"


def test_what_could_not_be_measured_does_not_hold() -> None:
    bar = Bar("ratio", None, at_most=1.3)
    assert not bar.holds
    assert bar.verdict() == "not measured"


def test_a_bar_at_zero_that_is_missed_is_told_without_a_share() -> None:
    assert Bar("missed", 2, at_most=0).verdict() == "MISSED by 2: 2 ≤ 0 does not hold"


def test_a_floor_far_behind_the_raw_round_trip_makes_a_run_void() -> None:
    assert not is_void(floor_ms=56, raw_ms=40)
    assert is_void(floor_ms=56.1, raw_ms=40)


def test_fifths_use_every_sample_once_in_their_order() -> None:
    assert fifths([1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5]) == [1, 2, 3, 4, 5]
    assert sum(fifths(list(range(103)), len)) == 103


def test_figures_are_rounded_to_what_a_clock_can_tell() -> None:
    assert rounded(46.123456) == 46.12
    assert rounded(0.00123456) == 0.001235


def test_a_written_figure_says_how_it_was_measured_and_whether_it_may_be_quoted(tmp_path: Path) -> None:
    figure = Figure("reaction", {"ours": summarise("ms", [[30.0, 40.0]])}, bars=[Bar("ratio", 1.5, at_most=1.3)])
    written = json.loads(write(figure, tmp_path, {"cores": 2}, quick=True, took_s=1.0).read_text(encoding="utf-8"))
    assert written["measures"]["ours"] == {
        "unit": "ms",
        "n": 2,
        "median": 35.0,
        "p95": 39.5,
        "min": 30.0,
        "max": 40.0,
        "spread": 0.0,
        "repetitions": [35.0],
    }
    assert written["holds"] is False
    assert written["quotable"] is False
    assert any("not for quoting" in note for note in written["notes"])
