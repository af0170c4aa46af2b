"""The plant of the live stand-in and that of the simulation are one: the same fate, at the same time, for each SR."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import world_of
from worlds import Result

from sluicegate.simulate.plant import Fate, Plant, PlantShape
from sluicegate.simulate.policy import parse
from sluicegate.simulate.run import run
from sluicegate.simulate.traffic import listed
from sluicegate.simulate.world import Dsp, Retry, User

GIVEN_UP = 2
AFTER = 200.0

gaps = st.lists(
    st.one_of(st.just(0.0), st.floats(1e-6, 0.02), st.floats(1e-6, 0.5), st.floats(0.5, 15)), min_size=1, max_size=200
)
shapes = st.builds(
    PlantShape,
    capacity=st.floats(2, 200),
    buffer=st.integers(1, 60),
    outage_after=st.one_of(st.floats(0.05, 5), st.just(math.inf)),
    restart=st.floats(0, 10),
    high_mark=st.floats(0.1, 1),
)


def live(shape, times):
    """When each SR was born, ended and how, as the stand-in's plant tells it."""
    plant, ends = Plant(shape), []
    for ticket, now in enumerate(times):
        ends += plant.advance(now)
        fate = plant.arrive(ticket, now)
        if fate is not Fate.HELD:
            ends.append((now, fate, ticket))
    ends += plant.advance(times[-1] + AFTER)
    return [(times[ticket], at, fate is Fate.SERVED) for at, fate, ticket in ends], plant.counts


def simulated(shape, times):
    """The same, as the engine tells it of a User that never tries again."""
    dsp = Dsp(shape.capacity, float(shape.buffer), shape.outage_after, shape.restart, shape.high_mark)
    seconds = times[-1] + 1.0
    of = world_of(seconds, users=(User("A", "IS", 1.0, retry=Retry("none")),), dsp=dsp, drain=AFTER)
    outputs = []
    source = listed(times, np.zeros(len(times), np.int32), seconds=seconds)
    report = run(of, parse("none"), source, 1, lambda _, output: outputs.append(output))
    result = Result(len(times), report, outputs)
    assert (result.joined("others", "state") == GIVEN_UP).all()
    ends = [
        *((born, at, True) for born, at in zip(*columns(result, "delivered"), strict=True)),
        *((born, at, False) for born, at in zip(*columns(result, "others"), strict=True)),
    ]
    return ends, report


def columns(result, group):
    return result.joined(group, "born").tolist(), result.joined(group, "ended").tolist()


@given(shapes, gaps)
@settings(max_examples=60)
def test_the_stand_in_and_the_engine_end_every_sr_alike(shape, gaps):
    times = np.cumsum(gaps).tolist()
    by_plant, counts = live(shape, times)
    by_engine, report = simulated(shape, times)
    assert sorted(by_plant) == sorted(by_engine)
    assert len(by_plant) == len(times)
    assert (counts.refused, counts.outages) == (report.refused, len(report.outages))
    lost = [since for since, until in report.outages]
    assert counts.lost == sum(not served for _, _, served in by_engine) - counts.refused
    assert all(any(since == at for since in lost) or born == at for born, at, served in by_engine if not served)
