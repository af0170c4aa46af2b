import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.simulate.demo.figures import (
    in_time_shares,
    offered_rates,
    outages,
    quantile,
    result,
    service,
)
from sluicegate.simulate.demo.record import Moment, RunRecord
from sluicegate.simulate.demo.scenario import Scenario
from sluicegate.simulate.demo.statuses import DspStatus, GatewayStatus
from sluicegate.simulate.sender import Journey, Outcome


def delivered(user, intended, after):
    return Journey(user, intended, 1, 0, Outcome.DELIVERED, intended + after)


WAITING = Journey(0, 1.0, 1, 1, Outcome.THROTTLED)
GIVEN_UP = Journey(0, 1.0, 4, 0, Outcome.FAILED, None, given_up=True)
UNANSWERED = Journey(0, 1.0, 1, 0, None)


def test_a_request_counts_once_as_delivered_waiting_or_lost():
    got = service([delivered(0, 1, 0.5), delivered(0, 1, 3), delivered(0, 1, 9), WAITING, GIVEN_UP, UNANSWERED], 2)
    assert (got.sent, got.waiting, got.lost, got.throttled) == (6, 1, 2, 1)
    assert got.in_time == pytest.approx(1 / 6)
    assert got.later == pytest.approx(2 / 6)
    assert math.isinf(got.p95)


def test_of_nothing_all_is_in_time():
    assert (service([], 2).in_time, service([], 2).p95) == (1.0, 0.0)


@given(st.lists(st.one_of(st.none(), st.floats(0, 100)), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_not_exceeded_by_its_part_and_is_one_of_the_values(seconds, part):
    value = quantile(seconds, part)
    within = sum((one is not None and one <= value) or math.isinf(value) for one in seconds)
    assert within >= part * len(seconds) - 1e-9
    assert value in [math.inf if one is None else one for one in seconds]


def record(*journeys, moments=(), enforce=True):
    return RunRecord(Scenario(), enforce, moments=list(moments), journeys=list(journeys))


def test_a_result_tells_the_burster_from_the_others():
    got = result(record(delivered(0, 1, 9), delivered(1, 1, 1), delivered(2, 1, 1), WAITING))
    assert [one.sent for one in got.users] == [2, 1, 1, 0, 0, 0]
    assert (got.others.in_time, got.users[0].in_time, got.everyone.in_time) == (1.0, 0.0, 0.5)
    assert got.throttled_users == ["Large Supplier A"]


def test_shares_in_time_are_by_the_second_in_which_a_request_was_meant_to_leave():
    shares = in_time_shares(
        record(delivered(1, 0.2, 1), delivered(1, 0.9, 5), delivered(3, 2.5, 1), delivered(0, 0.5, 9)),
        1.0,
        burster=False,
    )
    assert shares[:4] == [0.5, None, 1.0, None]
    assert len(shares) == 20


def test_offered_rates_count_every_attempt_where_it_was_sent():
    run = record()
    for sent, user in ((0.1, 0), (0.3, 1), (0.6, 0), (19.9, 2), (25.0, 2)):
        run.seen(Journey(user, sent), sent, sent + 30, Outcome.FAILED)
    assert offered_rates(run, 0.5)[:2] == [4.0, 2.0]
    assert offered_rates(run, 0.5)[-1] == 2.0
    assert offered_rates(run, 0.5, others=True)[:2] == [2.0, 0.0]


def moment(at, down):
    return Moment(at, GatewayStatus(), DspStatus(down=down))


def test_outages_are_from_the_first_look_that_finds_the_dsp_down_to_the_first_that_does_not():
    looks = [moment(at, down) for at, down in ((0, False), (1, True), (2, True), (3, False), (4, True), (5, True))]
    assert outages(record(moments=looks)) == [(1, 3), (4, 5)]
    assert outages(record()) == []
