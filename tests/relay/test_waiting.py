"""Who is next: by rank and deadline, and nobody passes another one of its device or of its chain."""

import random
import sys
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.relay.waiting import WaitingLine


@dataclass(eq=False)
class One:
    seq: int
    rank: int = 1
    deadline: float = 100.0
    lane: int | None = None
    key: bytes = b""
    preceding: bytes | None = None

    def __post_init__(self):
        self.key = self.key or b"%d" % self.seq


def line_of(*items):
    line = WaitingLine()
    for item in items:
        line.add(item)
    return line


def drained(line, most_rank=9):
    found = []
    while (item := line.pop(0.0, most_rank)) is not None:
        found.append(item.seq)
        line.ended(item)
    return found


def test_the_most_urgent_goes_first_and_inside_a_class_the_one_whose_deadline_is_next():
    line = line_of(One(1, 2), One(2, 0, 50.0), One(3, 0, 20.0), One(4, 1))
    assert drained(line) == [3, 2, 4, 1]


def test_one_that_never_waited_keeps_its_lane_and_its_chain_like_one_that_did():
    line, first = WaitingLine(), One(1, lane=7, key=b"a")
    assert line.pass_by(first)
    assert not line.pass_by(One(2, lane=7))
    assert not line.pass_by(One(3, preceding=b"a"))
    line.add(One(2, lane=7))
    line.add(One(3, preceding=b"a"))
    assert not line.pass_by(One(4))
    assert drained(line) == []
    line.ended(first)
    assert drained(line) == [2, 3]
    assert not line._lanes
    other = One(5, lane=9)
    assert line.pass_by(other)
    line.give_back(other)
    assert drained(line) == [5]


def test_of_the_same_deadline_the_older_one_goes_first():
    assert drained(line_of(One(2), One(1), One(3))) == [1, 2, 3]


def test_only_what_is_urgent_enough_is_taken():
    line = line_of(One(1, 2), One(2, 1))
    assert line.ranks() == [1, 2]
    assert drained(line, 1) == [2]
    assert line.pop(0.0, 0) is None
    assert line.counts() == {2: 1}


def test_of_one_device_one_is_out_at_a_time_in_the_order_in_which_they_came():
    line = line_of(One(1, 2, lane=7), One(2, 0, lane=7), One(3, 1, lane=8))
    first = line.pop(0.0, 9)
    assert first.seq == 1  # it is as urgent as the one that waits behind it
    assert line.pop(0.0, 9).seq == 3
    assert line.pop(0.0, 9) is None
    line.ended(first)
    assert line.pop(0.0, 9).seq == 2


def test_one_that_is_given_back_keeps_its_place():
    line = line_of(One(1, lane=7), One(2, 0, lane=7))
    first = line.pop(0.0, 9)
    line.give_back(first)
    line.give_back(first)
    assert len(line) == 2
    assert drained(line) == [1, 2]


def test_one_that_follows_another_waits_for_its_end_and_makes_it_as_urgent():
    line = line_of(One(1, 2, key=b"a"), One(2, 1), One(3, 0, preceding=b"a"))
    first = line.pop(0.0, 0)
    assert first.seq == 1
    assert line.pop(0.0, 9).seq == 2
    assert line.pop(0.0, 9) is None
    line.ended(first)
    assert line.pop(0.0, 9).seq == 3


def test_what_the_first_of_a_device_follows_is_as_urgent_as_the_most_urgent_behind_it():
    line = line_of(One(1, 2, key=b"a"), One(2, 1), One(3, 2, lane=7, preceding=b"a"), One(4, 0, lane=7))
    assert line.ranks()[0] == 0
    assert drained(line) == [1, 3, 4, 2]


