import os

import pytest
from bench.soak import FILES_LIMIT, SLOPE_LIMIT, Reading, judge, read_now, slope
from hypothesis import given
from hypothesis import strategies as st


def readings(rss_at, seconds=600, files=20):
    return [Reading(float(second), int(rss_at(second)), files) for second in range(seconds)]


def verdict(found, *, files_after=20, stopped_with=0):
    return judge(found, Reading(0, 0, 20), Reading(603, 0, files_after), stopped_with)


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.integers(4, 200))
def test_the_slope_of_a_line_is_its_slope(rise, start, count):
    points = [(float(at), start + rise * at) for at in range(count)]
    assert slope(points) == pytest.approx(rise, abs=1e-6)


def test_a_few_spikes_do_not_move_the_slope():
    points = [(float(at), 1e6 if at % 10 == 9 else 50_000.0) for at in range(200)]
    assert slope(points) == 0.0


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_slope_needs_points(count):
    with pytest.raises(ValueError, match="four points"):
        slope([(float(at), 0.0) for at in range(count)])


def test_level_memory_is_flat():
    assert verdict(readings(lambda second: 60_000 + second % 7)).flat


def test_growth_during_the_warm_up_is_not_held_against_it():
    assert verdict(readings(lambda second: 40_000 + min(second, 100) * 200)).flat


def test_a_steady_leak_is_found():
    leak = (SLOPE_LIMIT + 20) / 60  # KiB a second
    found = verdict(readings(lambda second: 60_000 + leak * second))
    assert not found.flat
    assert found.slope_kib_per_minute == pytest.approx(SLOPE_LIMIT + 20, rel=0.02)


def test_files_left_open_are_found():
    assert verdict(readings(lambda _: 60_000), files_after=20 + FILES_LIMIT).flat
    assert not verdict(readings(lambda _: 60_000), files_after=21 + FILES_LIMIT).flat


@pytest.mark.parametrize("code", [None, 1, -9])
def test_a_gateway_that_does_not_end_cleanly_fails(code):
    assert not verdict(readings(lambda _: 60_000), stopped_with=code).flat


def test_a_reading_sees_memory_and_files_of_a_process(tmp_path):
    before = read_now(os.getpid(), 0.0)
    with (tmp_path / "one").open("w"), (tmp_path / "two").open("w"):
        during = read_now(os.getpid(), 0.0)
    assert before.rss_kib > 1000
    assert during.files == before.files + 2
