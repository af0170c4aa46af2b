"""What is counted is what happened, and the parts of a sum are together the sum."""

import made_up
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.simulate.measures import COUNTS, ERROR, Measures
from sluicegate.simulate.policy import parse

ENDS = ("delivered", "returned", "given_up", "quarantined", "pending")


def measured(world, srs, chunks=7):
    measures = Measures(world)
    for chunk, output in made_up.outputs(world, srs, chunks):
        measures.take(chunk, output)
    return measures


def entry_of(world, srs, **changes):
    return measured(world, srs).summary(made_up.report(world, **changes), parse("allocation"))


def plainly(world, srs):
    """M, counted one by one."""
    kinds = [world.kinds[world.flows[one.flow].kind] for one in srs]
    sent = [one for one, kind in zip(srs, kinds, strict=True) if not kind.internal]
    ends = {name: sum(one.state == state for one in srs) for state, name in enumerate(ENDS)}
    return {
        "offered": len(srs),
        **ends,
        "throttled": sum(one.throttled > 0 for one in srs),
        "answers": sum(one.throttled for one in srs),
        "failed": sum(one.failed for one in srs),
        "retries": sum(one.attempts - 1 for one in srs),
        "in_time": sum(
            one.state == 0 and one.ended - one.born <= kind.in_time for one, kind in zip(srs, kinds, strict=True)
        ),
        "conforming": sum(one.conforming for one in sent),
        "harmed": sum(one.conforming and one.throttled + one.failed > 0 for one in sent),
    }


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 300), st.integers(0, 1000))
def test_counts_are_those_of_counting_one_by_one(count, seed):
    world = made_up.world()
    srs = made_up.fates(world, count, seed)
    entry = entry_of(world, srs)
    assert {name: entry["total"][name] for name in COUNTS} == plainly(world, srs)
    for number, user in enumerate(world.users):
        own = [one for one in srs if world.flows[one.flow].user == number]
        assert {name: entry["users"][user.name][name] for name in COUNTS} == plainly(world, own)
    for number, csp in enumerate(world.csps):
        there = [one for one in srs if world.flows[one.flow].csp == number]
        assert {name: entry["csps"][csp.name][name] for name in COUNTS} == plainly(world, there)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 300), st.integers(0, 1000))
def test_users_roles_kinds_and_cells_add_up_to_the_total_in_every_measure(count, seed):
    world = made_up.world()
    measures = measured(world, made_up.fates(world, count, seed))
    entry = measures.summary(made_up.report(world), parse("none"))
    for parts in (entry["users"], entry["roles"], entry["kinds"]):
        for name in COUNTS:
            assert sum(one[name] for one in parts.values()) == entry["total"][name]
    for name in COUNTS:
        assert sum(cell[name] for cell in measures.cells()) == entry["total"][name]
    assert sum(one["harmed"] for one in entry["harm"]["users"].values()) == entry["harm"]["harmed"]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 300), st.integers(0, 1000))
def test_every_request_that_was_offered_is_in_one_state(count, seed):
    world = made_up.world()
    measures = measured(world, made_up.fates(world, count, seed))
    entry = measures.summary(made_up.report(world), parse("none"))
    for row in [entry["total"], *entry["users"].values(), *entry["csps"].values(), *measures.cells()]:
        assert row["offered"] == sum(row[name] for name in ENDS)


def test_how_the_traffic_is_cut_into_chunks_changes_nothing():
    world = made_up.world()
    srs = made_up.fates(world, 500, 3)
    entries = [measured(world, srs, chunks).summary(made_up.report(world), parse("none")) for chunks in (1, 2, 7, 111)]
    assert all(entry == entries[0] for entry in entries)


