"""Controls: what each needs, what it says it will do, and what they come to together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, update

from sluicegate.allocation import NOTHING, Book, Overlay, overlaid
from sluicegate.operations.controls import kept, kinds
from sluicegate.operations.controls.governor import Books, Governor
from sluicegate.operations.controls.kinds import Unfit, Wanted
from sluicegate.operations.store import trail
from sluicegate.operations.store.control_tables import control
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.verify import verify
from sluicegate.settings import parse, starter

SETTINGS = parse(starter())
A, B, C = (user.name for user in SETTINGS.users)
AT = 1_790_000_000_000_000
SECOND = 1_000_000


@pytest.fixture
def store(tmp_path):
    made = OperationsStore(str(tmp_path / "operations.db"))
    yield made
    made.close()


def put(store, *wanted, at=AT, reason="because"):
    with store.changing() as connection:
        return kept.put(connection, Wanted(*wanted), who="alice", reason=reason, at=at)[0]


def counting(store, at):
    with store.reading() as connection:
        return [(one.kind, one.user, one.value) for one in kept.in_force(connection, at)]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (("explode",), "there is no control 'explode'"),
        (("observe", A), "is for everybody"),
        (("observe-user",), "needs a user"),
        (("observe-user", "Nobody"), "is no User"),
        (("emergency-capacity",), "needs a value"),
        (("emergency-capacity", None, 0.0), "a capacity is 0.001"),
        (("lowered-threshold", None, 100.0), "must say for how long"),
        (("lowered-threshold", None, 900.0, 60.0), "name a lower one"),
        (("temporary-allocation", A, 1e9, 60.0), "0 to 1000 SR/s"),
        (("temporary-allocation", A, 10.0, 1e9), "seconds must be at least 1 and at most 31,622,400"),
        (("drill", A, 1.5, 60.0), "above 0 and at most 1"),
        (("drill", A, 0.5, 3601.0), "at most 3,600"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(wanted, said):
    with pytest.raises(Unfit, match=said):
        kinds.check(Wanted(*wanted), SETTINGS)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (("observe",), "Nothing is refused any more, for all 3 Users"),
        (("enforce",), "are refused again"),
        (("observe-user", A), f"Nothing of {A} is refused"),
        (("emergency-capacity", None, 250.0), "every allocation is cut to 50.0% of what it is, at once"),
        (("emergency-capacity", None, 900.0), "no allocation is cut"),
        (("lowered-threshold", None, 300.0, 60.0), "begins at 300 SR/s instead of 800"),
        (("temporary-allocation", A, 900.0, 60.0), "The sum would be 1100 SR/s: every allocation is cut to 90.9%"),
        (("drill", A, 0.25, 60.0), "25% of what Large Supplier A sends is throttled"),
    ],
)
def test_a_control_says_what_it_will_do(wanted, said):
    kinds.check(Wanted(*wanted), SETTINGS)
    assert said in kinds.meaning(Wanted(*wanted), SETTINGS)


def test_nothing_over_the_file_is_the_file():
    assert overlaid(SETTINGS, NOTHING) is SETTINGS


def test_the_book_in_force_wins_over_the_file_and_a_temporary_allocation_over_the_book():
    settings = overlaid(SETTINGS, Overlay(allocations={A: 1.0, B: 2.0}, temporary={B: 7.0}))
    assert [user.allocation for user in settings.users] == [1.0, 7.0, 0.0]


@given(st.floats(0.01, 2000), st.floats(0, 1000))
def test_under_an_emergency_capacity_all_allocations_are_cut_by_the_same_factor(maximum, temporary):
    settings = overlaid(SETTINGS, Overlay(maximum=maximum, temporary={A: temporary}))
    assert settings.capacity.operating_threshold <= settings.capacity.maximum == maximum
    book = Book.from_settings(settings)
    cut = book.effective(maximum)
    assert sum(cut.allocations) <= maximum * (1 + 1e-9)
    for holder, allocation in zip(book.holders, cut.allocations, strict=True):
        assert allocation == pytest.approx(holder.allocation * cut.factor)


def test_a_control_takes_the_place_of_the_one_before_it(store):
    put(store, "observe")
    put(store, "enforce", at=AT + 1)
    put(store, "emergency-capacity", None, 500.0, at=AT + 2)
    put(store, "emergency-capacity", None, 400.0, at=AT + 3)
    put(store, "observe-user", A, at=AT + 4)
    put(store, "observe-user", B, at=AT + 5)
    assert counting(store, AT + 9) == [
        ("enforce", None, None),
        ("emergency-capacity", None, 400.0),
        ("observe-user", A, None),
        ("observe-user", B, None),
    ]


def test_a_control_ends_by_itself_or_is_ended_and_cannot_be_ended_twice(store):
    put(store, "drill", A, 0.5, 60.0)
    other = put(store, "observe")
    assert counting(store, AT + 60 * SECOND - 1)[0][0] == "drill"
    assert counting(store, AT + 60 * SECOND) == [("observe", None, None)]
    with store.changing() as connection:
        kept.end(connection, other.seq, who="bob", reason="over", at=AT + 5)
    with pytest.raises(kept.NoSuchControl), store.changing() as connection:
        kept.end(connection, other.seq, who="bob", reason="over", at=AT + 6)
    with store.reading() as connection:
        told = [(row.did, row.who, trail.details_of(row)["reason"]) for row in trail.rows(connection)]
    assert told == [(kept.PUT, "alice", "because")] * 2 + [(kept.ENDED, "bob", "over")]


TAMPERING = {
    "its value": update(control).where(control.c.seq == 2).values(value=999.0),
    "its end": update(control).where(control.c.seq == 1).values(ended_at=None),
    "who put it": update(control).where(control.c.seq == 3).values(who="somebody else"),
    "taken out": delete(control).where(control.c.seq == 3),
    "put in": insert(control).values(seq=9, kind="observe", made_at=AT, who="x", reason="x"),
}


@pytest.mark.parametrize("how", [None, *TAMPERING])
def test_verify_finds_controls_that_were_tampered_with(store, how):
    put(store, "emergency-capacity", None, 500.0)
    put(store, "emergency-capacity", None, 400.0, at=AT + 1)
    put(store, "drill", A, 0.5, 60.0, at=AT + 2)
    put(store, "drill", A, 0.2, 60.0, at=AT + 62 * SECOND)
    other = put(store, "observe", at=AT + 63 * SECOND)
    with store.changing() as connection:
        kept.end(connection, other.seq, who="bob", reason="over", at=AT + 64 * SECOND)
        if how is not None:
            connection.execute(TAMPERING[how])
    with store.reading() as connection:
        assert bool(verify(connection).problems) == (how is not None)


class Gateway:
    """Remembers what it was told."""

    def __init__(self):
        self.overlays, self.settings, self.broken = [], SETTINGS, False

    def set_overlay(self, overlay):
        if self.broken:
            raise ValueError("it cannot be")
        self.overlays.append(overlay)
        self.settings = overlaid(SETTINGS, overlay)


def governor(gateway, clock):
    return Governor(gateway, None, lambda *_: Books(None), lambda: clock[0])


def test_what_ends_by_itself_and_the_next_book_come_on_time_without_the_database():
    gateway, clock = Gateway(), [AT]
    one = governor(gateway, clock)
    assert not one.tick()
    one.controls = [kinds.Control(1, "lowered-threshold", None, 300.0, AT, AT + 10 * SECOND, "alice", "why")]
    one.books = Books({A: 1.0}, AT + 5 * SECOND, {A: 2.0})
    assert one.tick()
    assert not one.tick()
    assert (gateway.overlays[-1].threshold, gateway.overlays[-1].allocations) == (300.0, {A: 1.0})
    clock[0] = AT + 5 * SECOND
    assert one.tick()
    assert gateway.overlays[-1].allocations == {A: 2.0}
    clock[0] = AT + 10 * SECOND
    assert one.tick()
    assert gateway.overlays[-1] == Overlay(allocations={A: 2.0})


def test_what_cannot_be_put_in_force_is_told_and_tried_with_the_next_change():
    gateway, clock = Gateway(), [AT]
    one = governor(gateway, clock)
    gateway.broken = True
    one.controls = [kinds.Control(1, "observe", None, None, AT, None, "alice", "why")]
    assert not one.tick()
    assert one.refused == "it cannot be"
    gateway.broken = False
    one.controls = []
    assert one.tick()
    assert one.refused == ""
