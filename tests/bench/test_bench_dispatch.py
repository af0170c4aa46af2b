"""The pure parts of the dispatcher's benchmark, and that what it sends is what it says."""

import math
import time
from pathlib import Path

import pytest
from bench.dispatch import quiet
from bench.dispatch.books import Books, percentile
from bench.dispatch.filling import fill, intake
from bench.dispatch.findings import finding, grids, missed
from bench.dispatch.flow import Flow, climb
from bench.dispatch.memory import peak_from
from bench.dispatch.plant import Plant, Shape, Site, acknowledgement, outcome
from bench.dispatch.profile import hot, inclusive, place
from bench.dispatch.regions import FILLING, FULL, UP, Phase, acknowledged, beside
from bench.dispatch.requests import DEVICES, REGIONS, device_of, marked_top_up, numbered, numbers, stream
from bench.loader import Sending, send
from bench.messages import frame, post, users
from hypothesis import given
from hypothesis import strategies as st
from test_bench_loader import OK, always, serving

from sluicegate.duis import read_header, read_response
from sluicegate.settings import load

# --- what is sent


@given(st.sampled_from(users()), st.sampled_from(sorted(REGIONS)), st.integers(DEVICES // 10, DEVICES - 1))
def test_a_numbered_message_is_a_service_request_of_the_usual_size_to_its_region(user, region, number):
    whole = numbered(marked_top_up(user, region), number)
    header = read_header(whole, complete=True)
    assert len(whole) == 1700
    assert (header.originator, header.counter) == (user.eui, number)
    assert header.target.startswith(REGIONS[region])


@given(st.lists(st.integers(0, DEVICES - 1), unique=True, max_size=50))
def test_no_two_numbers_share_a_device(some):
    assert len({device_of(number) for number in some}) == len(some)


def test_runs_have_numbers_of_their_own_that_begin_with_no_zero():
    runs = numbers()
    first, second = next(runs), next(runs)
    assert second > first
    assert len(str(first)) == len(str(DEVICES - 1)) == 10


def test_the_sender_numbers_requests_as_the_benchmark_does(load_program, tmp_path):
    user, first = users()[7], DEVICES // 10 + 123
    marked = [marked_top_up(user, region) for region in REGIONS]
    path = tmp_path / "frames"
    path.write_bytes(b"".join(frame(0, 200, post(one)) for one in marked))
    with serving(always(OK)) as (port, seen):
        found = send(load_program, Sending(port, path, 0.3, 0.1, 4, first=first))
    bodies = [body for body, _ in seen]
    wanted = {numbered(marked[number % len(marked)], first + number) for number in range(len(bodies) + 4)}
    assert found.completed > 10
    assert len(set(bodies)) == len(bodies)
    assert set(bodies) <= wanted


def test_frames_without_marks_are_sent_as_they_are(load_program, tmp_path):
    path = tmp_path / "frames"
    path.write_bytes(frame(0, 200, post(b"100% ## plain")))
    with serving(always(OK)) as (port, seen):
        send(load_program, Sending(port, path, 0.2, 0.1, 2, first=5))
    assert {body for body, _ in seen} == {b"100% ## plain"}


def test_what_csps_answer_is_a_response():
    assert read_response(acknowledgement().encode()).code == "I99"
    assert read_response(outcome().encode()).code == "I0"
    assert "'" not in acknowledgement() + outcome()  # it stands between such in a configuration of nginx


# --- a store that is filled directly


@pytest.fixture
def filled(tmp_path):
    store = str(tmp_path / "dispatch.db")
    fill(store, DEVICES // 10, 360, lambda _done: None)
    return store


def test_what_is_written_directly_is_what_the_intake_would_have_written(filled):
    from sluicegate.dispatch.parcel import Want
    from sluicegate.dispatch.store.opening import open_store

    expected = {}
    for user, region, _number, body in stream(tuple(REGIONS), DEVICES // 10, 360):
        [parcel] = intake({user.eui: user.name}).read("S", body, 0.0).incoming
        expected[parcel.key] = (f"csp:{region}", parcel.user, parcel.lane, parcel.srv, parcel.path, body)
    store = open_store(filled)
    with store.transaction() as transaction:
        wants = [Want(f"csp:{region}", user.name, 0, 10) for region in REGIONS for user in users()]
        claimed = transaction.claim(wants, time.time())
    store.close()
    found = {one.key: (one.destination, one.user, one.lane, one.srv, one.path, one.body) for one in claimed}
    assert found == expected


def test_the_books_tell_what_waits_and_what_has_ended(filled):
    from sluicegate.dispatch.parcel import Settlement, State, Want
    from sluicegate.dispatch.store.opening import open_store

    books, now = Books(filled), time.time()
    assert (books.open_now(), books.first_delivery(0.0)) == (360, None)
    store = open_store(filled)
    with store.transaction() as transaction:
        claimed = transaction.claim([Want("csp:south", user.name, 0, 1) for user in users()], now)
        transaction.settle([Settlement(one.seq, State.DELIVERED, now + 2.5) for one in claimed])
    assert books.open_now() == 300
    assert (books.waiting(now + 2), books.waiting(now + 3)) == (360, 300)
    assert books.delivered(now, now + 3) == 60
    assert books.delivered(now, now + 2) == 0
    assert books.first_delivery(now) == now + 2.5
    assert books.per_second(now, now + 4) == [0, 0, 60, 0]
    assert len(books.delays(now - 60, now + 60, ["south"])) == 60
    assert books.delays(now - 60, now + 60, ["north"]) == []
    store.close()


@given(st.lists(st.floats(0, 1e3), min_size=1), st.floats(0.001, 1))
def test_a_percentile_is_the_smallest_value_that_is_no_smaller_than_so_many(values, part):
    ordered = sorted(values)
    found = percentile(ordered, part)
    assert sum(value <= found for value in ordered) >= part * len(ordered)
    assert sum(value < found for value in ordered) < part * len(ordered)


def test_a_percentile_of_nothing_is_no_number():
    assert math.isnan(percentile([], 0.99))


# --- the configuration


@pytest.mark.parametrize("shape", [Shape(), Shape(ceiling=500, outcomes=True)])
def test_the_configuration_is_one(tmp_path, shape, monkeypatch):
    monkeypatch.setattr("bench.dispatch.plant.shutil.which", lambda name: f"/bin/{name}")
    Plant(Site(tmp_path, ("sluicegate",), Path("load")), str(tmp_path / "s.db"), None, shape)
    settings = load(tmp_path / "sluicegate.toml")
    assert [csp.name for csp in settings.csps] == list(REGIONS)
    assert settings.csps[0].backlog == shape.ceiling
    assert all((user.endpoint is not None) == shape.outcomes for user in settings.users)


# --- how rates are judged


def flow(offered, accepted, delivered, grown):
    return Flow(offered, accepted, delivered, 0.0, 10, 10 + grown, {}, {}, {}, {}, 0.0, (0.0, 0.0))


@pytest.mark.parametrize(
    ("one", "sustained"),
    [
        (flow(1000, 1000, 1000, 0), True),
        (flow(1000, 1000, 985, 0), False),
        (flow(1000, 985, 985, 0), False),
        (flow(1000, 1000, 995, 240), True),
        (flow(1000, 1000, 995, 260), False),
        (flow(None, 3000, 2000, 20_000), False),
    ],
)
def test_a_rate_is_sustained_where_it_is_delivered_and_nothing_piles_up(one, sustained):
    assert one.sustained is sustained


@given(st.floats(200, 5000), st.floats(100, 10_000))
def test_climbing_ends_within_a_step_of_the_limit_where_it_has_tries_enough(start, limit):
    asked = []

    def attempt(rate):
        asked.append(rate)
        return rate <= limit

    best = climb(start, attempt, 200)
    assert best is not None
    assert limit / 1.081 <= best <= limit
    assert max(asked) <= max(start, limit * 1.081)


def test_climbing_gives_up():
    assert climb(1000, lambda _rate: False, 3) is None


# --- other people's work


def test_a_window_that_others_disturb_is_measured_again_and_the_least_disturbed_counts(monkeypatch):
    monkeypatch.setattr(quiet, "wait", lambda _patience: False)
    cores = iter([0.9, 0.5, 0.7, 0.1])

    def measure():
        used = next(cores)
        return used, used

    assert quiet.undisturbed(10.0, measure) == 0.5
    assert quiet.undisturbed(10.0, measure) == 0.1
    assert next(cores, None) is None


def test_without_patience_a_window_is_measured_once():
    assert quiet.undisturbed(0.0, lambda: ("found", 2.0)) == "found"


def test_quiet_is_waited_for_no_longer_than_patience():
    class Busy:
        def cores(self):
            return 1.0

    slept = []
    assert quiet.wait(7.0, slept.append, Busy) is False
    assert sum(slept) == 9.0


# --- regions


def phase(state, p99):
    return Phase(state, {"p99": p99}, {"p99": p99}, {}, {})


def test_a_window_is_compared_with_those_beside_it():
    phases = [phase(UP, 10), phase(FILLING, 11), phase(FULL, 15), phase(UP, 20), phase(FULL, 21), phase(UP, 22)]
    assert beside(phases, FULL, acknowledged) == [1.0, 1.0]
    assert beside(phases, FILLING, acknowledged) == [pytest.approx(11 / 15)]


def test_a_last_window_has_but_one_beside_it():
    assert beside([phase(UP, 10), phase(FULL, 12)], FULL, acknowledged) == [1.2]


# --- memory, profile


def test_the_peak_is_read_in_mib():
    assert peak_from("Name:\tx\nVmHWM:\t  204800 kB\nVmRSS:\t 1 kB\n") == 200.0


def test_a_process_without_a_peak_is_an_error():
    with pytest.raises(ValueError, match="VmHWM"):
        peak_from("Name:\tkthreadd\n")


STACKS = [
    "thread (12): MainThread;run (sluicegate/cli.py:1);pump (sluicegate/dispatch/courier.py:90) 30",
    "thread (12): MainThread;run (sluicegate/cli.py:1);pump (sluicegate/dispatch/courier.py:91);dumps (json/x.py:9) 10",
    "thread (13): writer;_run (sluicegate/dispatch/writer.py:7) 60",
    "nonsense",
    "",
]


def test_self_time_is_the_innermost_functions():
    found = {(one.where, one.thread): (one.self_part, one.whole_part) for one in hot(STACKS)}
    assert found["_run (sluicegate/dispatch/writer.py)", "writer"] == (0.6, 0.6)
    assert found["pump (sluicegate/dispatch/courier.py)", "MainThread"] == (0.3, 0.4)
    assert found["dumps (json/x.py)", "MainThread"] == (0.1, 0.1)
    assert ("run (sluicegate/cli.py)", "MainThread") not in found


def test_whole_time_counts_what_is_called():
    found = {one.where: one.whole_part for one in inclusive(STACKS)}
    assert found["run (sluicegate/cli.py)"] == 0.4


@pytest.mark.parametrize(
    ("frame_", "shown"),
    [
        ("f (/a/site-packages/b/c.py:12)", "f (b/c.py)"),
        ("f (b/c.py)", "f (b/c.py)"),
        ("<module> (x.py:1)", "<module> (x.py)"),
        ("[idle]", "[idle]"),
    ],
)
def test_a_place_has_no_line_and_no_folder_of_this_machine(frame_, shown):
    assert place(frame_) == shown


# --- findings


def test_a_target_is_met_by_the_median():
    good = finding("sqlite", "x", "SR/s", [1900, 2100, 2200], at_least=2000)
    bad = finding("postgres", "x", "SR/s", [1900, 1950, 2200], at_least=2000)
    free = finding("sqlite", "x", "ms", 3.25, 2)
    assert (good.met, bad.met, free.met) == (True, False, None)
    assert len(missed([good, bad, free])) == 1
    assert "PostgreSQL: SR/s is 1,950 (1,900-2,200), and >= 2,000 was wanted" in missed([good, bad, free])


def test_tables_have_a_row_for_each_figure_and_a_column_for_each_store():
    found = [
        finding("sqlite", "speed", "a", 1),
        finding("postgres", "speed", "a", 2, at_most=1),
        finding("sqlite", "speed", "b", 3),
    ]
    [grid] = grids(found)
    assert grid.columns == ("", "wanted", "SQLite", "PostgreSQL")
    assert [row[0] for row in grid.rows] == ["a", "b"]
    assert grid.rows[0][2:] == ("1", "2 **NO**")
    assert grid.rows[1][2:] == ("3", "-")
