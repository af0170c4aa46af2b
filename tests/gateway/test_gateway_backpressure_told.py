"""What is made of the dispatcher's word, without a network: time is passed in."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rig_backpressure import HOSTILE, full, told, waits
from structlog.testing import capture_logs

from sluicegate.gateway.backpressure import BackPressure
from sluicegate.gateway.news import MOST_OCTETS, NoNews, read
from sluicegate.http.call import Answer, CallFailed
from sluicegate.settings import Backpressure

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["version", "csps", "users", "others", "north", ""]), inner, max_size=4)
    ),
    max_leaves=12,
)
CSP = st.fixed_dictionaries({"users": st.dictionaries(st.text(max_size=5), JSON, max_size=3), "others": JSON})


@given(JSON | st.fixed_dictionaries({"version": st.just(1), "csps": st.dictionaries(st.text(max_size=3), CSP)}))
def test_whatever_json_is_told_it_is_news_or_none(told) -> None:
    try:
        found = read(json.dumps(told).encode())
    except NoNews:
        return
    for behind in found.csps.values():
        for seconds in (*behind.users.values(), *([behind.others] if behind.others is not None else [])):
            assert 0 <= seconds < float("inf")


@given(st.binary(max_size=200))
def test_whatever_octets_are_told_it_is_news_or_none(octets) -> None:
    with contextlib.suppress(NoNews):
        read(octets)


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_answer_that_is_none_changes_nothing_and_is_said_once(kind) -> None:
    made, dispatcher, clock, seen = pressed(told(north=full(others=3)))
    asyncio.run(made.ask())
    dispatcher.says = HOSTILE[kind]
    with capture_logs() as lines:
        for _ in range(5):
            clock.now += 0.5
            asyncio.run(made.ask())
    if len(dispatcher.says) <= MOST_OCTETS:  # else it does not come so far
        assert len(seen) == 1
        assert (made.heard_at, list(made.csps)) == (100.0, ["north"])
        (line,) = lines
        assert line["log_level"] == "warning"
        assert len(line["why"]) < 400


def test_who_refuses_nobody_is_not_among_those_who_refuse() -> None:
    assert list(read(told(north=full(), south=full(others=0))).csps) == ["south"]


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Dispatcher:
    """Answers as it is told; an answer takes `takes` seconds."""

    clock: Clock
    says: bytes | None = None
    takes: float = 0.0
    asked: list[float] = field(default_factory=list)

    async def get(self, path: str, timeout: float) -> Answer:
        assert path == "/api/v1/backpressure"
        self.asked.append(timeout)
        self.clock.now += self.takes
        if self.says is None:
            raise CallFailed("it is not there", sent=False)
        return Answer(200, {}, self.says)

    def sweep(self, now: float) -> None:
        pass

    def cut(self) -> None:
        pass


def pressed(says: bytes | None = None, forget_after: float = 5.0):
    clock, seen = Clock(), []
    settings = Backpressure(url="http://127.0.0.1:1", forget_after=forget_after)
    dispatcher = Dispatcher(clock, says)
    return BackPressure(settings, dispatcher, lambda _: "north", seen.append, clock), dispatcher, clock, seen


def test_what_is_told_counts_from_when_it_was_asked_for() -> None:
    made, dispatcher, clock, seen = pressed(told(north=full(others=3)))
    dispatcher.takes = 2.0
    asyncio.run(made.ask())
    assert (made.heard_at, clock.now) == (100.0, 102.0)
    made.sweep(104.9)
    assert seen[-1] is not None
    made.sweep(105.0)
    assert seen[-1] is None
    assert made.csps == {}


def test_no_answer_is_waited_for_longer_than_the_last_one_counts() -> None:
    made, dispatcher, _, _ = pressed(told(), forget_after=0.5)
    asyncio.run(made.ask())
    assert dispatcher.asked == [0.5]


def test_the_same_octets_are_news_though_they_are_not_read_again() -> None:
    made, _, clock, seen = pressed(told(north=full(others=3)))
    for clock.now in (100.0, 104.0, 108.0):
        asyncio.run(made.ask())
        made.sweep(clock.now + 4.9)
    assert len(seen) == 1
    made.sweep(113.0)
    clock.now = 114.0
    asyncio.run(made.ask())
    assert [refusals is None for refusals in seen] == [False, True, False], "forgotten is not known"


def test_a_dispatcher_that_cannot_make_up_its_mind_does_not_fill_the_log() -> None:
    made, dispatcher, clock, _ = pressed()
    with capture_logs() as lines:
        for turn in range(400):
            clock.now = 100.0 + turn * 0.25
            dispatcher.says = (b"nonsense", told(north=full(others=1)), None, told())[turn % 4]
            asyncio.run(made.ask())
            made.sweep(clock.now)
    complaints = [line for line in lines if line["event"] == "no news from the dispatcher"]
    assert len(complaints) == 2, "one a minute"
    assert len(lines) <= 110


def test_what_waits_for_a_csp_is_told_and_forgotten_as_what_it_refuses() -> None:
    made, dispatcher, clock, _ = pressed(waits(7))
    asyncio.run(made.ask())
    assert made.waiting == {"north": 7}
    dispatcher.says = b'{"version": 1, "csps": {}}'
    asyncio.run(made.ask())
    assert made.waiting == {}, "a dispatcher may leave it out"
    dispatcher.says = waits(9)
    asyncio.run(made.ask())
    clock.now += 5.0
    with capture_logs() as lines:
        made.sweep(clock.now)
    assert (made.waiting, lines) == ({}, [])


def test_who_is_refused_is_spread_on_though_what_waits_changes() -> None:
    made, dispatcher, _, seen = pressed(waits(7, north=full(others=3)))
    for count in range(5):
        dispatcher.says = waits(count, north=full(others=3))
        asyncio.run(made.ask())
    assert len(seen) == 1, "the same refusals: their sequence does not begin anew"
    assert made.waiting == {"north": 4}


def test_after_a_stop_nothing_is_refused() -> None:
    made, _, _, seen = pressed(told(north=full(others=3)))
    asyncio.run(made.ask())
    made.stop()
    assert seen[-1] is None
