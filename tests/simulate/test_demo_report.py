import math
from datetime import UTC, datetime

import pytest
from rich.console import Console

from sluicegate.simulate.demo import plain, summary
from sluicegate.simulate.demo.figures import result
from sluicegate.simulate.demo.record import Moment, RunRecord
from sluicegate.simulate.demo.report import claim, page
from sluicegate.simulate.demo.scenario import Scenario
from sluicegate.simulate.demo.screen import Screen
from sluicegate.simulate.demo.statuses import DspStatus, Figures, GatewayStatus
from sluicegate.simulate.demo.views import draw_terminal
from sluicegate.simulate.sender import Journey, Outcome

AT = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)


def record(enforce, *, down=False, throttled=(), late=(), until=20.0):
    """A run in which these Users were throttled, and these were late."""
    scenario = Scenario()
    run = RunRecord(scenario, enforce)
    journeys = []
    for user in range(len(scenario.users)):
        for second in range(18):
            after = 9.0 if user in late else 0.25
            journey = Journey(user, second, 1, int(user in throttled), Outcome.DELIVERED, second + after)
            journeys.append(journey)
            run.seen(journey, second, second + after, Outcome.DELIVERED)
            if user in throttled:
                run.seen(journey, second, second + 0.1, Outcome.THROTTLED)
    run.journeys = journeys
    figures = Figures(900, 100, 50, 750)
    rates = {user.name: figures for user in scenario.users}
    gateway = GatewayStatus("active", figures, figures, rates)
    for tick in range(int(until * 4)):
        is_down = down and 40 <= tick < 64
        dsp = DspStatus(is_down, not is_down, 150, 100, int(down and tick >= 40), 6.0 if down and tick >= 64 else 0.0)
        run.moments.append(Moment(tick / 4, gateway, dsp))
    return run


def said(before, after):
    return claim(before.scenario, result(before), result(after))


def test_the_claim_is_made_of_the_figures():
    text = said(record(False, down=True, late=range(6)), record(True, throttled=[0], late=[0]))
    assert "Without traffic management the DSP failed for 6.0 s" in text
    assert "five other Users had 0% of their requests delivered within 2 s" in text
    assert "With it, the DSP never failed, the others had 100%, and only Large Supplier A was throttled." in text


def test_the_claim_does_not_flatter():
    text = said(record(False), record(True, down=True, throttled=[0, 3], late=[2]))
    assert "the DSP kept up" in text
    assert "With it, the DSP failed for 6.0 s, the others had 80%" in text
    assert "these were throttled: Large Supplier A, Small Supplier D" in text
    assert "nobody was throttled" in said(record(False), record(True))


def test_the_page_names_every_user_and_the_seed():
    text = page(record(False, down=True), record(True), AT)
    for user in Scenario().users:
        assert user.name in text
    assert f"seed {Scenario().seed}" in text
    assert "23 November 2026" in text
    assert text.count("<figure") == 6


def test_a_run_without_anything_still_makes_a_page():
    empty = RunRecord(Scenario(), enforce=False), RunRecord(Scenario(), enforce=True)
    assert "<figure" in page(*empty, AT)


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100%"), (0.9999, ">99%"), (0.0, "0%"), (0.0001, "<1%"), (0.5, "50%"), (0.994, "99%")]
)
def test_all_and_none_are_said_of_all_and_none_only(share, text):
    assert summary.share_text(share) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.3, "300 ms"), (1.25, "1.2 s"), (math.inf, "never")])
def test_times_are_for_people(seconds, text):
    assert summary.seconds_text(seconds) == text


def drawn(renderable, width, height):
    console = Console(width=width, height=height, force_terminal=False, color_system=None, record=True, quiet=True)
    with console.capture() as captured:
        console.quiet = False
        console.print(renderable)
    return captured.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 40), (120, 40), (200, 60)])
@pytest.mark.parametrize("enforce", [True, False])
@pytest.mark.parametrize("until", [0.0, 1.0, 9.0, 20.0])
def test_the_screen_fits_the_terminal_and_shows_every_user(width, height, enforce, until):
    lines = drawn(Screen(record(enforce, down=True, throttled=[0], until=until), 1, 2), width, height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)
    for user in Scenario().users:
        assert any(user.name in line for line in lines)


def test_the_screen_shows_a_chart_where_there_is_room():
    small, large = (drawn(Screen(record(True), 2, 2), 100, height) for height in (24, 40))
    assert not any("offered, retries included" in line for line in small)
    assert any("offered, retries included" in line for line in large)


def test_a_tiny_terminal_is_survived():
    assert drawn(Screen(record(True), 2, 2), 20, 5)


def test_a_line_of_text_says_who_is_throttled():
    run = record(True, throttled=[0, 2])
    run.moments = run.moments[:40]
    assert "throttled: Large Supplier A, Medium Supplier C" in plain.line(run)
    assert "throttled: nobody" in plain.line(record(True))


def test_the_table_fits_eighty_columns():
    lines = drawn(summary.table(Scenario(), result(record(False, down=True)), result(record(True))), 80, 30)
    assert all(len(line) <= 80 for line in lines)
    assert any("6.0 s" in line and "0.0 s" in line for line in lines if "outage" in line)


def test_the_picture_of_a_terminal_names_nothing_from_afar(tmp_path):
    file = tmp_path / "terminal.svg"
    draw_terminal(Screen(record(True), 2, 2), file, "sluicegate demo")
    text = file.read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert "Large&#160;Supplier&#160;A" in text
    assert "@font-face" not in text
    assert text.count("http") == text.count('xmlns="http://www.w3.org/2000/svg"')
