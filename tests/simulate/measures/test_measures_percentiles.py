"""Percentiles out of bins are within the stated bound of those out of the times themselves."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.simulate.measures.histogram import BINS, EDGES, ERROR, HIGHEST, LOWEST, bins, percentiles

PARTS = (0.0, 0.5, 0.95, 0.99, 1.0)
between = st.floats(LOWEST, HIGHEST, exclude_max=True)


def of(times):
    counts = np.bincount(bins(np.array(times, np.float64)), minlength=BINS)
    return percentiles(counts[None, :], PARTS)[0]


@given(st.lists(between, min_size=1, max_size=200))
def test_a_percentile_is_wrong_by_a_sixteenth_of_itself_at_most(times):
    exact = np.percentile(times, [100 * part for part in PARTS])
    assert (np.abs(of(times) - exact) <= ERROR * exact * (1 + 1e-9)).all()


@given(st.lists(st.floats(0, LOWEST), min_size=1, max_size=50))
def test_below_a_millisecond_it_is_wrong_by_a_millisecond_at_most(times):
    assert (np.abs(of(times) - np.percentile(times, [100 * part for part in PARTS])) <= LOWEST).all()


def test_many_times_of_one_distribution_are_found_much_closer_than_the_bound():
    times = np.random.default_rng(1).lognormal(3, 1, 100_000)
    exact = np.percentile(times, [50, 95, 99])
    assert np.allclose(of(times)[1:4], exact, rtol=0.01)


@given(between)
def test_a_time_lies_between_the_edges_of_its_bin(time):
    place = int(bins(np.array([time]))[0])
    assert EDGES[place] <= time < EDGES[place + 1]


def test_edges_belong_to_the_bin_above():
    inner = EDGES[1:-1]
    assert bins(inner).tolist() == list(range(1, BINS))


def test_times_out_of_range_are_counted_at_the_ends():
    assert bins(np.array([-1.0, 0.0, 1e-9, HIGHEST, 1e9])).tolist() == [0, 0, 0, BINS - 1, BINS - 1]
    assert of([1e9])[1] == HIGHEST


def test_what_counts_nothing_has_no_percentile():
    assert np.isnan(percentiles(np.zeros((3, BINS), np.int64), PARTS)).all()
    assert percentiles(np.zeros((0, BINS), np.int64), PARTS).shape == (0, len(PARTS))
