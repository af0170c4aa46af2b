"""What a sweep goes over, and how it is said."""

import pytest

from sluicegate.simulate.study.grid import MOST_RUNS, Parameter, SweepError, check_size, corners, parameter, points


def test_a_range_has_both_ends_and_values_between_them():
    assert parameter("capacity.operating_threshold=0.6..1.0:5") == Parameter(
        "capacity.operating_threshold", (0.6, 0.7, 0.8, 0.9, 1.0)
    )
    assert parameter("a=2..1:2").values == (2.0, 1.0)
    assert parameter("user.Large Supplier A.allocation=-1e1..10:3").values == (-10.0, 0.0, 10.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a=1",
        "a=1..2",
        "a=1..2:1",
        "a=1..2:x",
        "a=1..1:3",
        "=1..2:3",
        "a=..2:3",
        "a=1..nan:3",
        "a=1..inf:3",
        "a=x..2:3",
    ],
)
def test_what_is_no_range_is_told_what_one_is(text):
    with pytest.raises(SweepError, match=r"path=from\.\.to:count"):
        parameter(text)


def test_points_are_all_combinations_the_last_changing_fastest():
    grid = [Parameter("a", (1.0, 2.0)), Parameter("b", (3.0, 4.0))]
    assert [tuple(point.values()) for point in points(grid)] == [(1, 3), (1, 4), (2, 3), (2, 4)]
    assert [tuple(corner.values()) for corner in corners(grid)] == [(1, 3), (2, 3), (1, 4)]


def test_too_many_runs_are_refused_with_how_many_there_would_be():
    grid = [Parameter("a", tuple(map(float, range(100)))), Parameter("b", tuple(map(float, range(100))))]
    assert check_size(grid, 1, 10) == MOST_RUNS
    with pytest.raises(SweepError, match="200,000 runs"):
        check_size(grid, 2, 10)
    with pytest.raises(SweepError, match="999,999 values"):
        parameter("a=0..1:999999")


def test_a_setting_is_swept_once():
    with pytest.raises(SweepError, match="a is swept twice"):
        check_size([Parameter("a", (1.0, 2.0))] * 2, 1, 1)
