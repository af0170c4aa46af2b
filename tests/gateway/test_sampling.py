"""Which requests are traced: a share of all, and of those whose senders ask no more than the operator permits."""

from hypothesis import given
from hypothesis import strategies as st

from sluicegate.gateway.tracing import Sampler
from sluicegate.operations.telemetry.span import Parent

ASKS = Parent(b"t" * 16, b"s" * 8, sampled=True)
DOES_NOT = ASKS._replace(sampled=False)


def test_the_share_is_of_all_requests():
    draws = iter([0.0, 0.009, 0.01, 0.5])
    sampler = Sampler(0.01, 0, lambda: next(draws))
    assert [sampler.draw() for _ in range(4)] == [True, True, False, False]


def test_all_and_none_are_just_that():
    assert Sampler(1.0, 0, lambda: 0.999999).draw()
    assert not Sampler(0.0, 5, lambda: 0.0).draw()


def test_a_request_without_a_parent_is_traced_if_it_is_among_the_share():
    assert Sampler(0.5, 5).takes(True, None, 0.0)
    assert not Sampler(0.5, 5).takes(False, None, 0.0)


def test_a_parent_that_is_not_recorded_is_not_extended():
    assert not Sampler(1.0, 100).takes(True, DOES_NOT, 0.0)


def test_by_default_a_sender_that_asks_is_sampled_like_the_rest():
    assert not Sampler(0.5, 0).takes(False, ASKS, 0.0)
    assert Sampler(0.5, 0).takes(True, ASKS, 0.0)


def test_what_is_above_the_rate_is_sampled_like_the_rest():
    sampler = Sampler(0.5, 1)
    assert [sampler.takes(drawn, ASKS, 10.0) for drawn in (True, False, False, True)] == [True, True, False, True]


@given(
    st.floats(0.001, 50),
    st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
def test_whatever_senders_ask_no_more_are_traced_than_the_rate_and_one_second_of_it(rate, gaps):
    sampler, now, taken = Sampler(0.0, rate), 100.0, 0
    for gap in gaps:
        now += gap
        taken += sampler.takes(False, ASKS, now)
    assert taken <= rate * (now - 100.0) + max(rate, 1.0) + 1e-6


@given(st.lists(st.floats(-5, 0), min_size=1, max_size=50))
def test_a_clock_that_jumps_back_permits_no_more(jumps):
    sampler = Sampler(0.0, 1)
    assert sampler.takes(False, ASKS, 100.0)
    assert not any(sampler.takes(False, ASKS, 100.0 + jump) for jump in jumps)
