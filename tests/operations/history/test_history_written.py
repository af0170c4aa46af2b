"""Minutes in the database: each exactly once, whoever writes, whatever breaks off, and packed without a loss."""

from __future__ import annotations

from contextlib import suppress
from functools import reduce

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from usage import DAY_ONE, closed, model, pack, put

from sluicegate.database.errors import StoreError
from sluicegate.operations.history import minute, packed, writing
from sluicegate.operations.history.counts import DAY, HOUR, MINUTE, NONE, OUTCOMES, added
from sluicegate.operations.history.minute import Unreadable, one_of, part_of, unpacked, users_of
from sluicegate.operations.history.reading import Usages
from sluicegate.operations.history.thinning import MOST_DAYS, thin
from sluicegate.operations.history.writing import minutes_due, pack_due, summed, write
from sluicegate.operations.store.history_tables import usage_day, usage_hour, usage_minute, usage_pieces, usage_run
from sluicegate.settings import History
from thorough import examples

ONE = (1, 0, 0, 0, 0)
ENTRIES = [
    (DAY_ONE, "Large", (5, 1, 2, 3, 4), {"4.8.1": (5, 1, 0), "2.2": (0, 0, 2)}),
    (DAY_ONE + MINUTE, "Large", ONE, {"4.8.1": (1, 0, 0)}),
    (DAY_ONE + MINUTE, "Small", (0, 0, 7, 0, 0), {"2.2": (0, 0, 7)}),
    (DAY_ONE + HOUR, "Small", ONE, {"2.2": (1, 0, 0)}),
    (DAY_ONE + DAY + 5 * HOUR, "Large", (300, 70_000, 5_000_000_000, 0, 0), {"11.1": (300, 70_000, 5_000_000_000)}),
]


def told(store, user=None, since=DAY_ONE, until=DAY_ONE + 2 * DAY, step=MINUTE * 30):
    with store.reading() as connection:
        points = Usages(connection).series(user, since, until, step).points
    return {at: counts for at, counts in points if any(counts)}


def rows(store, table):
    with store.reading() as connection:
        return connection.scalar(select(func.count()).select_from(table))


def test_what_was_written_is_told_before_it_is_packed_and_after(store):
    put(store, ENTRIES)
    for user in (None, "Large", "Small", "Nobody"):
        assert told(store, user) == model(ENTRIES, user, DAY_ONE, DAY_ONE + 2 * DAY, 30 * MINUTE)
    pack(store, DAY_ONE + 3 * DAY)
    assert rows(store, usage_minute) == 0
    for user in (None, "Large", "Small", "Nobody"):
        assert told(store, user) == model(ENTRIES, user, DAY_ONE, DAY_ONE + 2 * DAY, 30 * MINUTE)


def test_a_minute_that_is_offered_twice_is_there_once_even_where_it_was_packed_meanwhile(store):
    some = put(store, ENTRIES)
    before = told(store)
    with store.changing() as connection:
        assert write(connection, "one", some, DAY_ONE) == 0
    pack(store, DAY_ONE + 3 * DAY)
    more = closed([(DAY_ONE + 2 * HOUR, "Large", ONE, {})], first=len(some) + 1)
    with store.changing() as connection:
        assert write(connection, "one", some + more, DAY_ONE) == 1
    assert told(store) == before | {DAY_ONE + 2 * HOUR: ONE}


def test_gateways_that_count_the_same_minute_add_up(opener):
    one, other = opener(), opener()
    put(one, ENTRIES, "one")
    put(other, ENTRIES, "other")
    twice = model(ENTRIES + ENTRIES, None, DAY_ONE, DAY_ONE + 2 * DAY, 30 * MINUTE)
    assert told(one) == twice
    pack(other, DAY_ONE + 3 * DAY)
    assert told(one) == twice


def test_of_two_gateways_that_pack_at_once_one_does_it(opener):
    one, other = opener(), opener()
    put(one, ENTRIES)
    with one.reading() as connection:
        first = summed(minutes_due(connection, DAY_ONE + 3 * DAY))
    with other.reading() as connection:
        second = summed(minutes_due(connection, DAY_ONE + 3 * DAY))
    with one.changing() as connection:
        assert pack_due(connection, first)
    with other.changing() as connection:
        assert not pack_due(connection, second)
    assert told(other) == model(ENTRIES, None, DAY_ONE, DAY_ONE + 2 * DAY, 30 * MINUTE)


def test_packing_that_breaks_off_has_changed_nothing(store, monkeypatch):
    def fails(*_):
        raise StoreError("the disk is full")

    put(store, ENTRIES)
    with store.reading() as connection:
        found = summed(minutes_due(connection, DAY_ONE + 3 * DAY))
    monkeypatch.setattr(writing, "_add_days", fails)
    with pytest.raises(StoreError), store.changing() as connection:
        pack_due(connection, found)
    assert rows(store, usage_hour) == rows(store, usage_day) == rows(store, usage_pieces) == 0
    assert told(store) == model(ENTRIES, None, DAY_ONE, DAY_ONE + 2 * DAY, 30 * MINUTE)


