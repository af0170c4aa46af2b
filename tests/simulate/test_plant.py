import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.simulate.plant import Fate, Plant, PlantShape, State

gaps = st.lists(
    st.one_of(st.just(0.0), st.floats(0, 0.05), st.floats(0, 0.5), st.floats(0, 20)), min_size=1, max_size=300
)
shapes = st.builds(
    PlantShape,
    capacity=st.floats(0.5, 200),
    buffer=st.integers(1, 60),
    outage_after=st.one_of(st.floats(0.05, 5), st.just(math.inf)),
    restart=st.floats(0, 10),
    high_mark=st.floats(0.1, 1),
)


class Watch:
    """Drives a plant event by event and notes, independently of it, how long it was overloaded."""

    def __init__(self, shape):
        self.shape = shape
        self.plant = Plant(shape)
        self.fates = {}
        self.served_at = []
        self.overloaded_since = None
        self.ended_overloads = []  # (since, until, whether what was held was lost)
        self.lost_before = 0

    def to(self, now):
        while (at := self.plant.next_event()) <= now:
            self._take(self.plant.advance(at), at)
        self._take(self.plant.advance(now), now)

    def _take(self, done, at):
        for when, fate, ticket in done:
            assert when == at
            assert ticket not in self.fates
            self.fates[ticket] = fate
            if fate is Fate.SERVED:
                self.served_at.append(when)
        self._watch(at)

    def _watch(self, at):
        over = self.plant.held >= self.shape.mark
        if over and self.overloaded_since is None:
            self.overloaded_since = at
        elif not over and self.overloaded_since is not None:
            lost = sum(fate is Fate.LOST for fate in self.fates.values()) > self.lost_before
            self.ended_overloads.append((self.overloaded_since, at, lost))
            self.overloaded_since = None
        self.lost_before = sum(fate is Fate.LOST for fate in self.fates.values())

    def arrive(self, ticket, now):
        self.to(now)
        fate = self.plant.arrive(ticket, now)
        if fate is not Fate.HELD:
            self.fates[ticket] = fate
        self._watch(now)


def driven(shape, gaps):
    watch, now = Watch(shape), 0.0
    for ticket, gap in enumerate(gaps):
        now += gap
        watch.arrive(ticket, now)
    return watch, now


@given(shapes, gaps)
def test_every_arrival_ends_served_refused_or_lost(shape, gaps):
    watch, now = driven(shape, gaps)
    counts = watch.plant.counts
    assert counts.arrived == counts.served + counts.refused + counts.lost + watch.plant.held
    watch.to(now + len(gaps) / shape.capacity + 100)
    assert watch.plant.held == 0
    assert sorted(watch.fates) == list(range(len(gaps)))
    ends = list(watch.fates.values())
    assert (counts.served, counts.refused, counts.lost) == tuple(
        ends.count(fate) for fate in (Fate.SERVED, Fate.REFUSED, Fate.LOST)
    )


@given(shapes, gaps)
def test_no_window_serves_more_than_capacity_and_one(shape, gaps):
    watch, now = driven(shape, gaps)
    watch.to(now + len(gaps) / shape.capacity + 100)
    served = watch.served_at
    for first in range(len(served)):
        for last in range(first, min(len(served), first + 80)):
            window = served[last] - served[first]
            assert last - first + 1 <= shape.capacity * window + 1 + 1e-6


@given(shapes, gaps)
def test_an_outage_happens_if_and_only_if_overload_lasted_the_configured_time(shape, gaps):
    watch, now = driven(shape, gaps)
    watch.to(now + len(gaps) / shape.capacity + 100)
    outages = 0
    for since, until, failed in watch.ended_overloads:
        outages += failed
        if failed:
            assert until == since + shape.outage_after
        else:
            assert until <= since + shape.outage_after
    assert watch.plant.counts.outages == outages


@given(shapes, gaps)
def test_service_is_first_in_first_out(shape, gaps):
    watch, now = driven(shape, gaps)
    watch.to(now + len(gaps) / shape.capacity + 100)
    served = [ticket for ticket, fate in watch.fates.items() if fate is Fate.SERVED]
    assert served == sorted(served)


