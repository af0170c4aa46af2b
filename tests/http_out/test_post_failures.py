"""What can go wrong with a request, and whether it may have been sent."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from out_server import Line, calling, obliging, serving, until

from sluicegate.http import call, post
from sluicegate.http.call import Answer, CallFailed
from sluicegate.http.post import Caller
from sluicegate.settings import Timeouts, Upstream


async def failure(caller: Caller, body: bytes = b"x", seconds: float = 5.0) -> CallFailed:
    with pytest.raises(CallFailed) as failed:
        await caller.post("/", body, {}, seconds)
    assert str(caller.address) in str(failed.value)
    return failed.value


BROKEN = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf",
    "no last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "garbage": b"\x00\x01\x02\r\n\r\n",
    "another protocol": b"220 mail.example ESMTP\r\n",
    "only 100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "a length beside chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a status that is none": b"HTTP/1.1 42 OK\r\nContent-Length: 0\r\n\r\n",
    "an endless field": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
    "endless fields": b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 50_000,
    "a length beyond all numbers": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nx",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_an_answer_that_is_none_fails_and_its_connection_is_not_used_again(run, kind) -> None:
    async def script(line: Line) -> None:
        await line.request()
        line.send(BROKEN[kind])
        if len(line.server.lines) == 1:
            await asyncio.sleep(0.01)
            line.close()

    async def go() -> None:
        async with serving(script) as server, calling(server) as caller:
            assert (await failure(caller)).sent is True
            assert len(caller) == 0
            assert server.bodies == [b"x"], "a POST is not sent again of its own accord"

    run(go())


def test_what_comes_behind_an_answer_is_nobodys(run) -> None:
    async def script(line: Line) -> None:
        while await line.request() is not None:
            line.send(
                b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndoneHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
            )
            await line.gone()

    async def go() -> None:
        async with serving(script) as server, calling(server) as caller:
            for _ in range(3):
                assert (await caller.post("/", b"", {}, 5.0)).body == b"done"
            assert len(server.lines) == 3

    run(go())


def test_what_comes_unasked_on_an_idle_connection_ends_it(run) -> None:
    async def script(line: Line) -> None:
        await line.request()
        line.answer()
        await asyncio.sleep(0.01)
        line.answer(b"evil")
        await line.gone()

    async def go() -> None:
        async with serving(script) as server, calling(server) as caller:
            await caller.post("/", b"", {}, 5.0)
            await until(lambda: not len(caller))
            assert (await caller.post("/", b"", {}, 5.0)).body == b"done"

    run(go())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [
                    b"HTTP/1.1 200 OK\r\n",
                    b"Content-Length: 3\r\n",
                    b"Transfer-Encoding: chunked\r\n",
                    b"\r\n",
                    b"3\r\nabc",
                ]
            ),
        ),
        max_size=8,
    )
)
@example([b"HTTP/1.1 200 OK\r\n", b"Content-Length: 3\r\n", b"\r\n", b"abc"])
def test_whatever_is_answered_there_is_an_answer_or_a_failure_and_nothing_else(run, pieces) -> None:
    async def script(line: Line) -> None:
        await line.request()
        for piece in pieces:
            line.send(piece)
            await asyncio.sleep(0)

    async def go() -> None:
        async with serving(script) as server, calling(server, most_body=100) as caller:
            (got,) = await asyncio.gather(caller.post("/", b"x", {}, 5.0), return_exceptions=True)
            assert isinstance(got, (Answer, CallFailed))
            assert len(got.body) <= 100 if isinstance(got, Answer) else got.sent
            await until(lambda: not len(caller))

    run(go())


# --- connections


def test_a_connection_that_is_refused_was_not_sent_on(run) -> None:
    async def go() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            address = Upstream("http", "127.0.0.1", taken.getsockname()[1])
            caller = Caller(asyncio.get_running_loop(), address, Timeouts(), None)
            error = await failure(caller)
        assert error.sent is False
        assert "no connection" in str(error)

    run(go())


@pytest.mark.parametrize(("connect", "total"), [(0.05, 5.0), (5.0, 0.05)])
def test_a_handshake_that_never_ends_was_not_sent_on(run, connect, total, client_tls) -> None:
    async def silent(line: Line) -> None:
        await line.gone()

    async def go() -> None:
        async with serving(silent) as server:
            server.tls = True
            async with calling(server, client_tls, upstream_connect=connect) as caller:
                error = await failure(caller, seconds=total)
                assert error.sent is False
                assert str(error).endswith("no connection within 0.05 s")
                await until(lambda: server.gone == 1)

    run(go())


def test_a_kept_connection_that_was_closed_meanwhile_is_not_used(run) -> None:
    async def once(line: Line) -> None:
        await line.request()
        line.answer()

    async def go() -> None:
        async with serving(once) as server, calling(server) as caller:
            for _ in range(3):
                assert (await caller.post("/", b"", {}, 5.0)).body == b"done"
                await until(lambda: not len(caller))

    run(go())


def test_a_kept_connection_that_closes_under_a_request_fails_and_the_request_is_not_repeated(run) -> None:
    async def script(line: Line) -> None:
        await line.request()
        line.answer()
        await line.request()

    async def go() -> None:
        async with serving(script) as server, calling(server) as caller:
            await caller.post("/", b"first", {}, 5.0)
            assert (await failure(caller, b"second")).sent is True
            assert server.bodies == [b"first", b"second"]
            assert (await caller.post("/", b"third", {}, 5.0)).body == b"done"

    run(go())


def test_a_connection_that_was_idle_for_too_long_is_not_used(run, monkeypatch) -> None:
    async def go() -> None:
        async with serving() as server, calling(server, upstream_idle=500.0) as caller:
            await caller.post("/", b"", {}, 5.0)
            real = post.monotonic
            monkeypatch.setattr(post, "monotonic", lambda: real() + 400.0)
            await caller.post("/", b"", {}, 5.0)
            assert len(server.lines) == 1
            monkeypatch.setattr(post, "monotonic", lambda: real() + 1000.0)
            await caller.post("/", b"", {}, 5.0)
            assert len(server.lines) == 2
            monkeypatch.undo()
            caller.sweep(real() + 1000.0)
            await until(lambda: not len(caller))

    run(go())


# --- time, and room


def test_an_answer_that_drips_is_not_waited_for_longer_than_was_said(run) -> None:
    async def script(line: Line) -> None:
        await line.request()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            line.send(b".")
            await asyncio.sleep(0.01)

    async def go() -> None:
        async with serving(script) as server, calling(server) as caller:
            error = await failure(caller, seconds=0.5)
            assert error.sent is True
            assert str(error).endswith("no answer within 0.5 s")
            assert len(caller) == 0

    run(go())


def test_a_server_that_reads_nothing_costs_no_memory_and_is_not_waited_for(run) -> None:
    async def script(line: Line) -> None:
        line.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(30)

    async def go() -> None:
        async with serving(script) as server, calling(server) as caller:
            asking = asyncio.create_task(failure(caller, bytes(15_000_000), 2.0))
            await until(lambda: [one for one in caller._pool._all if one.full])
            await asyncio.sleep(0.2)
            (connection,) = caller._pool._all
            assert connection.full
            assert connection.transport is not None
            assert connection.transport.get_write_buffer_size() <= 2 * call.PIECE
            assert (await asking).sent is True
            assert len(caller) == 0

    run(go())


LARGE = {
    "by its length": b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001,
    "in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"100\r\n" + b"x" * 256 + b"\r\n",
    "until the end": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
}


@pytest.mark.parametrize("kind", LARGE)
def test_an_answer_that_is_too_large_fails(run, kind) -> None:
    async def script(line: Line) -> None:
        await line.request()
        line.send(LARGE[kind])
        while kind == "in chunks":
            line.send(b"100\r\n" + b"x" * 256 + b"\r\n")
            await line.writer.drain()

    async def go() -> None:
        async with serving(script) as server, calling(server, most_body=1000) as caller:
            error = await failure(caller)
            assert error.sent is True
            assert "more than 1000 octets" in str(error)
            await until(lambda: not len(caller))

    run(go())


def test_an_answer_of_just_the_largest_size_is_taken_and_a_known_head_makes_no_difference(run) -> None:
    async def script(line: Line) -> None:
        while (body := await line.request()) is not None:
            line.answer(b"x" * int(body))

    async def go() -> None:
        async with serving(script) as server, calling(server, most_body=1000) as caller:
            for _ in range(3):
                assert len((await caller.post("/", b"1000", {}, 5.0)).body) == 1000
            caller.most_body = 999
            await failure(caller, b"1000")

    run(go())


# --- cancelled, closed, cut


@pytest.mark.parametrize("connecting", [False, True])
def test_who_is_cancelled_leaves_no_connection_that_others_could_get_its_answer_on(run, connecting, client_tls) -> None:
    async def script(line: Line) -> None:
        if connecting:
            await line.gone()
        elif len(line.server.lines) == 1:
            await line.request()
            await asyncio.sleep(0.05)
            line.answer(b"late")
        else:
            await obliging(line)

    async def go() -> None:
        async with serving(script) as server:
            server.tls = connecting
            async with calling(server, client_tls if connecting else None) as caller:
                asking = asyncio.create_task(caller.post("/", b"first", {}, 5.0))
                await until(lambda: server.lines if connecting else server.bodies)
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking
                assert len(caller) == 0
                if not connecting:
                    assert (await caller.post("/", b"second", {}, 5.0)).body == b"done"
                await until(lambda: server.gone)

    run(go())


def test_who_is_cancelled_as_the_answer_comes_does_not_spoil_the_connection(run, monkeypatch) -> None:
    succeed = call.Call._succeed

    async def go() -> None:
        async with serving() as server, calling(server) as caller:
            asking = asyncio.create_task(caller.post("/", b"first", {}, 5.0))

            def succeed_and_cancel(*told) -> None:
                succeed(*told)
                asking.cancel()

            monkeypatch.setattr(call.Call, "_succeed", succeed_and_cancel)
            with pytest.raises(asyncio.CancelledError):
                await asking
            monkeypatch.undo()
            assert (await caller.post("/", b"second", {}, 5.0)).body == b"done"
            assert len(server.lines) == 1

    run(go())


def test_close_lets_what_was_sent_have_its_answer_and_sends_nothing_more(run) -> None:
    async def script(line: Line) -> None:
        while await line.request() is not None:
            await asyncio.sleep(0.02)
            line.answer()

    async def go() -> None:
        async with serving(script) as server, calling(server) as caller:
            asking = asyncio.create_task(caller.post("/", b"", {}, 5.0))
            await until(lambda: server.bodies)
            caller.close()
            error = await failure(caller)
            assert (error.sent, "closed" in str(error)) == (False, True)
            assert (await asking).body == b"done"
            await until(lambda: not len(caller))

    run(go())


def test_cut_fails_what_waits_at_once(run, client_tls) -> None:
    async def silent(line: Line) -> None:
        await line.gone()

    async def go() -> None:
        for secure in (False, True):
            async with serving(silent) as server:
                server.tls = secure  # then it never comes further than the handshake
                async with calling(server, client_tls if secure else None) as caller:
                    asking = asyncio.create_task(failure(caller))
                    await until(lambda server=server: server.lines)
                    caller.cut()
                    error = await asking
                    assert error.sent is not secure
                    assert "cut off" in str(error)
                    assert len(caller) == 0

    run(go())


# --- what is not sent


@pytest.mark.parametrize(
    "fields",
    [
        {"X-A": "a\r\nX-B: b"},
        {"X-A": "a\n"},
        {"X-A": "a\rb"},
        {"X-A": "a\x00b"},
        {"X-A": "\u2603"},
        {"X-A\r\nX-B": "b"},
        {"X-A:": "b"},
        {"X A": "b"},
        {"": "b"},
        {"Content-length": "7"},
        {"transfer-encoding": "chunked"},
        {"Host": "evil"},
        {"Connection": "close"},
    ],
)
def test_a_field_that_could_be_more_than_one_or_frames_the_request_is_not_sent(run, fields) -> None:
    async def go() -> None:
        async with serving() as server, calling(server) as caller:
            with pytest.raises(ValueError, match="field"):
                await caller.post("/", b"x", fields, 5.0)
            assert server.lines == []

    run(go())


@pytest.mark.parametrize("path", ["", "nothing", "/a b", "/a\r\nX: y", "/\xe9", "http://elsewhere/"])
def test_a_path_that_is_none_is_not_sent(run, path) -> None:
    async def go() -> None:
        async with serving() as server, calling(server) as caller:
            for asked in (caller.get(path, 5.0), caller.post(path, b"", {}, 5.0)):
                with pytest.raises(ValueError, match="path"):
                    await asked
            assert server.lines == []

    run(go())
