"""Arrivals are Poisson with the rates that were asked for, in order of time, and the same for the same seed."""

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sluicegate.simulate.traffic import STEP, Arrivals, Bursts, Rates, Surge, arrivals, steps_of

PLAIN = Bursts()
BURSTY = Bursts(spread=0.4, minutes=3, together=0.3)


def rates_of(base, seconds=600.0, shape=None, users=None, surges=(), steady=None):
    base = np.array(base, dtype=float)
    flows = len(base)
    return Rates(
        seconds=seconds,
        base=base,
        users=np.zeros(flows, np.intp) if users is None else np.array(users, np.intp),
        kinds=np.zeros(flows, np.intp),
        shape=np.ones((1, steps_of(seconds))) if shape is None else np.array([shape], dtype=float),
        steady=np.zeros(flows, np.bool_) if steady is None else np.array(steady),
        surges=tuple(surges),
    )


def whole(source):
    chunks = list(source.chunks())
    return np.concatenate([c.times for c in chunks]), np.concatenate([c.flows for c in chunks])


def digest(source):
    times, flows = whole(source)
    return hashlib.sha256(times.tobytes() + flows.tobytes()).hexdigest()


@pytest.mark.parametrize("base", [[3.0, 0.5, 20.0], [0.002] * 400])
def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(base):
    rates = rates_of(base, users=np.arange(len(base)))
    assert digest(Arrivals(rates, BURSTY, 7)) == digest(Arrivals(rates, BURSTY, 7))
    assert digest(Arrivals(rates, BURSTY, 7)) != digest(Arrivals(rates, BURSTY, 8))


def test_a_source_reads_the_same_each_time_and_beside_itself():
    source = Arrivals(rates_of([5.0, 1.0]), BURSTY, 3)
    first = [chunk.times for chunk in source.chunks()]
    for mine, yours, theirs in zip(first, source.chunks(), source.chunks(), strict=True):
        assert mine.tobytes() == yours.times.tobytes() == theirs.times.tobytes()


@given(
    base=st.lists(st.floats(0, 5), min_size=0, max_size=60),
    seconds=st.floats(0.5, 200),
    seed=st.integers(0, 2**63 - 1),
    spread=st.sampled_from([0.0, 0.7]),
)
@settings(deadline=None, max_examples=60)
def test_chunks_are_gapless_and_sorted_and_hold_what_lies_in_them(base, seconds, seed, spread):
    at = 0.0
    for chunk in Arrivals(rates_of(base, seconds), Bursts(spread), seed).chunks():
        assert chunk.start == at < chunk.end
        assert chunk.end - chunk.start <= STEP
        assert (chunk.times.dtype, chunk.flows.dtype) == (np.float64, np.int32)
        assert len(chunk.times) == len(chunk.flows)
        assert (np.diff(chunk.times) >= 0).all()
        assert ((chunk.times >= chunk.start) & (chunk.times < chunk.end)).all()
        assert all(base[flow] > 0 for flow in chunk.flows)
        at = chunk.end
    assert at == seconds


@pytest.mark.parametrize("flows", [40, 4000])
def test_each_flow_has_as_many_as_the_integral_of_its_rate(flows):
    """Few flows are drawn one by one, many by one total and a choice: both against the same sums."""
    rng = np.random.default_rng(11)
    seconds = 3600.0
    shape = 1 + np.sin(np.arange(steps_of(seconds)) / 20)
    base = rng.exponential(size=flows) * 20 / flows
    surge = Surge(600, 1800, np.arange(0, flows, 3), factor=4, ramp=300)
    extra = Surge(900, 1000, np.array([1, 2]), extra=np.array([3.0, 0.5]))
    rates = rates_of(base, seconds, shape, surges=[surge, extra])
    _, drawn = whole(Arrivals(rates, PLAIN, 5))
    counts, means = np.bincount(drawn, minlength=flows), rates.totals
    assert abs(len(drawn) - means.sum()) < 4.5 * np.sqrt(means.sum())
    sure = means > 5
    chi2 = ((counts - means) ** 2 / means)[sure].sum()
    assert 1e-4 < stats.chi2.sf(chi2, sure.sum()) < 1 - 1e-4


@pytest.mark.parametrize("flows", [4, 3000])
def test_without_bursts_the_arrivals_are_poisson(flows):
    """Counts of short stretches are dispersed as Poisson counts are, and gaps are exponential."""
    seconds, rate = 6000.0, 5.0
    times, _ = whole(Arrivals(rates_of([rate / flows] * flows, seconds), PLAIN, 2))
    counts = np.histogram(times, np.arange(0, seconds + 1, 2.0))[0]
    dispersion = counts.var(ddof=1) * (len(counts) - 1) / counts.mean()
    assert 1e-4 < stats.chi2.sf(dispersion, len(counts) - 1) < 1 - 1e-4
    assert stats.kstest(np.diff(times), "expon", args=(0, 1 / rate)).pvalue > 1e-4


def test_flows_are_mixed_at_random_and_do_not_take_turns():
    _, drawn = whole(Arrivals(rates_of([2.0, 2.0], 6000), PLAIN, 4))
    followed = np.mean(drawn[1:] == drawn[:-1])
    assert abs(followed - 0.5) < 4 * 0.5 / np.sqrt(len(drawn))


def test_bursts_leave_the_steady_flows_alone():
    """What fires by a schedule has the dispersion of Poisson traffic; the User's other flow has not."""
    times, drawn = whole(Arrivals(rates_of([5, 5], 24_000, steady=[True, False]), Bursts(0.5, 3), 9))
    dispersions = []
    for flow in (0, 1):
        counts = np.histogram(times[drawn == flow], np.arange(0, 24_001, 60.0))[0]
        dispersions.append(counts.var() / counts.mean())
    assert dispersions[0] < 1.4
    assert dispersions[1] > 10


def test_a_busy_step_comes_in_several_chunks(monkeypatch):
    monkeypatch.setattr(arrivals, "MOST_IN_A_CHUNK", 1000)
    chunks = list(Arrivals(rates_of([100.0], 60), PLAIN, 1).chunks())
    assert len(chunks) == 6
    assert all(700 < len(chunk.times) < 1300 for chunk in chunks)
    assert all(one.end == other.start for one, other in itertools.pairwise(chunks))


def test_what_is_expected_counts_surges_and_the_last_short_step():
    rates = rates_of([2.0, 1.0], 100, surges=[Surge(10, 20, np.array([0]), factor=3)])
    assert Arrivals(rates, PLAIN, 1).expected == pytest.approx(100 * 3 + 10 * 4)
    by_steps = sum(rates.at(step).sum() * np.diff(rates.span(step))[0] for step in range(steps_of(100)))
    assert by_steps == pytest.approx(340)


def test_nothing_to_send_is_no_arrivals():
    times, _ = whole(Arrivals(rates_of([0.0, 0.0], 60), BURSTY, 1))
    assert times.size == 0
