"""The gateway's own answers, row by row of the table in the README."""

import json
import socket
import threading

import pytest
from rig import (
    DEVICE,
    LARGE,
    SMALL,
    STRANGER,
    Answer,
    Client,
    ask,
    configuration,
    head_of,
    message,
    obliging,
    request,
    wait_for,
)
from rig_throttled import NARROW, ONE_EACH, throttled

# --- 400, 403


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"plainly no XML", "not well-formed"),
        (message().replace(b"</sr:RequestID>", b"</sr:RequestId>"), "line 4"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE"),
        (b"<a/>", "Request"),
        (message().replace(b"RequestID", b"RequestId"), "RequestId"),
        (message().replace(b'schemaVersion="5.4"', b""), "schemaVersion"),
        (message().replace(b'schemaVersion="5.4"', b'schemaVersion="five"'), "schemaVersion"),
        (message()[:300], "ends before"),
        (message().replace(b"<sr:CommandVariant>1", b"<sr:CommandVariant>9"), "CommandVariant"),
    ],
)
def test_what_is_no_service_request_is_400_and_says_what_and_where(gateway, upstream, body, said) -> None:
    running = gateway()
    with Client(running.port) as client:
        answer = client.send(request(body)).answer()
        assert (answer.status, answer.kind) == (400, "malformed")
        assert said in answer.problem["detail"]
        assert client.send(request()).answer().status == 200
    assert len(upstream.requests) == 1


def test_an_unknown_user_is_403(gateway, upstream) -> None:
    answer = ask(gateway().port, request(message(STRANGER)))
    assert (answer.status, answer.kind) == (403, "unknown-user")
    assert STRANGER in answer.problem["detail"]
    assert answer.get("RateLimit") is None
    assert upstream.heads == []


def test_the_originators_case_does_not_matter(gateway) -> None:
    body = message().replace(LARGE.encode(), LARGE.lower().encode())
    assert ask(gateway().port, request(body)).status == 200


# --- the request's form


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_what_is_not_posted_is_405_and_says_what_is_allowed(gateway, method) -> None:
    answer = ask(gateway().port, request(b"", method=method))
    assert (answer.status, answer.kind, answer.get("Allow")) == (405, "not-post", "POST")


def test_too_large_is_413_by_its_length_before_the_body_comes(gateway) -> None:
    with Client(gateway(gateway={"max_body_bytes": 5000}).port) as client:
        answer = client.send(head_of("Host: a", "Content-Length: 5001")).answer()
        assert (answer.status, answer.kind, answer.get("Connection")) == (413, "too-large", "close")


@pytest.mark.parametrize("streams", [False, True])
def test_too_large_is_413_in_chunks_as_soon_as_it_is_too_large(gateway, upstream, streams) -> None:
    running = gateway(gateway={"max_body_bytes": 60_000 if streams else 5000})
    body = message(size=70_000)
    with Client(running.port) as client:
        client.send(head_of("Host: a", "Transfer-Encoding: chunked"))
        if streams:
            client.send(b"2800\r\n" + body[:0x2800] + b"\r\n")
            wait_for(lambda: upstream.heads)
        with pytest.raises(OSError):  # noqa: PT012 - it may fail at any of these
            for at in range(0x2800 if streams else 0, len(body), 5000):
                piece = body[at : at + 5000]
                client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            assert client.answer().kind == "too-large"
            raise OSError
    assert upstream.requests == []
    running.settled()
    assert ask(running.port).status == 200


def test_a_slow_head_is_408(gateway) -> None:
    with Client(gateway(gateway__timeouts={"head": 0.2}).port) as client:
        answer = client.send(b"POST / HTTP/1.1\r\nHo").answer()
        assert (answer.status, answer.kind, answer.get("Connection")) == (408, "slow-sender", "close")
        assert client.ended() == b""


def test_a_slow_body_is_408_even_where_octets_keep_coming(gateway) -> None:
    running = gateway(gateway__timeouts={"body": 0.3})
    body = message()
    with Client(running.port) as client:
        client.send(head_of("Host: a", f"Content-Length: {len(body)}"))
        for at in range(len(body)):
            if not client.silent(0.02):
                break
            client.send(body[at : at + 1])
        assert client.answer().kind == "slow-sender"
    assert ask(running.port).status == 200


def test_a_connection_that_says_nothing_is_closed(gateway) -> None:
    with Client(gateway(gateway__timeouts={"head": 0.2}).port) as client:
        assert client.ended() == b""


def test_an_idle_connection_is_closed(gateway) -> None:
    with Client(gateway(gateway__timeouts={"idle": 0.2}).port) as client:
        assert client.send(request()).answer().status == 200
        assert client.ended() == b""


