"""The traffic record of a running gateway: one row for each request of a known User, whatever becomes of either."""

import contextlib
import json
import os
import random
import signal
import threading
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rig import LARGE, SMALL, STRANGER, Client, ask, configuration, fetch, message, request, wait_for
from rig_throttled import NARROW, ONE_EACH

from sluicegate.simulate.record import open_record

FLUSH = 0.2  # seconds
RICH = ({"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 900},)
ADMIN = {"listen": "127.0.0.1:0"}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "record"


@pytest.fixture
def recording(gateway, folder):
    """Starts gateways that keep a record; `stop` ends one, and gives the rows in order of time."""

    def start(**tables):
        running = gateway(record={"folder": str(folder), "flush_seconds": FLUSH}, admin=ADMIN, **tables)

        def rows() -> list[dict]:
            running.stop()
            return [row for batch in open_record(folder, strict=True).batches() for row in batch.to_pylist()]

        running.rows = rows
        return running

    return start


def fields(row: dict, *names: str) -> tuple:
    return tuple(row[name] for name in names)


def test_a_request_is_recorded_with_all_that_is_known_of_it(recording) -> None:
    before = datetime.now(UTC)
    running = recording()
    body = message(version="4.10", srv="6.15.1", size=3000)
    assert ask(running.port, request(body)).status == 200
    (row,) = running.rows()
    assert before <= row["time"] <= datetime.now(UTC)
    assert fields(row, "user", "srv", "command_variant", "duis", "size") == ("Large", "6.15.1", 1, "4.1", len(body))
    assert fields(row, "outcome", "status", "upstream_status", "region") == ("within", 200, 200, None)
    assert 0 < row["latency"] < 10


def test_a_retry_is_seen_as_one_and_over_restarts_too(recording) -> None:
    running = recording()
    for counter in (1, 1, 2):
        ask(running.port, request(message(counter=counter)))
    running.stop()
    running = recording()
    ask(running.port, request(message(counter=1)))
    one, again, other, later = (row["request"] for row in running.rows())
    assert one == again == later != other


def test_the_record_holds_no_device_and_no_user_id(recording, folder) -> None:
    running = recording()
    body = message()
    ask(running.port, request(body))
    running.stop()
    written = b"".join(file.read_bytes() for file in folder.glob("traffic-*"))
    for text in (b"90-B3-D5-1F-30-01-00-00", b"00-DB-12-34-56-78-90-A0"):
        assert text in body.upper()
        assert text not in written.upper()


@pytest.mark.parametrize("enforce", [True, False])
def test_each_outcome_is_told_and_the_record_agrees_with_the_counters(recording, enforce) -> None:
    running = recording(users=ONE_EACH, capacity={**NARROW, "enforce": enforce})
    with Client(running.port) as client:
        answers = [client.send(request(message(counter=n))).answer().status for n in range(12)]
    rows = running.rows()
    tally = running.gateway.tallies["Large"]
    assert [row["status"] for row in rows] == answers
    held = "throttled" if enforce else "passed"
    counted = {"within": tally.within, "excess": tally.excess, held: tally.throttled}
    assert {name: sum(row["outcome"] == name for row in rows) for name in counted} == counted
    assert {row["outcome"] for row in rows} == {name for name, count in counted.items() if count}
    assert all((row["upstream_status"] is None) == (row["outcome"] == "throttled") for row in rows)
    assert all((row["latency"] is None) == (row["outcome"] == "throttled") for row in rows)


def test_the_status_is_what_the_user_got_and_the_upstreams_stands_beside_it(recording, upstream) -> None:
    def script(line) -> None:
        line.request()
        line.answer(b"", "503 Busy")
        line.request()
        line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n0\r\n\r\n")
        line.request()
        line.close()

    upstream.script = script
    running = recording()
    with Client(running.port) as client:
        got = [client.send(request(message(counter=n))).answer().status for n in range(3)]
    assert got == [503, 200, 502]
    rows = running.rows()
    assert [fields(row, "outcome", "status", "upstream_status") for row in rows] == [
        ("within", 503, 503),
        ("within", 200, 200),
        ("within", 502, None),
    ]


def test_an_answer_that_breaks_off_has_the_status_that_the_user_saw(recording, upstream) -> None:
    def script(line) -> None:
        line.request()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
        line.upstream.released.wait()
        line.close()

    upstream.script = script
    running = recording()
    with Client(running.port) as client:
        client.send(request()).answer(head_only=True)
        upstream.released.set()
        client.ended()
    (row,) = running.rows()
    assert fields(row, "outcome", "status", "upstream_status") == ("within", 200, 200)


def test_what_is_refused_undecided_is_rejected(recording, upstream) -> None:
    upstream.stop()
    running = recording()
    statuses = [ask(running.port).status for _ in range(8)]
    assert set(statuses) == {502}
    rows = running.rows()
    assert [row["status"] for row in rows] == statuses
    assert [row["outcome"] for row in rows].count("rejected") == running.gateway.tallies["Large"].rejected > 0
    assert all(fields(row, "upstream_status", "latency") == (None, None) for row in rows)


@pytest.mark.parametrize("answered", [True, False])
def test_a_user_that_leaves_first_has_no_status_and_the_upstreams_is_told_all_the_same(
    recording, upstream, answered
) -> None:
    def script(line) -> None:
        line.request()
        line.upstream.released.wait()
        if answered:
            line.answer()
        else:
            line.close()

    upstream.script = script
    running = recording()
    with Client(running.port) as client:
        client.send(request())
        wait_for(lambda: upstream.requests)
        client.reset()
    wait_for(lambda: running.gateway.totals.abandoned == 1)
    upstream.released.set()
    running.settled()
    (row,) = running.rows()
    assert fields(row, "outcome", "status", "upstream_status") == ("within", None, 200 if answered else None)


def test_a_user_that_leaves_in_the_middle_of_its_message_is_recorded_once_it_was_decided(recording, upstream) -> None:
    running = recording()
    with Client(running.port) as client:
        client.send(request(message(size=50_000))[:20_000])
        wait_for(lambda: upstream.heads)
    wait_for(lambda: running.gateway.totals.abandoned + sum(running.gateway.totals.refused.values()))
    (row,) = running.rows()
    assert 10_000 < row["size"] < 20_000
    assert row["upstream_status"] is None


def test_who_is_no_user_and_what_is_no_request_is_left_out(recording) -> None:
    running = recording()
    assert ask(running.port, request(b"<no/>")).status == 400
    assert ask(running.port, request(message(STRANGER))).status == 403
    with Client(running.port) as client:
        assert client.send(request(method="GET")).answer().status == 405
    assert ask(running.port, request(message(SMALL))).status == 200
    assert [row["user"] for row in running.rows()] == ["Small"]


def test_requests_in_flight_when_the_gateway_stops_are_recorded_too(recording, upstream) -> None:
    upstream.script = lambda line: line.request() and line.gone()
    running = recording(gateway__timeouts={"drain": 0.1})
    with Client(running.port) as client:
        client.send(request())
        wait_for(lambda: upstream.requests)
        (row,) = running.rows()
    assert fields(row, "outcome", "status") == ("within", None)


def test_status_and_metrics_say_what_was_written_and_what_was_lost(recording, folder) -> None:
    running = recording()
    ask(running.port)
    wait_for(lambda: running.gateway.recorder.written == 1)
    told = json.loads(fetch(running.admin_port, "/api/v1/status").body)["record"]
    assert told == {
        "state": "writing", "why": None, "folder": str(folder), "rows": {"written": 1, "waiting": 0, "lost": 0}
    }  # fmt: skip
    assert metrics(running.admin_port) == (0, 1, 0)
    running.call(lambda: running.gateway.recorder._fail("the disk is full"))
    told = json.loads(fetch(running.admin_port, "/api/v1/status").body)["record"]
    assert (told["state"], told["why"]) == ("stopped", "the disk is full")
    assert ask(running.port).status == 200
    wait_for(lambda: running.gateway.recorder.lost == 1)
    assert metrics(running.admin_port) == (1, 1, 1)


def metrics(port: int) -> tuple[float, ...]:
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(fetch(port, "/metrics").body.decode())
        for sample in family.samples
    }
    names = ("stopped", "rows_total", "rows_lost_total")
    return tuple(samples[f"sluicegate_record_{name}"] for name in names)


def test_nothing_is_recorded_unless_it_is_asked_for(gateway, tmp_path) -> None:
    running = gateway(admin=ADMIN)
    ask(running.port)
    assert running.gateway.recorder is None
    assert json.loads(fetch(running.admin_port, "/api/v1/status").body)["record"] is None
    assert "sluicegate_record" not in fetch(running.admin_port, "/metrics").body.decode()
    running.stop()
    assert os.listdir(tmp_path) == []


def test_a_reload_cannot_change_the_record_and_says_so(recording, upstream) -> None:
    running = recording()
    running.reload(configuration(upstream.url, admin=ADMIN))
    assert "record cannot change while the gateway runs" in running.gateway.last_reload_error
    ask(running.port)
    assert len(running.rows()) == 1


# --- the process


def flood(running, answered: list[int]) -> list[threading.Thread]:
    """Senders that send until the gateway is gone. `answered` gets a number for each answer."""

    def sender(number: int) -> None:
        with contextlib.suppress(OSError, AssertionError), Client(running.port) as client:
            for counter in range(1_000_000):
                client.send(request(message(counter=counter * 10 + number))).answer()
                answered.append(counter)

    threads = [threading.Thread(target=sender, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.long
def test_a_kill_under_load_loses_the_last_moments_only_and_harms_no_file(process, recording, folder) -> None:
    """At random points: what was answered before the last flush is there, and the next start goes on from it."""
    record = {"folder": str(folder), "flush_seconds": FLUSH}
    chance = random.Random(7)
    rows = 0
    for _ in range(2):
        running = process(record=record, users=RICH, capacity={"burst_seconds": 20})
        answered: list[int] = []
        threads = flood(running, answered)
        wait_for(lambda got=answered: len(got) > 50)
        before = len(answered)
        wait_for(lambda at=running, least=before: at.status()["record"]["rows"]["written"] >= least)
        kill_at = len(answered) + chance.randrange(300)
        wait_for(lambda got=answered, least=kill_at: len(got) >= least)
        running.stop(signal.SIGKILL)
        for thread in threads:
            thread.join()
        found = open_record(folder)
        assert found.rows == sum(batch.num_rows for batch in found.batches()) >= rows + before
        assert found.rows <= rows + len(answered) + len(threads)
        rows = found.rows
    running = recording()
    wait_for(lambda: not [*folder.glob("*.part")])
    assert ask(running.port).status == 200
    running.stop()
    whole = open_record(folder, strict=True)
    assert whole.rows == rows + 1
    assert [file.suffix for file in whole.files] == [".parquet"] * 3


def test_a_second_gateway_on_one_folder_serves_and_says_that_it_keeps_no_record(recording, folder) -> None:
    recording()
    wait_for(lambda: (folder / "record.lock").exists() and (folder / "record.lock").read_text())
    second = recording()
    said = wait_for(lambda: json.loads(fetch(second.admin_port, "/api/v1/status").body)["record"]["why"])
    assert said.startswith(f"another process ({os.getpid()}) writes to {folder}")
    assert ask(second.port).status == 200
    wait_for(lambda: second.gateway.recorder.lost == 1)


def test_without_pyarrow_a_gateway_without_a_record_runs(process, tmp_path, monkeypatch) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "pyarrow.py").write_text("raise ImportError('this gateway has none')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))
    running = process()
    assert ask(running.port).status == 200
    assert running.stop() == 0
