"""What becomes of claimed parcels, and of those that waited for them."""

from __future__ import annotations

import pytest
from store_material import ANN, BOB, NORTH, NOW, SOUTH, accept, ask, claim, hold, key, look, numbers, settle, sr, states

from sluicegate.dispatch.parcel import Settlement, State
from sluicegate.dispatch.store.interface import Standing, Store

BLOCKED, READY, CLAIMED, DELAYED, PARKED, DELIVERED, RETURNED = State


@pytest.mark.parametrize("state", [DELIVERED, RETURNED])
def test_a_parcel_has_one_end(store: Store, state: State) -> None:
    (held,) = hold(store, sr(1))
    assert settle(store, [held.seq], state, attempts=3, code="E21").applied == {held.seq}
    other = DELIVERED if state is RETURNED else RETURNED
    assert settle(store, [held.seq], other).applied == frozenset()
    parcel, found, code = look(store, 1)
    assert (found, code, parcel.attempts) == (state, "E21", 3)


def test_of_two_settlements_in_one_batch_the_first_counts(store: Store) -> None:
    (held,) = hold(store, sr(1))
    with store.transaction() as transaction:
        transaction.settle([Settlement(held.seq, RETURNED, NOW), Settlement(held.seq, DELIVERED, NOW)])
    assert states(store, 1) == [RETURNED]


def test_what_is_not_claimed_by_this_dispatcher_is_not_settled(store: Store) -> None:
    (ready,) = accept(store, sr(1))
    assert settle(store, [ready.seq, ready.seq + 50]).applied == frozenset()
    assert states(store, 1) == [READY]


def test_settling_is_no_way_to_block_or_claim(store: Store) -> None:
    (held,) = hold(store, sr(1))
    for state in (BLOCKED, CLAIMED):
        with pytest.raises(ValueError, match=state.name):
            settle(store, [held.seq], state)
    assert states(store, 1) == [CLAIMED]


def test_a_delayed_parcel_is_claimed_when_it_is_due(store: Store) -> None:
    receipts = hold(store, *(sr(number) for number in range(4)), sr(4, destination=SOUTH))
    for receipt, due in zip(receipts, (30.0, 10.0, 20.0, 99.0, 5.0), strict=True):
        settle(store, [receipt.seq], DELAYED, due=NOW + due, attempts=2, code="E20", repeated=True)
    both = [NORTH, SOUTH]
    assert ask(store, lambda it: it.claim_due(both, NOW + 4, 9)) == []
    assert claim(store) == []
    assert ask(store, lambda it: it.claim_due([], NOW + 50, 9)) == []
    assert ask(store, lambda it: it.claim_due(both, NOW + 50, 0)) == []
    first = ask(store, lambda it: it.claim_due([NORTH, "csp:other"], NOW + 50, 2))
    assert numbers(first) == [1, 2]
    assert [(parcel.attempts, parcel.repeated, parcel.body) for parcel in first] == [
        (2, True, b"<Request 1/>"),
        (2, True, b"<Request 2/>"),
    ]
    assert numbers(ask(store, lambda it: it.claim_due(both, NOW + 50, 9))) == [4, 0]


def test_a_parcel_that_is_given_back_is_as_it_was(store: Store) -> None:
    (held,) = hold(store, sr(1))
    settle(store, [held.seq], DELAYED, due=NOW, attempts=2, repeated=True)
    (parcel,) = ask(store, lambda it: it.claim_due([NORTH], NOW, 1))
    settle(store, [parcel.seq], READY)
    (again,) = claim(store)
    assert (again.attempts, again.repeated) == (2, True)


def test_a_parked_parcel_waits_for_an_operator(store: Store) -> None:
    held = hold(store, *(sr(number) for number in range(4)))
    settle(store, [one.seq for one in held[:3]], PARKED, attempts=1, code="400")
    settle(store, [held[3].seq], DELAYED, due=NOW, attempts=1)
    parked = ask(store, lambda it: it.parked(NORTH, 2))
    assert [(number, code) for number, (_, code) in zip(numbers([one for one, _ in parked]), parked, strict=True)] == [
        (0, "400"),
        (1, "400"),
    ]
    assert all(one.body is None for one, _ in parked)
    assert ask(store, lambda it: it.parked(SOUTH, 2)) == []
    assert ask(store, lambda it: it.requeue(SOUTH, None)) == 0
    assert ask(store, lambda it: it.requeue(NORTH, [held[1].seq, held[1].seq + 99])) == 1
    assert states(store, 0, 1, 2) == [PARKED, READY, PARKED]
    assert ask(store, lambda it: it.requeue(NORTH, None)) == 3
    assert [(parcel.attempts, look(store, 0)[2]) for parcel in claim(store)] == [(0, "")] * 4


