"""The demonstration of a profile, shortened: gateway, stand-in DSP and Users in their own processes."""

import io
from dataclasses import replace

import pytest
from click.testing import CliRunner
from rich.console import Console

from sluicegate.cli.demo import demo
from sluicegate.simulate.demo.priorities import perform
from sluicegate.simulate.demo.priorities.scenario import USERS, PrioritiesScenario
from sluicegate.simulate.demo.processes import DidNotStartError

SHORT = replace(PrioritiesScenario(), burst_from=0.6, burst_until=3.6, limit=2.0, burst=6.0)


@pytest.mark.long  # it needs the machine for itself: real top-ups are in time or late
def test_top_ups_with_a_profile_are_in_time_and_without_one_they_are_not(tmp_path):
    said = io.StringIO()
    options = perform.Options(SHORT, tmp_path / "out", terminal_picture=tmp_path / "terminal.svg")
    found, page = perform.perform(options, Console(file=said, width=100))

    mine, theirs = found.having.top_ups, found.lacking.top_ups
    assert mine.sent == theirs.sent > 50
    assert mine.share >= 0.97  # of a hundred top-ups two or three may be late on a busy machine
    assert theirs.share < 0.8
    assert found.others_throttled == found.failed == found.outages == 0
    assert 0.85 < found.burst_ratio < 1.15  # three seconds: what is reserved is a tenth of what is delivered
    assert "In time" in said.getvalue()
    text = page.read_text(encoding="utf-8")
    assert page.name == "priorities.html"
    assert all(user.name in text for user in USERS[:2])
    assert (tmp_path / "terminal.svg").read_text(encoding="utf-8").startswith("<svg")


def test_top_ups_beyond_the_allocation_and_its_part_of_the_spare_are_told_to_be_late(tmp_path):
    console = Console(file=io.StringIO(), width=100)
    found, page = perform.perform(perform.Options(replace(SHORT, top_ups=4.0), tmp_path), console)

    assert not found.kept_time
    assert not found.good
    assert "Promised were 99.9%" in page.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_told_before_anything_is_started(tmp_path, monkeypatch):
    monkeypatch.setattr(perform, "to_the_end", lambda *_: pytest.fail("it was started"))
    taken = tmp_path / "out"
    taken.write_text("a file", encoding="utf-8")
    with pytest.raises(OSError):
        perform.perform(perform.Options(SHORT, taken), Console(file=io.StringIO()))


def test_a_demonstration_that_does_not_start_is_told_without_a_traceback(monkeypatch):
    def broken(*_args):
        raise DidNotStartError("the gateway ended with code 1:\nthe port is taken")

    monkeypatch.setattr(perform, "perform", broken)
    result = CliRunner().invoke(demo, ["priorities"])
    assert result.exit_code == 1
    assert result.output == "Error: the gateway ended with code 1:\nthe port is taken\n"


def test_help_names_it_with_examples():
    assert "sluicegate demo priorities" in CliRunner().invoke(demo, ["--help"]).output
    assert "Examples:" in CliRunner().invoke(demo, ["priorities", "--help"]).output
