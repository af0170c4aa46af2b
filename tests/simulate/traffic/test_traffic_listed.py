"""A list of arrivals is a source like any other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.simulate.traffic import listed

rising = st.lists(st.floats(0, 500), max_size=40).map(sorted)


@given(times=rising, length=st.floats(0.5, 100))
def test_what_is_listed_comes_out_in_gapless_chunks(times, length):
    source = listed(times, range(len(times)), length)
    at, seen = 0.0, []
    for chunk in source.chunks():
        assert chunk.start == at
        assert ((chunk.times >= chunk.start) & (chunk.times < chunk.end)).all()
        seen += zip(chunk.times.tolist(), chunk.flows.tolist(), strict=True)
        at = chunk.end
    assert seen == list(zip(times, range(len(times)), strict=True))
    assert source.expected == len(times)


def test_it_ends_where_it_is_told_to():
    chunks = list(listed([1.0, 61.0], [0, 1], 60, seconds=100).chunks())
    assert [(chunk.start, chunk.end, len(chunk.times)) for chunk in chunks] == [(0, 60, 1), (60, 100, 1)]
    assert [chunk.end for chunk in listed([], [], seconds=90).chunks()] == [60, 90]


def test_the_list_may_be_changed_afterwards():
    times = np.array([1.0, 2.0])
    source = listed(times, [0, 0])
    times[0] = 99
    assert next(iter(source.chunks())).times.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("times", "flows", "options", "message"),
    [
        ([1.0, 0.5], [0, 0], {}, "must not fall"),
        ([-1.0], [0], {}, "0 or more"),
        ([float("nan")], [0], {}, "finite"),
        ([1.0], [0, 1], {}, "as many times as flows"),
        ([1.0], [0], {"chunk_seconds": 0}, "above 0"),
        ([5.0], [0], {"seconds": 5.0}, "before the end"),
    ],
)
def test_a_list_that_cannot_be_is_refused(times, flows, options, message):
    with pytest.raises(ValueError, match=message):
        listed(times, flows, **options)
