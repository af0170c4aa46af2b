"""`sluicegate stand-in csp` and `user` as one meets them: what they print, and how they end."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request

import pytest
from click.testing import CliRunner

from sluicegate.cli import main
from sluicegate.duis import compose_request

COMMAND = [sys.executable, "-c", "from sluicegate.cli import main; main()", "stand-in"]


def once_open(url, body):
    """The answer, once connections are taken again."""
    for _ in range(3000):
        try:
            with urllib.request.urlopen(url, body, timeout=60) as answer:
                return answer.read()
        except OSError:
            time.sleep(0.02)
    raise AssertionError("it stays closed")


@pytest.mark.parametrize("kind", ["csp", "user", "dsp"])
def test_each_has_help_with_examples(kind):
    result = CliRunner().invoke(main, ["stand-in", kind, "--help"])
    assert result.exit_code == 0
    assert f"sluicegate stand-in {kind}" in result.stdout.split("Examples:")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["csp", "--listen", "8080"], "is not HOST:PORT"),
        (["csp", "--control", "x"], "--control"),
        (["csp", "--latency", "fast"], "--latency"),
        (["csp", "--latency", "1,2,3"], "--latency"),
        (["csp", "--latency", "1,2"], "spread"),
        (["csp", "--fail", "2"], "fail is a probability"),
        (["csp", "--late", "0.5"], "takes two numbers"),
        (["csp", "--late", "0.5,10"], "need an address"),
        (["csp", "--outcome", "https://me:secret@x/"], "http://HOST:PORT/PATH"),
        (["csp", "--schedule", "9-1:down"], "START-END:WHAT"),
        (["csp", "--schedule", "1-9:slow=2"], "multiplies the latency"),
        (["csp", "--rate", "-1"], "rate"),
        (["user", "--down", "soon"], "START-END:WHAT"),
        (["user", "--remember", "1"], "remembered"),
        (["user", "--sync"], "No such option"),
    ],
)
def test_a_wrong_option_ends_with_2_and_one_sentence(words, said):
    result = CliRunner().invoke(main, ["stand-in", *words])
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "secret" not in result.stderr


def test_an_address_or_a_journal_that_cannot_be_had_ends_with_1():
    for words, said in [
        (["csp", "--listen", "192.0.2.1:1"], "192.0.2.1:1: "),
        (["user", "--listen", "127.0.0.1:0", "--control", "192.0.2.1:1"], "192.0.2.1:1: "),
        (["csp", "--listen", "127.0.0.1:0", "--journal", "/dev/null/x"], "/dev/null/x: "),
    ]:
        result = CliRunner().invoke(main, ["stand-in", *words])
        assert result.exit_code == 1
        assert said in result.stderr
        assert "Traceback" not in result.output


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_csp_serves_until_it_is_told_to_end(ending, tmp_path):
    journal = tmp_path / "journal"
    words = ["csp", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--name", "south", "--sync"]
    with subprocess.Popen(
        [*COMMAND, *words, "--latency", "0.01,0.005", "--busy", "0,9", "--journal", str(journal)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        try:
            line = child.stdout.readline()
            assert line.startswith("stand-in CSP south listens on http://127.0.0.1:")
            main_url, control_url = re.findall(r"http://[0-9.]+:\d+", line)
            body = compose_request("90-B3-D5-1F-30-01-00-00", "00-DB-12-34-56-78-90-A0", 1, "2.2")
            with urllib.request.urlopen(f"{main_url}/api/v1/serviceS", body, timeout=60) as answer:
                assert b">I0<" in answer.read()
            with urllib.request.urlopen(f"{control_url}/stand-in/control", b'{"state": "down"}', timeout=60) as answer:
                assert json.load(answer)["behaviour"]["busy_seconds"] == 9
            with pytest.raises(OSError, match="refused"):
                urllib.request.urlopen(main_url, timeout=60)
            urllib.request.urlopen(f"{control_url}/stand-in/control", b'{"state": "up"}', timeout=60).close()
            assert b">I0<" in once_open(f"{main_url}/api/v1/serviceS", body)
            child.send_signal(ending)
            out, errors = child.communicate(timeout=60)
        finally:
            child.kill()
    assert (child.returncode, errors) == (0, "")
    assert out == "ended: arrived 2, executed 1, repeated 1\n"
    assert journal.read_text().endswith("00-DB-12-34-56-78-90-A0:1 0 - I0\n")


def test_a_user_serves_until_it_is_told_to_end():
    with subprocess.Popen(
        [*COMMAND, "user", "--listen", "127.0.0.1:0", "--name", "Small Supplier"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        try:
            assert child.stdout.readline().startswith("stand-in User Small Supplier listens on http://127.0.0.1:")
            child.send_signal(signal.SIGTERM)
            out, errors = child.communicate(timeout=60)
        finally:
            child.kill()
    assert (child.returncode, errors, out) == (0, "", "ended: arrived 0, taken: nothing; repeated 0\n")
