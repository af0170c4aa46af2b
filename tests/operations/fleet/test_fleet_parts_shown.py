"""A ledger in parts, as status and metrics tell of it."""

from time import monotonic
from types import SimpleNamespace

import pytest

from sluicegate.ledger import Told
from sluicegate.ledger.fleet.messages import Look, Seen
from sluicegate.operations.fleet import showing
from sluicegate.operations.fleet.sums import Sums
from sluicegate.operations.screens.glance import _ledger

SEEN = tuple(Seen(f"w{number}", 0.1, 0.25, 9.0, 1.0, 0.0) for number in range(4))


@pytest.fixture
def watched():
    told = Told("w0", True, None, False, 0.25, 2, 10, 0, 0, "")
    fleet = SimpleNamespace(
        last=Look("e f", False, 1.0, 10.0, 20.0, 5.0, 2.0, 1.0, SEEN, 3, (1,)),
        looked_at=monotonic(),
        name="w0",
        looks=True,
        sums=Sums(0.0),
        trouble="",
        writes=lambda: True,
    )
    return SimpleNamespace(ledger=SimpleNamespace(told=lambda _now: told), colleagues=fleet)


def test_parts_that_do_not_answer_are_said(watched):
    told = showing.status(watched)
    assert (told["fleet"]["parts"], told["fleet"]["parts_away"]) == (3, [1])
    glance = _ledger(told)
    assert (glance["parts"], glance["parts_away"], glance["count"]) == (3, 1, 4)
    samples = {sample.name: sample.value for metric in showing.metrics(watched) for sample in metric.samples}
    assert samples["sluicegate_ledger_parts_away"] == 1
    assert samples["sluicegate_ledger_workers"] == 4, "of all parts, not of the two at its own"


def test_while_nothing_is_known_of_the_parts_nothing_is_said(watched):
    watched.colleagues.last = None
    told = showing.status(watched)
    assert (told["fleet"]["parts"], told["fleet"]["parts_away"]) == (None, None)
    samples = {sample.name: sample.value for metric in showing.metrics(watched) for sample in metric.samples}
    assert samples["sluicegate_ledger_workers"] == 2
