"""The operator's page of a fleet: how this worker stands with the ledger, and what is known of the others.

One page is looked at in all its states, sizes and colours: to open one costs seconds.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from types import SimpleNamespace

import pytest
from rig_screens import PATIENCE, Standing, configuration
from test_screens_browser import CONTRAST, text, wait_for_text

from sluicegate.ledger import Told
from sluicegate.ledger.fleet.messages import Look, Seen
from sluicegate.operations.fleet.counting import totals_row
from sluicegate.operations.fleet.message import Head
from sluicegate.operations.fleet.sums import Counted, Sums
from sluicegate.operations.tally import Totals

SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
OUTSIDE = """() => [...document.querySelectorAll('#fleet *, #health *')].filter((e) => {
  const panel = e.closest('.panel').getBoundingClientRect(), at = e.getBoundingClientRect();
  return at.width > 1 && (at.right > panel.right || at.left < panel.left);
}).map((e) => e.outerHTML)"""
LOOKS = [(width, scheme) for width in (360, 1600) for scheme in ("light", "dark")]
NOTHING = "\u2013"
LONG = "gateway-with-a-very-long-name.data-centre.north.example.com-4711"  # as `joining.new_name` makes them


class Fleet:
    """What `Colleagues` shows, as a test says."""

    looks, trouble = True, ""

    def __init__(self, name: str) -> None:
        self.name, self.last, self.looked_at, self.max_in_flight = name, None, monotonic(), 2000
        self.counted_at = monotonic()
        self.sums = Sums(0.0)

    def writes(self) -> bool:
        return True


class Staffed(Standing):
    """A gateway that is one worker of a fleet."""

    def __init__(self, name: str = "gate1-100-aaaa") -> None:
        super().__init__(configuration([("Alder", 10), ("Birch", 5)], 20, 15), monotonic())
        self.fleet = self.colleagues = Fleet(name)
        self.stands()
        self.ledger.told = lambda _now: self.told  # type: ignore[method-assign]

    def stands(self, alone: float | None = None, share: float = 0.25, answered: bool = True, closed: bool = False):
        """How this worker stands with the ledger."""
        self.told = Told(self.fleet.name, answered, alone, closed, share, 4, 100, 0, 0, "")

    def seen(self, *workers: Seen, telling: int = 99, busy: int = 0) -> None:
        """What the ledger has in its books; so many of them tell what they count, `busy` are full."""
        self.fleet.last, self.fleet.looked_at = Look("e", False, 1.0, 10.0, 20.0, 5.0, 2.0, 1.0, workers), monotonic()
        self.fleet.sums.workers = {}
        for number, one in enumerate(workers[:telling]):
            known = self.fleet.sums.workers[one.worker] = Counted(0.0)
            known.head = Head(9.0, "0.0.0.0:443", 3, 500, 0, totals_row(Totals(), (0, 0, 0)))
            known.in_flight = {"Alder": 500 if number < busy else 7}

    def unseen(self) -> None:
        """The ledger has not answered for so long that nothing is known of the others."""
        self.fleet.last = None
        self.fleet.sums.workers = {}


def worker(name: str, age: float = 0.02, share: float = 0.25) -> Seen:
    return Seen(name, age, share, 600.0, 12.3, 0.0)


def workers(count: int, own: str = "gate1-100-aaaa") -> list[Seen]:
    """So many, on two machines."""
    others = [f"gate{1 + n % 2}-{101 + n}-bbbb" for n in range(count - 1)]
    return [worker(name, share=1 / count) for name in (own, *others)]


@pytest.fixture
def opened(serve, page):
    """The page of a worker, and what shows what has changed without waiting for the second."""
    watched = Staffed()
    watched.seen(*workers(4))
    served = serve(watched)
    tab = page(served)
    wait_for_text(tab, "#link", "Live")

    def show() -> None:
        served.pulse._not_before = 0.0
        asyncio.run_coroutine_threadsafe(served.pulse.beat(), served.loop).result(PATIENCE)

    return SimpleNamespace(watched=watched, tab=tab, show=show)


def ledger(tab) -> str:
    """The row of the gateway's facts."""
    return tab.locator("#health div", has=tab.locator("dt", has_text="Ledger")).locator("dd").inner_text()


def table(tab) -> list[list[str]]:
    return [row.inner_text().split("\t") for row in tab.locator("#workers tr").all()]


def looks_well(tab) -> None:
    """At each size, light and dark: words stand out, nothing is cut off or scrolls sideways."""
    for width, scheme in LOOKS:
        tab.set_viewport_size({"width": width, "height": 900})
        tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert tab.evaluate(CONTRAST) == [], (width, scheme)
        assert tab.evaluate(SIDEWAYS) <= 0, (width, scheme)
        assert tab.evaluate(OUTSIDE) == [], (width, scheme)


