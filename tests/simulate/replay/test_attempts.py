"""Which rows come again is what a plain dictionary would say, however the rows are cut into batches."""

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.simulate.replay.attempts import WINDOW, Attempts, _mixed
from sluicegate.simulate.replay.cells import Cells
from sluicegate.simulate.replay.rows import Rows
from thorough import examples

SECOND = 1_000_000
ROWS = st.lists(
    st.tuples(
        st.integers(0, 1500 * SECOND),  # since the row before
        st.integers(0, 2),
        st.sampled_from([0, 1, 2, 2**64 - 1]),
        st.integers(0, 4),
    ),
    max_size=60,
)


def rows_of(rows):
    times, users, requests, outcomes = zip(*rows, strict=True)
    none = np.zeros(len(rows), np.int64)
    return Rows(np.array(times), np.array(users), np.array(requests, np.uint64), none, none, np.array(outcomes))


def naive(rows):
    """Attempt, gap and outcome before, from a dictionary."""
    known, found = {}, []
    for time, user, request, outcome in rows:
        last, before, attempt = known.get((user, request), (None, -1, 0))
        if last is None or time - last > WINDOW * SECOND:
            before, attempt, gap = -1, 0, None
        else:
            gap = (time - last) / SECOND
        known[user, request] = (time, outcome, attempt + 1)
        found.append((attempt + 1, gap, before))
    return found


@settings(max_examples=examples(200), deadline=None)
@given(ROWS, st.lists(st.integers(0, 60), max_size=5))
def test_attempts_are_those_of_a_dictionary(steps, cuts):
    times = np.cumsum([step[0] for step in steps]).tolist()
    rows = [(time, *step[1:]) for time, step in zip(times, steps, strict=True)]
    attempts, found = Attempts(), []
    edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    for first, last in pairwise(edges):
        seen = attempts.take(rows_of(rows[first:last]))
        gaps = [None if np.isnan(gap) else gap for gap in seen.gap.tolist()]
        found += zip(seen.attempt.tolist(), gaps, seen.before.tolist(), strict=True)
    assert found == naive(rows)


def test_many_requests_are_known_after_the_table_has_grown():
    count = 20_000
    numbers = np.random.default_rng(3).permutation(count).astype(np.uint64)
    none = np.zeros(count, np.int64)
    attempts = Attempts()
    assert attempts.take(Rows(none, none, numbers, none, none, none)).first.all()
    later = Rows(none + 9 * SECOND, none, numbers[::-1], none, none, none)
    again = attempts.take(later)
    assert (again.attempt == 2).all()
    assert (again.gap == 9).all()
    other_user = later._replace(users=none + 1)
    assert attempts.take(other_user).first.all()


def test_no_more_is_kept_than_was_said():
    attempts = Attempts(most=100)
    none = np.zeros(50, np.int64)
    for number in range(100):
        requests = (np.arange(50) + 50 * number).astype(np.uint64)
        attempts.take(Rows(none + number * SECOND, none, requests, none, none, none))
        assert attempts._now.count <= 100
        assert attempts._before.count <= 100
    latest = Rows(none + 101 * SECOND, none, requests, none, none, none)
    assert (attempts.take(latest).attempt == 2).all()


def test_a_request_that_mixes_to_nothing_is_still_a_key():
    # The key that stands for an empty place must never come out: its reverse is found by trying, so only the rule is.
    keys = _mixed(np.arange(100_000, dtype=np.uint64), np.zeros(100_000, np.int64))
    assert keys.all()
    assert len(np.unique(keys)) == len(keys)


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 40), st.integers(0, 50_000)), max_size=80))
def test_cells_count_as_a_counter_does(entries):
    cells = Cells()
    for place in range(0, len(entries), 7):
        columns, users, minutes = (np.array(one, np.int64) for one in zip(*entries[place : place + 7], strict=True))
        cells.add(columns, users, minutes)
    minutes, users, counts = cells.table()
    found = {
        (column, int(users[cell]), int(minutes[cell])): count
        for cell, row in enumerate(counts.tolist())
        for column, count in enumerate(row)
        if count
    }
    assert found == Counter(entries)
    assert list(zip(minutes, users, strict=True)) == sorted(set(zip(minutes, users, strict=True)))
