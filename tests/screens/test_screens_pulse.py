"""Once a second: the rings, the timeline, and one picture for all who look."""

import asyncio
import json
from types import SimpleNamespace
from typing import ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from rig_screens import Clock, Standing, configuration

from sluicegate.ledger import Told
from sluicegate.operations.screens.glance import MOST_WORKERS, glance
from sluicegate.operations.screens.pulse import MOST, MOST_OF_ONE, Full, Pulse
from sluicegate.operations.screens.series import DAY, MINUTES, MOST_SHOWN, Point, Series
from sluicegate.operations.screens.stream import Stream
from sluicegate.operations.screens.uplift import versions
from sluicegate.operations.status import status

TWO = configuration([("Alder", 10), ("Birch", 5)], 20, 15)


def looked_at(text=TWO, **kinds):
    clock = Clock()
    watched = Standing(text, clock.now)
    pulse = Pulse(watched, watched.rates, watched.throttled, clock=lambda: clock.now, wall=lambda: clock.wall, **kinds)
    return watched, clock, pulse


async def second(watched, clock, pulse):
    clock.go(1.0)
    watched.look(clock.now)
    await pulse.beat()
    await asyncio.sleep(0)


async def signed_in():
    return True


def events(pulse):
    return [one["said"] for one in reversed(pulse.timeline.told())]


# --- who looks


def test_all_operators_share_one_picture_and_a_user_gets_its_own_figures_only():
    async def run():
        watched, clock, pulse = looked_at()
        one, other, user = pulse.join("a", None), pulse.join("b", None), pulse.join("c", "Birch")
        watched.send("Alder", clock.now, 3)
        await second(watched, clock, pulse)
        first = await one.next()
        assert first is await other.next(), "made once"
        seen = await user.next()
        assert b"Alder" not in seen
        assert b"maximum" not in seen
        assert json.loads(seen)["user"]["name"] == "Birch"
        rows = {row[0]: row for row in json.loads(first)["users"]}
        assert set(rows) == {"Alder", "Birch"}

    asyncio.run(run())


def test_a_user_that_is_none_any_more_sees_nothing():
    async def run():
        watched, clock, pulse = looked_at()
        gone = pulse.join("c", "Cedar")
        await second(watched, clock, pulse)
        assert await gone.next() == b"null"

    asyncio.run(run())


def test_who_does_not_fetch_its_picture_has_the_newest_and_no_more():
    async def run():
        watched, clock, pulse = looked_at()
        listener = pulse.join("a", None)
        for _ in range(50):
            await second(watched, clock, pulse)
        assert json.loads(await listener.next())["at"] == clock.wall
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(listener.next(), 0.01)

    asyncio.run(run())


def test_no_more_may_look_than_a_bound_and_one_account_cannot_take_all_places():
    async def run():
        _, _, pulse = looked_at()
        joined = [pulse.join("a", None) for _ in range(MOST_OF_ONE)]
        with pytest.raises(Full):
            pulse.join("a", None)
        joined += [pulse.join(str(number), None) for number in range(MOST - MOST_OF_ONE)]
        with pytest.raises(Full):
            pulse.join("late", None)
        pulse.leave(joined[0])
        assert pulse.join("late", None) is not None

    asyncio.run(run())


def test_nothing_is_made_while_nobody_looks():
    async def run():
        asked = []
        watched, clock, pulse = looked_at(mix=lambda: asked.append(1) or {"2.2": [1, 0, 0]})
        await second(watched, clock, pulse)
        assert asked == []
        listener = pulse.join("a", None)
        await second(watched, clock, pulse)
        assert json.loads(await listener.next())["mix"][0][0] == "2.2"

    asyncio.run(run())


def test_a_picture_that_takes_long_is_made_less_often():
    async def run():
        made = []
        watched, clock, pulse = looked_at(mix=lambda: made.append(clock.go(0.3)) or {})
        pulse.join("a", None)
        for _ in range(30):
            await second(watched, clock, pulse)
        assert 2 <= len(made) <= 4, "three seconds of every hundred, at the most"

    asyncio.run(run())


# --- a browser that never reads


def test_a_browser_that_never_reads_is_let_go_and_its_connection_cut():
    async def run():
        watched, clock, pulse = looked_at()
        listener = pulse.join("a", None)
        cut, started = [], asyncio.Event()

        async def receive():
            await asyncio.Event().wait()

        async def send(message):
            if message["type"] == "http.response.body":
                started.set()
                await asyncio.Event().wait()  # the buffers are full

        scope = {"type": "http", "extensions": {"sluicegate.abort": {"now": lambda: cut.append(True)}}}
        answering = asyncio.create_task(Stream(pulse, listener, signed_in, unread=0.01)(scope, receive, send))
        await second(watched, clock, pulse)
        await started.wait()
        await answering
        assert cut == [True]
        assert pulse.listeners == 0
        assert pulse.dropped == 1

    asyncio.run(run())


