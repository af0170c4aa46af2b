"""Seats: which worker belongs to which part of a ledger; and the ledger that is looked at as one."""

import asyncio
from collections import Counter
from random import Random

import pytest
from fleet_of_one import TERMS
from hypothesis import given, settings
from hypothesis import strategies as st
from lua_shard import LuaShard

from sluicegate.ledger.fleet.messages import Ask, Look, Seen
from sluicegate.ledger.fleet.parted import NO_SEAT, PartedShard, together
from sluicegate.ledger.fleet.seats import LASTS, RENEWED, Seat
from sluicegate.ledger.fleet.shard import AwayError
from sluicegate.ledger.fleet.writing import MalformedError


class Hall:
    """Workers, and who gives them their seats; time goes on when a test says so."""

    def __init__(self, parts):
        self.now, self.parts = 100.0, parts
        self.shard = LuaShard(lambda: self.now)
        self.at: dict[str, int] = {}
        self.taken: list[int] = []

    def ask(self, worker, *, moves=True, parts=None):
        """A worker takes its seat, or renews it."""
        own = self.at.get(worker)
        part = asyncio.run(self.shard.seat(worker, parts or self.parts, own, moves, LASTS))
        self.at[worker] = part
        return part

    def leave(self, worker):
        asyncio.run(self.shard.unseat(worker))
        del self.at[worker]

    def kill(self, worker):
        """It gives up nothing: its seat is taken until it lapses."""
        self.taken.append(self.at.pop(worker))

    def counts(self):
        found = Counter([*self.at.values(), *self.taken])
        return [found[part] for part in range(self.parts)]


@given(st.integers(1, 9), st.lists(st.tuples(st.sampled_from("ccclkrr"), st.integers(0, 99)), max_size=60))
@settings(deadline=None, max_examples=60)
def test_whoever_comes_and_goes_parts_differ_by_one_worker_once_all_have_renewed_their_seats(parts, steps):
    hall = Hall(parts)
    for number, (what, which) in enumerate(steps):
        there = sorted(hall.at)
        if what == "c":
            before = hall.counts()
            assert before[hall.ask(f"w{number}")] == min(before), "a new one comes to those who are fewest"
        elif there and what == "l":
            hall.leave(there[which % len(there)])
        elif there and what == "k":  # killed: its seat lapses, those of the others do not
            hall.kill(there[which % len(there)])
        elif there:
            before = hall.counts()
            worker = there[which % len(there)]
            was = hall.at[worker]
            part = hall.ask(worker)
            if part != was:
                assert before[part] + 2 <= before[was], "it moves only where that makes them more even"
    for _ in range(3):
        hall.now += 0.7 * LASTS
        for worker in sorted(hall.at):
            hall.ask(worker)
    hall.taken.clear()
    assert max(hall.counts()) - min(hall.counts()) <= 1


def test_of_many_who_renew_at_once_no_more_move_than_should():
    hall = Hall(4)
    for number in range(40):
        hall.ask(f"w{number}")
    for worker in [worker for worker, part in hall.at.items() if part in (0, 1)]:
        hall.leave(worker)
    assert hall.counts() == [0, 0, 10, 10]
    before = dict(hall.at)
    for worker in list(hall.at):
        hall.ask(worker)
    assert hall.counts() == [5, 5, 5, 5]
    assert sum(hall.at[worker] != part for worker, part in before.items()) == 10


def test_who_does_not_move_keeps_its_part_also_where_the_seats_were_forgotten():
    hall = Hall(2)
    for worker in "abcd":
        hall.ask(worker)
    before = dict(hall.at)
    hall.leave("a")
    hall.leave("c")
    hall.shard.flush()
    assert [hall.ask(worker, moves=False) for worker in "bd"] == [before["b"], before["d"]] == [1, 1]


def test_a_clock_that_was_ahead_keeps_no_seat_of_who_is_gone():
    hall = Hall(2)
    hall.now += 3600.0
    hall.ask("gone")
    hall.now -= 3600.0
    del hall.at["gone"]
    assert hall.ask("a") == 0


def test_who_would_have_the_ledger_in_another_number_of_parts_gets_no_seat_while_others_sit():
    hall = Hall(2)
    hall.ask("a")
    with pytest.raises(AwayError, match="the ledger has 2 parts, and this worker would have 3"):
        hall.ask("b", parts=3)
    hall.leave("a")
    assert hall.ask("b", parts=3) == 0


@pytest.mark.parametrize("parts", [0, 257])
def test_a_number_of_parts_that_cannot_be_is_refused(parts):
    with pytest.raises(MalformedError):
        asyncio.run(LuaShard(lambda: 1.0).seat("w", parts, None, False, 1.0))


@pytest.mark.parametrize("workers", [12, 240])  # 240: more than one call takes away
@pytest.mark.parametrize("forgotten", [True, False])
def test_nobody_moves_because_seats_were_forgotten_or_nobody_could_renew_them(workers, forgotten):
    hall, chance = Hall(4), Random(1)
    for number in range(workers):
        hall.ask(f"w{number}")
    before = dict(hall.at)
    if forgotten:
        hall.shard.flush()
    hall.now += 3 * LASTS
    began, turns = hall.now, sorted((chance.uniform(0.0, RENEWED), worker) for worker in before)
    for _ in range(5):
        for at, worker in turns:
            hall.now = began + at
            hall.ask(worker)
        turns = sorted((at + RENEWED * chance.uniform(0.75, 1.25), worker) for at, worker in turns)
    assert hall.at == before
    for worker in [worker for worker, part in before.items() if part == 0]:
        hall.leave(worker)
    hall.now += 1.0
    for worker in list(hall.at):
        hall.ask(worker)
    assert min(hall.counts()) > 0, "afterwards they move as before"


