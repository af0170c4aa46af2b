"""What a caller sends, and what it makes of answers of every framing."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from out_server import Line, calling, obliging, serving

from sluicegate.http.post import Caller
from sluicegate.settings import Timeouts, Upstream


def test_a_request_arrives_as_it_was_given(run) -> None:
    async def go() -> None:
        async with serving() as server, calling(server, prefix="/csp") as caller:
            fields = {"Content-Type": "application/xml", "Sluicegate-Attempt": "2", "X-Odd": "\xe9 \t!"}
            await caller.post("/api/v1/serviceS?a=b", b"<x/>", fields, 5.0)
            await caller.get("/status", 5.0)
            first, second = server.heads
            assert first.split("\r\n") == [
                "POST /csp/api/v1/serviceS?a=b HTTP/1.1",
                f"Host: 127.0.0.1:{server.port}",
                "Content-Type: application/xml",
                "Sluicegate-Attempt: 2",
                "X-Odd: \xe9 \t!",
                "Content-Length: 4",
                "",
                "",
            ]
            assert second == f"GET /csp/status HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n"
            assert server.bodies == [b"<x/>", b""]

    run(go())


@pytest.mark.parametrize(
    ("address", "host"),
    [
        (Upstream("http", "csp.example", 80), b"Host: csp.example\r\n"),
        (Upstream("http", "csp.example", 443), b"Host: csp.example:443\r\n"),
        (Upstream("http", "::1", 8080), b"Host: [::1]:8080\r\n"),
    ],
)
def test_host_has_the_port_where_it_is_not_the_usual_one(run, address, host) -> None:
    async def go() -> None:
        assert Caller(asyncio.get_running_loop(), address, Timeouts(), None)._host == host

    run(go())


def test_a_context_for_tls_and_https_go_together(run, client_tls) -> None:
    async def go() -> None:
        loop = asyncio.get_running_loop()
        for scheme, context in (("https", None), ("http", client_tls)):
            with pytest.raises(ValueError, match="TLS"):
                Caller(loop, Upstream(scheme, "127.0.0.1", 1), Timeouts(), context)

    run(go())


HEADS = {
    "with a length": b"HTTP/1.1 200 Fine: yes\r\nContent-Length: 9\r\nX-A: 1\r\nx-a:  2 \r\n\r\nnine octs",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\nx-a: 2\r\n\r\n"
    b"4\r\nnine\r\n5;ext=1\r\n octs\r\n0\r\nTrailer: x\r\n\r\n",
    "after 100 and 103": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-A: no\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX-A: 1, 2\r\n\r\nnine octs",
    "until the end": b"HTTP/1.1 200 OK\r\nX-A: 1, 2\r\n\r\nnine octs",
    "of HTTP/1.0": b"HTTP/1.0 200 OK\r\nX-A: 1, 2\r\n\r\nnine octs",
    "with Connection: close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
    b"X-A: 1, 2\r\nContent-Length: 9\r\n\r\nnine octs",
}


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("pieces", [False, True])
def test_an_answer_is_the_same_however_it_is_framed_and_cut(run, kind, pieces) -> None:
    octets = HEADS[kind]
    ends = kind in ("until the end", "of HTTP/1.0", "with Connection: close")

    async def script(line: Line) -> None:
        while await line.request() is not None:
            for at in range(0, len(octets), 7 if pieces else len(octets)):
                line.send(octets[at : at + (7 if pieces else len(octets))])
                await asyncio.sleep(0)
            if ends:
                line.close()
                return

    async def go() -> None:
        async with serving(script) as server, calling(server) as caller:
            for _ in range(3):  # from the second on, its head may be known
                answer = await caller.post("/", b"", {}, 5.0)
                assert (answer.status, answer.body) == (200, b"nine octs")
                assert answer.fields == {b"x-a": b"1, 2"}
            assert len(server.lines) == (3 if ends else 1)

    run(go())


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_keeps_the_connection(run, status) -> None:
    async def script(line: Line) -> None:
        while await line.request() is not None:
            line.send(f"HTTP/1.1 {status}\r\nRetry-After: 7\r\n\r\n".encode())

    async def go() -> None:
        async with serving(script) as server, calling(server) as caller:
            for _ in range(2):
                answer = await caller.get("/", 5.0)
                assert (answer.status, answer.body, answer.fields) == (int(status[:3]), b"", {b"retry-after": b"7"})
            assert len(server.lines) == 1

    run(go())


def test_connections_are_used_again_and_each_carries_one_request_at_a_time(run) -> None:
    async def go() -> None:
        async with serving() as server, calling(server) as caller:
            for _ in range(3):
                await caller.post("/", b"x", {}, 5.0)
            assert len(caller) == len(server.lines) == 1
            await asyncio.gather(*(caller.post("/", b"x", {}, 5.0) for _ in range(8)))
            await asyncio.gather(*(caller.post("/", b"x", {}, 5.0) for _ in range(8)))
            assert len(caller) == len(server.lines) == 8
            assert len(server.bodies) == 19

    run(go())


@pytest.mark.parametrize("secure", [False, True])
def test_15_megabytes_arrive_octet_for_octet(run, secure, server_tls, client_tls) -> None:
    body = b"0123456789abcdef" * 1_000_000

    async def script(line: Line) -> None:
        while (got := await line.request()) is not None:
            line.answer(hashlib.sha256(got).hexdigest().encode())

    async def go() -> None:
        own, others = (server_tls, client_tls) if secure else (None, None)
        async with serving(script, own) as server, calling(server, others) as caller:
            for _ in range(2):
                answer = await caller.post("/", body, {}, 30.0)
                assert answer.body.decode() == hashlib.sha256(body).hexdigest()
            assert len(server.lines) == 1

    run(go())


def test_an_answer_that_comes_before_the_request_is_whole_counts_and_its_connection_is_not_used_again(run) -> None:
    async def script(line: Line) -> None:
        await line.head()
        line.answer(b"", "413 Content Too Large")
        await line.gone()

    async def go() -> None:
        async with serving(script) as server, calling(server) as caller:
            answer = await caller.post("/", bytes(15_000_000), {}, 10.0)
            assert answer.status == 413
            assert len(caller) == 0
            assert (await caller.post("/", b"", {}, 5.0)).status == 413
            assert len(server.lines) == 2

    run(go())


def test_over_tls_and_a_certificate_that_cannot_be_trusted_is_no_connection(run, server_tls, client_tls) -> None:
    import ssl

    from sluicegate.http.call import CallFailed

    async def go() -> None:
        async with serving(obliging, server_tls) as server:
            async with calling(server, client_tls) as caller:
                for _ in range(2):
                    assert (await caller.post("/", b"x", {}, 5.0)).body == b"done"
                assert len(server.lines) == 1
            async with calling(server, ssl.create_default_context()) as caller:
                with pytest.raises(CallFailed, match=r"CERTIFICATE_VERIFY_FAILED") as failed:
                    await caller.post("/", b"x", {}, 5.0)
                assert failed.value.sent is False

    run(go())
