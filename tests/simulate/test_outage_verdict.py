"""The verdict counts what CSPs and Users have, the screen draws any record, and statuses are read with suspicion."""

import io
import json
import tomllib
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sluicegate.cli.demo import demo
from sluicegate.duis import read_header
from sluicegate.settings import load
from sluicegate.simulate.demo.outage import perform, screen, verdict
from sluicegate.simulate.demo.outage.record import Moment, OutageRecord
from sluicegate.simulate.demo.outage.scenario import FLOWS, REGIONS, OutageScenario, Ports, configuration
from sluicegate.simulate.demo.outage.statuses import CspStatus, DispatcherStatus, refused_by_csp
from sluicegate.simulate.messages import Letters
from sluicegate.simulate.sender import Answer, Journey, Outcome, classify

NORTH_TOP_UP, NORTH_BULK, SOUTH_TOP_UP = 0, 1, 2


def record_of(*journeys):
    """Journeys by flow with their RequestIDs: the n-th of a flow is `FLOW-n`."""
    record = OutageRecord(OutageScenario(), down_at=5.0, up_at=17.0)
    record.journeys = journeys
    for journey in journeys:
        ids = record.request_ids[journey.user]
        ids.append(f"{journey.user}-{len(ids)}")
    return record


def acknowledged(flow, at, **more):
    return Journey(flow, at, attempts=1, last=Outcome.DELIVERED, delivered_at=at, **more)


def test_what_was_acknowledged_and_is_nowhere_is_lost():
    record = record_of(*(acknowledged(NORTH_BULK, at) for at in (1.0, 2.0, 3.0, 4.0)))
    record.executed = {"1-0": 1.1, "1-3": 20.0}
    record.returned = {"1-1", "1-3"}  # the second of these came back, and was executed all the same
    found = verdict.facts(record)
    assert (found.acknowledged, found.delivered, found.returned, found.lost) == (4, 2, 1, 1)
    assert not found.good
    assert "No." not in verdict.answer(found, 12).plain


def test_what_was_refused_and_came_again_is_neither_lost_nor_failed():
    record = record_of(
        acknowledged(NORTH_BULK, 18.0, behind=2), Journey(NORTH_BULK, 16.0, attempts=1, last=Outcome.BEHIND, behind=1)
    )
    record.executed = {"1-0": 18.1}
    record.refused["north"] = 3
    record.look(Moment(19.0, refused={"north": 2}))
    found = verdict.facts(record)
    assert (found.refusals, found.refusals_by_gateway) == (3, 2)
    assert (found.refused, found.came_again, found.not_acknowledged, found.lost) == (2, 1, 0, 0)
    assert found.good


def test_a_request_that_nobody_answered_is_no_good():
    found = verdict.facts(record_of(Journey(SOUTH_TOP_UP, 1.0, attempts=1, last=Outcome.FAILED)))
    assert found.not_acknowledged == 1
    assert not found.good


@pytest.mark.parametrize("wrong", ["lost", "executed_twice", "refusals_elsewhere", "not_acknowledged"])
def test_the_exit_code_says_that_something_was_not_as_it_should_be(wrong, monkeypatch):
    good = verdict.facts(record_of())
    for found, code in ((good, 0), (replace(good, **{wrong: 1}), 1)):
        monkeypatch.setattr(perform, "perform", lambda *_, found=found, **__: found)
        assert CliRunner().invoke(demo, ["csp-outage"]).exit_code == code


def test_delays_count_from_the_acknowledgement_and_clearing_from_the_return():
    record = record_of(
        acknowledged(NORTH_TOP_UP, 6.0),
        acknowledged(NORTH_BULK, 7.0),
        acknowledged(NORTH_BULK, 18.0),
        acknowledged(SOUTH_TOP_UP, 1.0),
    )
    record.executed = {"0-0": 18.0, "1-0": 23.0, "1-1": 25.0, "2-0": 26.0}
    found = verdict.facts(record)
    assert found.top_ups == (12.0, 1.0)
    assert found.bulk == (16.0, 6.0)  # what came after the return does not count for the clearing


def test_acknowledgements_are_measured_by_region_and_time():
    record = record_of()
    for at, flow, outcome in (
        (1.0, SOUTH_TOP_UP, Outcome.DELIVERED),
        (6.0, NORTH_BULK, Outcome.DELIVERED),
        (7.0, SOUTH_TOP_UP, Outcome.DELIVERED),
        (8.0, SOUTH_TOP_UP, Outcome.BEHIND),
        (9.0, SOUTH_TOP_UP, Outcome.FAILED),
    ):
        record.seen(Journey(flow, at - at / 10, attempts=1), at, at, outcome)
    found = verdict.facts(record)
    assert found.south_p99 == pytest.approx((0.1, 0.7, 0.0))
    assert found.south_during == 1
    assert found.refusals_elsewhere == 1
    assert record.failed == 1


