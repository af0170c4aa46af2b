"""Misbehaving upstreams: each sender gets its answer, and the next request on a fresh connection is served."""

import pytest
from rig import LARGE, Client, ask, configuration, head_of, message, obliging, request, wait_for
from structlog.testing import capture_logs


@pytest.fixture
def behind(gateway, upstream):
    """Starts a gateway before an upstream that behaves as told for one request; after that it obliges."""
    started = []

    def start(script, **tables):
        def once(line) -> None:
            if line.number == 0:
                script(line)
            else:
                obliging(line)

        upstream.script = once
        running = gateway(**tables)
        started.append(running)
        return running

    yield start
    upstream.released.set()
    for running in started:
        running.reload(configuration(upstream.url))  # with an upstream that obliges it need not be impatient
        assert ask(running.port).status == 200
        running.settled()


def after_request(*octets: bytes, close: bool = False, reset: bool = False):
    """A script: takes a request, sends these pieces, and closes, resets, or waits for the gateway to close."""

    def script(line) -> None:
        line.request()
        for piece in octets:
            line.send(piece)
            line.upstream.released.wait(0.02)
        if reset:
            line.reset()
        elif close:
            line.close()
        else:
            line.gone()

    return script


def answering(*octets: bytes):
    """A script: answers a request in these pieces, and the next ones in the usual way."""

    def script(line) -> None:
        line.request()
        for piece in octets:
            line.send(piece)
            line.upstream.released.wait(0.01)
        obliging(line)

    return script


BROKEN = {
    "closes": after_request(close=True),
    "resets": after_request(reset=True),
    "closes in mid-head": after_request(b"HTTP/1.1 200 OK\r\nConte", close=True),
    "speaks no HTTP": after_request(b"\x00\x01garbage\r\n\r\n"),
    "speaks another protocol": after_request(b"220 smtp.example ESMTP\r\n"),
    "speaks HTTP/2": after_request(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"),
    "answers with an enormous head": after_request(
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"x" * 1000) for n in range(90)) + b"\r\n"
    ),
    "answers with many fields": after_request(
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(300)) + b"\r\n"
    ),
    "answers with an endless field": after_request(b"HTTP/1.1 200 OK\r\nX-Endless: ", *[b"x" * 20_000] * 5),
    "answers with an endless reason": after_request(b"HTTP/1.1 200 ", *[b"x" * 20_000] * 5),
    "switches protocols": after_request(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n"
    ),
    "says two lengths": after_request(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
    "says a length and chunks": after_request(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    ),
    "says a length that is none": after_request(b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nab"),
    "says interim things only": after_request(b"HTTP/1.1 100 Continue\r\n\r\n", close=True),
    "has a NUL in a field": after_request(b"HTTP/1.1 200 OK\r\nX-Nul: a\x00b\r\nContent-Length: 0\r\n\r\n"),
}


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN.keys())
def test_an_upstream_that_gives_no_answer_is_502_and_the_charge_stays(behind, upstream, script) -> None:
    running = behind(script)
    with Client(running.port) as client:
        answer = client.send(request()).answer()
        assert (answer.status, answer.kind) == (502, "upstream-broken")
        assert "not known" in answer.problem["detail"]
        assert client.send(request()).answer().status == 200, "the sender's connection goes on"
    assert running.gateway.breaker_state == "closed"
    assert len(upstream.requests) == 2, "no request was sent twice"


