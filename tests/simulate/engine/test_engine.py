"""What must hold of every run, whatever the traffic and the policy."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import INSIDE, READ, TOP_UP, Listed, habit, poisson, simulate, world

from sluicegate.simulate.policy import parse
from sluicegate.simulate.world import Adaptive, Adt, Csp, Dsp, DspRetry, User
from thorough import examples

POLICIES = [
    "none",
    "allocation",
    "allocation-first-come",
    "imposed-priority",
    "own-priority",
    "adt",
    "capacity:1.5",
    "adaptive",
    "allocation+imposed-priority+adt",
    "capacity:0.5+adaptive+own-priority+adt",
]
HABITS = ["none", "immediate", "fixed", "exponential", "honour"]
ORDERS = ["each", "fifo", "priority"]


@st.composite
def worlds(draw):
    users = tuple(
        User(name, "IS", allocation, retry=habit(draw(st.sampled_from(HABITS)), draw(st.sampled_from(ORDERS)),
                                                 draw(st.sampled_from([0.05, 1.0, 7.0])), draw(st.integers(1, 12))))
        for name, allocation in (("A", 10.0), ("B", 6.0), ("C", 0.0))
    )  # fmt: skip
    dsp = Dsp(
        draw(st.sampled_from([5.0, 15.0, 30.0])),
        draw(st.sampled_from([1.0, 10.0, 60.0])),
        draw(st.sampled_from([0.1, 2.0, 10.0])),
        draw(st.sampled_from([0.0, 5.0, 30.0])),
        service=draw(st.sampled_from(["constant", "exponential"])),
        changes=draw(st.sampled_from([(), ((20.0, 0.5),), ((10.0, 0.2), (30.0, 1.0))])),
        retry=DspRetry(draw(st.sampled_from([1.0, 30.0])), 2.0, 60.0, draw(st.integers(1, 4)), 0.5),
    )
    csps = (
        Csp("North", 12.0, draw(st.sampled_from([1, 3])), latency=1.0, spread=2.0, outages=((20.0, 40.0),)),
        Csp("South", 30.0, buffer=draw(st.sampled_from([2.0, 40.0])), service="exponential"),
    )
    return world(
        users=users,
        kinds=(TOP_UP, READ, INSIDE),
        csps=csps,
        dsp=dsp,
        drain=draw(st.sampled_from([0.0, 600.0])),
        adt=Adt(30.0, {(0, 1): 20.0, (2, 0): 3.0}),
        adaptive=Adaptive(0.3),
    )


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(of=worlds(), policy=st.sampled_from(POLICIES), seed=st.integers(0, 1000), load=st.sampled_from([0.1, 1.0, 4.0]))
def test_every_sr_ends_in_exactly_one_state(of, policy, seed, load):
    source = poisson(of, [load] * len(of.flows), seed)
    result = simulate(of, policy, source, seed)
    assert result.arrived == len(source.times)
    assert sum(result.ends().values()) == len(source.times)
    born = np.sort(np.concatenate([result.joined("delivered", "born"), result.joined("others", "born")]))
    assert np.array_equal(born, np.sort(source.times))
    flows = np.concatenate([result.joined("delivered", "flow"), result.joined("others", "flow")])
    assert np.array_equal(
        np.bincount(flows, minlength=len(of.flows)), np.bincount(source.flows, minlength=len(of.flows))
    )
    for group in ("delivered", "others"):
        ended = result.joined(group, "ended")
        assert (ended >= result.joined(group, "born")).all()
        assert (ended <= of.seconds + of.drain).all()


@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(of=worlds(), policy=st.sampled_from(POLICIES), seed=st.integers(0, 1000))
def test_the_same_seed_gives_the_same_run(of, policy, seed):
    source = poisson(of, [1.0] * len(of.flows), seed)
    one, two = (simulate(of, policy, source, seed) for _ in range(2))
    for group, columns in (
        ("delivered", "flow born ended"),
        ("others", "flow born ended state attempts throttled failed"),
    ):
        for column in columns.split():
            assert np.array_equal(one.joined(group, column), two.joined(group, column)), (group, column)
    assert one.report.outages == two.report.outages


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(of=worlds(), policy=st.sampled_from(POLICIES), seed=st.integers(0, 1000))
def test_answers_and_attempts_add_up(of, policy, seed):
    result = simulate(of, policy, poisson(of, [1.5] * len(of.flows), seed), seed)
    assert result.joined("others", "throttled").sum() == len(result.joined("throttled", "at"))
    assert result.joined("others", "failed").sum() == len(result.joined("failed", "at"))
    assert np.maximum(result.joined("others", "attempts") - 1, 0).sum() == len(result.joined("retried", "at"))
    report = result.report
    assert report.refused + report.lost <= len(result.joined("failed", "at"))
    if parse(policy).sharing or parse(policy).imposed:
        assert report.throttled == len(result.joined("throttled", "at"))


def test_without_overload_everything_is_delivered_at_once_under_every_policy():
    of = world(adaptive=Adaptive(0.5), adt=Adt(60.0, {}))
    source = poisson(of, [1.0, 1.0, 1.0, 1.0])
    for policy in POLICIES[:8]:
        result = simulate(of, policy, source)
        assert len(result.joined("delivered", "flow")) == len(source.times), policy


def test_an_overload_without_a_mechanism_ends_in_an_outage_and_harms_who_stayed_within():
    of = world()
    source = poisson(of, [1.0, 1.0, 60.0, 60.0])
    without, managed = simulate(of, "none", source), simulate(of, "allocation", source)
    assert without.report.outages
    assert without.harmed() > 0
    assert not managed.report.outages
    assert managed.harmed() == 0
    assert managed.report.active


def test_an_adt_quarantines_after_the_dsp_has_worked():
    of = world(adt=Adt(60.0, {(1, 1): 100.0}))
    result = simulate(of, "adt", poisson(of, [1.0, 1.0, 1.0, 5.0]))
    quarantined = result.ends()["quarantined"]
    assert (
        quarantined
        == np.count_nonzero(np.asarray(result.outputs and poisson(of, [1.0, 1.0, 1.0, 5.0]).flows) == 3) - 100
    )
    assert sum(result.report.dsp.arrived) == result.arrived


def test_the_dsp_tries_a_csp_again_and_then_returns_the_sr():
    of = world(
        csps=(Csp("North", 30.0, outages=((0.0, 1e6),)),),
        dsp=Dsp(24.0, 48.0, retry=DspRetry(10.0, 2.0, 30.0, 3, 0.5)),
    )
    result = simulate(of, "none", Listed([1.0], [0], 60.0))
    assert result.ends()["returned"] == 1
    assert result.report.csps[0].attempts == 3
    assert result.joined("others", "ended")[0] == pytest.approx(1 + 1 / 24 + 10 + 0.5 / 24 + 20 + 0.5 / 24)
    assert sum(result.report.dsp.arrived) == 2.0
    assert max(result.report.csps[0].waiting) == 1.0


def test_what_waits_for_a_csp_is_delivered_when_it_is_up_again():
    of = world(csps=(Csp("North", 30.0, outages=((0.0, 15.0),)),), dsp=Dsp(24.0, 48.0, retry=DspRetry(10.0)))
    result = simulate(of, "none", Listed([1.0], [0], 60.0))
    assert result.ends()["delivered"] == 1
    assert 31.0 < result.joined("others", "ended")[0] < 31.5


@pytest.mark.parametrize(("order", "first"), [("fifo", 1), ("priority", 0)])
def test_a_users_own_queue_sends_in_its_order(order, first):
    """While the bank is empty, reads are born before top-ups: who has its own order sends the top-ups first."""
    of = world(
        users=(User("A", "IS", 10.0, retry=habit("fixed", order, 2.0)), User("B", "IS", 10.0)),
        seconds=20.0,
    )
    rush = [0.001 * n for n in range(200)]
    source = Listed([*rush, *(0.5 + t for t in rush)], [1] * 200 + [0] * 200, 20.0)
    result = simulate(of, "allocation", source)
    late = result.joined("others", "ended")
    kinds = result.joined("others", "flow")
    means = [late[kinds == kind].mean() for kind in (0, 1)]
    assert int(np.argmin(means)) == first


def test_a_user_gives_up_at_its_deadline():
    of = world(
        users=(User("A", "IS", 0.1, retry=habit("fixed", "each", 50.0)), User("B", "IS", 10.0)), kinds=(TOP_UP, READ)
    )
    source = poisson(of, [50.0, 0.0, 0.0, 0.0])
    result = simulate(of, "allocation", source)
    assert result.ends()["given_up"] > 0
    gone = result.joined("others", "state") == 2
    assert (result.joined("others", "ended")[gone] - result.joined("others", "born")[gone] <= 120.0).all()


def test_retry_after_keeps_amplification_below_that_of_coming_back_each_second():
    results = []
    for name in ("honour", "fixed"):
        of = world(users=(User("A", "IS", 10.0, retry=habit(name)), User("B", "IS", 10.0, retry=habit(name))))
        results.append(len(simulate(of, "allocation", poisson(of, [5.0, 5.0, 30.0, 30.0])).joined("retried", "at")))
    assert results[0] < results[1] / 3


def test_half_the_capacity_is_lost_when_the_scenario_says_so():
    of = world(csps=(), dsp=Dsp(24.0, 1000.0, changes=((20.0, 0.5), (40.0, 1.0))))
    source = poisson(of, [10.0, 10.0, 0.0, 0.0])
    result = simulate(of, "none", source)
    ended = np.sort(result.joined("delivered", "ended"))
    assert np.count_nonzero((ended > 21) & (ended < 40)) == pytest.approx(19 * 12, abs=1)
    assert np.count_nonzero((ended > 40.1) & (ended < 50)) == pytest.approx(9.9 * 24, abs=1)


def test_what_the_dsp_would_finish_after_the_run_is_pending_and_not_returned():
    of = world(
        csps=(Csp("North", 30.0, outages=((0.0, 1e6),)),),
        dsp=Dsp(1.0, 100.0, retry=DspRetry(1.0, 2.0, 30.0, 1)),
        drain=0.0,
    )
    result = simulate(of, "none", Listed([59.0, 59.1, 59.2], [0, 0, 0], 60.0))
    assert result.ends() == {"delivered": 0, "returned": 1, "given_up": 0, "quarantined": 0, "pending": 2}
    assert (result.joined("others", "ended") <= 60.0).all()