@pytest.mark.parametrize(
    "octets",
    [
        head_of("Host: a", "X-Long: " + "x" * 3000),
        b"POST / HTTP/1.1\r\nX-Endless: " + b"x" * 3000,
        head_of("Host: a", *(f"X-{number}: 1" for number in range(150))),
        head_of("Host: a", path="/" + "a" * 3000),
        b"POST /" + b"a" * 9000,
    ],
)
def test_a_head_that_is_too_large_is_431(gateway, octets) -> None:
    running = gateway(gateway__limits={"head_octets": 2048})
    with Client(running.port) as client:
        answer = client.send(octets).answer()
        assert (answer.status, answer.kind) == (431, "head-too-large")
    assert ask(running.port).status == 200


def test_a_compressed_message_is_415(gateway) -> None:
    assert ask(gateway().port, request(b"x", "Content-Encoding: gzip")).status == 415


# --- the upstream's state


def test_unreachable_is_502(gateway, upstream) -> None:
    upstream.stop()
    answer = ask(gateway().port)
    assert (answer.status, answer.kind) == (502, "upstream-unreachable")
    assert int(answer.get("Retry-After")) >= 1


@pytest.mark.parametrize("timeouts", [{"upstream_response": 0.2}, {"upstream_total": 0.2}])
def test_too_slow_is_504(gateway, upstream, timeouts) -> None:
    upstream.script = lambda line: line.request() and line.gone()
    running = gateway(gateway__timeouts=timeouts)
    with Client(running.port) as client:
        answer = client.send(request()).answer()
        assert (answer.status, answer.kind) == (504, "upstream-too-slow")
        upstream.script = obliging
        running.reload(configuration(upstream.url))  # with time for an answer on a busy machine
        assert client.send(request()).answer().status == 200
    running.settled()


# --- the gateway's own limits


def holding(line) -> None:
    while line.request():
        line.upstream.released.wait()
        line.answer()


def test_more_than_max_in_flight_is_503_and_charges_nothing(gateway, upstream) -> None:
    upstream.script = holding
    running = gateway(capacity={"max_in_flight": 3})  # one of them is kept for Small
    waiting = [Client(running.port).send(request()) for _ in range(2)]
    wait_for(lambda: len(upstream.requests) == 2)
    answer = ask(running.port)
    assert (answer.status, answer.kind) == (503, "in-flight")
    assert int(answer.get("Retry-After")) >= 1
    assert (running.gateway.tallies["Large"].within, running.gateway.tallies["Large"].rejected) == (2, 1)
    upstream.released.set()
    assert [client.answer().status for client in waiting] == [200, 200]
    assert ask(running.port).status == 200


def test_one_users_slow_requests_leave_places_for_the_others(gateway, upstream) -> None:
    upstream.script = holding
    running = gateway(capacity={"max_in_flight": 14})  # a half is kept: 6 for Large, 1 for Small
    clients = [Client(running.port).send(request()) for _ in range(20)]
    wait_for(lambda: running.gateway.tallies["Large"].rejected == 7)
    small = Client(running.port).send(request(message(SMALL)))
    wait_for(lambda: len(upstream.requests) == 14)
    upstream.released.set()
    assert small.answer().status == 200
    assert sorted(client.answer().status for client in clients) == [200] * 13 + [503] * 7


def test_too_many_half_read_messages_are_503(gateway) -> None:
    running = gateway(gateway__limits={"buffered_octets": 1_048_576})
    half = b"<!--" + b"x" * 60_000
    clients = []
    refused = None
    for _ in range(40):
        client = Client(running.port).send(head_of("Host: a", "Content-Length: 100000") + half)
        clients.append(client)
        if not client.silent(0.05):
            refused = client.answer()
            break
    assert refused is not None
    assert (refused.status, refused.kind) == (503, "memory")
    assert int(refused.get("Retry-After")) >= 1
    for client in clients:
        client.close()
    running.settled()
    assert ask(running.port).status == 200


@pytest.mark.parametrize("limit", ["connections", "connections_per_address"])
def test_too_many_connections_are_503_and_counted(gateway, limit) -> None:
    running = gateway(gateway__limits={limit: 2})
    clients = [Client(running.port).send(request()) for _ in range(2)]
    assert [client.answer().status for client in clients] == [200, 200]
    with Client(running.port) as client:
        answer = client.answer()
    assert (answer.status, answer.kind) == (503, "connections")
    assert int(answer.get("Retry-After")) >= 1
    assert running.gateway.totals.refused == {"connections": 1}
    clients[0].close()
    wait_for(lambda: len(running.gateway._reception.connections) == 1)
    assert ask(running.port).status == 200