@given(shapes, gaps, st.lists(st.floats(0, 3), max_size=30))
@settings(max_examples=50)
def test_looking_at_the_plant_changes_nothing(shape, gaps, looks):
    seldom, often, now = Plant(shape), Plant(shape), 0.0
    for ticket, gap in enumerate(gaps):
        now += gap
        for part in sorted(looks):
            if part < gap:
                often.advance(now - gap + part)
        often.advance(now)
        seldom.advance(now)
        assert seldom.arrive(ticket, now) is often.arrive(ticket, now)
    assert (seldom.counts, seldom.state, seldom.held) == (often.counts, often.state, often.held)


def test_a_single_request_takes_one_over_capacity():
    plant = Plant(PlantShape(capacity=4, buffer=2))
    assert plant.arrive("a", 1.0) is Fate.HELD
    assert plant.advance(1.2) == []
    assert plant.advance(2.0) == [(1.25, Fate.SERVED, "a")]


def test_a_full_buffer_refuses_and_holds_what_it_has():
    plant = Plant(PlantShape(capacity=1, buffer=2))
    assert [plant.arrive(n, 0.0) for n in range(3)] == [Fate.HELD, Fate.HELD, Fate.REFUSED]
    assert plant.held == 2


def test_an_outage_loses_what_is_held_and_what_arrives_until_the_restart():
    plant = Plant(PlantShape(capacity=0.1, buffer=2, outage_after=3, restart=5))
    for ticket in "ab":
        plant.arrive(ticket, 0.0)
    assert plant.state is State.OVERLOADED
    assert plant.advance(4.0) == [(3.0, Fate.LOST, "a"), (3.0, Fate.LOST, "b")]
    assert plant.state is State.DOWN
    assert plant.arrive("c", 7.9) is Fate.LOST
    plant.advance(8.0)
    assert plant.state is State.UP
    assert plant.arrive("d", 8.0) is Fate.HELD
    assert plant.down_seconds(20.0) == 5.0
    assert plant.counts.outages == 1


def test_the_cold_start_is_empty_and_serves_at_the_usual_rate():
    plant = Plant(PlantShape(capacity=1, buffer=3, outage_after=0.5, restart=1, high_mark=1))
    for ticket in range(3):
        plant.arrive(ticket, 0.0)
    plant.advance(1.5)
    plant.arrive("first", 1.6)
    assert plant.advance(3.0) == [(2.6, Fate.SERVED, "first")]


def test_down_seconds_run_on_while_the_outage_lasts():
    plant = Plant(PlantShape(capacity=0.1, buffer=1, outage_after=1, restart=10))
    plant.arrive("a", 0.0)
    plant.advance(4.0)
    assert plant.down_seconds(4.0) == 3.0


def test_a_clock_that_jumps_back_serves_nothing_early():
    plant = Plant(PlantShape(capacity=1, buffer=3))
    plant.advance(10.0)
    plant.arrive("a", 2.0)
    assert plant.advance(10.5) == []
    assert plant.advance(11.0) == [(11.0, Fate.SERVED, "a")]


def test_an_arrival_before_the_past_is_collected_is_a_mistake_that_is_told():
    plant = Plant(PlantShape(capacity=1, buffer=3))
    plant.arrive("a", 0.0)
    with pytest.raises(RuntimeError, match="advance"):
        plant.arrive("b", 5.0)


@pytest.mark.parametrize(
    ("figure", "wrong"),
    [
        ("capacity", {"capacity": 0}),
        ("capacity", {"capacity": math.inf}),
        ("capacity", {"capacity": math.nan}),
        ("buffer", {"buffer": 0}),
        ("outage_after", {"outage_after": 0}),
        ("restart", {"restart": -1}),
        ("high_mark", {"high_mark": 0}),
        ("high_mark", {"high_mark": 1.1}),
    ],
)
def test_an_impossible_plant_is_refused_by_the_name_of_the_figure(figure, wrong):
    with pytest.raises(ValueError, match=figure):
        PlantShape(**({"capacity": 1, "buffer": 1} | wrong))