IMPATIENT = {"gateway__timeouts": {"upstream_response": 0.4}}  # of what never answers: all else may take its time
SILENT = {
    "says nothing": after_request(),
    "stops in mid-head": after_request(b"HTTP/1.1 200 OK\r\nConte"),
    "goes no further than 100 Continue": after_request(b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("script", SILENT.values(), ids=SILENT.keys())
def test_an_upstream_that_hangs_before_its_answer_is_504(behind, script) -> None:
    answer = ask(behind(script, **IMPATIENT).port)
    assert (answer.status, answer.kind) == (504, "upstream-too-slow")


BROKEN_OFF = {
    "closes in mid-body": after_request(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", close=True),
    "resets in mid-body": after_request(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", reset=True),
    "hangs in mid-body": after_request(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
    "closes in mid-chunk": after_request(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", close=True),
    "closes before the last chunk": after_request(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", close=True
    ),
    "sends a bad chunk": after_request(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"zz\r\nhello\r\n"),
    "resets what only its end would have ended": after_request(b"HTTP/1.1 200 OK\r\n\r\nhello", reset=True),
}


@pytest.mark.parametrize("script", BROKEN_OFF.values(), ids=BROKEN_OFF.keys())
def test_an_answer_that_is_broken_off_is_never_taken_for_a_whole_one(behind, script) -> None:
    with Client(behind(script, **IMPATIENT).port) as client:
        client.send(request())
        try:
            answer = client.answer()
        except (OSError, AssertionError):
            return  # cut before anything was passed on
        assert not answer.whole or answer.status == 502


def test_a_slow_drip_ends_with_its_total_time(behind) -> None:
    def script(line) -> None:
        line.request()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not line.upstream.released.wait(0.05):
            line.send(b"x")

    running = behind(script, gateway__timeouts={"upstream_response": 1.5, "upstream_total": 3})
    answer = ask(running.port)
    assert (answer.status, answer.whole) == (200, False)
    assert len(answer.body) > 3, "each octet gave it more time, up to the total"


WHOLE = {
    "chunked with trailers": (
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhe",
            b"llo\r\n0\r\nX-T: 1\r\n\r\n",
        ],
        b"hello",
    ),
    "after 100 Continue": (
        [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
        b"hello",
    ),
    "after 102 and 103": (
        [
            b"HTTP/1.1 102 Processing\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n",
            b"Content-Length: 5\r\n\r\nhello",
        ],
        b"hello",
    ),
    "octet by octet": (
        [bytes((octet,)) for octet in b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello"],
        b"hello",
    ),
    "empty": ([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], b""),
    "in HTTP/1.0": ([b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"], b"hello"),
}


@pytest.mark.parametrize(("pieces", "body"), WHOLE.values(), ids=WHOLE.keys())
def test_an_unusual_answer_is_passed_on(behind, pieces, body) -> None:
    with Client(behind(answering(*pieces)).port) as client:
        answer = client.send(request()).answer()
        assert (answer.status, answer.body, answer.whole, answer.interim) == (200, body, True, [])
        assert answer.get("Link") is None
        assert client.send(request()).answer().body == b"<ok/>", "the connection goes on"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("field", [b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_an_answer_that_has_no_body_is_passed_on_without_one(behind, status, field) -> None:
    running = behind(answering(b"HTTP/1.1 %b\r\nX: y\r\n%b\r\n" % (status.encode(), field)))
    with Client(running.port) as client:
        answer = client.send(request()).answer(head_only=True)
        assert (f"{answer.status} {answer.reason}", answer.get("X")) == (status, "y")
        assert client.send(request()).answer().status == 200, "and the next one is not taken for its body"


def test_an_answer_that_ends_with_the_connection_is_passed_on_in_chunks(behind) -> None:
    with Client(behind(after_request(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo", close=True)).port) as client:
        answer = client.send(request()).answer()
        assert (answer.body, answer.whole, answer.get("Transfer-Encoding")) == (b"hello", True, "chunked")
        assert client.send(request()).answer().status == 200


@pytest.mark.parametrize("extra", [b"garbage", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", b"\r\n\r\n"])
@pytest.mark.parametrize("times", [1, 3])
def test_what_comes_after_the_answer_is_nobodys(gateway, upstream, extra, times) -> None:
    def script(line) -> None:
        while line.request():
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" + extra)

    upstream.script = script
    with Client(gateway().port) as client:
        for _ in range(times):
            answer = client.send(request()).answer()
            assert (answer.status, answer.body) == (200, b"hello")


def test_what_comes_unasked_on_an_idle_connection_is_nobodys(gateway, upstream) -> None:
    def script(line) -> None:
        while line.request():
            line.answer()
            if line.number == 0:
                line.upstream.released.wait()
                line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")

    upstream.script = script
    running = gateway()
    assert ask(running.port).body == b"done"
    upstream.released.set()
    wait_for(lambda: running.gateway.upstream_connections == 0)
    assert ask(running.port).body == b"done"


def test_an_idle_connection_that_the_upstream_closed_is_not_used_again(gateway, upstream) -> None:
    def script(line) -> None:
        line.request()
        line.answer()

    upstream.script = script
    running = gateway()
    with Client(running.port) as client:
        for _ in range(5):
            assert client.send(request()).answer().status == 200
            wait_for(lambda: running.gateway.upstream_connections == 0)


def test_a_connection_that_the_upstream_closes_at_the_moment_of_reuse_is_502_and_never_sent_twice(
    gateway, upstream
) -> None:
    def script(line) -> None:
        while line.request():
            if line.number == 0 and len(upstream.requests) == 2:
                return
            line.answer()

    upstream.script = script
    running = gateway()
    assert ask(running.port).status == 200
    assert ask(running.port).kind == "upstream-broken"
    assert ask(running.port).status == 200
    assert len(upstream.requests) == 3


def test_an_unused_connection_is_closed_in_the_end(gateway, upstream) -> None:
    running = gateway(gateway__timeouts={"upstream_idle": 0.1})
    assert ask(running.port).status == 200
    wait_for(lambda: running.gateway.upstream_connections == 0)


def test_an_answer_before_the_body_is_read_goes_back_at_once(gateway, upstream) -> None:
    def script(line) -> None:
        while line.head():
            line.answer(b"no", "413 Too Long")
            line.gone()

    upstream.script = script
    running = gateway()
    body = message(size=1_000_000)
    with Client(running.port) as client:
        client.send(request(body)[:200_000])
        answer = client.answer()
        assert (answer.status, answer.body, answer.get("Connection")) == (413, b"no", "close")
        assert client.ended() == b""
    upstream.script = obliging
    assert ask(running.port).status == 200
    running.settled()


def test_an_upstream_that_answers_and_closes_before_the_body_is_read_harms_nobody(behind) -> None:
    def script(line) -> None:
        line.head()
        line.answer(b"no", "413 Too Long", "Connection: close")
        line.close()

    running = behind(script)
    with Client(running.port) as client:
        client.send(request(message(size=300_000))[:20_000])
        assert client.answer().status in (413, 502), "a reset may overtake the answer"


def test_the_upstreams_own_503_and_429_are_told_from_ours(gateway, upstream) -> None:
    def script(line) -> None:
        while line.request():
            line.answer(b"<busy/>", ("503 Busy", "429 Slow Down")[len(upstream.requests) % 2])

    upstream.script = script
    running = gateway()
    answers = [ask(running.port) for _ in range(4)]
    assert sorted(answer.status for answer in answers) == [429, 429, 503, 503]
    assert {(answer.kind, answer.body) for answer in answers} == {("", b"<busy/>")}
    tally = running.gateway.tallies["Large"]
    assert running.gateway.totals.upstream == {429: 2, 503: 2}
    assert running.gateway.totals.refused == {}
    assert (tally.within, tally.throttled, tally.answered_429, tally.answered_503) == (4, 0, 0, 0)


TINY_ALLOCATION = (
    {"name": "Tiny", "ids": [LARGE], "role": "IS", "allocation": 0.01},
    {"name": "Other", "ids": ["90-B3-D5-1F-30-02-00-00"], "role": "IS", "allocation": 0.01},
)


def test_what_could_not_be_sent_is_given_back(gateway, upstream) -> None:
    running = gateway(
        users=TINY_ALLOCATION, capacity={"maximum": 0.1, "operating_threshold": 0.001, "burst_seconds": 0.01}
    )
    upstream.stop()
    for _ in range(4):
        assert ask(running.port).status == 502
    upstream.start()
    assert ask(running.port).status == 200
    tally = running.gateway.tallies["Tiny"]
    assert (tally.within, tally.throttled) == (5, 0)
    level = running.gateway.ledger.account("Tiny").level
    assert 0 <= level < 0.1, "given back, and never beyond the depth"


def test_a_sender_that_leaves_while_a_connection_is_made_gets_its_charge_back(gateway, upstream) -> None:
    import socket

    with socket.socket() as deaf:  # a port that takes no connection and refuses none
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        running = gateway(gateway={"upstream": f"http://127.0.0.1:{port}"}, gateway__timeouts={"upstream_connect": 5})
        with Client(running.port) as client:
            client.send(request())
            wait_for(lambda: running.gateway.in_flight["Large"].taken == 1)
            spent = running.gateway.ledger.account("Large").level
            client.reset()
        running.settled()
        assert running.gateway.ledger.account("Large").level > spent
        with Client(running.port) as client:
            wait_for(lambda: True)
        for filler in fillers:
            filler.close()


def test_the_breaker_opens_lets_one_probe_through_and_closes_again(gateway, upstream, monkeypatch) -> None:
    from sluicegate.http import breaker

    monkeypatch.setattr(breaker, "FIRST_PAUSE", 600.0)  # nobody probes before this test says so
    upstream.stop()
    running = gateway()
    details = [ask(running.port).problem["detail"] for _ in range(8)]
    assert sum("no connection could be made" in detail for detail in details) == breaker.FAILURES
    assert "tried again" in details[-1]
    assert running.gateway.breaker_state == "open"
    assert running.gateway.tallies["Large"].rejected == 3, "undecided, so nothing was charged"
    upstream.script = lambda line: (upstream.released.wait(), obliging(line))
    upstream.start()
    running.call(lambda: setattr(running.desk.breaker, "_until", 0.0))  # the pause is over
    with Client(running.port) as probing:
        probing.send(request())
        wait_for(lambda: running.gateway.breaker_state == "closed", "a connection is enough: no answer came yet")
        upstream.released.set()
        assert probing.answer().status == 200


def test_the_log_says_when_the_upstream_was_lost_and_when_it_was_reached_again(gateway, upstream, monkeypatch) -> None:
    from sluicegate.http import breaker

    monkeypatch.setattr(breaker, "FIRST_PAUSE", 0.2)
    upstream.stop()
    with capture_logs() as lines:
        running = gateway()
        for _ in range(breaker.FAILURES):
            ask(running.port)
        wait_for(lambda: "upstream unreachable: breaker open" in [line["event"] for line in lines])
        upstream.start()
        wait_for(lambda: ask(running.port).status == 200)
        wait_for(lambda: "upstream reached again: breaker closed" in [line["event"] for line in lines])
    said = [line["event"] for line in lines if "breaker" in line["event"]]
    assert said == ["upstream unreachable: breaker open", "upstream reached again: breaker closed"]


def test_an_answer_on_an_old_connection_closes_the_breaker(gateway, upstream) -> None:
    """Connections are refused while one that was there before still works: what it says counts."""

    def script(line) -> None:
        while line.request():
            if b"/hold" in line.upstream.requests[-1].head:
                line.upstream.released.wait()
            line.answer()

    upstream.script = script
    running = gateway()
    held = Client(running.port).send(request(path="/hold"))
    wait_for(lambda: upstream.requests)
    upstream.stop()
    for _ in range(5):
        assert ask(running.port).status == 502
    assert running.gateway.breaker_state == "open"
    upstream.released.set()
    assert held.answer().status == 200
    assert running.gateway.breaker_state == "closed"
    assert ask(running.port).status == 200, "on that connection"


def test_a_slow_body_does_not_count_as_the_upstreams_silence(gateway, upstream) -> None:
    def script(line) -> None:
        while line.request():
            line.upstream.released.wait(0.2)
            line.answer()

    upstream.script = script
    running = gateway(gateway__timeouts={"upstream_response": 1.5})
    octets = request(message(size=30_000))
    with Client(running.port) as client:
        client.send(octets[:20_000])
        wait_for(lambda: upstream.heads)
        client.silent(1.8)
        assert client.send(octets[20_000:]).answer().status == 200


def test_a_request_without_a_host_is_never_made_up(gateway, upstream) -> None:
    with Client(gateway().port) as client:
        body = message()
        client.send(head_of(f"Content-Length: {len(body)}", version="1.0") + body)
        assert client.answer().status == 200
    assert upstream.requests[0].all("Host") in ([], [f"127.0.0.1:{upstream.port}"])