def test_what_is_past_its_deadline_is_claimed_whatever_it_waits_for(store: Store) -> None:
    held, blocked, ready, delayed, parked, later = hold(
        store,
        sr(0, lane=9, deadline=NOW),
        sr(1, lane=9, deadline=NOW + 5),
        sr(2, deadline=NOW + 4),
        sr(3, deadline=NOW + 3),
        sr(4, deadline=NOW + 2),
        sr(5, deadline=NOW + 50),
    )
    for receipt, state in ((ready, READY), (delayed, DELAYED), (parked, PARKED), (later, READY)):
        settle(store, [receipt.seq], state, due=NOW + 99)
    assert numbers(ask(store, lambda it: it.claim_overdue(NOW + 10, 2))) == [4, 3]
    assert numbers(ask(store, lambda it: it.claim_overdue(NOW + 10, 9))) == [2, 1]
    assert states(store, 0, 5) == [CLAIMED, READY]
    assert settle(store, [blocked.seq], RETURNED).applied == {blocked.seq}
    assert settle(store, [held.seq]).freed == {}


def test_what_is_behind_one_that_ended_early_waits_for_those_before_it(store: Store) -> None:
    receipts = hold(
        store, *(sr(number, lane=9, deadline=NOW + 5 if number in {1, 2} else NOW + 99) for number in range(5))
    )
    overdue = ask(store, lambda it: it.claim_overdue(NOW + 9, 9))
    assert numbers(overdue) == [1, 2]
    assert settle(store, [one.seq for one in overdue], RETURNED).freed == {}
    assert states(store, 0, 3, 4) == [CLAIMED, BLOCKED, BLOCKED]
    assert settle(store, [receipts[0].seq]).freed == {(NORTH, ANN, 1): 1}
    assert states(store, 3, 4) == [READY, BLOCKED]


def test_waiting_in_anothers_stead_lends_the_rank_too(store: Store) -> None:
    held, between, _ = hold(
        store, sr(0, lane=9, rank=5), sr(1, lane=9, rank=5, user=BOB, deadline=NOW), sr(2, lane=9, rank=0)
    )
    ask(store, lambda it: it.claim_overdue(NOW, 9))
    with store.transaction() as transaction:
        transaction.settle([Settlement(between.seq, RETURNED, NOW)])
        assert transaction.hurried() == {held.seq: 0}


@pytest.mark.parametrize(("back", "then"), [(READY, BLOCKED), (DELAYED, BLOCKED), (PARKED, PARKED)])
def test_an_overdue_parcel_that_comes_back_still_waits_for_its_lane(store: Store, back: State, then: State) -> None:
    first, second = hold(store, sr(0, lane=9), sr(1, lane=9, deadline=NOW))
    ask(store, lambda it: it.claim_overdue(NOW, 9))
    settle(store, [second.seq], back, due=NOW)
    assert states(store, 1) == [then]
    assert ask(store, lambda it: it.claim_due([NORTH], NOW + 9, 9)) == []
    assert ask(store, lambda it: it.requeue(NORTH, None)) == (1 if then is PARKED else 0)
    assert states(store, 1) == [BLOCKED]
    settle(store, [first.seq])
    assert states(store, 1) == [READY]


def test_an_outcome_ends_what_nobody_is_sending(store: Store) -> None:
    held, delayed, _, parked, ended = hold(store, sr(0), sr(1), sr(2, preceding=key(1)), sr(3), sr(4))
    settle(store, [delayed.seq], DELAYED, due=NOW, attempts=1)
    settle(store, [parked.seq], PARKED, repeated=True)
    settle(store, [ended.seq], RETURNED, code="E21")
    told = [(key(number), f"I{number}") for number in (0, 1, 3, 4, 77, 1)]
    finished = ask(store, lambda it: it.finish(told, NOW))
    assert finished.before == [CLAIMED, DELAYED, PARKED, RETURNED, None, DELAYED]
    assert finished.freed == {(NORTH, ANN, 1): 1}
    assert states(store, 0, 1, 2, 3, 4) == [CLAIMED, DELIVERED, READY, DELIVERED, RETURNED]
    assert [look(store, number)[2] for number in (1, 4)] == ["I1", "E21"]
    assert settle(store, [held.seq]).applied == {held.seq}
    assert ask(store, lambda it: it.finish([], NOW)).before == []


def test_what_was_never_sent_can_have_no_outcome(store: Store) -> None:
    accept(store, sr(0), sr(1, preceding=key(0)))
    assert ask(store, lambda it: it.finish([(key(0), "I0"), (key(1), "I0")], NOW)).before == [READY, BLOCKED]
    assert states(store, 0, 1) == [READY, BLOCKED]


