"""The demonstration of an outage, shortened: gateway, dispatcher, CSPs and endpoint in their own processes."""

import io
import socket
import tempfile
from dataclasses import replace

import pytest
from click.testing import CliRunner
from rich.console import Console

from sluicegate.cli.demo import demo
from sluicegate.simulate.demo.outage import perform, run
from sluicegate.simulate.demo.outage.scenario import OutageScenario, Ports
from sluicegate.simulate.demo.processes import DidNotStartError, free_ports

SHORT = replace(
    OutageScenario(),
    down_at=0.6,
    up_at=2.6,
    sends_until=3.6,
    seconds=5.0,
    settle_seconds=20.0,  # it ends as soon as all is settled
    ceiling=24,
    slow_start=0.5,
    probe_every=0.3,
)


def test_an_outage_of_one_csp_loses_nothing_and_refuses_for_that_csp_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    said = io.StringIO()
    found = perform.perform(SHORT, Console(file=said, width=100))

    assert (found.lost, found.returned, found.executed_twice) == (0, 0, 0)
    assert found.delivered == found.acknowledged > 0
    assert found.outcomes == found.delivered
    assert found.refused > 0
    assert found.refusals >= found.refused
    assert found.refusals_elsewhere == 0
    assert found.south_during > 0
    assert found.good
    for what in ("North goes down", "breaker of north opens", "gateway refuses for north", "North is back", "A probe"):
        assert what in said.getvalue()
    assert "Would this cause a DSP outage? No." in said.getvalue()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("port", "process"),
    [
        ("gateway", "gateway"),
        pytest.param("dispatcher", "dispatcher", marks=pytest.mark.long),
        ("north", "CSP north"),
    ],
)
def test_a_port_that_is_taken_is_told_with_the_process_that_wanted_it(port, process, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = replace(Ports(*free_ports(9)), **{port: taken.getsockname()[1]})
        monkeypatch.setattr(run, "free_ports", lambda _: list(vars(ports).values()))
        with pytest.raises(DidNotStartError, match=f"the {process} ended with code 1") as told:
            perform.perform(SHORT, Console(file=io.StringIO()))
    assert str(getattr(ports, port)) in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_help_names_both_demonstrations_with_examples():
    said = CliRunner().invoke(demo, ["--help"]).output
    assert "sluicegate demo csp-outage" in said
    assert "--seconds" in said
    assert "Examples:" in CliRunner().invoke(demo, ["csp-outage", "--help"]).output


@pytest.mark.parametrize("option", [["--seconds", "20"], ["--no-live"], ["--out", "x"]])
def test_an_option_of_the_burst_is_refused_before_another_demonstration(option):
    result = CliRunner().invoke(demo, [*option, "csp-outage"])
    assert result.exit_code == 2
    assert f"{option[0]} is for the burst" in result.output


def test_a_demonstration_that_does_not_start_is_told_without_a_traceback(monkeypatch):
    def broken(*_args, **_options):
        raise DidNotStartError("the gateway ended with code 1:\nthe port is taken")

    monkeypatch.setattr(perform, "perform", broken)
    result = CliRunner().invoke(demo, ["csp-outage"])
    assert result.exit_code == 1
    assert result.output == "Error: the gateway ended with code 1:\nthe port is taken\n"
