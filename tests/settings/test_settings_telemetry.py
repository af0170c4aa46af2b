"""Telemetry: secrets stay elsewhere, nothing secret goes in the clear, and what is missing is said."""

from __future__ import annotations

import pytest

from sluicegate.settings import cautions, parse, telemetry_checks
from sluicegate.settings.telemetry import Telemetry

LOCAL = 'endpoint = "http://127.0.0.1:4318"\n'


@pytest.fixture
def telling(right):
    """The right configuration with these lines in [telemetry]."""

    def made(lines):
        return right.replace("[admin]\n", f"[telemetry]\n{lines}[admin]\n")

    return made


def test_left_out_nothing_is_sent_and_by_default_nothing_is_traced(right, telling):
    assert parse(right).telemetry is None
    assert parse(telling(LOCAL)).telemetry == Telemetry(endpoint="http://127.0.0.1:4318")
    assert not parse(telling(LOCAL)).telemetry.traces
    assert parse(telling(LOCAL + "sample = 0.01\n")).telemetry.traces
    assert parse(telling(LOCAL + "asked_per_second = 1\n")).telemetry.traces


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "is missing: add it, for example"),
        ('endpoint = "127.0.0.1:4318"\n', "is not a URL"),
        (LOCAL + "sample = 1.5\n", "must be at most 1"),
        (LOCAL + "asked_per_second = -1\n", "must be at least 0"),
        (LOCAL + "interval = 0\n", "must be at least 1"),
        (LOCAL + "waiting = 0\n", "must be at least 1"),
        (LOCAL + 'headers = { Authorization = "Bearer hunter2" }\n', "and not what it is"),
        (LOCAL + 'headers = { "a b" = "env:A" }\n', "is not the name of a header"),
        (LOCAL + 'headers = { Content-Type = "env:A" }\n', "is written by the gateway itself"),
        (LOCAL + 'headers = { a = "env:A", A = "env:A" }\n', "has a header twice"),
        ('endpoint = "http://collector.example:4318"\nheaders = { a = "env:A" }\n', "in the clear: write https://"),
        (LOCAL + '[telemetry.tls]\nca = "ca.pem"\n', "is for https"),
        ('endpoint = "https://c.example"\n[telemetry.tls]\nkey = "a.key"\n', "has only one of `certificate` and `key`"),
    ],
)  # fmt: skip
def test_telemetry_that_cannot_be_is_refused_with_what_to_do_and_no_secret_is_repeated(
    telling, problems_of, lines, said
):
    (problem,) = problems_of(telling(lines))
    assert said in str(problem)
    assert "telemetry" in problem.where
    assert "hunter2" not in str(problem)


def test_headers_in_the_clear_pass_where_the_operator_says_so(telling):
    text = telling('endpoint = "http://collector.example:4318"\nheaders = { a = "env:A" }\n')
    assert parse(text, insecure=True).telemetry.headers.keys() == {"a"}


def test_a_header_is_shown_nowhere(telling, monkeypatch):
    monkeypatch.setenv("TOKEN_OF_IT", "hunter2")
    settings = parse(telling(LOCAL + 'headers = { Authorization = "env:TOKEN_OF_IT" }\n'))
    assert settings.telemetry.headers["Authorization"].read().get_secret_value() == "hunter2"
    told = f"{settings!r} {settings.telemetry.model_dump_json(include={'headers'})}"
    assert "hunter2" not in told
    assert "TOKEN_OF_IT" not in told


def test_telemetry_without_its_package_says_what_to_install(telling, problems_of, monkeypatch):
    monkeypatch.setattr(telemetry_checks, "installed", lambda _: False)
    (problem,) = problems_of(telling(LOCAL))
    assert "install 'sluicegate[otel]'" in str(problem)


def test_telemetry_in_the_clear_to_another_machine_is_a_caution(telling):
    far = parse(telling('endpoint = "http://collector.example:4318"\n'))
    assert any("telemetry goes to http://collector.example:4318 in the clear" in said for said in cautions(far))
    assert not any("telemetry" in said for said in cautions(parse(telling(LOCAL))))
