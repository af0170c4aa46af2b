"""Controls from the command line."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from sluicegate.cli import main
from sluicegate.settings import starter

CONFIG = ("-c", "sluicegate.toml")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = starter().replace("#[operations]", "[operations]").replace("#database = ", "database = ", 1)
    (tmp_path / "sluicegate.toml").write_text(text, "utf-8")

    def run(*words, says=None):
        result = CliRunner().invoke(main, [str(word) for word in words], input=says)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


def test_a_control_says_what_it_will_do_is_put_shown_and_ended(run):
    words = ("control", "put", "emergency-capacity", "--value", 250, "--reason", "half is down", *CONFIG)
    asked = run(*words, says="n\n")
    assert asked.exit_code == 1
    assert "every allocation is cut to 50.0%" in asked.stdout
    assert "Nothing:" in run("control", "show", *CONFIG).stdout
    assert "Control 1 counts." in run(*words, says="y\n").stdout
    assert "emergency-capacity 250, since" in run("control", "show", *CONFIG).stdout
    assert run("control", "end", 1, "--reason", "over", *CONFIG).exit_code == 0
    assert "Nothing:" in run("control", "show", *CONFIG).stdout
    assert run("control", "end", 1, "--reason", "over", *CONFIG).exit_code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("explode",), "there is no control 'explode'"),
        (("drill", "--user", "Large Supplier A", "--value", "0.2"), "must say for how long"),
        (("drill", "--user", "Large Supplier A", "--value", "0.2", "--for", "soon"), "is no time: write 90s, 15m"),
        (("observe", "--user", "Large Supplier A"), "is for everybody"),
    ],
)
def test_what_cannot_be_is_wrong_usage_and_says_what_to_do(run, words, said):
    refused = run("control", "put", *words, "--reason", "x", "--yes", *CONFIG)
    assert refused.exit_code == 2
    assert said in refused.stderr