# --- offenders


def from_address(address: str, port: int) -> Client:
    sock = socket.socket()
    sock.bind((address, 0))
    sock.connect(("127.0.0.1", port))
    return Client(port, sock)


def test_who_keeps_sending_what_is_refused_is_slowed_and_cut_off_and_nobody_else(gateway, monkeypatch) -> None:
    from sluicegate.front import offences

    monkeypatch.setattr(offences, "FREE", 3.0)
    monkeypatch.setattr(offences, "MOST", 8.0)
    monkeypatch.setattr(offences, "SLOWEST", 0.1)
    running = gateway()
    bad = request(b"<no/>")
    seen = []
    with from_address("127.0.0.2", running.port) as offender:
        with pytest.raises((AssertionError, OSError)):  # noqa: PT012 - the cut comes at some of these
            while len(seen) < 20:
                seen += [offender.send(bad).answer().status]
        assert 8 <= len(seen) <= 10
        assert set(seen) == {400}
    with pytest.raises((AssertionError, OSError)), from_address("127.0.0.2", running.port) as offender:
        offender.send(request()).answer()
    with from_address("127.0.0.3", running.port) as other:
        assert other.send(request()).answer().status == 200


def test_a_slowed_answer_holds_up_its_own_connection_only(gateway, monkeypatch) -> None:
    from sluicegate.front import offences

    monkeypatch.setattr(offences, "FREE", 0.0)
    monkeypatch.setattr(offences, "MOST", 1.5)
    monkeypatch.setattr(offences, "SLOWEST", 600.0)
    running = gateway(gateway__timeouts={"drain": 0.1})
    with from_address("127.0.0.2", running.port) as offender:
        offender.send(request(b"<no/>") + request())
        wait_for(lambda: running.gateway.totals.refused)
        assert ask(running.port).status == 200
        assert offender.silent(0.01), "its answer waits"
    monkeypatch.setattr(offences, "SLOWEST", 0.1)
    with from_address("127.0.0.3", running.port) as offender:
        offender.send(request(b"<no/>") + request())
        assert [offender.answer().status, offender.answer().status] == [400, 200], "and comes"


def test_throttled_requests_are_no_offence(gateway) -> None:
    running = gateway(users=ONE_EACH, capacity=NARROW)
    with Client(running.port) as client:
        kinds = [client.send(request()).answer().kind for _ in range(100)]
    assert kinds.count("throttled") > 90
    assert ask(running.port, request(message(SMALL))).status == 200


# --- all of them


def test_every_answer_of_ours_is_a_problem_with_a_type_a_title_a_status_and_a_detail(gateway, upstream) -> None:
    running = gateway(gateway={"max_body_bytes": 3000})
    refused = [
        request(b"x"),
        request(message(STRANGER)),
        request(b"", method="GET"),
        request(b"x" * 3001),
        request(b"x", "Content-Encoding: br"),
        b"nonsense\r\n\r\n",
        head_of("Content-Length: 0"),
    ]
    kinds = set()
    for octets in refused:
        answer = ask(running.port, octets)
        problem = answer.problem
        kinds.add(answer.kind)
        assert problem["type"].startswith("urn:sluicegate:problem:")
        assert problem["status"] == answer.status
        assert problem["title"]
        assert problem["detail"]
    assert kinds == {"malformed", "unknown-user", "not-post", "too-large", "encoded", "bad-http"}
    assert sum(running.gateway.totals.refused.values()) == len(refused)


def test_a_user_name_that_needs_escaping_does_not_break_the_answer(gateway) -> None:
    name = 'A "@" 100%d \\ Ünergy'
    users = ({"name": name, "ids": [LARGE], "role": "IS", "allocation": 1},)
    answer, _ = throttled(gateway(users=users, capacity=NARROW).port)
    assert name in json.loads(answer.body)["detail"]
    assert DEVICE not in str(answer.body)


def test_many_senders_at_once_all_get_their_answers(gateway) -> None:
    running = gateway(capacity={"burst_seconds": 5})
    answers: list[Answer] = []

    def sender() -> None:
        with Client(running.port) as client:
            answers.extend(client.send(request(message(counter=number))).answer() for number in range(25))

    threads = [threading.Thread(target=sender) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * 400
    running.settled()


def test_an_answer_to_head_has_no_body(gateway) -> None:
    with Client(gateway().port) as client:
        client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        octets = b""
        while more := client.sock.recv(65_536):
            octets += more
    head, _, body = octets.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ")
    assert body == b""
