"""What passes, passes unchanged: the message to the upstream, the answer to the sender."""

import json
import shutil
import subprocess

import pytest
from rig import LARGE, Client, ask, duis_messages, head_of, message, request

REAL = [path for path in duis_messages() if b"Request " in path.read_bytes()]
NOT_REQUESTS = [path for path in duis_messages() if path not in REAL]
CURL = shutil.which("curl")


@pytest.mark.skipif(not REAL, reason="the real messages are not beside this checkout")
def test_every_real_message_passes_octet_by_octet(gateway, upstream) -> None:
    bodies = [path.read_bytes() for path in REAL]
    ids = sorted({_originator(body) for body in bodies})
    users = ({"name": "All", "ids": ids, "role": "IS", "allocation": 900},)
    running = gateway(users=users, capacity={"burst_seconds": 10})
    with Client(running.port) as client:
        for number, body in enumerate(bodies):
            path = f"/api/v1/service{'STD'[number % 3]}?n={number}"
            assert client.send(request(body, path=path)).answer().status == 200, REAL[number].name
            heard = upstream.requests[-1]
            assert heard.body == body, REAL[number].name
            assert heard.line == f"POST {path} HTTP/1.1"
    assert len(upstream.requests) == len(REAL)


@pytest.mark.skipif(not NOT_REQUESTS, reason="the real messages are not beside this checkout")
def test_a_real_message_that_is_no_request_is_refused(gateway, upstream) -> None:
    running = gateway()
    for path in NOT_REQUESTS:
        assert ask(running.port, request(path.read_bytes())).kind == "malformed", path.name
    assert upstream.requests == []


def _originator(body: bytes) -> str:
    start = body.index(b"RequestID>") + len(b"RequestID>")
    return body[start : start + 23].decode().upper()


@pytest.mark.parametrize("path", ["/", "/a/b?c=d&e=%20", "/%E2%82%AC/..;x=1/?", "/api/v1/serviceT?q='~!*()"])
def test_path_and_query_pass_unchanged(gateway, upstream, path) -> None:
    assert ask(gateway().port, request(path=path)).status == 200
    assert upstream.requests[0].line == f"POST {path} HTTP/1.1"


def test_the_absolute_form_passes_as_its_path(gateway, upstream) -> None:
    assert ask(gateway().port, request(path="http://dsp.example/a/b?c")).status == 200
    assert upstream.requests[0].line == "POST /a/b?c HTTP/1.1"


def test_the_upstreams_own_path_stands_before_every_path(gateway, upstream) -> None:
    running = gateway(gateway={"upstream": upstream.url + "/dsp/v2"})
    assert ask(running.port, request(path="/api?x")).status == 200
    assert upstream.requests[0].line == "POST /dsp/v2/api?x HTTP/1.1"


@pytest.mark.parametrize(
    "status", ["200 OK", "201 Made It", "302 Over There", "400 No", "503 Full", "429 Too Many", "599 "]
)
def test_the_answer_comes_back_unchanged(gateway, upstream, status) -> None:
    fields = ("Content-Type: text/x-odd", "X-Twice: 1", "X-Twice: 2", "Retry-After: 77", "Set-Cookie: a=b")

    def script(line) -> None:
        while line.request():
            line.answer(b"\x00\xff body", status, *fields, "Connection: X-Hop", "X-Hop: gone", "Keep-Alive: timeout=5")

    upstream.script = script
    answer = ask(gateway().port)
    assert f"{answer.status} {answer.reason}" == status
    assert answer.body == b"\x00\xff body"
    told = [f"{name}: {value}" for name, value in answer.fields]
    assert [one for one in told if one in fields] == list(fields)
    ours = {name for name, _ in answer.fields} - {one.partition(":")[0] for one in fields}
    assert ours == {"Content-Length", "RateLimit-Policy", "RateLimit"}


def test_a_reason_that_comes_in_pieces_comes_back_whole(gateway, upstream) -> None:
    def script(line) -> None:
        line.request()
        for piece in (b"HTTP/1.1 200 A Rather", b" Long", b" Reason\r\nContent-Le", b"ngth: 2\r\n\r\nh", b"i"):
            line.send(piece)
            line.upstream.released.wait(0.05)
        line.gone()

    upstream.script = script
    answer = ask(gateway().port)
    assert (answer.reason, answer.body) == ("A Rather Long Reason", b"hi")


def test_fields_pass_in_their_order_without_those_of_this_hop(gateway, upstream) -> None:
    octets = request(
        None,
        "X-First: 1",
        "Connection: keep-alive, X-Drop-Me",
        "X-Drop-Me: 1",
        "TE: trailers",
        "Proxy-Authorization: secret",
        "Client-Cert: :AAAA:",
        "Client-Cert-Chain: :AAAA:",
        "Client_Cert: :AAAA:",
        "x-first: 2",
    )
    assert ask(gateway().port, octets).status == 200
    heard = upstream.requests[0]
    assert [name for name, _ in heard.fields] == ["Host", "Content-Type", "X-First", "x-first", "Via", "Content-Length"]
    assert heard.all("Host") == ["dsp.example"]


def test_a_connection_serves_one_request_after_the_other(gateway, upstream) -> None:
    with Client(gateway().port) as client:
        for number in range(20):
            assert client.send(request(message(counter=number))).answer().status == 200
    assert len(upstream.lines) == 1, "the connection to the upstream is kept as well"


