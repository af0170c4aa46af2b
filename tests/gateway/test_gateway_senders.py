"""Misbehaving senders: each gets its answer, costs nobody anything, and leaves nothing behind."""

import contextlib

import pytest
from rig import LARGE, Client, ask, head_of, message, request, wait_for

BODY = message()


@pytest.fixture
def served_after(gateway, upstream):
    """A gateway; at the end of the test the next request on a fresh connection is served, and nothing is left over."""
    running = gateway(gateway__timeouts={"head": 2, "body": 2, "idle": 2})
    yield running
    upstream.released.set()
    assert ask(running.port, request(message(counter=999))).status == 200
    running.settled()
    wait_for(lambda: not running.gateway._reception.connections, "a connection is left")


def bad(fields: list[str], body: bytes = b"") -> bytes:
    return head_of("Host: a", *fields) + body


UNREADABLE = {
    "conflicting lengths": bad(["Content-Length: 5", "Content-Length: 6"], b"hello"),
    "the same length twice": bad(["Content-Length: 5", "Content-Length: 5"], b"hello"),
    "lengths in a list": bad(["Content-Length: 5, 5"], b"hello"),
    "a signed length": bad(["Content-Length: +5"], b"hello"),
    "a negative length": bad(["Content-Length: -5"], b"hello"),
    "a length in hexadecimal": bad(["Content-Length: 0x5"], b"hello"),
    "a length that is none": bad(["Content-Length: "], b"hello"),
    "an endless length": bad(["Content-Length: " + "9" * 40], b"hello"),
    "length and chunks": bad(["Content-Length: 5", "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "chunks and length": bad(["Transfer-Encoding: chunked", "Content-Length: 5"], b"0\r\n\r\n"),
    "another coding": bad(["Transfer-Encoding: gzip"]),
    "another coding and chunks": bad(["Transfer-Encoding: gzip, chunked"], b"0\r\n\r\n"),
    "chunks and another coding": bad(["Transfer-Encoding: chunked, gzip"], b"0\r\n\r\n"),
    "chunks twice": bad(["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "a coding in disguise": bad(["Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
    "chunks with a tab": bad(["Transfer-Encoding:\x0bchunked"], b"0\r\n\r\n"),
    "chunks in 1.0": head_of("Transfer-Encoding: chunked", version="1.0") + b"0\r\n\r\n",
    "a chunk size that is none": bad(["Transfer-Encoding: chunked"], b"zz\r\nhello\r\n0\r\n\r\n"),
    "a negative chunk size": bad(["Transfer-Encoding: chunked"], b"-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size that overflows": bad(["Transfer-Encoding: chunked"], b"ffffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    "a chunk longer than it says": bad(["Transfer-Encoding: chunked"], b"2\r\nhello\r\n0\r\n\r\n"),
    "a chunk ended by a bare line feed": bad(["Transfer-Encoding: chunked"], b"5\nhello\r\n0\r\n\r\n"),
    "obsolete folding": bad(["X-Folded: a\r\n b", f"Content-Length: {len(BODY)}"], BODY),
    "white space before the colon": bad(["Content-Length : 5"], b"hello"),
    "white space before a field": head_of(" Host: a", "Content-Length: 0"),
    "NUL in a field": bad(["X-Nul: a\x00b", "Content-Length: 0"]),
    "a bare carriage return in a field": bad(["X-Cr: a\rb", "Content-Length: 0"]),
    "bare line feeds": b"POST / HTTP/1.1\nHost: a\nContent-Length: 0\n\n",
    "no name": bad([": a", "Content-Length: 0"]),
    "no colon": bad(["Hello", "Content-Length: 0"]),
    "no Host": head_of("Content-Length: 0"),
    "two Hosts": bad(["Host: b", "Content-Length: 0"]),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "HTTP/2.0": head_of("Host: a", f"Content-Length: {len(BODY)}", version="2.0") + BODY,
    "HTTP/1.2": head_of("Host: a", "Content-Length: 0", version="1.2"),
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
    "a target that is no path": head_of("Host: a", "Content-Length: 0", path="a.b/c"),
    "a target of another scheme": head_of("Host: a", "Content-Length: 0", path="ftp://a/b"),
    "a space in the target": head_of("Host: a", "Content-Length: 0", path="/a b"),
}


@pytest.mark.parametrize("octets", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_could_be_read_in_two_ways_is_400_and_never_passes(served_after, upstream, octets) -> None:
    with Client(served_after.port) as client:
        answer = client.send(octets).answer()
        assert (answer.status, answer.get("Connection")) == (400, "close")
        assert client.ended() == b"", "one answer, and the end"
    assert upstream.heads == []


@pytest.mark.parametrize("octets", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_the_same_behind_a_good_request_is_answered_after_it(served_after, upstream, octets) -> None:
    with Client(served_after.port) as client:
        client.send(request() + octets)
        assert [client.answer().status, client.answer().status] == [200, 400]
        assert client.ended() == b""
    assert len(upstream.heads) == 1


@pytest.mark.parametrize("at", [1, 20, 60, 100, 200, 1000, -1])
def test_a_request_that_is_cut_short_is_400_and_never_passes(served_after, upstream, at) -> None:
    with Client(served_after.port) as client:
        answer = client.send(request()[:at]).end_sending().answer()
        assert (answer.status, answer.kind) == (400, "bad-http")
        assert client.ended() == b""
    assert upstream.requests == []


def test_a_large_request_that_is_cut_short_is_not_passed_on_as_a_whole_one(served_after, upstream) -> None:
    with Client(served_after.port) as client:
        client.send(request(message(size=100_000))[:50_000])
        wait_for(lambda: upstream.heads)
        client.end_sending()
        assert client.answer().status == 400
    assert upstream.requests == []


def test_a_request_octet_by_octet_passes(served_after, upstream) -> None:
    with Client(served_after.port) as client:
        for octet in request():
            client.send(bytes((octet,)))
        assert client.answer().status == 200
    assert upstream.requests[0].body == BODY


def test_pipelined_requests_are_answered_in_their_order(served_after, upstream) -> None:
    def script(line) -> None:
        while heard := line.request():
            line.answer(heard.line.encode())

    upstream.script = script
    with Client(served_after.port) as client:
        client.send(b"".join(request(message(counter=n), path=f"/{n}") for n in range(100)))
        for number in range(100):
            answer = client.answer()
            assert (answer.status, answer.body) == (200, b"POST /%d HTTP/1.1" % number)


def test_good_and_bad_pipelined_requests_are_answered_in_their_order(served_after, upstream) -> None:
    with Client(served_after.port) as client:
        client.send(request() + request(b"<no/>") + request() + request(b"", method="GET") + request())
        assert [client.answer().status for _ in range(4)] == [200, 400, 200, 405]
        assert client.ended() == b""
    assert len(upstream.requests) == 2


def test_what_waited_behind_a_refused_request_is_forgotten(served_after, upstream) -> None:
    def script(line) -> None:
        while line.request():
            line.upstream.released.wait()
            line.answer()

    upstream.script = script
    with Client(served_after.port) as client:
        client.send(request() + request(b"", method="GET") + request() + request()[:900])
        wait_for(lambda: served_after.gateway.totals.refused)
        upstream.released.set()
        assert [client.answer().status, client.answer().status] == [200, 405]
        assert client.ended() == b""
    assert len(upstream.heads) == 1


def test_garbage_after_a_refused_request_is_answered_with_nothing_more(served_after) -> None:
    with Client(served_after.port) as client:
        client.send(request(b"", method="GET") + b"\x00garbage")
        assert client.answer().status == 405
        client.send(b"more garbage")
        assert client.ended() == b""


def test_connect_is_405_once(served_after) -> None:
    with Client(served_after.port) as client:
        client.send(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n\x16\x03\x01")
        assert client.answer().status == 405
        assert client.ended() == b""


def test_an_offer_of_another_protocol_without_a_body_is_answered_once(served_after) -> None:
    with Client(served_after.port) as client:
        client.send(head_of("Host: a", "Connection: Upgrade", "Upgrade: websocket", method="GET"))
        assert client.answer().status == 405
        assert client.ended() == b""


HOSTILE = {
    "billion laughs": (
        b'<!DOCTYPE a [<!ENTITY a "ha">'
        + b"".join(b'<!ENTITY a%d "&a;&a;&a;">' % n for n in range(9))
        + b"]><a>&a8;</a>"
    ),
    "an external entity": b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    "invalid UTF-8": BODY.replace(b"<sr:CommandVariant>", b"<sr:CommandVariant>\xff\xfe"),
    "elements without end": b"<a>" * 20_000,
    "attributes without end": b"<a " + b" ".join(b'b%d="1"' % n for n in range(10_000)),
    "a comment without end": b"<!--" + b"x" * 70_000,
    "zeros": bytes(70_000),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_message_is_400(served_after, upstream, body) -> None:
    answer = ask(served_after.port, request(body))
    assert (answer.status, answer.kind) == (400, "malformed")
    assert upstream.requests == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig", "iso-8859-1"])
def test_a_message_in_another_encoding_passes_as_it_is(served_after, upstream, encoding) -> None:
    text = BODY.decode().replace('encoding="UTF-8"', f'encoding="{encoding[:6].strip("-")}"')
    body = text.replace("utf-8", "utf-8").encode(encoding)
    if encoding == "utf-16-be":
        body = b"\xfe\xff" + body
    if encoding == "iso-8859-1":
        body = BODY.replace(b"UTF-8", b"iso-8859-1")
    assert ask(served_after.port, request(body)).status == 200
    assert upstream.requests[0].body == body


def test_a_sender_that_hangs_up_while_it_waits_costs_nothing(served_after, upstream) -> None:
    def script(line) -> None:
        while line.request():
            line.upstream.released.wait()
            line.answer(b"x" * 1_000_000)

    upstream.script = script
    closes, resets = Client(served_after.port).send(request()), Client(served_after.port).send(request())
    wait_for(lambda: len(upstream.requests) == 2)
    closes.close()
    resets.reset()
    wait_for(lambda: served_after.gateway.totals.abandoned == 1, "who closes may have closed its half only")
    assert served_after.gateway.in_flight["Large"].taken == 2, "the upstream works on them still"
    upstream.released.set()
    served_after.settled()


def test_a_sender_that_hangs_up_while_the_upstream_hangs_leaves_no_place_taken(gateway, upstream) -> None:
    upstream.script = lambda line: line.request() and line.gone()
    running = gateway(gateway__timeouts={"upstream_response": 0.3})
    with Client(running.port) as client:
        client.send(request())
        wait_for(lambda: upstream.requests)
        client.reset()
    wait_for(lambda: running.gateway.totals.abandoned == 1)
    running.settled()


def test_a_sender_that_hangs_up_in_mid_body_takes_nothing_with_it(served_after, upstream) -> None:
    with Client(served_after.port) as client:
        client.send(request(message(size=500_000))[:100_000])
        wait_for(lambda: upstream.heads)
        client.reset()
    served_after.settled()
    assert upstream.requests == []


def test_a_sender_that_stops_in_mid_body_after_its_answer_is_let_go(gateway) -> None:
    users = ({"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 1},)
    capacity = {"maximum": 2, "operating_threshold": 0.1, "burst_seconds": 0.01}
    running = gateway(users=users, capacity=capacity, gateway__timeouts={"body": 0.3})
    large = request(message(size=100_000))
    with Client(running.port) as client:
        statuses = {client.send(large).answer().status for _ in range(3)}
        assert 503 in statuses
        client.send(large[:20_000])
        assert client.answer().status == 503
        assert b"HTTP" not in client.ended(), "one request, one answer"


def test_a_throttled_large_message_is_read_to_its_end_and_the_next_one_is_answered(gateway) -> None:
    users = ({"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 1},)
    running = gateway(users=users, capacity={"maximum": 2, "operating_threshold": 0.1, "burst_seconds": 0.01})
    large = request(message(size=300_000))
    with Client(running.port) as client:
        kinds = [client.send(large).answer().kind for _ in range(8)]
        assert kinds[-3:] == ["throttled"] * 3


@pytest.mark.parametrize("close", [True, False])
def test_a_sender_that_never_reads_its_answer_is_cut_off(gateway, upstream, close) -> None:
    def script(line) -> None:
        while line.request():
            line.answer(b"x" * 20_000_000)

    upstream.script = script
    running = gateway(gateway__timeouts={"body": 0.5, "idle": 0.5})
    with Client(running.port, receive_buffer=4096) as client:
        client.send(request(None, *(["Connection: close"] if close else [])))
        wait_for(lambda: upstream.requests)
        wait_for(lambda: not running.gateway._reception.connections)
        assert not client.answer().whole
    running.settled()
    assert running.gateway.upstream_connections <= 1


def test_a_small_answer_that_is_never_read_keeps_no_connection(gateway) -> None:
    running = gateway(gateway__timeouts={"body": 0.5, "idle": 0.5})
    with Client(running.port) as client:
        client.send(request(None, "Connection: close"))
        wait_for(lambda: not running.gateway._reception.connections)
        assert client.answer().status == 200


def test_a_sender_may_close_its_half_and_gets_its_answers_and_then_the_end(served_after, upstream) -> None:
    def script(line) -> None:
        while line.request():
            line.upstream.released.wait(0.1)
            line.answer()

    upstream.script = script
    with Client(served_after.port) as client:
        client.send(request() + request()).end_sending()
        assert [client.answer().status, client.answer().status] == [200, 200]
        assert client.ended() == b"", "nothing more can come: nothing is waited for"


def test_empty_lines_before_a_request_are_passed_over(served_after) -> None:
    assert ask(served_after.port, b"\r\n\r\n" + request()).status == 200


def in_chunks(body: bytes, octets: int) -> bytes:
    pieces = (body[at : at + octets] for at in range(0, len(body), octets))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head_of("Host: a", "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n"


def test_a_message_in_many_small_chunks_passes(served_after, upstream) -> None:
    body = message(size=100_000)
    assert ask(served_after.port, in_chunks(body, 64)).status == 200
    assert upstream.requests[0].body == body


def test_a_message_in_thousands_of_single_octets_is_refused(served_after, upstream) -> None:
    answer = ask(served_after.port, in_chunks(message(size=40_000), 1))
    assert (answer.status, answer.kind) == (400, "bad-http")
    assert upstream.requests == []


@pytest.mark.parametrize("around", [b"1;", b"0\r\nX-Trailer: "])
def test_what_stands_round_a_body_without_end_is_refused(served_after, upstream, around) -> None:
    with Client(served_after.port) as client, contextlib.suppress(OSError):
        client.send(head_of("Host: a", "Transfer-Encoding: chunked") + b"2\r\n<a\r\n" + around)
        for _ in range(200):
            client.send(b"x" * 1000)
            if not client.silent(0.001):
                break
        assert client.answer().status in (400, 431)
    assert upstream.requests == []


def test_a_batch_that_ends_in_mid_head_is_not_taken_for_a_large_head(served_after, upstream) -> None:
    octets = request()
    with Client(served_after.port) as client:
        client.send(octets * 30 + octets[:50])
        assert [client.answer().status for _ in range(30)] == [200] * 30
        assert client.send(octets[50:]).answer().status == 200


def test_a_pipeline_of_thousands_ends_with_the_first_that_is_refused(served_after, upstream) -> None:
    def script(line) -> None:
        while line.request():
            line.upstream.released.wait()
            line.answer()

    upstream.script = script
    with Client(served_after.port) as client:
        client.send(request() + b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(5_000)))
        wait_for(lambda: served_after.gateway.totals.refused.get("not-post"))
        upstream.released.set()
        assert [client.answer().status, client.answer().status] == [200, 405]
        assert client.ended() == b""
    assert served_after.gateway.totals.refused["not-post"] == 1