def test_a_try_that_was_told_to_come_again_is_measured_from_when_it_came():
    record = record_of()
    record.seen(Journey(NORTH_BULK, 1.0, attempts=2), 9.0, 9.5, Outcome.DELIVERED)
    assert record.acknowledged[0].seconds == 0.5


def test_what_happens_is_said_once():
    record = record_of()
    for at, breaker, backlog, full in (
        (6, "closed", 2, False),
        (7, "open", 200, False),
        (8, "open", 300, True),
        (9, "closed", 299, False),
        (10, "closed", 300, True),
        (11, "closed", 200, False),
        (12, "closed", 1, False),
    ):
        csp = CspStatus(breaker, backlog, full=full)
        record.look(Moment(float(at), DispatcherStatus({"north": csp})))
    assert [at for at, _ in record.events] == [7, 8, 9, 11, 12]


@pytest.mark.parametrize("size", [(100, 35), (80, 24), (60, 20), (200, 60)])
@pytest.mark.parametrize("moments", [0, 3, 130])
def test_the_screen_fits_its_terminal(size, moments):
    width, height = size
    record = record_of()
    for number in range(moments):
        at = number / 4
        csp = CspStatus("open" if 5 < at < 17 else "closed", number * 3, number * 10, full=number > 100, oldest=at)
        record.look(Moment(at, DispatcherStatus({"north": csp, "south": CspStatus()}), {"north": number}))
    for number in range(20):
        record.say(float(number), "something happened " * 20)
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True)
    lines = console.render_lines(screen.OutageScreen(record), console.options, pad=False)
    assert len(lines) <= max(height, 25)
    assert all(sum(segment.cell_length for segment in line) <= width for line in lines)
    assert "\n" not in screen.line(record)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["csps", "users", "north", "backlog", "breaker", "refused_by_csp"]), inner)
    ),
    max_leaves=20,
)


@given(JSON)
def test_a_status_of_any_shape_is_read_or_refused(document):
    body = json.dumps(document).encode()
    for read in (DispatcherStatus.read, refused_by_csp):
        if isinstance(document, dict):
            read(body)
        else:
            with pytest.raises(ValueError):
                read(body)


def test_the_statuses_are_read():
    north = {"breaker": "open", "backlog": 7, "delivered": 5, "failed": 3, "full": True, "oldest_seconds": 2.5}
    told = DispatcherStatus.read(json.dumps({"csps": {"north": north}, "users": {"A": {"backlog": 4}}}).encode())
    assert told.csps == {"north": CspStatus("open", 7, 5, 3, True, 2.5)}
    assert told.open == 11
    users = [{"refused_by_csp": {"north": 2}}, {"refused_by_csp": {"north": 3, "south": 1}}]
    assert refused_by_csp(json.dumps({"users": users}).encode()) == {"north": 5, "south": 1}


def test_gateway_and_dispatcher_take_the_configuration(tmp_path):
    scenario = OutageScenario()
    file = tmp_path / "demo.toml"
    folder = tmp_path / 'a "folder" ü'
    folder.mkdir()
    text = configuration(scenario, Ports(*range(1001, 1010)), folder / "dispatch.db")
    file.write_text(text, encoding="utf-8")
    settings = load(file)
    assert {csp.name: csp.backlog for csp in settings.csps} == dict.fromkeys(REGIONS, scenario.ceiling)
    assert tomllib.loads(text)["dispatch"]["store"].endswith('a "folder" ü/dispatch.db')
    assert sum(user.rate for user in scenario.users) < settings.capacity.operating_threshold


def test_the_backlog_fills_before_the_end_of_the_outage_and_drains_before_the_end_of_the_run():
    scenario = OutageScenario()
    arrive = sum(user.rate for user in scenario.users) / len(REGIONS)
    full_after = scenario.ceiling / arrive
    assert 0.5 < full_after / (scenario.up_at - scenario.down_at) < 0.95
    drained = (
        scenario.up_at + scenario.probe_every + scenario.slow_start / 2 + full_after * arrive / (scenario.rate - arrive)
    )
    assert drained < scenario.sends_until < scenario.seconds < 32


def test_each_flow_has_devices_of_its_own_in_its_region():
    devices = set()
    for number, flow in enumerate(FLOWS):
        letters = Letters("90-B3-D5-1F-30-01-00-00", "5.4", {"2.2": 1}, str(number), flow.devices)
        header = read_header(letters.next()[1], complete=True)
        assert header.target.startswith(REGIONS[flow.region])
        devices.add(header.target[:17])
    assert len(devices) == len(FLOWS)


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_for_a_csp_is_told_from_a_throttled_request(status):
    for kind, outcome in (("csp-backlog", Outcome.BEHIND), ("throttled", Outcome.THROTTLED)):
        body = json.dumps({"type": f"urn:sluicegate:problem:{kind}"}).encode()
        assert classify(Answer(status, "application/problem+json", 1.0, body)) is outcome
    assert classify(Answer(503, "text/plain", None, b'{"type": "csp-backlog"}')) is Outcome.REFUSED