@pytest.mark.parametrize("old", [True, False])
def test_a_sender_that_asks_for_close_gets_it(gateway, upstream, old) -> None:
    with Client(gateway().port) as client:
        answer = client.send(request(None, *([] if old else ["Connection: close"]), old=old)).answer()
        assert (answer.status, answer.get("Connection")) == (200, "close")
        assert client.ended() == b""


def test_http_1_0_with_keep_alive_is_kept_alive(gateway) -> None:
    with Client(gateway().port) as client:
        for _ in range(3):
            answer = client.send(request(None, "Connection: keep-alive", old=True)).answer()
            assert (answer.status, answer.get("Connection")) == (200, "keep-alive")


def test_http_1_0_never_gets_chunks_nor_100_continue(gateway, upstream) -> None:
    def script(line) -> None:
        line.request()
        line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    upstream.script = script
    with Client(gateway().port) as client:
        octets = request(None, "Expect: 100-continue", "Connection: keep-alive", old=True)
        answer = client.send(octets).answer()
        assert (answer.interim, answer.get("Transfer-Encoding"), answer.body) == ([], None, b"abcde")


def test_a_chunked_message_passes(gateway, upstream) -> None:
    body = message()
    pieces = b"".join(
        b"%x;ext=1\r\n%b\r\n" % (len(body[at : at + 100]), body[at : at + 100]) for at in range(0, len(body), 100)
    )
    octets = head_of("Host: a", "Transfer-Encoding: Chunked") + pieces + b"0\r\nX-Trailer: 1\r\n\r\n"
    with Client(gateway().port) as client:
        assert client.send(octets).answer().status == 200
        assert client.send(request()).answer().status == 200
    assert upstream.requests[0].body == body
    assert upstream.requests[0].all("X-Trailer") == []


def test_100_continue_is_sent_before_the_body_comes(gateway, upstream) -> None:
    body = message()
    with Client(gateway().port) as client:
        client.send(head_of("Host: a", "Expect: 100-continue", f"Content-Length: {len(body)}"))
        assert client._until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        assert client.send(body).answer().status == 200
    assert upstream.requests[0].all("Expect") == []


def test_100_continue_comes_to_a_pipelined_request_in_its_turn(gateway, upstream) -> None:
    body = message(counter=2)
    with Client(gateway().port) as client:
        client.send(request() + head_of("Host: a", "Expect: 100-continue", f"Content-Length: {len(body)}"))
        assert client.answer().status == 200
        assert client._until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        assert client.send(body).answer().status == 200


def test_no_100_continue_where_the_length_is_too_much(gateway) -> None:
    with Client(gateway(gateway={"max_body_bytes": 2000}).port) as client:
        client.send(head_of("Host: a", "Expect: 100-continue", "Content-Length: 2001"))
        answer = client.answer()
        assert (answer.status, answer.interim) == (413, [])


@pytest.mark.parametrize("upgrade", ["h2c", "websocket"])
def test_a_request_that_offers_another_protocol_is_served_in_this_one(gateway, upstream, upgrade) -> None:
    """RFC 9110, 7.8: a server may ignore Upgrade. Java's own client offers h2c with every request."""
    fields = ("Connection: Upgrade, HTTP2-Settings", f"Upgrade: {upgrade}", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
    with Client(gateway().port) as client:
        for _ in range(2):
            assert client.send(request(None, *fields)).answer().status == 200
        client.send(request(None, *fields) + request(None, *fields))
        assert [client.answer().status, client.answer().status] == [200, 200]
        assert client.silent()
    assert len(upstream.requests) == 4
    assert upstream.requests[0].all("Upgrade") == upstream.requests[0].all("HTTP2-Settings") == []


@pytest.mark.skipif(CURL is None, reason="curl is not installed")
@pytest.mark.parametrize("fields", [("Expect: 100-continue",), ("Transfer-Encoding: chunked",), ("Expect:",)])
def test_a_real_curl_sends_10_mb(gateway, upstream, tmp_path, fields) -> None:
    body = message(size=10_000_000, srv="11.1")
    (tmp_path / "message.xml").write_bytes(body)
    running = gateway()
    headers = [part for one in fields for part in ("-H", one)]
    url = f"http://127.0.0.1:{running.port}/api/v1/serviceS"
    done = subprocess.run(
        [*f"{CURL} -sS -m 60 -o out -w %{{json}} --data-binary @message.xml".split(), *headers, url],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["http_code"] == 200
    assert (tmp_path / "out").read_bytes() == b"<ok/>"
    assert upstream.requests[0].body == body


@pytest.mark.skipif(CURL is None, reason="curl is not installed")
def test_a_real_curl_asks_several_times_on_one_connection(gateway, upstream, tmp_path) -> None:
    (tmp_path / "message.xml").write_bytes(message(LARGE))
    url = f"http://127.0.0.1:{gateway().port}/a"
    done = subprocess.run(
        [*f"{CURL} -sS -m 60 --http2 -w".split(), "%{http_code} %{num_connects}\n", "--data-binary", "@message.xml"]
        + ["-o", "/dev/null", url] * 3,
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().split("\n")[:3] == ["200 1", "200 0", "200 0"]
