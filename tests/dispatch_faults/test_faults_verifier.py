"""A campaign is worth as much as its verifier: each rule that is broken must be seen."""

from __future__ import annotations

import pytest
from bench.faults.evidence import Arrival, Evidence, Row, Told, arrivals_of, told_of
from bench.faults.sender import Sent
from bench.faults.verify import verify

from sluicegate.dispatch.parcel import Kind, State

DEVICE = "00-0D-6F-00-00-00-00-01"


class World:
    """Three SRs to one device, the first returned, the others delivered: all is well. Tests break it."""

    def __init__(self) -> None:
        self.sent = [
            Sent(bytes([n]), f"A:{DEVICE}:{n}", DEVICE, b"d%d" % n, sent_at=n, acked_at=n + 0.5) for n in (1, 2, 3)
        ]
        self.rows = [
            Row(Kind.REQUEST, b"\1", b"d1", "csp:north", State.RETURNED, "E20"),
            Row(Kind.REQUEST, b"\2", b"d2", "csp:north", State.DELIVERED, "I99"),
            Row(Kind.REQUEST, b"\3", b"d3", "csp:north", State.DELIVERED, "I99"),
            Row(Kind.RESPONSE, b"r1", b"", "user:A", State.DELIVERED, ""),
        ]
        self.arrivals = [self.arrival(n) for n in (1, 2, 3)]
        self.told = [Told(self.sent[0].request_id, "E20", taken=True, marked=False, late=False)]
        self.executed: dict[str, set[str]] = {}
        self.broken = ""

    def arrival(self, n: int, again: bool = False, marked: bool = False, at: float | None = None) -> Arrival:
        return Arrival(at or n + 0.7, again, f"A:{DEVICE}:{n}", 1, marked, "I99")

    def row(self, n: int, **changes: object) -> None:
        self.rows[n - 1] = self.rows[n - 1]._replace(**changes)

    def violations(self, overlaps: bool = False) -> dict[str, int]:
        evidence = Evidence(self.rows, {"north": self.arrivals}, self.told, self.executed, self.broken)
        return dict(verify(self.sent, evidence, overlaps).violations)


def test_nothing_is_found_where_all_is_well():
    world = World()
    assert world.violations() == {}


def test_the_sums_are_those_of_the_evidence():
    world = World()
    world.arrivals.append(world.arrival(3, again=True, marked=True))
    counts = verify(world.sent, Evidence(world.rows, {"north": world.arrivals}, world.told)).counts
    assert (counts["acknowledged"], counts["delivered"], counts["returned"]) == (3, 2, 1)
    assert (counts["arrivals"], counts["repetitions"], counts["lost"]) == (4, 1, 0)


def test_an_acknowledged_sr_that_is_not_stored_is_lost():
    world = World()
    del world.rows[1]
    assert world.violations() == {"what was acknowledged is stored": 1, "what was delivered is stored": 1}


def test_one_without_an_acknowledgement_may_be_missing():
    world = World()
    del world.rows[2], world.arrivals[2]
    world.sent[2].acked_at = None
    assert world.violations() == {}


@pytest.mark.parametrize("state", [State.BLOCKED, State.READY, State.CLAIMED, State.DELAYED, State.PARKED])
def test_whatever_is_still_open_has_no_end(state):
    world = World()
    world.row(3, state=state)
    assert world.violations() == {"everything comes to its end": 1}


def test_delivered_means_that_it_has_arrived():
    world = World()
    del world.arrivals[1]
    assert world.violations() == {"what is DELIVERED has arrived": 1}


def test_returned_means_that_its_user_was_told():
    world = World()
    world.told[0] = world.told[0]._replace(taken=False)
    assert world.violations() == {"what is RETURNED reaches its User": 1}


def test_there_are_not_two_ends():
    world = World()
    world.told.append(Told(world.sent[1].request_id, "E21", taken=True, marked=False, late=False))
    assert world.violations() == {"one end: DELIVERED is not returned as well": 1}