# --- a worker's seat


class Given:
    """Seats that a test gives; an exception is raised."""

    def __init__(self, *given):
        self.given, self.asked, self.left = list(given), [], []

    async def seat(self, worker, parts, own, moves, seconds):
        self.asked.append((own, moves))
        found = self.given.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def unseat(self, worker):
        self.left.append(worker)


def test_while_the_seats_are_away_a_worker_stays_where_it_is():
    async def whole():
        given, sat = Given(AwayError("gone"), 2, AwayError("gone"), 2), []
        seat = Seat(given, "w", 4, sat.append, chance=Random(1))
        for wrong in (True, False, True, False):
            if wrong:
                with pytest.raises(AwayError):
                    await seat.renew()
            else:
                await seat.renew()
        await seat.stop()
        assert (seat.part, sat, given.left) == (2, [2], ["w"])
        assert given.asked == [(None, False), (None, False), (2, False), (2, False)]

    asyncio.run(whole())


@pytest.mark.parametrize("goes", [True, False])
def test_a_worker_that_cannot_go_to_another_part_takes_its_seat_back(goes):
    async def whole():
        told = []

        async def moves(part):
            told.append(part)
            return goes

        given = Given(0, 1, 0)
        seat = Seat(given, "w", 2, lambda _part: None, moves)
        await seat.renew()
        await seat.renew()
        assert told == [1]
        assert seat.part == (1 if goes else 0)
        assert given.asked == [(None, True), (0, True)] + ([] if goes else [(0, False)])

    asyncio.run(whole())


# --- all parts, looked at as one


class Silent(LuaShard):
    """It is not there."""

    async def look(self):
        raise AwayError("not there")

    async def bury(self, worker):
        raise AwayError("not there")


def drawing(worker):
    return Ask(worker, "1", "", 1, 0.0, TERMS._replace(parts=2))


def test_without_a_seat_nothing_is_drawn_and_with_one_its_part_is_drawn_from():
    async def whole():
        beside, first, second = (LuaShard(lambda: 1.0) for _ in range(3))
        shard = PartedShard(beside, [first, second])
        with pytest.raises(AwayError, match=NO_SEAT):
            await shard.draw(drawing("w"))
        shard.why = lambda: "the ledger has 2 parts"
        with pytest.raises(AwayError, match=f"{NO_SEAT}: the ledger has 2 parts"):
            await shard.draw(drawing("w"))
        shard.part = 1
        await shard.draw(drawing("w"))
        assert not first.books()
        assert [seen.worker for seen in (await shard.look()).workers] == ["w"]
        await shard.leave(drawing("w")._replace(number=2))
        assert (await shard.look()).workers == ()
        await shard.close()

    asyncio.run(whole())


def test_what_is_looked_at_is_the_sum_of_the_parts_and_who_does_not_answer_is_said():
    of = Look("e", False, 3.0, 10.0, -2.0, 1.0, 4.0, 1.0, (Seen("a", 0.1, 0.5, 9.0, 2.0, 0.0),))
    busy = of._replace(epoch="f", active=True, since=2.0, workers=(Seen("b", 0.2, 1.0, 9.0, 2.0, 0.0),))
    told = together([of, None, busy, of._replace(epoch="", workers=())])
    assert (told.epoch, told.active, told.since) == ("e f", True, 2.0)
    assert (told.offered, told.system, told.pool, told.held, told.fill) == (30.0, -6.0, 3.0, 12.0, 0.75)
    assert [(seen.worker, seen.share) for seen in told.workers] == [("a", 0.125), ("b", 0.25)]
    assert (told.parts, told.away) == (4, (1,))


def test_a_worker_in_the_books_of_the_part_that_it_has_left_too_is_one_worker_and_draws():
    now, before = Seen("a", 0.1, 0.5, 9.0, 2.0, 1.0), Seen("a", 8.0, 0.25, 1.0, 0.5, 4.0)
    look = Look("e", False, 3.0, 10.0, -2.0, 1.0, 4.0, 1.0, (now, now._replace(worker="b")))
    for both in ([look, look._replace(workers=(before,))], [look._replace(workers=(before,)), look]):
        one, _other = together(both).workers
        assert one == Seen("a", 0.1, 0.375, 9.0, 2.5, 5.0)


def test_a_ledger_is_away_where_none_of_its_parts_answers():
    async def whole():
        one, other = LuaShard(lambda: 1.0), Silent(lambda: 1.0)
        assert (await PartedShard(one, [one, other]).look()).away == (1,)
        with pytest.raises(AwayError, match="none of the 2 parts"):
            await PartedShard(one, [other, other]).look()

    asyncio.run(whole())


def test_a_worker_is_buried_at_the_part_where_it_was_and_its_seat_is_free():
    async def whole():
        beside, one, other = LuaShard(lambda: 1.0), LuaShard(lambda: 1.0), LuaShard(lambda: 1.0)
        shard = PartedShard(beside, [one, other])
        shard.part = await beside.seat("w", 2, None, False, LASTS)
        await shard.draw(drawing("w"))
        assert await PartedShard(beside, [one, Silent(lambda: 1.0)]).bury("w")
        assert not await shard.bury("nobody")
        with pytest.raises(AwayError):
            await PartedShard(beside, [Silent(lambda: 1.0), other]).bury("nobody")
        assert beside.books()[b"sluicegate:{test}:seats"] == {}

    asyncio.run(whole())
