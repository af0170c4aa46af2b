"""In every scenario that is shipped, each SR ends in exactly one state. Two policies each: the quick ones have all.

Any policy over any world is held to it in tests/simulate/engine.
"""

import numpy as np
import pytest

from sluicegate.simulate import scenario
from sluicegate.simulate.policy import parse
from sluicegate.simulate.run import Output, run
from sluicegate.simulate.source import Chunk

POLICIES = ["none", "allocation-first-come", "allocation+own-priority", "imposed-priority+adt", "capacity:1.5+adaptive"]


NAMES = [name for name, _ in scenario.shipped()]


LONG = {"gb-day", "change-of-supplier", "tariff-change", "half-capacity", "firmware-campaign", "many-small-users"}


@pytest.mark.parametrize(
    ("number", "name"),
    [pytest.param(*one, marks=pytest.mark.long if one[1] in LONG else (), id=one[1]) for one in enumerate(NAMES)],
)
def test_every_sr_of_every_scenario_ends_in_exactly_one_state(number, name):
    chosen = scenario.load(name, scale=0.0001)
    for policy in (POLICIES[number % 5], POLICIES[(number + 1) % 5]):
        arrived = np.zeros(len(chosen.world.flows), np.int64)
        ended = np.zeros_like(arrived)

        def take(chunk: Chunk, output: Output, arrived=arrived, ended=ended) -> None:
            np.add.at(arrived, chunk.flows, 1)
            np.add.at(ended, output.delivered.flow, 1)
            np.add.at(ended, output.others.flow, 1)

        run(chosen.world, parse(policy), chosen.source(3), 3, take)
        assert arrived.sum() > 100
        assert np.array_equal(arrived, ended), policy