def test_percentiles_of_every_row_are_those_of_its_own_times():
    world = made_up.world()
    srs = made_up.fates(world, 3000, 4)
    entry = entry_of(world, srs)
    rows = [(entry["total"], srs), (entry["urgent"], [one for one in srs if world.flows[one.flow].kind == 0])]
    rows += [
        (entry["users"][user.name], [one for one in srs if world.flows[one.flow].user == number])
        for number, user in enumerate(world.users)
    ]
    for row, own in rows:
        times = [one.ended - one.born for one in own if one.state == 0]
        for name, part in (("p50", 50), ("p95", 95), ("p99", 99)):
            exact = np.percentile(times, part)
            assert row[name] == pytest.approx(exact, rel=ERROR + 0.001)


def test_urgent_share_counts_all_that_was_offered_and_is_none_where_there_is_none():
    world = made_up.world()
    urgent = [made_up.Fate(0, 1.0, 2.0, 0, True, 1, 0, 0), made_up.Fate(0, 1.0, 32.0, 0, True, 1, 0, 0)]
    lost = made_up.Fate(0, 1.0, 9.0, 2, True, 2, 1, 0)
    entry = entry_of(world, [*urgent, lost, lost])
    assert entry["urgent"]["share"] == 0.25
    assert measured(world, [*urgent, lost, lost]).urgent_share == 0.25
    read = made_up.Fate(3, 1.0, 2.0, 0, True, 1, 0, 0)
    assert entry_of(world, [read])["urgent"]["share"] is None
    assert measured(world, [read]).urgent_share is None


def test_amplification_leaves_out_what_fires_inside_the_dsp():
    world = made_up.world()
    inside = next(n for n, flow in enumerate(world.flows) if world.kinds[flow.kind].internal)
    srs = [made_up.Fate(0, 1.0, 2.0, 0, True, 3, 2, 0), made_up.Fate(inside, 1.0, 2.0, 0, False, 1, 0, 0)]
    assert entry_of(world, srs)["amplification"] == 3


def test_lateness_is_summed_by_user_and_urgent_requests_that_came_late_are_counted():
    world = made_up.world()
    late = made_up.Fate(0, 0.0, 30.0 + 3600.0, 0, True, 1, 0, 0)
    measures = measured(world, [late, made_up.Fate(0, 0.0, 29.0, 0, True, 1, 0, 0)])
    assert measures.late_hours() == {user.name: 1.0 if user.name == "User 0" else 0.0 for user in world.users}
    assert measures.urgent_late()["User 0"] == 1
    assert sum(measures.urgent_late().values()) == 1


def test_outages_and_active_periods_are_told_in_minutes_and_where_they_were():
    world = made_up.world()
    entry = entry_of(world, [], outages=((60.0, 150.0), (200.0, 230.0)), active=((10.0, 40.0),))
    assert entry["dsp"]["outages"] == 2
    assert entry["dsp"]["outage_minutes"] == 2
    assert entry["active_minutes"] == 0.5
    assert entry["series"]["down"] == [[60, 150], [200, 230]]
    assert entry["series"]["active"] == [[10, 40]]


def test_a_csp_has_its_busiest_second_its_busiest_minute_and_its_backlog():
    world = made_up.world()
    arrived, most, waiting = np.zeros(900), np.zeros(900), np.zeros(900)
    arrived[120:180], arrived[130], most[500], waiting[899] = 2, 62, 41, 7
    log = made_up.StationLog(arrived, most)
    csps = tuple(made_up.CspReport(log, waiting, 180, 3) for _ in world.csps)
    north = entry_of(world, [], csps=csps)["csps"]["North"]
    expected = {"peak": 62, "peak_minute": 3, "most_backlog": 41, "most_waiting": 7, "attempts": 180, "failures": 3}
    assert expected.items() <= north.items()


def test_memory_does_not_grow_with_requests():
    world = made_up.world()
    measures = Measures(world)
    pieces = list(made_up.outputs(world, made_up.fates(world, 400, 5)))
    sizes = set()
    for _ in range(5):
        for chunk, output in pieces:
            measures.take(chunk, output)
        parts = (measures._counts, measures._series)
        sizes.add(sum(value.nbytes for part in parts for value in vars(part).values() if hasattr(value, "nbytes")))
    assert len(sizes) == 1
    assert measures.summary(made_up.report(world), parse("none"))["total"]["offered"] == 2000
