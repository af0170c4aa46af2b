"""The verdict counts what the senders saw and does not flatter; the screen and the page draw any record."""

import io
import math
import tomllib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sluicegate.allocation import Profile
from sluicegate.allocation.reserve import proposed_reserve
from sluicegate.cli.demo import demo
from sluicegate.duis import CATALOGUE, read_header
from sluicegate.settings import load
from sluicegate.simulate.demo.priorities import perform, screen, verdict
from sluicegate.simulate.demo.priorities.record import PrioritiesRecord
from sluicegate.simulate.demo.priorities.report import page
from sluicegate.simulate.demo.priorities.run import _load
from sluicegate.simulate.demo.priorities.scenario import (
    FLOWS,
    USERS,
    WITH,
    WITHOUT,
    Flow,
    PrioritiesScenario,
    configuration,
)
from sluicegate.simulate.demo.record import Moment
from sluicegate.simulate.demo.statuses import DspStatus, Figures, GatewayStatus
from sluicegate.simulate.sender import Journey, Outcome

AT = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
LACKING, LACKING_BULK, HAVING, HAVING_BULK = (
    FLOWS.index(Flow(user, urgent)) for user in (WITHOUT, WITH) for urgent in (True, False)
)
OTHER = FLOWS.index(Flow(2))


def delivered(flow, intended, after=0.1, **more):
    return Journey(flow, intended, 1, 0, Outcome.DELIVERED, intended + after, **more)


def given_up(flow, intended):
    return Journey(flow, intended, 1, 1, Outcome.THROTTLED, None, given_up=True)


def record_of(*journeys, down=0):
    record = PrioritiesRecord(PrioritiesScenario())
    for journey in journeys:
        answered = journey.intended + 0.1 if journey.delivered_at is None else journey.delivered_at
        record.seen(journey, journey.intended, answered, journey.last or Outcome.FAILED)
    record.journeys = journeys
    gateway = GatewayStatus("active", Figures(900, 100, 50, 750), Figures(), {})
    record.moments.append(Moment(20.0, gateway, DspStatus(outages=down)))
    return record


def even(count=1000, late=0):
    """Both have as much delivered in the burst, one of them top-ups, the other other things while its top-ups are late.

    Of those with a profile the last ones are too late."""
    theirs = [one for n in range(count) for one in (given_up(LACKING, 6.5), delivered(LACKING_BULK, 6 + n / count))]
    mine = [delivered(HAVING, 6 + n / count) for n in range(count - late)]
    return [*theirs, *mine, *(given_up(HAVING, 6.5) for _ in range(late))]


def facts(*journeys, **more):
    return verdict.facts(record_of(*journeys, **more))


def test_a_top_up_is_in_time_or_too_late_when_the_run_is_over():
    found = facts(
        delivered(LACKING, 6, 29.9), delivered(LACKING, 6, 30.1), given_up(LACKING, 6), Journey(LACKING, 29.9, 1)
    )
    ours = found.lacking.top_ups
    assert (ours.sent, ours.in_time, ours.late, ours.waiting) == (4, 1, 3, 0)
    assert ours.share == 0.25
    assert math.isinf(ours.p999)


def test_while_it_lasts_what_may_yet_be_in_time_counts_for_neither():
    ours = verdict.top_ups([delivered(HAVING, 1), Journey(HAVING, 5.0, 1), Journey(HAVING, 5.0, 1)], 30.0, now=10.0)
    assert (ours.waiting, ours.late, ours.share) == (2, 0, 1.0)
    assert verdict.top_ups([Journey(HAVING, 5.0, 1)], 30.0, now=36.0).late == 1


@pytest.mark.parametrize(("late", "kept"), [(0, True), (1, True), (2, False)])
def test_of_a_thousand_one_may_be_late(late, kept):
    journeys = even(1000, late)
    assert facts(*journeys).kept_time is kept


def test_what_was_delivered_is_counted_by_user_and_time_and_of_all_kinds():
    found = facts(
        delivered(HAVING, 4.5), delivered(HAVING, 6), delivered(HAVING_BULK, 7), delivered(HAVING_BULK, 7, 40),
        delivered(LACKING_BULK, 29.0), delivered(OTHER, 7),
    )  # fmt: skip
    assert (found.having.in_burst, found.having.delivered, found.having.bulk) == (2, 4, 2)
    assert (found.lacking.in_burst, found.lacking.delivered) == (1, 1)
    assert found.burst_ratio == 2.0


