"""When a worker draws again."""

import pytest

from sluicegate.ledger.fleet.messages import Answer, Ask, Given
from sluicegate.ledger.fleet.worker import Worker
from sluicegate.throttle import WITHIN, Limits

LIMITS = Limits(12_000, 10_000, 0.5)


def granted(ask: Ask) -> Answer:
    given = tuple(Given(0.0, 0.0, want.depth, 0.0, 0.0, 0.0) for want in ask.wants)
    return Answer("epoch", ask.number, ask.offered, 5_000.0, False, 1.0, 1.0, 1, 1.0, 0.0, given)


def steady(worker: Worker, since: float, seconds: float) -> float:
    """A thousand requests a second, all within the allocation; returns when the last came."""
    hand, now = worker.account("User"), since
    for number in range(1, round(1000 * seconds) + 1):
        now = since + 0.001 * number
        assert worker.decide(hand, 1.0, now) == WITHIN
    return now


def test_what_is_spent_while_a_draw_is_under_way_is_no_reason_for_another_one():
    worker, now = Worker("w", LIMITS, {"User": 9_000.0}, settle=0.0), 0.0
    worker.take(granted(worker.ask(now)), now)  # the first makes it known
    for _ in range(100):  # it learns what comes
        ask = worker.ask(now)
        worker.take(granted(ask), now)
        now = steady(worker, now, 0.005)
    now = steady(worker, now, worker.target / 2000)  # half of it
    ask = worker.ask(now)
    called: list[float] = []
    worker.wake = lambda: called.append(now)
    now = steady(worker, now, 0.005)
    worker.take(granted(ask), now)
    assert not called
    assert worker.next_ask(now) is None
    assert worker.due(now) > now + 0.05
    had = worker.offered
    while not called:
        now = steady(worker, now, 0.001)
    assert worker.offered == pytest.approx(had / 2, abs=1.0)
