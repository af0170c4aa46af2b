"""The counters of a fleet: sums of what each worker counted, whoever restarts, falls silent, or was there before."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from fleet_rig import Place, Worker, second
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.operations.fleet import colleagues as module
from sluicegate.operations.fleet.counting import grown, row_of, totals_row
from sluicegate.operations.fleet.message import Head, Message, line_of, packed, read_line, unpacked
from sluicegate.operations.tally import Tally, Totals
from thorough import examples

HEAD = Head(1.0, "here", 0, 0, 0, totals_row(Totals(), (0, 0, 0)))


def test_the_sum_is_what_all_workers_counted_and_each_worker_sees_the_same():
    async def body():
        place = Place()
        one, two = Worker(place, "one"), Worker(place, "two")
        await second(place, one, two)
        one.did("A", within=3, throttled=1)
        two.did("A", within=4, excess=2)
        two.did("B", within=1)
        await second(place, one, two)
        for worker in (one, two):
            assert worker.counted("A") == (7, 2, 1)
            assert worker.counted("B") == (1, 0, 0)
            assert worker.fleet.tallies["A"].take_srvs() == {"4.8.1": [7, 2, 1]}

    asyncio.run(body())


def test_what_is_counted_beside_outcomes_is_added_up_too():
    async def body():
        place = Place()
        one, two = Worker(place, "one"), Worker(place, "two", looks=False)
        await second(place, one, two)
        for worker in (one, two):
            tally = worker.own_tallies["A"]
            tally.has_classes(["urgent"])
            tally.classes[0][1][0] += 2
            tally.classes[1][1][2] += 1
            tally.saw_version(Decimal("5.4"))
            tally.refuse_for("CSP North")
            tally.passed += 1
            tally.answered_429 += 1
            worker.own_totals.refuse("throttled")
            worker.own_totals.upstream[200] = 5
            worker.own_totals.response.observe(0.5)
            worker.own_totals.connections = 4
            worker.draws = 10
        await second(place, one, two)
        tally, totals = one.fleet.tallies["A"], one.fleet.sums.totals
        assert tally.classes == [("urgent", [4, 0, 0]), ("", [0, 0, 2])]
        assert (tally.versions, tally.refused_by_csp) == ({Decimal("5.4"): 2}, {"CSP North": 2})
        assert (tally.passed, tally.answered_429) == (2, 2)
        assert (totals.refused, totals.upstream) == ({"throttled": 2}, {200: 10})
        assert (sum(totals.response.counts), totals.response.total, totals.connections) == (2, 1.0, 8)
        assert one.fleet.sums.drawn[0] == 20

    asyncio.run(body())


def test_what_a_worker_counted_stays_when_it_ends_and_its_successor_adds_to_it():
    async def body():
        place = Place()
        one, two = Worker(place, "one"), Worker(place, "two", looks=False)
        await second(place, one, two)
        two.did(within=5)
        two.own_in_flight["A"].taken = 3
        await second(place, one, two)
        assert one.fleet.in_flight["A"].taken == 3
        del place.workers["two"]
        for _ in range(7):
            await second(place, one)
        assert one.counted() == (5, 0, 0)
        assert one.fleet.in_flight["A"].taken == 0
        again = Worker(place, "two-again", looks=False)
        again.did(within=2)
        await second(place, one, again)
        assert one.counted() == (7, 0, 0)

    asyncio.run(body())


def test_who_begins_to_look_later_counts_from_then_on():
    async def body():
        place = Place()
        old = Worker(place, "old", looks=False)
        old.did(within=1000)
        await second(place, old)
        new = Worker(place, "new")
        await second(place, old, new)
        assert new.counted() == (0, 0, 0)
        old.did(within=3)
        await second(place, old, new)
        assert new.counted() == (3, 0, 0)

    asyncio.run(body())


def test_a_worker_that_was_cut_off_counts_once_when_it_is_back():
    async def body():
        place = Place()
        one, two = Worker(place, "one"), Worker(place, "two", looks=False)
        two.did(within=1)
        await second(place, one, two)
        place.away = {"two"}
        two.did(within=10)
        for _ in range(10):
            await second(place, one, two)
        assert one.counted() == (1, 0, 0)
        place.away = set()
        await second(place, one, two)
        await second(place, one, two)
        assert one.counted() == (11, 0, 0)

    asyncio.run(body())


def test_while_the_ledger_is_away_a_workers_own_counters_go_on():
    async def body():
        place = Place()
        one, two = Worker(place, "one"), Worker(place, "two")
        await second(place, one, two)
        place.away = {"one", "two"}
        one.did(within=2)
        for _ in range(7):
            await second(place, one, two)
        assert one.counted() == (2, 0, 0)
        assert one.fleet.trouble == "nobody answers"
        assert one.fleet.last is None

    asyncio.run(body())


def test_what_a_worker_counted_last_is_read_after_it_left_the_ledgers_books():
    async def body():
        place = Place()
        one, two = Worker(place, "one"), Worker(place, "two", looks=False)
        await second(place, one, two)
        two.did(within=4)
        await two.fleet.settle()
        del place.workers["two"]
        await second(place, one)
        assert one.counted() == (4, 0, 0)

    asyncio.run(body())


def test_what_may_be_in_flight_is_of_all_workers_whose_requests_in_flight_are_counted():
    async def body():
        place = Place()
        one, two, three = (Worker(place, name, looks=name != "three") for name in ("one", "two", "three"))
        three.own_places = 50
        assert one.fleet.max_in_flight == 100, "nobody has told anything yet"
        await second(place, one, two, three)
        three.own_in_flight["A"].taken = 7
        await second(place, one, two, three)
        assert (one.fleet.in_flight["A"].taken, one.fleet.max_in_flight) == (7, 250)
        assert two.fleet.max_in_flight == 250
        two.own_places = 30  # a file that was read again
        assert two.fleet.max_in_flight == 180, "its own counts at once"
        await second(place, one, two, three)
        assert one.fleet.max_in_flight == 180
        del place.workers["three"]
        for _ in range(7):
            await second(place, one, two)
        assert (one.fleet.in_flight["A"].taken, one.fleet.max_in_flight) == (0, 130)
        place.away = {"one"}
        for _ in range(7):
            await second(place, one, two)
        assert one.fleet.max_in_flight == 100, "it shows its own requests alone"

    asyncio.run(body())


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("count"), st.integers(0, 2), st.integers(1, 5)),
        st.tuples(st.just("restart"), st.integers(1, 2), st.just(0)),
        st.tuples(st.just("cut off"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("second"), st.just(0), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=examples(60), deadline=None)
@given(STEPS)
def test_the_sum_is_always_what_was_told_and_in_the_end_all_that_was_counted(steps):
    async def body():
        place = Place()
        workers = [Worker(place, "w0"), *(Worker(place, f"w{n}", looks=False) for n in (1, 2))]
        await second(place, *workers)
        counted, before, number = 0, 0, 3
        for what, which, many in steps:
            if what == "count":
                workers[which].did(within=many)
                counted += many
            elif what == "restart":
                place.away -= {workers[which].name, "w0"}  # what is told while nobody can read it expires
                await workers[which].tell()  # as it ends
                await workers[0].look()
                del place.workers[workers[which].name]
                workers[which] = Worker(place, f"w{number}", looks=False)
                number += 1
            elif what == "cut off":
                place.away ^= {workers[which].name}
            else:
                await second(place, *workers)
            told = workers[0].counted()[0]
            assert before <= told <= counted
            before = told
        place.away = set()
        await second(place, *workers)
        assert workers[0].counted()[0] == counted

    asyncio.run(body())


COUNTS = st.integers(0, 10**6)


@given(
    st.lists(COUNTS, min_size=8, max_size=8),
    st.dictionaries(st.text(max_size=8), st.lists(COUNTS, min_size=3, max_size=3)),
)
def test_a_line_says_what_was_written(outcomes, srvs):
    row = [outcomes, {"5.4": 1}, {}, {"": [1, 2, 3]}, srvs]
    assert read_line(line_of(row, 7)) == (7, row)
    message = Message(HEAD, {'"a\\tname"': line_of(row, 7)})
    assert unpacked(packed(message)) == message


@pytest.mark.parametrize(
    "line",
    [
        "1", "[]", "[0,[]]", "[-1,[[0,0,0,0,0,0,0,0],{},{},{},{}]]", "[0,[[0,0,0,0,0,0,0],{},{},{},{}]]",
        "[0,[[0,0,0,0,0,0,0,-1],{},{},{},{}]]", "[0,[[0,0,0,0,0,0,0,true],{},{},{},{}]]",
        "[0,[[0,0,0,0,0,0,0,0.5],{},{},{},{}]]", '[0,[[0,0,0,0,0,0,0,0],{"Infinity":1},{},{},{}]]',
        '[0,[[0,0,0,0,0,0,0,0],{},{},{"a":[1,2]},{}]]', '[0,[[0,0,0,0,0,0,0,0],{},{},{},{"a":1}]]',
        "[0,[[0,0,0,0,0,0,0,99999999999999999999],{},{},{},{}]]", "{", "[0,[NaN]]",
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_is_refused(line):
    with pytest.raises(ValueError):
        read_line(line)


@pytest.mark.parametrize(
    "octets", [b"", b"x", packed(Message(HEAD, {}))[:-3], packed(Message(HEAD._replace(age=-1.0), {}))]
)
def test_a_message_that_cannot_be_is_refused(octets):
    with pytest.raises(ValueError):
        unpacked(octets)


def test_a_message_that_unpacks_to_too_much_is_refused():
    with pytest.raises(ValueError):
        unpacked(packed(Message(HEAD, {'"a"': "0" * 5000})), most=1000)


def test_users_without_room_are_left_out_and_counted():
    row = line_of(row_of(Tally(), {}), 0)
    told = unpacked(packed(Message(HEAD, {f'"{n}"': row for n in range(1000)}), most=20_000))
    assert 0 < told.head.left_out < 1000
    assert len(told.lines) + told.head.left_out == 1000


def test_what_fell_began_again():
    assert grown([[3], {"a": 5, "b": 1}], [[10], {"a": 2}]) == [[3], {"a": 3, "b": 1}]
    assert grown([3], None) == [3]


def test_a_worker_that_tells_nonsense_is_passed_over(monkeypatch):
    async def body():
        place = Place()
        one, two, bad = Worker(place, "one"), Worker(place, "two", looks=False), Worker(place, "bad", looks=False)
        two.did(within=2)
        await two.tell()
        await bad.fleet._shard.keep(module._key("bad"), b"nonsense", 5.0)
        await second(place, one, two)
        assert one.counted() == (2, 0, 0)

    asyncio.run(body())


def test_a_user_that_comes_with_a_reload_is_counted_and_one_that_goes_is_forgotten():
    async def body():
        place = Place()
        one, two = Worker(place, "one", users=("A",)), Worker(place, "two", looks=False)
        two.did("B", within=2)
        await second(place, one, two)
        assert set(one.fleet.tallies) == {"A"}
        one.own_tallies["B"] = Tally()
        one.own_in_flight["B"] = one.own_in_flight["A"]
        two.did("B", within=3)
        await second(place, one, two)
        assert one.counted("B") == (3, 0, 0)
        del one.own_tallies["A"], one.own_in_flight["A"]
        assert set(one.fleet.tallies) == {"B"}
        await second(place, one, two)

    asyncio.run(body())