def test_the_ledger_and_the_workers_are_told_in_words_in_every_state(opened):
    watched, tab = opened.watched, opened.tab
    wait_for_text(tab, "#fleet-words", "4 workers, one capacity")
    assert ledger(tab) == "answers 4 workers"
    assert text(tab, "#state") == "Normal"
    looks_well(tab)
    assert [row[1:] for row in table(tab)] == [["just now", "25.0%", "12.3", "7 of 500"]] * 4
    assert table(tab)[0][0] == "gate1-100-aaaa\nthis one"
    assert "6 of 2,000" in text(tab, "#health"), "the worker of this test says 3 of each User"

    silent = [*workers(3), worker("gate2-104-bbbb", age=42.0)]
    watched.seen(*silent, telling=3, busy=1)
    opened.show()
    wait_for_text(tab, "#fleet-words", "4 workers, one capacity: 1 draws nothing, alone or gone")
    assert ledger(tab) == "answers 3 of 4 workers"
    assert [row[1] for row in table(tab)] == ["42 s ago", "just now", "just now", "just now"], "it comes first"
    assert table(tab)[0][4] == NOTHING, "it tells nothing"
    assert tab.locator("#workers td.bad").all_inner_texts() == ["42 s ago", "500 of 500"]
    looks_well(tab)

    watched.seen(*workers(4))
    watched.fleet.last = watched.fleet.last._replace(parts=3, away=(1,))
    opened.show()
    wait_for_text(tab, "#health", "answers 4 workers; 1 of its 3 parts is away")
    looks_well(tab)
    watched.seen(*silent, telling=3, busy=1)

    watched.stands(alone=1.0)
    opened.show()
    wait_for_text(tab, "#health", "away: alone for 1 second, by 25.0% of everything")
    assert text(tab, "#state") == "Normal", "a draw that is late is no news"
    watched.stands(alone=125.0)
    watched.unseen()
    opened.show()
    wait_for_text(tab, "#state", "Ledger away")
    assert text(tab, "#since") == "For 2 minutes"
    assert text(tab, "#cause").startswith("This worker decides alone, by 25.0% of everything. All figures here")
    assert "Ledger away" in text(tab, "#announce"), "a screen reader is told, too"
    assert ledger(tab) == "away: alone for 2 minutes, by 25.0% of everything"
    assert table(tab) == [["gate1-100-aaaa\nthis one", NOTHING, NOTHING, NOTHING, NOTHING]]
    assert text(tab, "#fleet-words") == "Of the others nothing is known until the ledger answers"
    looks_well(tab)

    for stands, said, row in (
        ({"alone": 700.0, "closed": True}, "Nothing passes: the lease", "away for longer than the lease"),
        ({"alone": 4.0, "answered": False}, "Nothing passes until the ledger", "has not answered yet"),
    ):
        watched.stands(**stands)
        opened.show()
        wait_for_text(tab, "#cause", said)
        assert row in ledger(tab)
        assert text(tab, "#state") == "Ledger away"
        assert "bad" in tab.locator("#hero").get_attribute("class")
        looks_well(tab)


def test_one_worker_and_forty_and_more_and_long_names_of_two_machines(opened):
    watched, tab = opened.watched, opened.tab
    watched.seen(*workers(1))
    opened.show()
    wait_for_text(tab, "#fleet-words", "^1 worker, one capacity$")
    assert ledger(tab) == "answers 1 worker"
    watched.seen(*workers(40))
    opened.show()
    wait_for_text(tab, "#fleet-words", "^40 workers, one capacity$")
    assert {row[2] for row in table(tab)} == {"2.5%"}
    assert len(table(tab)) == 40
    looks_well(tab)
    watched.seen(*workers(50), worker("gate2-999-cccc", age=9.0))
    opened.show()
    wait_for_text(tab, "#fleet-words", "51 workers, one capacity: 1 draws nothing, alone or gone; 40 are shown")
    assert len(table(tab)) == 40
    watched.seen(worker("gate1-100-aaaa"), worker(f"{LONG}-0123abcd", share=0.0), worker("x" * 60 + "-1-89abcdef"))
    opened.show()
    wait_for_text(tab, "#fleet-words", "^3 workers")
    looks_well(tab)
    assert tab.get_by_role("region", name="Workers").is_visible()
    named = tab.get_by_role("table", name="Each worker, as the ledger has it in its books")
    assert named.get_by_role("columnheader").all_inner_texts() == [
        "Worker",
        "Drew",
        "Share",
        "In\xa0hand, SR",
        "At the DSP",
    ]
    assert named.get_by_role("rowheader", name=f"{LONG}-0123abcd").count() == 1
    watched.colleagues = None
    watched.ledger.told = lambda _now: None
    opened.show()
    tab.locator("#fleet").wait_for(state="hidden")
    assert "Ledger" not in text(tab, "#health")