def test_a_stream_ends_when_its_listener_leaves_or_is_signed_out_when_the_gateway_stops_and_after_its_time():
    async def run(end):
        watched, clock, pulse = looked_at()
        listener = pulse.join("a", None)
        sent, gone = [], asyncio.Event()

        async def receive():
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        async def still():
            if end == "lost":
                raise RuntimeError
            return end != "signed out"

        times = {"longest": 0.01 if end == "time" else 1000, "check": 0.001 if end in {"signed out", "lost"} else 1000}
        stream = Stream(pulse, listener, still, **times)
        answering = asyncio.create_task(stream({"type": "http"}, receive, send))
        await second(watched, clock, pulse)
        if end == "leaves":
            gone.set()
        elif end == "stops":
            await pulse.stop()
        await answering
        assert sent[-1].get("more_body") is False
        assert (b"signed-out" in sent[-1]["body"]) is (end in {"signed out", "lost"}), "and it is told why"
        assert pulse.listeners == pulse.dropped == 0

    for end in ("leaves", "stops", "time", "signed out", "lost"):
        asyncio.run(run(end))


# --- the rings


@settings(deadline=None)
@given(st.lists(st.integers(1, 400), max_size=200))
def test_the_rings_are_bounded_and_in_order_whatever_the_seconds(steps):
    series, at = Series(), 1_800_000_000
    for step in steps:
        at += step
        series.take(Point(at, 1.0, 2.0, 3.0, 10.0, 20.0))
    minutes, day = series.minutes(), series.day()
    assert len(minutes["at"]) == min(len(steps), MINUTES)
    assert len(day["at"]) <= MOST_SHOWN + 1
    assert day["at"] == sorted(set(day["at"]))
    assert all(value == 6.0 for value in day["peak"])


def test_a_day_is_kept_and_no_more_and_its_peak_is_not_averaged_away():
    series = Series()
    for at in range(0, 2 * 10 * DAY, 10):
        series.take(Point(at, 500.0 if at % 3600 == 0 else 1.0, 0.0, 0.0, 10.0, 20.0))
    day = series.day()
    assert day["at"][-1] - day["at"][0] <= 86_400
    assert len(day["at"]) <= MOST_SHOWN + 1
    assert max(day["peak"]) == 500.0
    assert max(day["within"]) < 100


def test_what_everybody_sent_in_a_second_is_a_point():
    async def run():
        watched, clock, pulse = looked_at()
        await second(watched, clock, pulse)
        watched.send("Alder", clock.now, 4)
        await second(watched, clock, pulse)
        minutes = pulse.series.minutes()
        assert (minutes["within"][-1], minutes["threshold"][-1], minutes["maximum"][-1]) == (4.0, 15, 20)

    asyncio.run(run())


# --- the timeline


def test_the_timeline_names_who_was_above_when_traffic_management_began_and_says_when_it_is_over():
    async def run():
        watched, clock, pulse = looked_at()
        await second(watched, clock, pulse)
        watched.send("Alder", clock.now, 60)
        await second(watched, clock, pulse)
        assert events(pulse)[0] == "This gateway has started."
        assert events(pulse)[1].startswith(
            "Traffic management is active. Above their allocation: Alder (60 of 10 SR/s)"
        )
        clock.go(3600)
        await second(watched, clock, pulse)
        assert events(pulse)[2] == "Traffic management is over: nobody is limited."

    asyncio.run(run())