@pytest.mark.parametrize(("more", "kept"), [(0, True), (10, True), (11, False)])
@pytest.mark.parametrize("to", [HAVING_BULK, LACKING_BULK])
def test_in_the_burst_neither_may_get_one_in_a_hundred_more_than_the_other(more, kept, to):
    found = facts(*even(1000), *(delivered(to, 8.0) for _ in range(more)))
    assert found.kept_throughput is kept


def test_in_the_whole_run_it_may_get_more_and_not_less():
    more, less = (facts(*even(1000), *(delivered(to, 35.0) for _ in range(50))) for to in (HAVING_BULK, LACKING_BULK))
    assert more.kept_throughput
    assert not less.kept_throughput


@pytest.mark.parametrize(
    "wrong",
    [
        {"others_throttled": 1},
        {"failed": 1},
        {"outages": 1},
        {"having": facts(*even(1000, late=2)).having},
        {"lacking": replace(facts(*even(1000)).lacking, top_ups=facts(*even(1000)).having.top_ups)},
        {"lacking": replace(facts(*even(1000)).lacking, in_burst=900)},
    ],
    ids=["others throttled", "failed", "outage", "late", "nothing to see", "dear"],
)
def test_the_exit_code_says_that_something_was_not_as_promised(wrong, monkeypatch, tmp_path):
    good = facts(*even(1000))
    assert good.good
    for found, code in ((good, 0), (replace(good, **wrong), 1)):
        monkeypatch.setattr(perform, "perform", lambda *_, found=found: (found, tmp_path / "x.html"))
        assert CliRunner().invoke(demo, ["priorities"]).exit_code == code


def test_a_run_in_which_nothing_was_sent_shows_nothing():
    found = facts()
    assert found.kept_time
    assert found.kept_throughput
    assert not found.shown
    assert not found.good


def test_top_ups_that_are_in_time_without_a_profile_too_or_not_the_same_show_nothing():
    alike = [delivered(flow, 6 + n / 1000) for flow in (LACKING, HAVING) for n in range(1000)]
    found = facts(*alike)
    assert not found.shown
    assert "NOT SHOWN" in verdict.answer(PrioritiesScenario(), found).plain
    assert not facts(*even(1000), given_up(LACKING, 7)).shown
    assert facts(*even(1000)).shown


def test_something_against_nothing_is_not_the_same():
    found = facts(delivered(HAVING, 6), given_up(LACKING, 6))
    assert math.isinf(found.burst_ratio)
    assert not found.kept_throughput
    assert "nothing to compare with" in verdict.answer(PrioritiesScenario(), found).plain


def test_the_others_and_failures_are_counted():
    held = Journey(OTHER, 7, 2, 1, Outcome.DELIVERED, 9.0)
    found = facts(*even(10), held, Journey(HAVING_BULK, 8, 1, 0, Outcome.FAILED), down=1)
    assert (found.others_sent, found.others_throttled, found.failed, found.outages) == (1, 1, 1, 1)
    assert "NOT as it should be" in verdict.answer(PrioritiesScenario(), found).plain


def test_the_verdict_does_not_flatter():
    scenario = PrioritiesScenario()
    good, late = (verdict.answer(scenario, facts(*even(1000, n))).plain for n in (0, 5))
    assert "100% with a profile" in good
    assert "Promised" not in good
    assert "99.5% with a profile" in late
    assert "Promised were 99.9%" in late
    dear = facts(*even(1000), *(delivered(LACKING_BULK, 8.0) for _ in range(100)))
    assert "Throughput was NOT kept" in verdict.answer(scenario, dear).plain
    assert "They did not get the same" in page(record_of(*even(10)), dear, AT)


@pytest.mark.parametrize(
    ("part", "text"), [(1.0, "100%"), (0.9999, ">99.9%"), (0.9991, "99.9%"), (0.0001, "<0.1%"), (0.0, "0%")]
)
def test_all_and_none_are_said_of_all_and_none_only(part, text):
    assert verdict.percent(part) == text


def test_the_table_fits_eighty_columns_and_cuts_nothing_off():
    console = Console(file=io.StringIO(), width=80)
    found = facts(*even(20000), *(given_up(LACKING, 9) for _ in range(12345)))
    console.print(verdict.table(PrioritiesScenario(), found))
    text = console.file.getvalue()
    assert "…" not in text
    assert all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize("size", [(80, 24), (100, 34), (120, 40), (200, 60)])