def test_minutes_that_come_late_are_added_to_their_hour(store):
    put(store, ENTRIES)
    pack(store, DAY_ONE + 3 * DAY)
    put(store, ENTRIES, "late")
    pack(store, DAY_ONE + 3 * DAY)
    assert told(store) == model(ENTRIES + ENTRIES, None, DAY_ONE, DAY_ONE + 2 * DAY, 30 * MINUTE)
    with store.reading() as connection:
        srvs = Usages(connection).by_srv("Large", DAY_ONE, DAY_ONE + 2 * DAY)
    assert srvs == {"11.1": (600, 140_000, 10_000_000_000), "4.8.1": (12, 2, 0), "2.2": (0, 0, 4)}


def test_an_hour_is_packed_when_it_is_over_for_two_minutes(store):
    put(store, ENTRIES[:3])
    for now in (DAY_ONE + HOUR, DAY_ONE + HOUR + 2 * MINUTE - 1):
        with store.reading() as connection:
            assert summed(minutes_due(connection, now)).rows == []
    with store.reading() as connection:
        assert len(summed(minutes_due(connection, DAY_ONE + HOUR + 2 * MINUTE)).rows) == 2


def test_what_cannot_be_read_keeps_nothing_else_from_being_packed(store):
    put(store, ENTRIES)
    with store.changing() as connection:
        first = usage_minute.c.begins == DAY_ONE
        connection.execute(update(usage_minute).where(first).values(counts=b"no"))
    pack(store, DAY_ONE + 3 * DAY)
    assert told(store) == model(ENTRIES[1:], None, DAY_ONE, DAY_ONE + 2 * DAY, 30 * MINUTE)
    with store.changing() as connection:
        connection.execute(update(usage_hour).values(minutes=b"", srvs=b""))
        connection.execute(update(usage_day).values(srvs=b""))
    put(store, ENTRIES, "late")
    pack(store, DAY_ONE + 3 * DAY)
    assert told(store, step=DAY)[DAY_ONE + DAY][2] == 10_000_000_000  # sums do not hang on it


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2**63), min_size=60, max_size=60), min_size=len(OUTCOMES), max_size=len(OUTCOMES))
)
def test_packed_minutes_are_what_they_were(columns):
    assert [list(column) for column in packed.unpack(packed.pack(columns))] == columns


@given(st.binary(max_size=400))
def test_octets_that_are_no_usage_are_told_of_and_nothing_else_happens(octets):
    for reader in (packed.unpack, unpacked, lambda one: one_of(one, "2.2"), lambda one: users_of(one, "2.2")):
        with suppress(Unreadable):
            reader(octets)


@given(st.dictionaries(st.text("0123456789.", max_size=9), st.lists(st.integers(0, 2**63), min_size=3, max_size=3)))
def test_one_srv_is_found_among_all_as_if_all_were_read(srvs):
    octets = minute.packed(srvs)
    assert unpacked(octets) == srvs
    for srv in ("", "2.2", "4.8.1", *srvs):
        assert one_of(octets, srv) == srvs.get(srv)


NAMES = st.text('"\\\\{}[]:,a2. ', max_size=6) | st.text(max_size=4)
SRVS = st.dictionaries(NAMES, st.lists(st.integers(0, 2**63), min_size=3, max_size=3), max_size=4)


@settings(deadline=None)
@given(st.dictionaries(NAMES, SRVS, max_size=4), NAMES)
def test_of_a_minute_a_user_and_an_srv_are_found_as_if_all_were_read_whatever_their_names(told, other):
    octets = minute.packed_users(told)
    for user in (other, *told):
        assert part_of(octets, user) == told.get(user)
    for srv in {other}.union(*told.values()):
        assert users_of(octets, srv) == {user: srvs[srv] for user, srvs in told.items() if srv in srvs}
    for srvs in told.values():
        for srv in (other, *srvs):
            assert one_of(minute.packed(srvs), srv) == srvs.get(srv)


def test_a_day_that_was_packed_before_pieces_were_kept_is_told_by_its_hours_and_so_are_minutes_that_come_late(store):
    put(store, ENTRIES)
    pack(store, DAY_ONE + DAY)
    with store.changing() as connection:
        connection.execute(usage_pieces.delete())
    put(store, ENTRIES[:3], "late")
    pack(store, DAY_ONE + 3 * DAY)
    for user in (None, "Large", "Small"):
        assert told(store, user) == model(ENTRIES + ENTRIES[:3], user, DAY_ONE, DAY_ONE + 2 * DAY, 30 * MINUTE)
    with store.reading() as connection:
        begins = set(connection.scalars(select(usage_pieces.c.begins)))
    assert begins == {DAY_ONE + DAY, DAY_ONE + DAY + 12 * HOUR}