@pytest.mark.parametrize("shape", ["one device", "one chain", "one name", "no order"])
def test_a_thousand_times_as_many_cost_each_about_the_same(shape):
    def steps(count):
        """Lines of the module that ran, per item."""
        ran = 0

        def trace(frame, event, _):
            nonlocal ran
            if not frame.f_code.co_filename.endswith("waiting.py"):
                return None
            ran += event == "line"
            return trace

        line, chance = WaitingLine(), random.Random(1)
        items = [
            One(
                n,
                n % 3,
                100.0 + n,
                lane=7 if shape == "one device" else None,
                key=b"same" if shape == "one name" else b"",
                preceding=b"%d" % (n - 1) if shape == "one chain" else None,
            )
            for n in range(1, count + 1)
        ]
        sys.settrace(trace)
        try:
            for item in items:
                line.add(item)
            for item in chance.sample(items, count // 2):
                line.remove(item.seq)
            assert len(drained(line)) == count - count // 2
        finally:
            sys.settrace(None)
        return ran / count

    assert steps(6000) <= 1.6 * steps(60) + 10


def test_one_that_follows_what_nobody_knows_does_not_wait():
    assert drained(line_of(One(1, preceding=b"never seen"))) == [1]


def test_what_is_removed_frees_who_waits_for_it():
    line = line_of(One(1, lane=7, key=b"a"), One(2, lane=7), One(3, preceding=b"a"))
    assert line.remove(1).seq == 1
    assert line.remove(1) is None
    assert drained(line) == [2, 3]
    assert not line._lanes
    assert not line._open


def test_what_is_overdue_is_told_once_and_waits_until_it_is_removed():
    line = line_of(One(1, deadline=5.0), One(2, deadline=9.0))
    assert [one.seq for one in line.overdue(4.9)] == []
    assert [one.seq for one in line.overdue(5.0)] == [1]
    assert [one.seq for one in line.overdue(5.0)] == []
    assert len(line) == 2


def test_a_number_that_waits_already_is_an_error():
    with pytest.raises(ValueError, match="1 waits already"):
        line_of(One(1), One(1))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "pop", "pop", "end", "back", "remove"]),
        st.integers(0, 3),  # rank, or which
        st.integers(0, 4),  # deadline
        st.sampled_from([None, None, 1, 2, 3]),  # lane
        st.integers(0, 12),  # whom it follows
    ),
    max_size=80,
)


@given(STEPS)
def test_nobody_is_lost_and_nobody_passes_another_whatever_happens(steps):
    line, waiting, out, gone, number = WaitingLine(), {}, {}, {}, 0
    for what, rank, deadline, lane, follows in steps:
        if what == "add":
            number += 1
            preceding = b"%d" % (number - follows) if 0 < follows < number else None
            item = waiting[number] = One(number, rank, float(deadline), lane, preceding=preceding)
            line.add(item)
        elif what == "pop":
            may = [one for one in waiting.values() if free(one, waiting, out)]
            item = line.pop(0.0, rank)
            if item is None:
                assert not [one for one in may if one.rank <= rank]
                continue
            assert item in may
            assert lent(item, waiting, out, gone) <= min(urgent(one, waiting, out) for one in may)
            out[item.seq] = waiting.pop(item.seq)
        elif what in ("end", "back") and out:
            item = out.pop(sorted(out)[rank % len(out)])
            if what == "end":
                line.ended(item)
                gone[item.seq] = item
            else:
                line.give_back(item)
                waiting[item.seq] = item
        elif what == "remove" and waiting:
            item = waiting.pop(sorted(waiting)[rank % len(waiting)])
            assert line.remove(item.seq) is item
            gone[item.seq] = item
        assert len(line) == len(waiting)
        assert sum(line.counts().values()) == len(waiting)
    for item in out.values():
        line.ended(item)
    assert sorted(drained(line)) == sorted(waiting)
    assert not line._lanes
    assert not line._open


def free(one, waiting, out):
    there = [*waiting.values(), *out.values()]
    before = [two for two in there if two.seq < one.seq]
    return not any(
        (one.lane is not None and two.lane == one.lane) or (one.preceding is not None and two.key == one.preceding)
        for two in before
    ) and not any(one.lane is not None and two.lane == one.lane for two in out.values())


def urgent(one, waiting, out):
    """The least rank of it, of those behind it in its lane, and of all that follow these, or follow those that do: so
    urgent it is at least."""
    there = {**waiting, **out}
    found = [
        one,
        *(two for two in waiting.values() if one.lane is not None and two.lane == one.lane and two.seq > one.seq),
    ]
    seen = {each.seq for each in found}
    for each in found:
        for two in there.values():
            if two.preceding == each.key and two.seq > each.seq and two.seq not in seen:
                seen.add(two.seq)
                found.append(two)
    return min(each.rank for each in found if each.seq in waiting)


def lent(one, waiting, out, gone):
    """How urgent it may be at the most. What it was lent it keeps, though one through whom it was lent was removed; and
    a follower that was the first of its lane has lent what waited behind it."""
    there = {**waiting, **out, **gone}
    found, seen = [one], {one.seq}
    for each in found:
        for two in there.values():
            follows = two.preceding == each.key or (each.lane is not None and two.lane == each.lane)
            if follows and two.seq > each.seq and two.seq not in seen:
                seen.add(two.seq)
                found.append(two)
    return min(each.rank for each in found)