@given(st.integers(0, 59), st.integers(0, 90), st.integers(0, 30))
def test_the_day_begins_with_what_was_counted_before_the_start_and_nothing_is_there_twice(off, minutes, seconds):
    began = 1_800_000_000 + off
    series = Series()
    for at in range(seconds):
        series.take(Point(began + at, 1.0, 0.0, 0.0, 15.0, 20.0))
    newest = began // 60 * 60
    before = [(newest - 60 * n, (60, 30, 6, 9, 9)) for n in reversed(range(minutes))]
    series.begin_with(before, began)
    day = series.day()
    assert day["at"] == sorted(set(day["at"]))
    pieces = [point.at for point in (*series._day, *series._open[:1])]
    assert [at // 10 for at in pieces] == sorted({at // 10 for at in pieces})
    if minutes > 2:
        assert (day["within"][0], day["excess"][0], day["throttled"][0]) == (1.0, 0.5, 0.1)
        assert day["threshold"][0] is None, "what counted then is not known"
    if seconds:
        assert day["maximum"][-1] == 20.0
    json.dumps(day, allow_nan=False)


def test_the_timeline_tells_of_the_dsp_the_capacity_the_database_and_the_controls():
    class Accounts:
        failing = ""
        age = 0.0
        own_profiles = 0

    class Control:
        seq, kind, user, who, reason = 7, "drill", "Alder", "Olga", "practice"

    class Governed:
        controls: ClassVar = [Control]

    async def run():
        watched, clock, pulse = looked_at()
        watched.accounts = Accounts()
        await second(watched, clock, pulse)
        before = len(events(pulse))
        watched.breaker_state = "open"
        watched.accounts.failing = "the disk is full"
        watched.settings = Standing(TWO.replace("operating_threshold = 15", "operating_threshold = 12")).settings
        watched.governed = Governed()
        await second(watched, clock, pulse)
        assert events(pulse)[before:] == [
            "The DSP cannot be reached.",
            "Operating threshold: 12 SR/s, it was 15.",
            "The operations database fails: the disk is full",
            "Control put: drill of Alder, by Olga: practice",
        ]
        watched.breaker_state = "half-open"
        await second(watched, clock, pulse)
        assert len(events(pulse)) == before + 4, "trying is no news"

    asyncio.run(run())


# --- who still gets 503


def test_who_still_sends_old_versions_is_counted_and_who_takes_429_anyway_is_not():
    watched = Standing(TWO)
    watched.send("Alder", 1000.0, 2, version="3.1")
    watched.send("Alder", 1000.0, 1, version="4.1")
    told = versions(watched)
    rows = {row["user"]: row for row in told["users"]}
    assert told["from"] == "4.1"
    assert rows["Alder"]["versions"] == {"3.1": 2, "4.1": 1}
    assert rows["Alder"]["below"] == 2
    assert rows["Birch"]["below"] == 0
    assert [row["user"] for row in versions(watched, "Birch")["users"]] == ["Birch"]
    said = Standing(TWO.replace('duis = "4.1"', 'duis = "4.1"\ntoo_many_requests_users = ["Alder"]'))
    said.send("Alder", 1000.0, 2, version="3.1")
    assert versions(said, "Alder")["users"][0]["below"] == 0


# --- a fleet

TOLD = Told("w", True, None, False, 0.5, 2, 10, 0, 0, "")


def test_the_rates_of_a_fleet_are_those_between_two_readings_of_it():
    watched, clock, pulse = looked_at()
    watched.colleagues = fleet = SimpleNamespace(counted_at=clock.now)
    pulse._count(clock.now, clock.wall)
    for read in (True, True, False, True):  # one reading came late: the next one tells of two seconds
        clock.go(1.0)
        watched.tallies["Alder"].within += 5 if read else 0
        if read:
            seconds = clock.now - fleet.counted_at
            watched.tallies["Alder"].within += round(5 * (seconds - 1))
            fleet.counted_at = clock.now
        pulse._count(clock.now, clock.wall)
    assert [rate for rate in pulse.series.minutes()["within"] if rate] == [5.0, 5.0, 5.0]


def test_a_worker_that_is_alone_is_an_event_and_so_is_its_return():
    watched, clock, pulse = looked_at()
    watched.ledger.told = lambda _now: TOLD
    pulse.timeline.look(watched, watched.rates, clock.now, clock.wall)
    watched.ledger.told = lambda _now: TOLD._replace(alone=1.0)
    pulse.timeline.look(watched, watched.rates, clock.now, clock.wall)
    watched.ledger.told = lambda _now: TOLD
    pulse.timeline.look(watched, watched.rates, clock.now, clock.wall)
    assert events(pulse)[1:] == [
        "The ledger is away: this worker decides by its share.",
        "The ledger answers again.",
    ]


def test_of_very_many_workers_the_screen_has_those_that_draw_nothing_first():
    watched, _clock, _pulse = looked_at()
    told = status(watched, watched.rates)
    assert glance(told, 0.0, 0, 0, None)["ledger"] is None
    workers = [{"name": f"w{n:03}", "silent": n == 90, "this": n == 50} for n in range(100)]
    told |= {"ledger": {"worker": {}, "fleet": {"workers": workers}}}
    shown = glance(told, 0.0, 0, 0, None)["ledger"]
    assert shown["count"] == 100
    assert [one["name"] for one in shown["workers"]][:3] == ["w090", "w050", "w000"]
    assert len(shown["workers"]) == MOST_WORKERS
