"""Series add up to the counts, whatever the width of their bins."""

import made_up
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.simulate.measures import Measures
from sluicegate.simulate.measures.series import MOST_BINS, MOST_USER_BINS, step_for
from sluicegate.simulate.policy import parse


def entry_of(world, srs):
    measures = Measures(world)
    for chunk, output in made_up.outputs(world, srs):
        measures.take(chunk, output)
    return measures.summary(made_up.report(world), parse("none"))


@pytest.mark.parametrize("hours", [0.02, 1, 24])
def test_series_add_up_to_the_counts(hours):
    world = made_up.world(seconds=hours * 3600)
    srs = made_up.fates(world, 2000, 1)
    entry = entry_of(world, srs)
    series, total = entry["series"], entry["total"]
    for name, expected in (
        ("offered", total["offered"]),
        ("attempts", total["offered"] + total["retries"]),
        ("delivered", total["delivered"]),
        ("throttled", total["answers"]),
        ("failed", total["failed"]),
        ("admitted", total["offered"] + total["retries"] - total["answers"]),
    ):
        assert len(series[name]) == len(series["t"])
        assert sum(series[name]) * series["step"] == pytest.approx(expected, rel=0.01, abs=len(series["t"]) * 0.05)


def test_series_of_users_show_what_they_send_and_not_what_fires_inside_the_dsp():
    world = made_up.world()
    srs = made_up.fates(world, 2000, 2)
    series = entry_of(world, srs)["series"]
    step = series["users_step"]
    for number, user in enumerate(world.users):
        sent = [
            one
            for one in srs
            if world.flows[one.flow].user == number and not world.kinds[world.flows[one.flow].kind].internal
        ]
        own = series["users"][user.name]
        assert sum(own["offered"]) * step == pytest.approx(len(sent), abs=0.5)
        assert sum(own["delivered"]) * step == pytest.approx(sum(one.state == 0 for one in sent), abs=0.5)
        assert sum(own["throttled"]) * step == pytest.approx(sum(one.throttled for one in sent), abs=0.5)


def test_an_arrival_on_the_edge_of_a_bin_belongs_to_the_bin_that_begins_there():
    world = made_up.world(seconds=180.0)
    srs = [made_up.Fate(0, born, 1.0 + born, 0, True, 1, 0, 0) for born in (0.0, 59.9, 60.0, 119.9, 120.0)]
    counts = [round(rate * 60) for rate in entry_of(world, srs)["series"]["offered"][:4]]
    assert counts == [2, 2, 1, 0]


@given(st.floats(1, 1e7))
def test_there_are_never_more_bins_than_the_most_and_never_narrower_than_a_minute(seconds):
    step = step_for(seconds, MOST_BINS)
    users_step = step_for(seconds, MOST_USER_BINS, step)
    assert step >= 60
    assert users_step % step == 0
    assert np.ceil(seconds / step) <= MOST_BINS
    assert np.ceil(seconds / users_step) <= MOST_USER_BINS


def test_a_day_and_its_drain_are_told_by_the_minute():
    series = entry_of(made_up.world(seconds=86_400.0, drain=3600.0), [])["series"]
    assert (series["step"], series["users_step"]) == (60, 300)
    assert series["users_t"][-1] == 90_000 - 300