def test_a_response_that_was_given_up_is_seen():
    world = World()
    world.row(4, state=State.RETURNED)
    assert world.violations() == {"every Response is delivered": 1}


def test_a_repetition_must_be_marked():
    world = World()
    world.arrivals.insert(1, world.arrival(1, again=True))
    assert world.violations() == {"a repetition is marked": 1}
    assert world.violations(overlaps=True) == {}
    world.arrivals[1] = world.arrival(1, again=True, marked=True)
    assert world.violations() == {}


def test_a_repeated_response_must_be_marked():
    world = World()
    world.told.append(world.told[0])
    assert world.violations() == {"a repeated Response is marked": 1}
    world.told[1] = world.told[0]._replace(marked=True)
    assert world.violations() == {}


def test_nobody_overtakes_on_the_way_to_a_device():
    world = World()
    world.arrivals[0], world.arrivals[1] = world.arrivals[1], world.arrivals[0]
    assert world.violations() == {"order of a device: first arrivals": 1}
    assert world.violations(overlaps=True) == {"order of a device: first arrivals": 1}


def test_what_was_not_acknowledged_before_the_next_was_sent_has_no_order():
    world = World()
    world.arrivals[0], world.arrivals[1] = world.arrivals[1], world.arrivals[0]
    world.sent[0].acked_at = 2.1
    assert world.violations() == {}


def test_a_repetition_after_the_next_one_is_seen():
    world = World()
    world.arrivals.append(world.arrival(1, again=True, marked=True))
    assert world.violations() == {"order of a device: no repetition after the next": 1}
    assert world.violations(overlaps=True) == {}


def test_a_chain_keeps_its_order_across_devices():
    world = World()
    world.sent[2].device = "00-0D-6F-00-00-00-00-02"
    world.sent[2].preceding = world.sent[1]
    assert world.violations() == {}
    world.arrivals[1:] = [world.arrival(3), world.arrival(2, at=9.0)]
    assert world.violations() == {"order of a chain": 1}


@pytest.mark.parametrize("where", ["stored", "arrived"])
def test_what_was_refused_goes_nowhere(where):
    world = World()
    world.sent[2].acked_at, world.sent[2].refused = None, "E19"
    del (world.arrivals if where == "stored" else world.rows)[2]
    assert world.violations() == {"what was refused is not delivered": 1}


def test_the_first_body_stays():
    world = World()
    world.row(2, digest=b"another")
    assert world.violations() == {"the first body stays": 1}


def test_what_nobody_sent_is_not_delivered():
    world = World()
    world.arrivals.append(world.arrival(4))
    assert world.violations() == {"nothing is delivered that nobody sent": 1}


def test_an_outcome_that_does_not_reach_its_user_is_seen():
    world = World()
    world.executed = {"north": {world.sent[1].request_id}}
    assert world.violations() == {"each outcome reaches its User": 1}
    world.told.append(Told(world.sent[1].request_id, "I0", taken=True, marked=False, late=False))
    assert world.violations() == {}


def test_a_broken_database_is_seen():
    world = World()
    world.broken = "row 3 missing from index"
    assert world.violations() == {"the database is whole": 1}


def test_a_journal_is_read_as_the_stand_in_writes_it(tmp_path):
    path = tmp_path / "north.journal"
    path.write_text(f"12.345 first A:{DEVICE}:1 1 - I99\n12.500 again A:{DEVICE}:1 2 marked cut\n")
    assert arrivals_of(path) == [
        Arrival(12.345, False, f"A:{DEVICE}:1", 1, False, "I99"),
        Arrival(12.5, True, f"A:{DEVICE}:1", 2, True, "cut"),
    ]


def test_a_response_that_its_user_refused_was_not_taken():
    row = {"request_id": "x", "code": "E20", "repeat": "", "late": ""}
    kinds = ["taken", "repeated", "dropped", "cut", "failed", "busy", "hung"]
    told = told_of([{**row, "kind": kind} for kind in kinds])
    assert [one.taken for one in told] == [True, True, True, True, False, False, False]
