"""A request whose decision waits for the ledger of a fleet: nothing of it is lost, charged twice or held for ever."""

from collections.abc import Callable
from typing import Any

import pytest
from rig import LARGE, Client, message, request, wait_for

from sluicegate.ledger import ASK
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN


class Asked:
    """Answers ASK, and keeps who waits."""

    def __init__(self, running: Any) -> None:
        self.running = running
        self.waiting: list[Callable[[int], None]] = []
        self.back: list[int] = []
        running.call(self._take_the_place)

    def _take_the_place(self) -> None:
        desk = self.running.desk
        desk.decide = lambda *_: ASK
        desk.ledger.waiting = lambda told, *_: self.waiting.append(told)
        desk.ledger.give_back = lambda _user, _weight, outcome, *_: self.back.append(outcome)

    def heard(self) -> Callable[[int], None]:
        """Who waits first."""
        wait_for(lambda: self.running.call(lambda: len(self.waiting)))
        return self.running.call(lambda: self.waiting.pop(0))

    def say(self, outcome: int) -> None:
        told = self.heard()
        self.running.call(lambda: told(outcome))


@pytest.fixture
def asked(gateway) -> Asked:
    return Asked(gateway())


@pytest.mark.parametrize(("outcome", "counted"), [(WITHIN, "within"), (EXCESS, "excess")])
def test_what_the_ledger_lets_pass_is_forwarded_and_counted(asked, upstream, outcome, counted) -> None:
    with Client(asked.running.port) as client:
        client.send(request())
        asked.say(outcome)
        assert client.answer().status == 200
    assert len(upstream.requests) == 1
    assert getattr(asked.running.desk.users["Large"].tally, counted) == 1


def test_what_the_ledger_throttles_is_answered_and_never_forwarded(asked, upstream) -> None:
    with Client(asked.running.port) as client:
        client.send(request())
        asked.say(THROTTLED)
        answer = client.answer()
        assert answer.status == 503
        assert int(answer.get("Retry-After")) >= 1
        client.send(request())
        asked.say(WITHIN)
        assert client.answer().status == 200
    assert len(upstream.requests) == 1


def test_requests_of_one_connection_that_come_meanwhile_have_their_answers_in_order(asked, upstream) -> None:
    with Client(asked.running.port) as client:
        client.send(request() + request(message(originator=LARGE)) + request())
        for outcome in (WITHIN, THROTTLED, EXCESS):
            asked.say(outcome)
        assert [client.answer().status for _ in range(3)] == [200, 503, 200]
    assert len(upstream.requests) == 2


def test_a_body_that_comes_while_the_ledger_is_asked_is_whole_at_the_upstream(asked, upstream) -> None:
    octets = request(message() + b"\n" * 600_000)
    cut = len(octets) // 3
    with Client(asked.running.port) as client:
        client.send(octets[:cut])
        told = asked.heard()
        client.send(octets[cut:])
        asked.running.call(lambda: told(WITHIN))
        assert client.answer().status == 200
    assert upstream.requests[0].body == octets.partition(b"\r\n\r\n")[2]


def test_a_sender_that_goes_while_the_ledger_is_asked_gets_its_charge_back(asked, upstream) -> None:
    with Client(asked.running.port) as client:
        client.send(request())
        told = asked.heard()
        client.reset()
    wait_for(lambda: asked.running.call(lambda: asked.running.desk.totals.abandoned))
    asked.running.call(lambda: told(EXCESS))
    assert asked.back == [EXCESS]
    assert not upstream.requests
    assert asked.running.desk.buffered == 0


def test_a_place_that_was_taken_meanwhile_is_not_given_twice(gateway, upstream) -> None:
    asked = Asked(gateway(capacity={"max_in_flight": 1}))
    with Client(asked.running.port) as client, Client(asked.running.port) as other:
        client.send(request())
        told = asked.heard()
        asked.running.call(lambda: asked.running.desk.places.take(asked.running.desk.users["Large"].seats))
        asked.running.call(lambda: told(WITHIN))
        assert client.answer().status == 503
        assert other is not None
    assert asked.back == [WITHIN]
