"""The relay's campaign is worth as much as its verifier: each rule that is broken must be seen."""

from __future__ import annotations

import pytest
from bench.faults.evidence import Arrival, Evidence, Row
from bench.faults.relay.callback import Word
from bench.faults.relay.sender import Asked
from bench.faults.relay.verify import verify

from sluicegate.dispatch.parcel import Kind, State

DEVICE = "00-0D-6F-00-00-00-00-01"


def key(n: int) -> bytes:
    return bytes([n]) * 24


def number(n: int) -> bytes:
    return n.to_bytes(8, "big")


class World:
    """Two SRs to one device, the first acknowledged, the second expired: all is well. Tests break it."""

    def __init__(self, callback: bool = True) -> None:
        self.callback = callback
        self.sent = [
            Asked(key(n), f"A:{DEVICE}:{n}", DEVICE, b"d%d" % n, sent_at=n, acked_at=n + 0.5, tries=1) for n in (1, 2)
        ]
        self.rows = [
            Row(Kind.REQUEST, key(1) + number(1), b"d1", "csp:gateway", State.DELIVERED, "acknowledged I99"),
            Row(Kind.REQUEST, key(2) + number(2), b"d2", "csp:gateway", State.RETURNED, "expired deadline"),
        ]
        self.words = []
        if callback:
            self.rows += [
                Row(Kind.RESPONSE, row.key + b"C", b"", "user:callback", State.DELIVERED, "") for row in self.rows
            ]
            self.words = [
                Word(self.sent[0].request_id, "200", "I99", taken=True, marked=False),
                Word(self.sent[1].request_id, "504", "", taken=True, marked=False),
            ]
        else:
            self.sent[0].answers = ["I99"]
            self.sent[1].answers, self.sent[1].expired, self.sent[1].acked_at = ["expired"], True, None
        self.arrivals = [self.arrival(1)]
        self.broken = ""

    def arrival(self, n: int, again: bool = False, marked: bool = False, kind: str = "I99", at: float = 0.0) -> Arrival:
        return Arrival(at or n + 0.7, again, f"A:{DEVICE}:{n}", 0, marked, kind)

    def row(self, n: int, **changes: object) -> None:
        self.rows[n - 1] = self.rows[n - 1]._replace(**changes)

    def violations(self) -> dict[str, int]:
        evidence = Evidence(self.rows, {"gateway": self.arrivals}, [], {}, self.broken)
        return dict(verify(self.sent, evidence, self.words, self.callback).violations)


@pytest.mark.parametrize("callback", [True, False])
def test_nothing_is_found_where_all_is_well(callback):
    assert World(callback).violations() == {}


def test_what_was_taken_and_is_not_stored_is_lost():
    world = World()
    del world.rows[3], world.rows[1], world.words[1]
    assert world.violations() == {"what was taken is stored": 1}


@pytest.mark.parametrize("state", [State.BLOCKED, State.READY, State.CLAIMED, State.DELAYED, State.PARKED])
def test_what_is_open_has_no_end(state):
    world = World()
    world.row(1, state=state, code="")
    assert world.violations()["everything comes to its end"] == 1


def test_an_acknowledgement_that_the_gateway_did_not_give_is_seen():
    for callback in (True, False):
        world = World(callback)
        world.arrivals = [world.arrival(1, kind="failed")]
        assert world.violations()["an acknowledgement is the gateway's"] >= 1


def test_an_end_that_the_callback_was_not_told_is_seen():
    world = World()
    world.words[0] = world.words[0]._replace(taken=False)
    assert world.violations() == {"each end is told to the callback": 1}
    world = World()
    world.row(3, state=State.READY)
    assert world.violations() == {"each end is told to the callback": 1}
    world = World()
    world.words[1] = world.words[1]._replace(status="200", code="I99")
    assert world.violations() == {"each end is told to the callback": 1}


def test_a_forged_answer_to_the_callback_is_seen():
    world = World()
    world.words[0] = world.words[0]._replace(code="I0")
    assert world.violations() == {"the callback is told the gateway's own octets": 1}


def test_two_ends_are_seen():
    world = World()
    world.rows += [
        world.rows[0]._replace(key=key(1) + number(9)),
        world.rows[2]._replace(key=key(1) + number(9) + b"C"),
    ]
    assert world.violations() == {"each ends once": 1}
    world.sent[0].tries = 2  # its sender has sent it twice: two SRs
    assert world.violations() == {}


def test_a_sender_that_is_told_something_else_than_the_store_has_is_seen():
    world = World(callback=False)
    world.sent[1].answers, world.sent[1].expired = ["I99"], False
    world.arrivals.append(world.arrival(2))
    assert world.violations() == {"what its sender is told is what the store has": 1}


def test_a_repetition_without_its_mark_is_seen_unless_it_was_not_taken():
    world = World()
    world.arrivals = [world.arrival(1), world.arrival(1, again=True, at=1.8)]
    assert world.violations() == {"a repetition is marked": 1}
    world.arrivals[0] = world.arrival(1, kind="busy")
    assert world.violations() == {}


def test_whoever_is_overtaken_on_the_way_to_a_device_is_seen():
    world = World()
    world.arrivals = [world.arrival(2), world.arrival(1, at=3.0)]
    assert world.violations() == {"order of a device: first arrivals": 1}


@pytest.mark.parametrize(
    ("break_it", "rule"),
    [
        (lambda world: world.row(1, digest=b"other"), "the message is what was sent"),
        (lambda world: world.row(1, code="delivered"), "an end is acknowledged, refused or expired"),
        (lambda world: setattr(world, "broken", "row 3 missing"), "the database is whole"),
        (lambda world: world.arrivals.append(world.arrival(7)), "nothing is sent or told that nobody asked for"),
        (
            lambda world: world.rows.append(world.rows[0]._replace(key=key(9) + number(1))),
            "nothing is there that nobody sent",
        ),
        (
            lambda world: world.rows.append(world.rows[2]._replace(key=key(9) + number(1) + b"C")),
            "each answer to the callback has its SR",
        ),
    ],
)  # fmt: skip
def test_other_rules_are_kept_to(break_it, rule):
    world = World()
    break_it(world)
    assert rule in world.violations()
