"""What is accepted: once, in order of its lane, after its predecessor, and hurrying those before it."""

from __future__ import annotations

import contextlib
import traceback
from dataclasses import replace

import pytest
from store_material import ANN, BOB, NORTH, NOW, SOUTH, accept, ask, claim, hold, key, look, numbers, settle, sr, states

from sluicegate.database.errors import StoreError
from sluicegate.dispatch.parcel import Kind, Receipt, Settlement, State, Taken, Want
from sluicegate.dispatch.store.interface import LARGE, Store, Transaction

BLOCKED, READY, CLAIMED, DELIVERED = State.BLOCKED, State.READY, State.CLAIMED, State.DELIVERED


def test_a_parcel_comes_back_as_it_was_accepted(store: Store) -> None:
    one = sr(1, lane=-(2**63), fields={"Sluicegate-Late": "yes"}, kind=Kind.RESPONSE, rank=3, user="Å & <b>", srv="")
    (receipt,) = accept(store, one)
    (parcel,) = claim(store, user="Å & <b>", rank=3)
    assert receipt == Receipt(Taken.ACCEPTED, parcel.seq, one.accepted_at, READY)
    for name in (
        "kind",
        "key",
        "destination",
        "user",
        "rank",
        "path",
        "lane",
        "srv",
        "accepted_at",
        "deadline",
        "body",
    ):
        assert getattr(parcel, name) == getattr(one, name), name
    assert (parcel.fields, parcel.octets, parcel.attempts, parcel.repeated) == (one.fields, len(one.body), 0, False)


def test_nothing_is_accepted_in_an_empty_batch(store: Store) -> None:
    assert accept(store) == []
    assert ask(store, lambda it: it.settle([])).applied == frozenset()


def test_later_parcels_have_larger_numbers_than_all_that_were_there(store: Store) -> None:
    seqs = [receipt.seq for batch in range(5) for receipt in accept(store, *(sr(batch * 3 + i) for i in range(3)))]
    assert seqs == sorted(set(seqs))


def test_more_than_fit_into_one_statement_are_accepted_in_order(store: Store) -> None:
    receipts = accept(store, *(sr(number, lane=7) for number in range(2_500)), sr(3, lane=7))
    assert [receipt.state for receipt in receipts[:3]] == [READY, BLOCKED, BLOCKED]
    assert receipts[-1] == replace(receipts[3], taken=Taken.REPEATED)
    assert [receipt.seq for receipt in receipts[:-1]] == sorted(receipt.seq for receipt in receipts[:-1])


def test_the_same_again_gets_the_first_ones_receipt(store: Store) -> None:
    (first,) = accept(store, sr(1))
    (again,) = accept(store, sr(1, accepted_at=NOW + 500))
    assert again == Receipt(Taken.REPEATED, first.seq, NOW + 1, READY)
    settle(store, [parcel.seq for parcel in claim(store)])
    (late,) = accept(store, sr(1, accepted_at=NOW + 900))
    assert late == Receipt(Taken.REPEATED, first.seq, NOW + 1, DELIVERED, repeats_after=True)
    assert claim(store) == []


def test_another_message_with_the_same_key_is_refused_and_the_first_untouched(store: Store) -> None:
    (first,) = accept(store, sr(1, body=b"first"))
    (other,) = accept(store, sr(1, body=b"other"))
    assert other == Receipt(Taken.CONFLICT, first.seq, NOW + 1, READY)
    assert [parcel.body for parcel in claim(store)] == [b"first"]


def test_a_batch_may_repeat_and_contradict_itself(store: Store) -> None:
    receipts = hold(store, sr(1), sr(1), sr(1, body=b"other"), sr(2), sr(1))
    assert [one.taken for one in receipts] == [
        Taken.ACCEPTED,
        Taken.REPEATED,
        Taken.CONFLICT,
        Taken.ACCEPTED,
        Taken.REPEATED,
    ]
    assert len({one.seq for one in receipts}) == 2
    assert {one.state for one in receipts} == {CLAIMED}


def test_what_the_dispatcher_has_room_for_is_claimed_at_once(store: Store) -> None:
    (held,), (waits,) = hold(store, sr(1)), accept(store, sr(2))
    assert (held.state, waits.state) == (CLAIMED, READY)
    assert numbers(claim(store)) == [2]
    assert settle(store, [held.seq]).applied == {held.seq}


def test_regions_of_one_firmware_message_are_parcels_of_their_own(store: Store) -> None:
    one = sr(1)
    receipts = hold(store, one, replace(one, key=one.key + b"south", destination=SOUTH))
    assert [receipt.taken for receipt in receipts] == [Taken.ACCEPTED] * 2
    found = ask(store, lambda it: it.find(one.key))
    assert [parcel.destination for parcel, _, _ in found] == [NORTH, SOUTH]
    assert [parcel.destination for parcel, _, _ in ask(store, lambda it: it.find(one.key + b"s"))] == [SOUTH]


def test_a_lane_keeps_its_order(store: Store) -> None:
    first = hold(store, sr(1, lane=9), sr(2, lane=9, hold=True), sr(3, lane=8))
    assert [one.state for one in first] == [CLAIMED, BLOCKED, CLAIMED]
    (third,) = hold(store, sr(4, lane=9, destination=SOUTH, user=BOB))
    assert third.state is BLOCKED
    assert claim(store) == []
    assert settle(store, [first[0].seq]).freed == {(NORTH, ANN, 1): 1}
    assert states(store, 2, 4) == [READY, BLOCKED]
    assert numbers(claim(store)) == [2]
    assert settle(store, [first[1].seq], State.RETURNED).freed == {(SOUTH, BOB, 1): 1}


