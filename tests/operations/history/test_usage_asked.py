"""Usage over HTTP: an operator's of everybody, a User's of itself; every answer is bounded."""

from __future__ import annotations

import asyncio
import csv
import io

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from usage import DAY_ONE, pack, put

from sluicegate.operations.history import api, asking
from sluicegate.operations.history.api import BURST, MOST_WAITING, UsageApi
from sluicegate.operations.history.counts import DAY, HOUR, MINUTE, SECOND
from sluicegate.operations.site.principal import Principal
from sluicegate.operations.store.trail import shown
from sluicegate.operations.store.worker import Unavailable

NOON = DAY_ONE + 12 * HOUR
OPERATOR, LARGE = Principal("alice", "operator"), Principal("User Large", "user", "Large")
WINDOW = {"since": shown(NOON), "until": shown(NOON + 10 * MINUTE)}
ENTRIES = [
    (NOON, "Large", (4, 2, 1, 1, 0), {"4.8.1": (3, 2, 1), "2.2": (1, 0, 0)}),
    (NOON + 3 * MINUTE, "Small", (5, 0, 0, 0, 2), {"4.8.1": (5, 0, 0)}),
    (NOON + 3 * MINUTE, "Large", (1, 0, 0, 0, 0), {"2.2": (1, 0, 0)}),
]


class Here:
    """The worker of a test: it works at once; `lost`: it cannot."""

    def __init__(self, store):
        self.store, self.lost = store, False

    async def do(self, work):
        if self.lost:
            raise Unavailable("the disk is full")
        return work(self.store)


class Gate:
    def __init__(self, principal):
        self._principal = principal

    async def principal(self, _request):
        return self._principal


def asked(worker, principal=OPERATOR, accept=None, /, **fields):
    """One question; its answer."""
    return ask(UsageApi(worker), principal, accept, fields)


def ask(of, principal, accept, fields):
    app = Starlette(routes=of.routes())
    app.state.gate = Gate(principal)

    async def get():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://site") as client:
            headers = {"Accept": accept} if accept else {}
            return await client.get("/api/v1/usage", params=fields, headers=headers)

    return asyncio.run(get())


@pytest.fixture
def worker(store):
    put(store, ENTRIES)
    return Here(store)


def test_an_operator_is_told_of_all_together_by_time_zeros_included(worker):
    told = asked(worker, **WINDOW).json()
    assert told["columns"] == ["time", "within", "excess", "throttled", "rejected", "csp_backlog"]
    assert (told["step_seconds"], len(told["rows"])) == (60, 10)
    assert told["rows"][0] == [shown(NOON), 4, 2, 1, 1, 0]
    assert told["rows"][1][1:] == [0, 0, 0, 0, 0]
    assert told["rows"][3] == [shown(NOON + 3 * MINUTE), 6, 0, 0, 0, 2]


def test_it_is_told_by_user_and_by_srv_with_the_name_of_the_catalogue(worker, store):
    by_user = asked(worker, by="user", **WINDOW).json()["rows"]
    assert by_user == [["Large", 5, 2, 1, 1, 0], ["Small", 5, 0, 0, 0, 2]]
    pack(store, DAY_ONE + 2 * DAY)
    by_srv = asked(worker, by="srv", user="Large", **WINDOW).json()
    assert by_srv["columns"] == ["srv", "name", "within", "excess", "throttled"]
    assert [row[0] for row in by_srv["rows"]] == ["4.8.1", "2.2"]
    assert by_srv["rows"][1] == ["2.2", "Top Up Device", 2, 0, 0]
    of_one = asked(worker, srv="2.2", user="Large", step="1h", **WINDOW).json()["rows"]
    assert of_one == [[shown(NOON), 2, 0, 0, 0, 0]]


@pytest.mark.parametrize("by", asking.KINDS)
def test_a_user_is_told_of_itself_and_of_nobody_else(worker, by):
    answer = asked(worker, LARGE, by=by, **WINDOW)
    assert answer.status_code == 200
    assert "Small" not in answer.text
    assert answer.json()["user"] == "Large"
    assert answer.json() == asked(worker, LARGE, by=by, user="Large", **WINDOW).json()
    others = asked(worker, LARGE, by=by, user="Small", **WINDOW)
    never = asked(worker, LARGE, by=by, user="Nobody", **WINDOW)
    assert (others.status_code, others.json()) == (403, never.json()), "as unknown as one that never was"
    assert asked(worker, Principal("x", "user"), by=by, **WINDOW).json()["user"] == "", "of no User: nothing"


