"""What is asked for over the last minute, by SRV, is what the seconds say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.operations.history import mix
from sluicegate.operations.history.mix import SPAN, SrvMix
from sluicegate.operations.history.seconds import Seconds, Srvs

SRVS = ("2.2", "4.8.1", "99.9")
counts = st.tuples(*[st.integers(0, 9)] * 3)
second = st.lists(st.tuples(st.sampled_from("ABC"), st.dictionaries(st.sampled_from(SRVS), counts)), max_size=4)


def kept(seconds):
    srvs = Srvs()
    of = Seconds(1 << 26, srvs)
    for at, done in enumerate(seconds):
        put(of, srvs, at, done)
    return of, srvs


def put(of, srvs, at, done):
    for _, asked in done:
        for srv in asked:
            srvs.known(srv)
    sums = [(user, tuple(map(sum, zip((0, 0, 0), *some.values(), strict=True))), some) for user, some in done]
    told = of.begun(at)
    told.add([(user, (*counts, 7, 0), some) for user, counts, some in sums])
    for _ in of.add(told):
        pass


@given(st.lists(second, max_size=80))
def test_it_is_the_sum_of_all_users_over_the_last_minute(seconds):
    wanted = {}
    for done in seconds[-SPAN:]:
        for _, some in done:
            for srv, three in some.items():
                wanted[srv] = tuple(map(sum, zip(wanted.get(srv, (0, 0, 0)), three, strict=True)))
    told = SrvMix(*kept(seconds))()
    span = min(SPAN, len(seconds))
    assert told == {srv: pytest.approx([one / span for one in three]) for srv, three in wanted.items() if any(three)}


def test_a_second_is_read_once_and_what_is_old_is_forgotten(monkeypatch):
    read = []
    monkeypatch.setattr(mix, "by_srv", lambda frame, real=mix.by_srv: read.append(frame.second) or real(frame))
    of, srvs = kept([[("A", {"2.2": (60, 0, 0)})]] + [[]] * (SPAN - 1))
    told = SrvMix(of, srvs)
    assert told() == told() == {"2.2": (1.0, 0.0, 0.0)}
    assert read == list(range(SPAN))
    put(of, srvs, SPAN, [("A", {"4.8.1": (0, 0, 6)})])
    assert told() == {"4.8.1": (0.0, 0.0, 0.1)}
    assert read == list(range(SPAN + 1))
