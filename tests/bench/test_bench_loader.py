"""The load generator against small servers whose answers and delays are known."""

import asyncio
import contextlib
import json
import ssl
import threading

import pytest
from bench.certificates import issue
from bench.loader import Sending, read_report, send
from bench.messages import frame, post
from bench.processes import BenchError, free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
THROTTLED = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length:0\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextlib.contextmanager
def serving(respond, context=None):
    """A server that calls `respond(writer, number, seen)` for each whole request; gives its port and the requests."""
    loop, ready, seen, port = asyncio.new_event_loop(), threading.Event(), [], free_port()
    tasks = set()

    async def talk(reader, writer):
        tasks.add(asyncio.current_task())
        certificate = writer.get_extra_info("peercert")
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                seen.append((await reader.readexactly(length), certificate))
                await respond(writer, len(seen))
                await writer.drain()
        writer.close()

    async def main():
        await asyncio.start_server(talk, "127.0.0.1", port, ssl=context)
        ready.set()

    async def stop():
        everything = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
        loop.stop()

    def run():
        task = loop.create_task(main())
        loop.run_forever()
        assert task.done()
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(60)
    try:
        yield port, seen
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop)
        thread.join(60)


def always(answer):
    async def respond(writer, _number):
        writer.write(answer)

    return respond


@pytest.fixture
def frames(tmp_path):
    def write(*entries):
        path = tmp_path / "frames"
        path.write_bytes(b"".join(frame(*entry) for entry in entries))
        return path

    return write


def go(program, port, path, **how):
    return send(program, Sending(port, path, **{"seconds": 0.4, "warmup": 0.1, "connections": 2, **how}))


@pytest.mark.parametrize("answer", [OK, CHUNKED])
def test_whole_answers_are_counted_with_their_status(load_program, frames, answer):
    with serving(always(answer)) as (port, seen):
        found = go(load_program, port, frames((0, 200, post(b"one")), (0, 200, post(b"two"))))
    assert found.statuses == {200: found.completed}
    assert found.completed > 10
    assert (found.unexpected, found.lost, found.reconnects) == (0, 0, 0)
    assert {body for body, _ in seen} == {b"one", b"two"}


def test_a_status_is_judged_by_the_message_that_it_answers(load_program, frames):
    with serving(always(THROTTLED)) as (port, _):
        found = go(load_program, port, frames((0, 429, post(b"new")), (0, 503, post(b"old"))))
    assert found.statuses == {429: found.completed}
    assert 0 < found.unexpected < found.completed
    assert abs(found.unexpected - found.completed / 2) <= 2


def test_an_answer_in_pieces_is_one_answer(load_program, frames):
    async def respond(writer, _number):
        for at in range(len(OK)):
            writer.write(OK[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0)

    with serving(respond) as (port, _):
        found = go(load_program, port, frames((0, 200, post(b"x"))))
    assert found.completed > 0
    assert (found.unexpected, found.lost) == (0, 0)


@pytest.mark.parametrize(
    "answer", [b"SMTP ready\r\n\r\n", OK + b"more", b"HTTP/1.1 99 x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
)
def test_what_is_no_answer_is_lost_and_not_counted(load_program, frames, answer):
    with serving(always(answer)) as (port, _):
        found = go(load_program, port, frames((0, 200, post(b"x"))))
    assert found.completed == 0
    assert found.lost > 0


def test_a_connection_that_the_server_closes_is_made_again_and_told(load_program, frames):
    async def respond(writer, _number):
        writer.write(CLOSING)
        await writer.drain()
        writer.close()

    with serving(respond) as (port, _):
        found = go(load_program, port, frames((0, 200, post(b"x"))))
    assert found.completed > 2
    assert found.reconnects >= found.completed - 2


def test_the_open_loop_keeps_its_rate(load_program, frames):
    with serving(always(OK)) as (port, _):
        found = go(load_program, port, frames((0, 200, post(b"x"))), rate=100, seconds=0.5)
    assert abs(found.completed + found.lost - 50) <= 1


def test_latency_counts_from_when_a_request_was_due(load_program, frames):
    # One answer is withheld for 0.4 s on the only connection. Some forty requests fall due behind it; a sender that
    # starts its clock when it gets to send would see one slow answer among them, and a p50 of nothing.
    async def respond(writer, number):
        if number == 20:
            await asyncio.sleep(0.4)
        writer.write(OK)

    with serving(respond) as (port, _):
        found = go(load_program, port, frames((0, 200, post(b"x"))), rate=100, seconds=0.6, connections=1)
    assert found.latency_ms["max"] >= 390
    assert found.latency_ms["p50"] >= 20


def test_what_is_never_answered_counts_as_lost_with_the_time_that_it_waited(load_program, frames):
    async def respond(writer, number):
        if number < 10:
            writer.write(OK)

    with serving(respond) as (port, _):
        found = go(load_program, port, frames((0, 200, post(b"x"))), rate=50, seconds=0.4, connections=1)
    assert found.lost >= 10
    assert found.latency_ms["p99"] >= 1000  # the generator waits two seconds for what is outstanding


def test_every_group_shows_its_own_certificate(load_program, frames, tmp_path):
    files = issue(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.server)
    context.load_verify_locations(files.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    path = frames(*((group, 200, post(files.names[group].encode())) for group in range(len(files.names))))
    with serving(always(OK), context) as (port, seen):
        found = go(load_program, port, path, ca=files.ca, certificates=files.clients, connections=8)
    assert found.statuses == {200: found.completed}
    shown = {
        (body.decode(), dict(part[0] for part in certificate["subject"])["commonName"]) for body, certificate in seen
    }
    assert shown == {(name, name) for name in files.names}


def test_a_server_of_another_authority_is_refused(load_program, frames, tmp_path):
    (tmp_path / "other").mkdir()
    files, other = issue(tmp_path), issue(tmp_path / "other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(other.server)
    path = frames(*((group, 200, post(b"x")) for group in range(len(files.names))))
    with serving(always(OK), context) as (port, _), pytest.raises(BenchError, match="handshake failed"):
        go(load_program, port, path, ca=files.ca, certificates=files.clients, connections=4)


def test_nobody_listening_is_said(load_program, frames):
    with pytest.raises(BenchError, match="connect: Connection refused"):
        go(load_program, free_port(), frames((0, 200, post(b"x"))))


@pytest.mark.parametrize("damage", [b"", b"\x00" * 12, frame(0, 200, b"GET")[:-1], frame(99, 200, b"GET")])
def test_a_damaged_frames_file_is_said(load_program, tmp_path, damage):
    path = tmp_path / "damaged"
    path.write_bytes(damage)
    with pytest.raises(BenchError, match="frames file"):
        go(load_program, free_port(), path)


def test_a_report_is_read_in_its_units():
    report = {"seconds": 2, "completed": 10, "unexpected": 1, "broken": 2, "timed_out": 3, "unanswered": 4}
    report |= {"reconnects": 5, "own_cpu_seconds": 0.1, "statuses": {"429": 10}, "latency_us": {"p99": 1500.0}}
    found = read_report(json.dumps(report), 0.25)
    assert (found.lost, found.statuses, found.latency_ms) == (9, {429: 10}, {"p99": 1.5})
    assert (found.per_second, found.cpu_per_thousand) == (5.0, 25.0)


@pytest.mark.parametrize("line", ["", "end", "{}", "[]", '{"seconds": 1}'])
def test_what_is_no_report_is_refused(line):
    with pytest.raises(ValueError, match=r"report|Expecting"):
        read_report(line)