def test_minutes_go_first_then_hours_then_days_and_sums_stay(store):
    put(store, ENTRIES)
    pack(store, DAY_ONE + 3 * DAY)
    kept = History(minutes_kept=10, hours_kept=20, days_kept=30)
    assert thinned(store, kept, DAY_ONE + 10 * DAY) == 0
    assert thinned(store, kept, DAY_ONE + 11 * DAY) == 1  # the first day; the second is not old enough
    by_hour = model(ENTRIES, None, DAY_ONE, DAY_ONE + 2 * DAY, HOUR)
    assert told(store) == model(ENTRIES[4:], None, DAY_ONE, DAY_ONE + 2 * DAY, 30 * MINUTE)
    assert told(store, step=HOUR) == by_hour
    assert thinned(store, kept, DAY_ONE + 22 * DAY) == 1 + 2
    assert told(store, step=HOUR) == {}
    assert told(store, step=DAY) == model(ENTRIES, None, DAY_ONE, DAY_ONE + 2 * DAY, DAY)
    assert thinned(store, kept, DAY_ONE + 32 * DAY) == 2
    assert told(store, step=DAY) == {}
    assert rows(store, usage_hour) == rows(store, usage_day) == 0


def thinned(store, kept, now):
    with store.changing() as connection:
        return thin(connection, kept, now)


def test_a_clock_that_is_wrong_by_years_costs_days_of_history_and_not_all(store):
    put(store, [(DAY_ONE + day * DAY, "Large", ONE, {}) for day in range(10)])
    pack(store, DAY_ONE + 20 * DAY)
    thinned(store, History(), DAY_ONE + 100_000 * DAY)
    assert len(told(store, until=DAY_ONE + 10 * DAY, step=DAY)) == 10 - MOST_DAYS


def test_late_minutes_of_an_hour_that_is_thinned_out_count_in_its_sums(store):
    put(store, ENTRIES[:2])
    pack(store, DAY_ONE + DAY)
    thinned(store, History(minutes_kept=1), DAY_ONE + 9 * DAY)
    put(store, ENTRIES[:2], "late")
    pack(store, DAY_ONE + 9 * DAY)
    assert told(store, "Large", step=HOUR) == model(ENTRIES[:2] * 2, "Large", DAY_ONE, DAY_ONE + DAY, HOUR)


def test_processes_that_are_long_gone_are_forgotten(store):
    put(store, ENTRIES)
    thinned(store, History(), DAY_ONE + 31 * DAY)
    assert rows(store, usage_run) == 0


@pytest.mark.parametrize("where", ["sqlite"], indirect=True)
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_window_by_any_step_tells_what_was_counted(store, data):
    counts = st.tuples(*[st.integers(0, 300)] * 5)
    times = st.integers(0, 3 * 24 * 60 - 1).map(lambda minute: DAY_ONE + minute * MINUTE)
    entry = st.builds(lambda at, who, some: (at, who, some, {"2.2": some[:3]}), times, st.sampled_from("AB"), counts)
    entries = data.draw(st.lists(entry, min_size=1, max_size=30))
    with store.changing() as connection:
        for table in (usage_minute, usage_run, usage_hour, usage_pieces, usage_day):
            connection.execute(table.delete())
    put(store, entries)
    pack(store, DAY_ONE + data.draw(st.integers(0, 80)) * HOUR)
    since, until = sorted(data.draw(st.tuples(times, times)))
    until += MINUTE
    with store.reading() as connection:
        usages = Usages(connection)
        for step in (MINUTE, 12 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY, 2 * DAY):
            for user in (None, "A"):
                found = usages.series(user, since, until, step).points
                assert {at: some for at, some in found if any(some)} == model(entries, user, since, until, step)
        window = [one for one in entries if since <= one[0] < until]
        of_users = {user: total(one[2] for one in window if one[1] == user) for user in "AB"}
        assert usages.by_user(since, until) == {user: sums for user, sums in of_users.items() if any(sums)}
        hours = [one for one in entries if since // HOUR * HOUR <= one[0] < -(-until // HOUR) * HOUR]
        sums = total(one[2] for one in hours)
        assert usages.by_srv(None, since, until).get("2.2", (0, 0, 0)) == sums[:3]
        assert total(usages.by_user(since, until, srv="2.2").values()) == (*sums[:3], 0, 0)


def total(some):
    return reduce(added, some, NONE)


def test_steps_that_cannot_be_and_answers_without_end_are_refused(store):
    with store.reading() as connection:
        usages = Usages(connection)
        for step in (0, -MINUTE, 1, 7 * MINUTE, 90 * 1_000_000, 5 * HOUR, 25 * HOUR):
            with pytest.raises(ValueError, match="step is"):
                usages.series(None, DAY_ONE, DAY_ONE + DAY, step)
        with pytest.raises(ValueError, match="at most 20,000"):
            usages.series(None, DAY_ONE, DAY_ONE + 30 * DAY, MINUTE)
        with pytest.raises(ValueError, match="an hour is the finest"):
            usages.series(None, DAY_ONE, DAY_ONE + DAY, MINUTE, srv="2.2")
