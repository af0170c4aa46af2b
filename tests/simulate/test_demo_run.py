"""The real thing, shortened: gateway, stand-in DSP and Users in their own processes, over HTTP."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from sluicegate.simulate.demo import perform
from sluicegate.simulate.demo.processes import DidNotStartError
from sluicegate.simulate.demo.record import RunRecord
from sluicegate.simulate.demo.scenario import Scenario

SHORT = replace(Scenario(), seconds=1.6, in_time=0.4)


def test_the_whole_demonstration_writes_its_picture_and_only_the_burster_is_throttled(tmp_path, monkeypatch):
    records: list[RunRecord] = []
    drawn = perform.drawn
    monkeypatch.setattr(perform, "drawn", lambda *what: records.extend(what[:2]) or drawn(*what))
    said = io.StringIO()
    options = perform.Options(SHORT, tmp_path / "out", terminal_picture=tmp_path / "terminal.svg")
    page = perform.perform(options, Console(file=said, width=100))

    without, with_it = records
    meant = [sorted((journey.intended, journey.user) for journey in run.journeys) for run in records]
    assert meant[0] == meant[1]
    assert not any(journey.throttled for journey in without.journeys)
    assert {journey.user for journey in with_it.journeys if journey.throttled} == {0}
    assert "Run 1 of 2: without traffic management" in said.getvalue()
    assert "All others" in said.getvalue()
    assert "Large Supplier A" in page.read_text(encoding="utf-8")
    assert (tmp_path / "terminal.svg").exists()


def test_a_picture_that_cannot_be_written_is_told_before_anything_is_started(tmp_path, monkeypatch):
    monkeypatch.setattr(perform, "_runs", lambda *_: pytest.fail("it was started"))
    taken = tmp_path / "out"
    taken.write_text("a file", encoding="utf-8")
    with pytest.raises(OSError):
        perform.perform(perform.Options(SHORT, taken), Console(file=io.StringIO()))


def test_a_gateway_that_does_not_start_is_told_with_its_last_words(tmp_path):
    impossible = replace(SHORT, maximum=100.0)  # the allocations add up to more
    with pytest.raises(DidNotStartError, match="gateway ended with code 1"):
        perform.perform(perform.Options(impossible, tmp_path), Console(file=io.StringIO()))
