"""Jain's index, and what it is an index of."""

from dataclasses import replace

import made_up
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.simulate.measures.fairness import jain, overload_parts, share_out
from sluicegate.simulate.world import Dsp

amounts = st.lists(st.tuples(st.floats(0, 1000), st.floats(0.1, 100)), min_size=1, max_size=12)


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=30))
def test_the_index_lies_between_one_part_and_one(parts):
    assert 1 / len(parts) - 1e-9 <= jain(np.array(parts)) <= 1 + 1e-9


def test_the_index_is_1_where_all_are_alike_and_a_part_where_one_has_all():
    assert jain(np.full(7, 0.3)) == pytest.approx(1)
    assert jain(np.array([5.0, 0, 0, 0])) == pytest.approx(0.25)
    assert jain(np.array([50.0, 50, 30, 30])) == pytest.approx(160**2 / (4 * 6800))
    assert jain(np.zeros(3)) is None


@given(amounts, st.floats(0, 5000))
def test_sharing_out_gives_all_there_is_and_nobody_more_than_it_wants(users, room):
    demand, weights = (np.array(column) for column in zip(*users, strict=True))
    got = share_out(demand, weights, room)
    assert (got <= demand + 1e-9).all()
    assert got.sum() == pytest.approx(min(room, demand.sum()), abs=1e-6)


@given(amounts, st.floats(0, 5000))
def test_sharing_out_is_max_min_whoever_lacks_has_as_much_by_weight_as_anybody(users, room):
    demand, weights = (np.array(column) for column in zip(*users, strict=True))
    got = share_out(demand, weights, room)
    lacking = got < demand - 1e-6
    if lacking.any():
        level = (got / weights)[lacking]
        assert level.min() >= (got / weights).max() - 1e-6 * max(1.0, level.max())


def parts(offered, delivered, **changes):
    world = made_up.world(users=len(offered), **changes)  # allocations 1, 2, 3 ...; 80 SR/s are the threshold
    return overload_parts(world, np.array(offered), np.array(delivered), 60.0)


def test_whoever_has_its_fair_part_has_all_however_much_it_asked_for():
    greedy, small = [48_000, 0], [600, 600]
    fair = 4800 - 600
    assert parts([small, greedy], [small, [fair, fair]]).tolist() == [1, 1]


def test_more_than_the_fair_part_is_not_counted_against_anybody():
    assert parts([[600, 600], [48_000, 0]], [[600, 600], [40_000, 0]]).tolist() == [1, 1]


def test_what_a_small_user_lacks_while_a_greedy_one_is_served_is_told():
    found = parts([[600, 600], [48_000, 0]], [[60, 60], [4740, 4740]])
    assert found.tolist() == pytest.approx([0.1, 1])


def test_without_overload_the_whole_run_counts():
    assert parts([[600, 0], [600, 0]], [[300, 0], [600, 0]]).tolist() == [0.5, 1]


def test_what_a_failing_dsp_cannot_do_is_nobodys_fair_part():
    world = replace(made_up.world(users=2), dsp=Dsp(100.0, 200.0, changes=((0.0, 0.3),)))
    offered, delivered = np.array([[1800, 0], [1800, 0]]), np.array([[900, 900], [450, 900]])
    assert overload_parts(world, offered, delivered, 60.0).tolist() == pytest.approx([1, 0.5])


def test_users_who_asked_for_nothing_do_not_count():
    assert len(parts([[600, 0], [0, 0], [600, 0]], [[600, 0], [0, 0], [600, 0]])) == 2
