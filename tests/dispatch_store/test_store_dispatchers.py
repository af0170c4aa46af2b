"""Several dispatchers: with PostgreSQL they share the work; with SQLite there is one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from store_material import ANN, NORTH, NOW, accept, ask, claim, hold, key, look, numbers, settle, sr, states

from postgres import Server
from sluicegate.database.errors import StoreError, StoreHeld, StoreLost
from sluicegate.dispatch.parcel import Incoming, Receipt, State, Taken, Want
from sluicegate.dispatch.store import databases
from sluicegate.dispatch.store.databases import SESSION
from sluicegate.dispatch.store.interface import Store, Transaction
from sluicegate.dispatch.store.opening import open_store

Opener = Callable[..., Store]


def end_leases(server: Server, store: Store) -> None:
    """As if its time had passed."""
    ask(store, lambda it: it._work.connection.exec_driver_sql("UPDATE dispatcher SET lease_until = 1"))


def test_two_dispatchers_share_the_work_and_claim_nothing_twice(shared: Opener) -> None:
    first, second = shared(), shared()
    accept(first, *(sr(number, lane=number % 50) for number in range(400)))
    taken: dict[Store, list[int]] = {first: [], second: []}
    wrong: list[BaseException] = []

    def work(store: Store) -> None:
        try:
            for _ in range(500):
                parcels = claim(store, most=7)
                taken[store] += numbers(parcels)
                settle(store, [parcel.seq for parcel in parcels])
                if not parcels and not ask(store, lambda it: it.standing()):
                    return
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(store,)) for store in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sorted(taken[first] + taken[second]) == list(range(400))
    for lane in range(50):
        for mine in taken.values():
            own = [number for number in mine if number % 50 == lane]
            assert own == sorted(own)


def test_the_same_keys_at_the_same_time_are_accepted_once(shared: Opener) -> None:
    stores = [shared(), shared()]
    start = threading.Barrier(2)
    receipts: list[list[Receipt]] = [[], []]
    wrong: list[BaseException] = []

    def send(which: int) -> None:
        order = range(60) if which else range(59, -1, -1)
        batches: list[list[Incoming]] = [
            [sr(batch * 60 + number, body=b"other" if which and number % 3 == 0 else b"") for number in order]
            for batch in range(5)
        ]
        try:
            for batch in batches:
                start.wait(60)
                receipts[which] += accept(stores[which], *batch)
        except BaseException as error:
            wrong.append(error)
            start.abort()

    threads = [threading.Thread(target=send, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    taken = [one.taken for both in receipts for one in both]
    assert taken.count(Taken.ACCEPTED) == 300
    assert taken.count(Taken.CONFLICT) == 100
    assert taken.count(Taken.REPEATED) == 200


def test_one_lane_over_two_dispatchers_is_one_chain(shared: Opener) -> None:
    stores = [shared(), shared()]
    wrong: list[BaseException] = []

    def send(which: int) -> None:
        try:
            for number in range(which, 80, 2):
                hold(stores[which], sr(number, lane=1))
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=send, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    found = states(stores[0], *range(80))
    assert found.count(State.CLAIMED) == 1
    assert found.count(State.BLOCKED) == 79


def test_what_arrives_while_the_one_before_it_ends_never_waits_for_nothing(shared: Opener) -> None:
    delivering, accepting = shared(), shared()
    held = hold(delivering, *(sr(number, lane=number) for number in range(80)))
    wrong: list[BaseException] = []

    def deliver() -> None:
        try:
            for receipt in held:
                settle(delivering, [receipt.seq])
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=deliver)
    thread.start()
    for number in range(80):
        accept(accepting, sr(100 + number, lane=number))
    thread.join()
    assert wrong == []
    assert set(states(accepting, *range(100, 180))) == {State.READY}


def test_a_stranger_settles_nothing(shared: Opener) -> None:
    one, stranger = shared(), shared()
    (held,) = hold(one, sr(1))
    assert settle(stranger, [held.seq]).applied == frozenset()
    assert states(stranger, 1) == [State.CLAIMED]
    assert settle(one, [held.seq]).applied == {held.seq}


def test_a_strangers_urgent_sr_hurries_what_another_holds_without_a_word_to_him(shared: Opener) -> None:
    one, stranger = shared(), shared()
    hold(one, sr(1, lane=9, rank=5))
    with stranger.transaction() as transaction:
        transaction.accept([sr(2, lane=9, rank=0)])
        assert transaction.hurried() == {}
    assert look(one, 1)[0].rank == 0


def test_dispatchers_are_counted_while_their_leases_last(server: Server, shared: Opener) -> None:
    one, other = shared(), shared()
    assert one.dispatchers() == 2
    end_leases(server, one)
    assert one.dispatchers() == 0
    assert other.renew(15.0) is False
    assert other.renew(15.0) is True
    assert one.dispatchers() == 1


def test_what_a_dead_dispatcher_held_is_taken_over_once_and_marked(server: Server, shared: Opener) -> None:
    dead, living = shared(), shared()
    held, blocked = hold(dead, sr(1, lane=9), sr(2, lane=9, deadline=NOW))
    ask(dead, lambda it: it.claim_overdue(NOW, 1))
    (own,) = hold(living, sr(3))
    assert living.take_over(NOW) == 0
    end_leases(server, dead)
    assert living.renew(15.0) is False
    assert living.take_over(NOW) == 3
    assert living.take_over(NOW) == 0
    assert states(living, 1, 2, 3) == [State.READY, State.BLOCKED, State.READY]
    assert settle(dead, [held.seq]).applied == frozenset()
    assert settle(living, [own.seq]).applied == frozenset()
    assert [parcel.repeated for parcel in claim(living)] == [True, True]
    assert blocked.seq > held.seq


def test_a_dispatcher_that_was_taken_for_dead_claims_nothing_until_it_knows(server: Server, shared: Opener) -> None:
    dead, living = shared(), shared()
    end_leases(server, dead)
    assert living.renew(15.0) is False
    living.take_over(NOW)
    (receipt,) = hold(dead, sr(1))
    assert receipt.state is State.READY
    assert claim(dead) == []
    assert ask(dead, lambda it: it.claim_due([NORTH], NOW, 1)) == []
    assert ask(dead, lambda it: it.claim_overdue(NOW + 1e9, 1)) == []
    assert ask(dead, lambda it: it.claim_all(NORTH, [State.READY], 1)) == []
    assert dead.renew(15.0) is False
    assert numbers(claim(dead)) == [1]


def test_a_dispatcher_that_closes_gives_its_claims_back(where: str, opener: Opener) -> None:
    store = opener(where)
    hold(store, sr(1))
    store.close()
    again = opener(where)
    (parcel,) = claim(again)
    assert parcel.repeated
    assert again.take_over(NOW) == 0


def test_claims_that_are_not_held_are_released(store: Store) -> None:
    held = hold(store, *(sr(number) for number in range(3)))
    assert store.release_all_but(frozenset({held[1].seq, 10**9})) == 2
    assert states(store, 0, 1, 2) == [State.READY, State.CLAIMED, State.READY]
    assert [parcel.repeated for parcel in claim(store)] == [True, True]


def test_an_sqlite_store_has_one_dispatcher(tmp_path: Path, opener: Opener) -> None:
    store = opener(str(tmp_path / "dispatch.db"))
    with pytest.raises(StoreError, match=r"dispatch\.db: another dispatcher has it"):
        open_store(str(tmp_path / "dispatch.db"))
    assert store.dispatchers() == 1
    assert store.renew(0.0) is True
    hold(store, sr(1))
    assert store.take_over(NOW) == 0
    store.close()
    assert opener(str(tmp_path / "dispatch.db")).dispatchers() == 1


def test_two_dispatchers_may_make_the_tables_at_the_same_time(server: Server, opener: Opener) -> None:
    place = server.schema("opened_twice")
    opened: list[Store] = []
    wrong: list[BaseException] = []

    def go() -> None:
        try:
            opened.append(opener(place))
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    accept(opened[0], sr(1))
    assert ask(opened[1], lambda it: len(it.find(key(1)))) == 1


def test_a_dispatcher_that_hangs_in_a_transaction_is_put_out(
    server: Server, shared: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SESSION, "idle_in_transaction_session_timeout", "50ms")
    hanging = shared()
    monkeypatch.undo()
    other = shared()

    def hang(transaction: Transaction) -> None:
        transaction.accept([sr(1)])
        accept(other, sr(2))  # waits for the lock until the server has put the other one out
        transaction.accept([sr(3)])

    with pytest.raises(StoreLost):
        ask(hanging, hang)
    assert states(hanging, 1, 2, 3) == [None, State.READY, None]
    with hanging.transaction() as transaction:
        assert numbers(transaction.claim([Want(NORTH, ANN, 1, 9)], NOW)) == [2]


def test_a_dispatcher_that_is_frozen_and_not_idle_is_put_out_by_who_waits_for_it(
    server: Server, shared: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen while the server sends it rows it is not idle, and the server itself would wait for ever."""
    monkeypatch.setitem(SESSION, "idle_in_transaction_session_timeout", "0")
    frozen = shared()
    monkeypatch.setitem(SESSION, "lock_timeout", "100ms")
    monkeypatch.setattr(databases, "HELD", 0.05)
    other = shared()

    def freeze(transaction: Transaction) -> None:
        transaction.accept([sr(1)])
        with pytest.raises(StoreHeld):
            accept(other, sr(2))
        accept(other, sr(2))
        transaction.accept([sr(3)])

    with pytest.raises(StoreLost):
        ask(frozen, freeze)
    assert states(frozen, 1, 2, 3) == [None, State.READY, None]