@pytest.mark.parametrize("journeys", [(), even(30, 3), [Journey(LACKING, 1.0, 1, 1, Outcome.THROTTLED)]])
def test_the_screen_fits_its_terminal_and_names_the_two(size, journeys):
    width, height = size
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True)
    lines = console.render_lines(screen.PrioritiesScreen(record_of(*journeys)), console.options, pad=False)
    text = ["".join(segment.text for segment in line) for line in lines]
    assert len(lines) <= height
    assert all(sum(segment.cell_length for segment in line) <= width for line in lines)
    for user in USERS[:2]:
        assert any(user.name in line for line in text)
    assert "\n" not in screen.line(record_of(*journeys))


def test_in_a_narrow_terminal_what_does_not_fit_is_left_out_and_no_figure_is_cut():
    late = [given_up(LACKING, 1.0), Journey(LACKING, 9.2, 1, 1, Outcome.THROTTLED)]
    for width in (80, 100):
        console = Console(file=io.StringIO(), width=width, height=24)
        console.print(screen.PrioritiesScreen(record_of(*late)))
        text = console.file.getvalue()
        assert "threshold 240" in text
        assert ("the oldest 10.8 s" in text) is (width == 100)
        assert ("oldest" in text) is (width == 100)


def test_a_tiny_terminal_and_a_run_that_has_not_begun_are_survived():
    console = Console(file=io.StringIO(), width=20, height=5)
    console.print(screen.PrioritiesScreen(PrioritiesRecord(PrioritiesScenario())))
    assert "Starting" in screen.story(PrioritiesRecord(PrioritiesScenario()))


@given(st.lists(st.integers(0, 50), min_size=3, max_size=3), st.integers(1, 12))
def test_a_column_is_full_and_shows_each_fate_that_it_has_room_for(counts, rows):
    column = screen._column(counts, rows)
    assert len(column) == rows
    kinds = sum(count > 0 for count in counts)
    if kinds:
        assert len(set(column)) == min(kinds, rows) or kinds > rows
        assert all(column)


def test_a_page_of_nothing_and_of_something_is_made():
    for journeys in ((), even(50, 5)):
        record = record_of(*journeys)
        text = page(record, verdict.facts(record), AT)
        assert text.count("<figure") == 6
        assert "26 November 2026" in text
        assert "[[user.class]]" in text


@pytest.mark.parametrize("scenario", [PrioritiesScenario(), replace(PrioritiesScenario(), reserve=13)])
def test_the_gateway_takes_the_configuration_and_one_user_has_a_profile(scenario, tmp_path):
    file = tmp_path / "demo.toml"
    text = configuration(scenario, listen="127.0.0.1:1", admin="127.0.0.1:2", upstream="http://127.0.0.1:3")
    file.write_text(text, encoding="utf-8")
    users = load(file).users
    (mine,) = [user for user in users if Profile.of_user(user) is not None]
    assert mine.name == USERS[WITH].name
    profile = Profile.of_user(mine)
    assert profile.place("2.2", 1, "") == (0, 0.0)
    assert profile.place("1.1.1", 5, "") == (1, scenario.reserve)
    assert len(tomllib.loads(text)["user"]) == len(USERS)


def test_the_two_are_alike_in_all_but_the_profile():
    one, other = USERS[WITHOUT], USERS[WITH]
    assert replace(one, name="", eui64="", profile=True) == replace(other, name="", eui64="")
    scenario = PrioritiesScenario()
    assert scenario.times(LACKING) == scenario.times(HAVING)
    assert scenario.times(LACKING_BULK) == scenario.times(HAVING_BULK)


def test_top_ups_fit_into_the_allocation_and_the_bulk_does_not():
    scenario = PrioritiesScenario()
    assert scenario.reserve >= proposed_reserve(scenario.top_ups, served=0.999)
    assert scenario.burst > 5
    assert sum(user.allocation for user in USERS) < scenario.threshold
    assert all(user.usual < 1 for user in USERS)
    for number in range(len(FLOWS)):
        assert max(scenario.times(number)) <= scenario.burst_until


@pytest.mark.parametrize("number", range(len(FLOWS)))
def test_a_flow_sends_what_its_role_may_send_and_is_urgent_or_not(number):
    flow = FLOWS[number]
    user = USERS[flow.user]
    load = _load(PrioritiesScenario(), number, 1)
    for _ in range(30):
        header = read_header(load.compose()[1], complete=True)
        assert header.originator == user.eui64
        assert user.role in CATALOGUE[header.srv].roles
        if flow.user in (WITH, WITHOUT):
            assert (header.srv == "2.2") is flow.urgent
    assert (load.habit.limit == 30.0) is flow.urgent