def test_an_operator_claims_all_that_nobody_holds(store: Store) -> None:
    receipts = hold(store, sr(0), sr(1, lane=9), sr(2, lane=9), sr(3), sr(4, destination=SOUTH))
    settle(store, [receipts[0].seq], PARKED)
    settle(store, [receipts[3].seq], READY)
    assert ask(store, lambda it: it.claim_all(NORTH, [CLAIMED, DELIVERED], 9)) == []
    assert numbers(ask(store, lambda it: it.claim_all(NORTH, [PARKED, BLOCKED, READY, CLAIMED], 2))) == [0, 2]
    assert numbers(ask(store, lambda it: it.claim_all(NORTH, [PARKED, BLOCKED, READY], 9))) == [3]


def test_standing_tells_each_queue(store: Store) -> None:
    held = hold(store, sr(0, lane=9), sr(1, lane=9), sr(2, user=BOB, rank=0, destination=SOUTH), sr(3))
    settle(store, [held[3].seq])
    size = len(sr(0).body)
    assert ask(store, lambda it: it.standing()) == [
        Standing((NORTH, ANN, 1), {CLAIMED: 1, BLOCKED: 1}, 2 * size),
        Standing((SOUTH, BOB, 0), {CLAIMED: 1}, size),
    ]
    assert ask(store, lambda it: it.oldest(NORTH)) == NOW
    assert ask(store, lambda it: it.oldest("csp:none")) is None


def test_flags_are_remembered(store: Store) -> None:
    for value in ("yes", "no", None, "again"):
        ask(store, lambda it, value=value: it.set_flag("paused:csp:north", value))
    assert ask(store, lambda it: it.flags()) == {"paused:csp:north": "again"}


def test_find_takes_any_octets(store: Store) -> None:
    accept(store, sr(1, lane=1), sr(2, lane=2))
    for octets, count in ((b"", 2), (b"\xff\xff", 0), (key(1)[:10], 2), (key(2), 1), (key(2) + b"\xff", 0)):
        assert len(ask(store, lambda it, octets=octets: it.find(octets))) == count


def test_purge_deletes_bodies_first_and_then_what_is_known(store: Store) -> None:
    held = hold(store, *(sr(number) for number in range(10)))
    for number, receipt in enumerate(held[:8]):
        settle(store, [receipt.seq], at=NOW + number // 2)  # two at each time

    def purge(bodies: float, rows: float, most: int = 3) -> list[int]:
        counts = []
        while not counts or counts[-1]:
            counts.append(ask(store, lambda it: it.purge(NOW + bodies, NOW + rows, most)))
        return counts

    assert purge(2, 0) == [3, 1, 0]
    kept = [ask(store, lambda it, seq=receipt.seq: it.body(seq)) is not None for receipt in held]
    assert kept == [False] * 4 + [True] * 6
    assert accept(store, sr(0))[0].repeats_after
    assert purge(3, 2) == [3 + 2, 1, 0]  # rows, and bodies
    assert states(store, *range(10)) == [None] * 4 + [DELIVERED] * 4 + [CLAIMED] * 2
    assert ask(store, lambda it: it.purge(0, 0, 0)) == 0


def test_numbers_are_not_used_again_after_everything_was_deleted(where: str, opener) -> None:
    store = opener(where)
    (held,) = hold(store, sr(1))
    settle(store, [held.seq])
    assert ask(store, lambda it: it.purge(NOW + 9, NOW + 9, 9)) > 0
    store.close()
    (again,) = accept(opener(where), sr(1))
    assert again.seq > held.seq


def test_what_came_to_its_end_is_listed_by_when_and_counted_by_why(store: Store) -> None:
    held = hold(store, *(sr(number, rank=number % 2) for number in range(5)), sr(9, destination=SOUTH), sr(8))
    for number, receipt in enumerate(held[:6]):
        state = DELIVERED if number < 3 else RETURNED
        settle(store, [receipt.seq], state, at=NOW + number, code="refused E12" if number == 2 else "acknowledged I99")
    found = store.read(lambda it: it.ended(NORTH, NOW + 1, NOW + 4, 9))
    assert numbers([parcel for parcel, *_ in found]) == [3, 2, 1]
    assert [(state, code, at) for _parcel, state, code, at in found][1] == (DELIVERED, "refused E12", NOW + 2)
    assert numbers([parcel for parcel, *_ in ask(store, lambda it: it.ended(NORTH, NOW, NOW + 99, 2))]) == [4, 3]
    assert numbers([one for one, *_ in ask(store, lambda it: it.ended(NORTH, NOW, NOW + 99, 9, "ack"))]) == [2]
    assert store.read(lambda it: it.ends(NORTH, NOW, NOW + 5)) == {
        (0, "acknowledged"): 2,
        (0, "refused"): 1,
        (1, "acknowledged"): 2,
    }
