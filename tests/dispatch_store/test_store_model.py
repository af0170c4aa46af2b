"""Whatever is done to a store, by one dispatcher or two: it is what the model says, and what was promised holds."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from store_material import ANN, BOB, NORTH, NOW, SOUTH, key, sr
from store_model import Known, Model

from postgres import Server
from sluicegate.dispatch.parcel import OPEN, Incoming, Parcel, Settlement, State, Want
from sluicegate.dispatch.store.interface import Store
from sluicegate.dispatch.store.opening import open_store

MEMORY = Path("/dev/shm")  # so that an fsync costs nothing
QUEUES = [(destination, user, rank) for destination in (NORTH, SOUTH) for user in (ANN, BOB) for rank in (0, 1, 2)]
_names = count(1)

dispatchers = st.integers(1, 2)
some = st.integers(1, 4)
times = st.integers(0, 9).map(lambda after: NOW + after)
arriving = st.builds(
    lambda number, before, **changes: sr(number, preceding=None if before is None else key(before), **changes),
    st.integers(0, 30),
    st.none() | st.none() | st.integers(0, 30),
    body=st.sampled_from([b"", b"", b"", b"another"]),
    destination=st.sampled_from([NORTH, NORTH, SOUTH]),
    user=st.sampled_from([ANN, ANN, BOB]),
    rank=st.integers(0, 2),
    lane=st.none() | st.integers(-1, 2),
    deadline=times,
    hold=st.booleans(),
)
settled = st.builds(
    Settlement,
    seq=st.just(0),
    state=st.sampled_from([State.DELIVERED, State.RETURNED, State.DELAYED, State.PARKED, State.READY]),
    at=times,
    due=times,
    attempts=st.integers(0, 5),
    repeated=st.booleans(),
)


class StoreMachine(RuleBasedStateMachine):
    """`stores` by dispatcher; with SQLite both are the same one."""

    place: Callable[[], str]
    both: bool

    def __init__(self) -> None:
        super().__init__()
        self.where = self.place()
        self.stores: dict[int, Store] = {1: open_store(self.where)}
        self.stores[2] = open_store(self.where) if self.both else self.stores[1]
        self.model = Model()
        self.seqs: list[int] = []  # of the model's numbers
        self.early: set[int] = set()  # claimed although it waits for another one

    def teardown(self) -> None:
        for store in set(self.stores.values()):
            store.close()
        if not self.both:
            shutil.rmtree(Path(self.where).parent)

    def name(self, owner: int) -> int:
        return owner if self.both else 1

    def mine(self, owner: int) -> list[Known]:
        return [one for one in self.model.parcels if one.owner == self.name(owner)]

    def check(self, found: Sequence[Parcel], expected: Sequence[int]) -> None:
        assert [parcel.seq for parcel in found] == [self.seqs[number] for number in expected]
        for parcel, number in zip(found, expected, strict=True):
            known = self.model.parcels[number]
            assert (parcel.rank, parcel.attempts, parcel.repeated) == (known.rank, known.attempts, known.repeated)
            assert parcel.body == known.incoming.body
            if known.waits:
                self.early.add(number)

    def check_hurried(self, owner: int, hurried: dict[int, int]) -> None:
        changed = [self.model.parcels[number] for number in sorted(self.model.hurried)]
        mine = [one for one in changed if one.owner == self.name(owner)]
        assert hurried == {self.seqs[one.number]: one.rank for one in mine}

    @rule(owner=dispatchers, batch=st.lists(arriving, max_size=4))
    def accept(self, owner: int, batch: list[Incoming]) -> None:
        self.model.hurried.clear()
        expected = self.model.accept(self.name(owner), batch)
        with self.stores[owner].transaction() as transaction:
            receipts = transaction.accept(batch)
            hurried = dict(transaction.hurried())
        assert [(one.taken, one.state) for one in receipts] == expected
        self.seqs += [one.seq for one in receipts if not one.taken]
        assert self.seqs == sorted(set(self.seqs))
        for one, receipt in zip(batch, receipts, strict=True):
            known = self.model.get(one.key)
            assert receipt.seq == self.seqs[known.number]
            assert receipt.accepted_at == known.incoming.accepted_at
        self.check_hurried(owner, hurried)

    @rule(owner=dispatchers, data=st.data(), batch=st.lists(settled, max_size=4))
    def settle(self, owner: int, data: Any, batch: list[Settlement]) -> None:
        mine = [one.number for one in self.mine(owner)]
        anyones = list(range(len(self.model.parcels)))
        pick = st.sampled_from(mine * 3 + anyones) if anyones else st.nothing()
        named = [self._named(one, data.draw(pick)) for one in batch] if anyones else []
        self.model.hurried.clear()
        applied, freed = self.model.settle(self.name(owner), [one for one, _ in named])
        with self.stores[owner].transaction() as transaction:
            done = transaction.settle([one for _, one in named])
            hurried = dict(transaction.hurried())
        assert done.applied == {self.seqs[number] for number in applied}
        assert self._by_place(done.freed) == self._by_place(freed)
        self.check_hurried(owner, hurried)

    def _named(self, one: Settlement, number: int) -> tuple[Settlement, Settlement]:
        rest = {name: getattr(one, name) for name in ("state", "at", "due", "attempts", "code", "repeated")}
        return Settlement(number, **rest), Settlement(self.seqs[number], **rest)

    @staticmethod
    def _by_place(freed: Any) -> dict[tuple[str, str, int], int]:
        return dict(freed)

    @rule(owner=dispatchers, queue=st.sampled_from(QUEUES), most=some)
    def claim(self, owner: int, queue: tuple[str, str, int], most: int) -> None:
        expected = self.model.claim(self.name(owner), self.model.ready(queue), most)
        with self.stores[owner].transaction() as transaction:
            self.check(transaction.claim([Want(*queue, most)], NOW), expected)

    @rule(owner=dispatchers, names=st.sets(st.sampled_from([NORTH, SOUTH])), at=times, most=some)
    def claim_due(self, owner: int, names: set[str], at: float, most: int) -> None:
        due = self.model.due(names, at)
        with self.stores[owner].transaction() as transaction:
            found = transaction.claim_due(names, at, most)
        numbers = [self.seqs.index(parcel.seq) for parcel in found]
        assert len(numbers) == min(most, len(due))
        for name in names:  # of equal times, and of several destinations, any may come
            times = [one.due for one in due if one.queue[0] == name]
            got = [self.model.parcels[number].due for number in numbers if self.model.parcels[number].queue[0] == name]
            assert got == times[: len(got)]
        self.check(found, self.model.claim(self.name(owner), [self.model.parcels[number] for number in numbers], most))

    @rule(owner=dispatchers, at=times, most=some)
    def claim_overdue(self, owner: int, at: float, most: int) -> None:
        late = self.model.overdue(at)
        with self.stores[owner].transaction() as transaction:
            found = transaction.claim_overdue(at, most)
        numbers = [self.seqs.index(parcel.seq) for parcel in found]
        deadlines = [self.model.parcels[number].incoming.deadline for number in numbers]
        assert deadlines == [one.incoming.deadline for one in late[:most]]
        self.check(found, self.model.claim(self.name(owner), [self.model.parcels[number] for number in numbers], most))

    @rule(owner=dispatchers, wanted=st.lists(st.sampled_from(list(State)), min_size=1), most=some)
    def claim_all(self, owner: int, wanted: list[State], most: int) -> None:
        found = [
            one
            for one in self.model.parcels
            if one.is_open() and one.state in wanted and one.state is not State.CLAIMED and one.queue[0] == NORTH
        ]
        expected = self.model.claim(self.name(owner), found, most)
        with self.stores[owner].transaction() as transaction:
            self.check(transaction.claim_all(NORTH, wanted, most), expected)

    @rule(owner=dispatchers, asked=st.lists(st.integers(0, 30), max_size=3))
    def finish(self, owner: int, asked: list[int]) -> None:
        before, freed = self.model.finish([key(number) for number in asked])
        with self.stores[owner].transaction() as transaction:
            done = transaction.finish([(key(number), "I0") for number in asked], NOW)
        assert list(done.before) == before
        assert self._by_place(done.freed) == self._by_place(freed)

    @rule(owner=dispatchers, destination=st.sampled_from([NORTH, SOUTH]))
    def requeue(self, owner: int, destination: str) -> None:
        expected = self.model.requeue(destination)
        with self.stores[owner].transaction() as transaction:
            assert transaction.requeue(destination, None) == expected

    @rule(owner=dispatchers, data=st.data())
    def release_all_but(self, owner: int, data: Any) -> None:
        mine = [one.number for one in self.mine(owner)]
        held = data.draw(st.sets(st.sampled_from(mine))) if mine else set()
        expected = self.model.release(self.name(owner), held)
        assert self.stores[owner].release_all_but(frozenset(self.seqs[number] for number in held)) == expected

    @rule(owner=dispatchers)
    def restart(self, owner: int) -> None:
        self.model.release(self.name(owner))
        self.stores[owner].close()
        self.stores[owner] = open_store(self.where)
        if not self.both:
            self.stores = dict.fromkeys((1, 2), self.stores[owner])

    @invariant()
    def each_parcel_is_there_once_with_one_state(self) -> None:
        with self.stores[1].transaction() as transaction:
            found = transaction.find(b"")
            standing = transaction.standing()
        assert [parcel.key for parcel, _, _ in found] == sorted(one.incoming.key for one in self.model.parcels)
        for parcel, state, _ in found:
            known = self.model.get(parcel.key)
            assert (state, parcel.rank, parcel.attempts, parcel.repeated) == (
                known.state,
                known.rank,
                known.attempts,
                known.repeated,
            )
        counts: dict[Any, dict[State, int]] = defaultdict(lambda: defaultdict(int))
        for one in self.model.parcels:
            if one.is_open():
                counts[one.queue][one.state] += 1
        assert {one.queue: dict(one.states) for one in standing} == counts

    @invariant()
    def what_was_promised_holds(self) -> None:
        """Of the model, whose answers are the store's: one end each; a lane's order; ranks lent up the chain."""
        lanes: dict[int, list[Known]] = defaultdict(list)
        for one in self.model.parcels:
            assert one.ends == (one.state > OPEN)
            if one.is_open() and one.incoming.lane is not None:
                lanes[one.incoming.lane].append(one)
            for number in one.waits:
                before = self.model.parcels[number]
                assert before.is_open()
                assert before.queue[:2] != one.queue[:2] or before.rank <= one.rank
            if one.state is State.BLOCKED:
                assert one.waits
        for lane in lanes.values():
            for one in lane[1:]:
                assert one.state is State.BLOCKED or one.number in self.early


@pytest.mark.parametrize("both", [False, True], ids=["sqlite", "postgresql"])
def test_a_store_is_what_its_model_is(both: bool, request: pytest.FixtureRequest) -> None:
    def file() -> str:
        return str(Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)) / "dispatch.db")

    def schema() -> str:
        server: Server = request.getfixturevalue("server")
        return server.schema(f"model{next(_names)}")

    machine = type("Machine", (StoreMachine,), {"place": staticmethod(schema if both else file), "both": both})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8 if both else 25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
