"""The live screen: what an operator reads off it, in 80 columns and in more."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from sluicegate.relay.screen import Screen, curve_of, seconds_shown

CLASS: dict[str, Any] = {
    "name": "top-ups", "rank": 0, "bulk": False, "deadline": 60.0, "waiting": 0, "aside": 0, "in_flight": 0,
    "oldest_seconds": None, "came": 0, "stored": 0, "joined": 0, "acknowledged": 0, "refused": 0, "expired": 0,
    "dropped": 0, "given_back": 0, "attempts": 0, "throttled": 0, "behind": 0, "failed": 0, "left": 0,
    "mean_seconds": None, "done_in_seconds": 0.0, "in_time": True, "needs_more": 0.0,
}  # fmt: skip


def status(*classes: dict[str, Any], **changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "version": "1", "user": "Large Supplier A", "mode": "hold", "up_seconds": 3723.0, "draining": False,
        "gateway": {
            "url": "https://gateway.example:8079", "allocation": 300.0, "rate": 412.5, "remaining": 12,
            "state": "paced", "in_flight": 12, "connections": 64, "last_failure": "no connection within 2 s",
        },
        "store": {"failing": "", "commits": 1, "parcels_written": 1}, "open": 10, "most": 100_000,
        "octets_in_memory": 1, "not_taken": {"full": 0, "store": 0, "wish": 0, "draining": 0}, "recovered": 0,
        "classes": [CLASS | one for one in classes], "callback": None,
    }  # fmt: skip
    return whole | changes


def shown(screen: Screen, told: dict[str, Any], now: float = 0.0, width: int = 80) -> str:
    out = Console(file=io.StringIO(), width=width, color_system=None)
    out.print(screen.show(told, now, width))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_cut_off_in_the_columns_that_there_are(width: int) -> None:
    busy = {
        "waiting": 98_765, "oldest_seconds": 4321.0, "acknowledged": 1_234_567, "refused": 1234, "expired": 12_345,
        "done_in_seconds": 40_000.0, "deadline": 86_400.0, "throttled": 123_456,
    }  # fmt: skip
    text = shown(Screen(), status(busy, {"name": "bulk reads", "bulk": True}), width=width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for word in ("98,765", "1.2 h", "1,234,567", "1,234", "12,345", "11.1 h", "bulk reads, bulk", "1:02:03"):
        assert word in text


def test_it_says_how_fast_things_go() -> None:
    screen = Screen()
    shown(screen, status({"acknowledged": 100, "attempts": 100}), 10.0)
    text = shown(screen, status({"acknowledged": 300, "attempts": 400}, up_seconds=3725.0), 12.0)
    assert "100.0" in text
    assert "150/s" in text
    again = shown(screen, status({"acknowledged": 3, "attempts": 3}, up_seconds=1.0), 13.0)  # it was started anew
    assert "-" in again
    assert "-148" not in again


def test_it_warns_of_what_will_be_too_late_and_says_what_would_help() -> None:
    late = {"waiting": 5000, "in_time": False, "needs_more": 12.5, "done_in_seconds": 400.0, "oldest_seconds": 58.0}
    text = " ".join(shown(Screen(), status(late)).split())
    assert "top-ups: some will be too late as it goes now; 12.5 SR/s more would serve it in time" in text


def test_it_warns_of_what_is_wrong_around_it() -> None:
    gateway = status()["gateway"] | {"state": "closed", "allocation": None, "rate": None}
    callback = {
        "waiting": 70, "state": "open", "in_flight": 0, "delivered": 12, "failed": 3, "given_up": 0, "last_failure": "",
    }  # fmt: skip
    text = shown(
        Screen(),
        status(
            {},
            gateway=gateway,
            callback=callback,
            store={"failing": "the disk is full", "commits": 1, "parcels_written": 1},
            open=90_000,
            not_taken={"full": 4, "store": 2, "wish": 0, "draining": 0},
        ),
    )
    for words in (
        "gateway: no connection within 2 s", "callback: 12 delivered, 70 wait (open)", "not taken: full 4, store 2",
        "nothing more can wait: the disk is full", "90,000 of 100,000 places to wait are taken", "not told yet",
    ):  # fmt: skip
        assert words in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.0, "59 s"), (200.0, "3:20"), (7265.0, "2.0 h"), (3 * 86_400.0, "3.0 d")],
)
def test_times_are_short(seconds: float, words: str) -> None:
    assert seconds_shown(seconds) == words


def test_a_curve_has_one_bar_for_each_value() -> None:
    assert curve_of([0.0, 4.0, 8.0]) == "▁▄█"
    assert curve_of([0.0, 0.0]) == "▁▁"
    assert curve_of([]) == ""
