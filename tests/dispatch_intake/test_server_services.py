"""The web services, over real sockets: what is answered, when, and with what."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime
from time import monotonic, sleep

import pytest
from intake_rig import (
    AT,
    DSP,
    NORTH,
    NOWHERE,
    ORIGINATOR,
    SOUTH,
    STRANGER,
    USER,
    Desk,
    firmware,
    read_answer,
    request,
)

from sluicegate.database.errors import StoreError, StoreFull, StoreLost
from sluicegate.dispatch import server as ours
from sluicegate.dispatch.parcel import State
from sluicegate.duis import LARGE_OCTETS, compose_response, read_response, request_key

S, T, D, RESPONSES = "/api/v1/serviceS", "/api/v1/serviceT", "/api/v1/serviceD", "/api/v1/responses"
REQUEST_ID = f"{ORIGINATOR}:{NORTH}:7"


def outcome(code: str = "I0", request_id: str | None = REQUEST_ID) -> bytes:
    return compose_response(code, request_id, srv="2.2", at=datetime(2025, 11, 3, tzinfo=UTC))


def wait_until(true, seconds=60.0):
    until = monotonic() + seconds
    while not true():
        assert monotonic() < until
        sleep(0.002)


# --- taken


@pytest.mark.parametrize(("path", "variant"), [(S, 1), (T, 4), (D, 8)])
def test_a_request_is_acknowledged_after_it_is_safe(serving, desk, path, variant):
    running = serving()
    got = running.post(path, request(command_variant=variant), "Content-Type: application/xml")
    assert (got.status, got.fields["content-type"]) == (200, "application/xml")
    assert got.fields["content-length"] == str(len(got.body))
    assert "GMT" in got.fields["date"]
    assert read_response(got.body)[1:] == (REQUEST_ID, None, "I99", "2025-11-03T14:30:05.123Z")
    [[parcel]] = desk.calls
    assert (parcel.path, parcel.user, parcel.accepted_at) == (path, USER, AT)
    assert running.server.counts.told() == {
        "accepted": 1, "repeated": 0, "conflicts": 0, "outcomes": 0, "late": 0, "hung-up": 0,
    }  # fmt: skip


def test_nothing_is_answered_before_the_commit(serving, desk):
    running = serving()
    desk.gate.clear()
    with running.connected() as connection:
        connection.sendall(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (S.encode(), len(request())))
        connection.sendall(request())
        assert desk.entered.wait(60)
        connection.settimeout(0.05)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert not desk.rows
        connection.settimeout(60)
        desk.gate.set()
        assert read_answer(connection).status == 200


def test_the_same_again_gets_the_same_octets_and_is_not_stored_again(serving, desk):
    running = serving()
    first = running.post(S, request())
    running.now = AT + 1000
    again = running.post(S, request())
    assert (again.status, again.body) == (200, first.body)
    assert len(desk.rows) == 1
    assert running.server.counts.repeated == 1


def test_another_message_with_the_same_request_id_is_refused_and_the_first_is_untouched(serving, desk):
    running = serving()
    running.post(S, request())
    got = running.post(S, request(size=3000))
    assert (got.status, got.fields["content-type"]) == (409, "application/xml")
    assert read_response(got.body)[1:4] == (REQUEST_ID, None, "E13")  # as the rig has `codes.reused`
    assert desk.rows[request_key(REQUEST_ID)][0].body == request()
    assert running.server.counts.conflicts == 1


def test_a_firmware_message_of_15_mb_goes_to_all_its_regions(serving, desk):
    running = serving()
    devices = [f"00-DB-12-34-56-{n >> 16:02X}-{n >> 8 & 255:02X}-{n & 255:02X}" for n in range(49_999)]
    body = firmware(*devices, SOUTH, image=13_653_336)
    got = running.post(D, body)
    assert (got.status, read_response(got.body).code) == (200, "I99")
    assert [[parcel.destination for parcel in call] for call in desk.calls] == [["csp:north"], ["csp:south"]]
    assert desk.calls[1][0].body == body
    again = running.post(D, body)
    assert again.body == got.body
    assert len(desk.rows) == 2


def test_of_a_firmware_message_with_a_used_request_id_nothing_is_stored(serving, desk):
    running = serving()
    assert running.post(D, firmware(NORTH)).status == 200
    assert running.post(D, firmware(NORTH, SOUTH)).status == 409
    assert len(desk.rows) == 1


def test_a_region_that_was_missed_comes_with_the_repetition(serving, desk):
    running = serving()
    running.post(D, firmware(NORTH, SOUTH))
    del desk.rows[request_key(f"{ORIGINATOR}:{DSP}:9") + b"\0south"]  # the store failed in between
    got = running.post(D, firmware(NORTH, SOUTH))
    assert (got.status, len(desk.rows)) == (200, 2)


def test_large_messages_are_read_in_a_thread_and_small_ones_at_once(serving):
    running = serving()
    read, names = running.intake.read, []
    running.intake.read = lambda *of: (names.append(threading.current_thread().name), read(*of))[1]
    for size in (1700, LARGE_OCTETS, LARGE_OCTETS + 1):
        assert running.post(S, request(counter=size, size=size)).status == 200
    assert names[0] == names[1]
    assert names[2].startswith("intake")


def test_others_are_served_while_a_large_message_is_read(serving):
    running = serving()
    read, begun, go_on = running.intake.read, threading.Event(), threading.Event()

    def slow(service, body, at):
        if len(body) > LARGE_OCTETS:
            begun.set()
            assert go_on.wait(60)
        return read(service, body, at)

    running.intake.read = slow
    answers = []
    sender = threading.Thread(target=lambda: answers.append(running.post(S, request(counter=8, size=100_000))))
    sender.start()
    assert begun.wait(60)
    assert running.post(S, request()).status == 200
    assert not answers
    go_on.set()
    sender.join(60)
    assert answers[0].status == 200


def test_a_body_may_come_in_pieces_and_one_connection_carries_many(serving):
    running = serving()
    with running.connected() as connection:
        for counter in range(3):
            body = request(counter=counter, size=5000)
            connection.sendall(b"POST /api/v1/serviceS HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for start in range(0, len(body), 1000):
                piece = body[start : start + 1000]
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                sleep(0.002)
            connection.sendall(b"0\r\n\r\n")
            assert read_response(read_answer(connection).body).request_id == f"{ORIGINATOR}:{NORTH}:{counter}"


def test_who_asks_whether_to_go_on_is_told_to(serving):
    running = serving()
    with running.connected() as connection:
        connection.sendall(
            b"POST /api/v1/serviceS HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
            % len(request())
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(request())
        assert read_answer(connection).status == 200


# --- refused


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "reason"),
    [
        (S, request()[:-9], 400, "E12", "not well-formed"),
        (T, request(), 200, "E13", "Command Variant 1 goes to serviceS, not to serviceT"),
        (S, request(NOWHERE), 200, "E19", f"no region is known for {NOWHERE}"),
        (D, firmware("x"), 400, "E12", "DeviceIDList: 'x', number 1"),
    ],
)
def test_a_refusal_is_a_response_and_a_reason(serving, desk, path, body, status, code, reason):
    running = serving()
    got = running.post(path, body)
    assert (got.status, got.fields["content-type"]) == (status, "application/xml")
    assert read_response(got.body).code == code
    assert reason in got.fields["sluicegate-reason"]
    assert not desk.calls
    told = "malformed" if code == "E12" else code
    assert running.server.counts.told()[f"refused-{told}"] == 1


@pytest.mark.parametrize(
    ("path", "body", "fields", "status", "name", "detail"),
    [
        (S, b"junk", (), 400, "malformed", "not well-formed XML"),
        (RESPONSES, b"junk", (), 400, "malformed", "not well-formed XML"),
        (S, request(originator=STRANGER), (), 403, "unknown-user", STRANGER),
        (RESPONSES, outcome(request_id=f"{STRANGER}:{NORTH}:7"), (), 403, "unknown-user", STRANGER),
        ("/api/v1/serviceX", request(), (), 404, "not-found", "there are"),
        ("/", request(), (), 404, "not-found", "there are"),
        (S + "/", request(), (), 404, "not-found", "there are"),
        (S, request(), ("Content-Encoding: gzip",), 415, "encoded", "without Content-Encoding"),
        (S, b"x" * 5000, (), 413, "too-large", "at most 4096 octets"),
    ],
)
def test_a_refusal_without_a_response_is_a_problem(serving, desk, path, body, fields, status, name, detail):
    running = serving(max_body_bytes=4096)
    got = running.post(path, body, *fields)
    assert got.status == status
    assert got.problem["type"] == f"urn:sluicegate:problem:{name}"
    assert detail in got.problem["detail"]
    assert got.fields.get("accept-encoding") == ("identity" if status == 415 else None)
    assert running.server.counts.refused == {name: 1}
    assert not desk.calls


def test_the_code_for_a_message_that_cannot_be_read_stands_in_the_problem(serving):
    assert serving().post(S, b"junk").problem["code"] == "E12"


def test_identity_is_no_encoding(serving):
    assert serving().post(S, request(), "Content-Encoding: identity").status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_only_post_is_taken(serving, method):
    got = serving().ask(f"{method} {S} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (got.status, got.fields["allow"]) == (405, "POST")
    assert got.problem["type"].endswith(":not-post")


def test_a_body_that_does_not_say_its_size_is_bounded_too(serving, desk):
    running = serving(max_body_bytes=4096)
    head = b"POST /api/v1/serviceS HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    got = running.ask(head + b"1000\r\n" + b"x" * 4096 + b"\r\n1\r\nx\r\n0\r\n\r\n")
    assert (got.status, got.fields["connection"]) == (413, "close")
    assert running.ask(head + b"1000\r\n" + b"x" * 4096 + b"\r\n0\r\n\r\n").status == 400


def test_all_bodies_together_are_bounded(serving, desk):
    running = serving()
    running.server._max_buffered = 5000
    desk.gate.clear()
    answers = []
    first = threading.Thread(target=lambda: answers.append(running.post(S, request(size=3000))))
    first.start()
    assert desk.entered.wait(60)
    assert running.server.buffered == 3000
    got = running.post(S, request(counter=8, size=3000))
    assert (got.status, got.problem["type"], got.fields["retry-after"]) == (503, "urn:sluicegate:problem:memory", "1")
    assert running.server.buffered == 3000
    desk.gate.set()
    first.join(60)
    assert answers[0].status == 200
    wait_until(lambda: running.server.buffered == 0)
    assert running.post(S, request(counter=8, size=3000)).status == 200


def test_a_slow_sender_is_not_waited_for(serving, monkeypatch):
    monkeypatch.setattr(ours, "BODY_SECONDS", 0.05)
    got = serving().ask(b"POST /api/v1/serviceS HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n<a>")
    assert (got.status, got.fields["connection"]) == (408, "close")
    assert got.problem["type"].endswith(":slow-sender")


@pytest.mark.parametrize("error", [StoreError("x"), StoreFull("no space"), StoreLost("gone")])
@pytest.mark.parametrize("body", [request(), outcome()])
def test_a_store_that_fails_is_never_an_acknowledgement(serving, desk, error, body):
    running = serving()
    desk.fails = error
    got = running.post(RESPONSES if body == outcome() else S, body)
    assert (got.status, got.fields["retry-after"]) == (503, "5")
    assert got.problem["type"] == "urn:sluicegate:problem:store"
    assert got.problem["retry_after"] == 5
    assert running.server.counts.told()["accepted"] == running.server.counts.told()["outcomes"] == 0
    desk.fails = None
    assert running.post(S, request()).status == 200


@pytest.mark.parametrize(("version", "status"), [("5.3", 503), ("5.4", 429), ("5.10", 503), ("10", 429)])
def test_a_full_csp_refuses_this_user_and_nobody_else(serving, desk, version, status):
    running = serving()
    desk.full = {("csp:north", USER): 6.2}
    got = running.post(S, request(version=version))
    assert (got.status, got.fields["retry-after"]) == (status, "7")
    assert got.problem["type"] == "urn:sluicegate:problem:csp-backlog"
    assert got.problem["detail"].startswith("north ")
    assert not desk.calls
    assert running.post(S, request(SOUTH)).status == 200
    assert running.post(D, firmware(SOUTH, NORTH)).problem["type"].endswith(":csp-backlog")
    desk.full = {("csp:north", USER): 0.0}
    assert running.post(S, request(version=version)).fields["retry-after"] == "1"


def test_who_drains_takes_nothing_new(serving, desk):
    running = serving()
    running.server.draining = True
    for path, body in ((S, request()), (RESPONSES, outcome())):
        got = running.post(path, body)
        assert (got.status, got.fields["connection"], got.fields["retry-after"]) == (503, "close", "1")
        assert got.problem["type"] == "urn:sluicegate:problem:draining"
    assert not desk.calls


def test_a_fault_of_ours_is_told_without_its_details(serving, desk):
    running = serving()
    desk.fails = RuntimeError("secret-password")
    got = running.post(S, request())
    assert (got.status, got.problem["type"]) == (500, "urn:sluicegate:problem:internal")
    assert b"secret" not in got.body


def test_what_a_sender_wrote_cannot_break_the_head_of_the_answer(serving):
    running = serving()
    got = running.post(S, request().replace(b"<sr:Header>", "<sr:Header><é\u202e/>".encode()))
    assert got.status == 400
    assert re.fullmatch(r"[ -~]+", got.fields["sluicegate-reason"])


# --- senders that leave


def test_who_hangs_up_before_the_commit_may_have_been_taken_and_has_no_answer(serving, desk):
    running = serving()
    desk.gate.clear()
    with running.connected() as connection:
        connection.sendall(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (S.encode(), len(request())))
        connection.sendall(request())
        assert desk.entered.wait(60)
    desk.gate.set()
    wait_until(lambda: running.server.counts.accepted == 1)
    again = running.post(S, request())
    assert read_response(again.body).code == "I99"
    assert running.server.counts.repeated == 1


def test_who_hangs_up_within_the_message_has_sent_nothing(serving, desk):
    running = serving()
    with running.connected() as connection:
        connection.sendall(b"POST /api/v1/serviceS HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + request())
        wait_until(lambda: running.server.buffered > 0)
    wait_until(lambda: running.server.counts.hung_up == 1)
    assert running.server.buffered == 0
    assert not desk.calls


# --- outcomes


def test_an_outcome_is_answered_once_it_is_safe(serving, desk):
    running = serving()
    got = running.post(RESPONSES, outcome())
    assert (got.status, got.body) == (200, b"")
    [(key, code, letter)] = desk.concluded
    assert (key, code, letter.destination, letter.accepted_at) == (request_key(REQUEST_ID), "I0", f"user:{USER}", AT)
    assert (running.server.counts.outcomes, running.server.counts.late) == (1, 0)


@pytest.mark.parametrize("before", list(State))
def test_an_outcome_of_what_was_returned_is_counted_as_late(serving, desk, before):
    running = serving()
    desk.before = before
    assert running.post(RESPONSES, outcome()).status == 200
    assert running.server.counts.late == (before is State.RETURNED)


def test_a_large_outcome_is_read_in_a_thread(serving, desk):
    running = serving()
    body = outcome().replace(b"</sr:Body>", b"</sr:Body><!--%b-->" % (b"x" * LARGE_OCTETS))
    assert running.post(RESPONSES, body).status == 200
    assert desk.concluded[0][2].body == body


def test_many_at_once_are_all_answered(serving):
    running = serving(Desk())
    answers = []

    def send(number):
        with running.connected() as connection:
            for counter in range(20):
                body = request(counter=1000 * number + counter, size=1700)
                connection.sendall(b"POST /api/v1/serviceS HTTP/1.1\r\nHost: x\r\nContent-Length: 1700\r\n\r\n" + body)
                answers.append(read_response(read_answer(connection).body).request_id.rpartition(":")[2])

    senders = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(60)
    assert sorted(map(int, answers)) == sorted(1000 * number + counter for number in range(8) for counter in range(20))
    assert running.server.counts.accepted == 160