@pytest.mark.parametrize("state", [State.DELAYED, State.PARKED, State.READY])
def test_a_lane_waits_while_its_first_is_open(store: Store, state: State) -> None:
    (first,) = hold(store, sr(1, lane=9))
    assert settle(store, [first.seq], state, due=NOW).freed == {}
    (second,) = hold(store, sr(2, lane=9))
    assert second.state is BLOCKED


def test_a_lane_that_is_empty_again_blocks_nobody(store: Store) -> None:
    (first,) = hold(store, sr(1, lane=9))
    settle(store, [first.seq])
    assert hold(store, sr(2, lane=9))[0].state is CLAIMED


def test_an_sr_follows_its_predecessor_while_that_is_open(store: Store) -> None:
    (first,) = hold(store, sr(1))
    before_and_after = hold(store, sr(2, preceding=key(1)), sr(3, preceding=key(2)), sr(4, preceding=key(99)))
    assert [one.state for one in before_and_after] == [BLOCKED, BLOCKED, CLAIMED]
    assert settle(store, [first.seq]).freed == {(NORTH, ANN, 1): 1}
    assert states(store, 2, 3) == [READY, BLOCKED]
    assert hold(store, sr(5, preceding=key(1)))[0].state is CLAIMED


def test_a_predecessor_that_comes_later_or_is_oneself_is_not_waited_for(store: Store) -> None:
    receipts = hold(store, sr(1, preceding=key(2)), sr(2), sr(3, preceding=key(3)))
    assert [one.state for one in receipts] == [CLAIMED] * 3


def test_what_waits_for_two_waits_for_both(store: Store) -> None:
    lane, chain, both = hold(store, sr(1, lane=9), sr(2), sr(3, lane=9, preceding=key(2)))
    assert both.state is BLOCKED
    assert settle(store, [lane.seq]).freed == {}
    assert settle(store, [chain.seq]).freed == {(NORTH, ANN, 1): 1}


def test_a_more_urgent_one_lends_its_rank_to_those_before_it(store: Store) -> None:
    with store.transaction() as transaction:
        (held,) = transaction.accept([sr(1, lane=9, rank=5, hold=True)])
        transaction.accept([sr(2, lane=9, rank=4), sr(3, lane=9, rank=4), sr(4, lane=8, rank=5)])
        assert transaction.hurried() == {held.seq: 4}
    with store.transaction() as transaction:
        transaction.accept([sr(5, lane=9, rank=0)])
        assert transaction.hurried() == {held.seq: 0}
    assert [look(store, number)[0].rank for number in (1, 2, 3, 4, 5)] == [0, 0, 0, 5, 0]
    assert settle(store, [held.seq]).freed == {(NORTH, ANN, 0): 1}


def test_a_rank_is_lent_to_no_other_user_and_no_other_destination(store: Store) -> None:
    hold(store, sr(1, lane=9, rank=5, user=BOB), sr(2, lane=8, rank=5, destination=SOUTH))
    with store.transaction() as transaction:
        transaction.accept([sr(3, lane=9, rank=0), sr(4, lane=8, rank=0)])
        assert transaction.hurried() == {}
    assert [look(store, number)[0].rank for number in (1, 2)] == [5, 5]


def test_a_less_urgent_one_changes_nothing(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.accept([sr(1, lane=9, rank=0, hold=True), sr(2, lane=9, rank=5)])
        assert transaction.hurried() == {}
    assert look(store, 1)[0].rank == 0


def test_a_large_body_is_read_when_it_is_sent(store: Store) -> None:
    small, large = b"s" * LARGE, b"\x00\xff" * LARGE
    (one, two) = accept(store, sr(1, body=small), sr(2, body=large))
    assert [(parcel.body, parcel.octets) for parcel in claim(store)] == [(small, LARGE), (None, 2 * LARGE)]
    assert ask(store, lambda it: it.body(two.seq)) == large
    assert ask(store, lambda it: it.body(one.seq)) == small
    assert ask(store, lambda it: it.body(two.seq + 99)) is None


def test_nothing_of_a_transaction_that_fails_is_there(store: Store) -> None:
    (held,) = hold(store, sr(1))

    def fail(transaction: Transaction) -> None:
        transaction.accept([sr(2)])
        transaction.settle([Settlement(held.seq, DELIVERED, NOW)])
        raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        ask(store, fail)
    assert states(store, 1, 2) == [CLAIMED, None]


def test_a_step_that_failed_is_not_committed_even_if_its_error_was_caught(store: Store) -> None:
    def hide(transaction: Transaction) -> None:
        transaction.accept([sr(1)])
        with contextlib.suppress(StoreError):
            transaction.accept([sr(2, srv=None)])

    with pytest.raises(StoreError, match="none of it is kept"):
        ask(store, hide)
    assert states(store, 1, 2) == [None, None]
    assert accept(store, sr(1))[0].taken is Taken.ACCEPTED


def test_an_error_tells_nothing_of_a_message(store: Store) -> None:
    with pytest.raises(StoreError) as told:
        accept(store, sr(1, body=b"secret body", srv=None, user="secret user"))
    assert "secret" not in "".join(traceback.format_exception(told.value)).replace('b"secret body"', "").replace(
        '"secret user"', ""
    )


def test_claims_of_several_queues_come_in_the_order_of_their_numbers(store: Store) -> None:
    accept(store, sr(1), sr(2, user=BOB), sr(3), sr(4, rank=2), sr(5))
    with store.transaction() as transaction:
        found = transaction.claim([Want(NORTH, ANN, 1, 2), Want(NORTH, BOB, 1, 9), Want(NORTH, ANN, 2, 0)], NOW)
    assert numbers(found) == [1, 2, 3]
    assert states(store, 4, 5) == [READY, READY]