@pytest.mark.parametrize(
    ("accept", "fields", "is_csv"),
    [
        (None, {}, False),
        ("text/csv", {}, True),
        ("text/csv;q=0.9, application/json", {}, True),
        ("application/json, text/csv", {}, False),
        ("text/html,*/*", {}, False),
        ("application/json", {"format": "csv"}, True),
        ("text/csv", {"format": "json"}, False),
    ],
)
def test_it_is_json_or_csv_as_is_asked_for(worker, accept, fields, is_csv):
    answer = asked(worker, OPERATOR, accept, **WINDOW, **fields)
    assert answer.headers["content-type"].startswith("text/csv" if is_csv else "application/json")
    if is_csv:
        rows = list(csv.reader(io.StringIO(answer.text)))
        assert rows[0] == ["time", "user", "srv", "within", "excess", "throttled", "rejected", "csp_backlog"]
        assert len(rows) == 3, "what has nothing has no row"
        assert rows[1][3:] == ["4", "2", "1", "1", "0"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-11-26T12:00:00"}, "since"),
        ({"since": "0001-01-01T00:00:00+23:00"}, "since"),
        ({"until": "9999-12-31T23:59:59Z"}, "until"),
        ({"since": shown(NOON), "until": shown(NOON)}, "comes before"),
        ({"since": shown(0), "until": shown(20_000 * DAY)}, "days at the most"),
        ({"step": "7m"}, "step"),
        ({"step": "-1h"}, "step"),
        ({"step": "1m", "since": shown(DAY_ONE), "until": shown(DAY_ONE + 30 * DAY)}, "points"),
        ({"step": "1m", "srv": "2.2"}, "hour"),
        ({"step": "1m", "by": "srv"}, "hour"),
        ({"by": "srv", "srv": "2.2"}, "one of them"),
        ({"by": "moon"}, "by"),
        ({"format": "xml"}, "format"),
        ({"frmat": "csv"}, "not known"),
        ({"srv": "2" * 101}, "characters"),
        ({"user": "a" * 1001}, "characters"),
        ([("by", "user"), ("by", "srv")], "twice"),
    ],
)
def test_what_cannot_be_told_is_refused_and_says_why(worker, fields, why):
    answer = ask(UsageApi(worker), OPERATOR, None, fields)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert why in answer.json()["detail"]


@given(st.dictionaries(st.sampled_from(asking.NAMED), st.text(max_size=30) | st.datetimes().map(str)))
def test_whatever_is_asked_it_is_a_bounded_question_or_a_refusal(fields):
    try:
        found = asking.asked_of(fields, NOON)
    except asking.Unfit:
        return
    assert found.since < found.until <= found.since + asking.LONGEST
    assert (found.until - found.since) // found.step <= asking.MOST_POINTS or found.by != "time"


@given(st.integers(1, asking.LONGEST // SECOND))
def test_a_step_that_is_not_said_makes_few_points(seconds):
    found = asking.asked_of({"since": shown(0), "until": shown(seconds * SECOND)}, NOON)
    assert seconds * SECOND <= found.step * asking.MOST_CHOSEN or found.step == DAY


def test_a_database_that_is_lost_is_said(worker):
    worker.lost = True
    assert asked(worker, **WINDOW).status_code == 503


def test_who_asks_without_end_and_many_at_once_are_told_to_wait(worker, monkeypatch):
    of = UsageApi(worker)
    monkeypatch.setattr(api, "monotonic", lambda: 1000.0)
    for _ in range(BURST):
        assert ask(of, OPERATOR, None, WINDOW).status_code == 200
    assert ask(of, OPERATOR, None, WINDOW).status_code == 429
    assert ask(of, LARGE, None, WINDOW).status_code == 200, "another account has its own"
    of._waiting = MOST_WAITING
    answer = ask(of, Principal("bob", "viewer"), None, WINDOW)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
