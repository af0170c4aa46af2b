"""Large bodies cross in bounded memory, and whoever is slow holds back the other side."""

import contextlib
import hashlib
import tracemalloc
from time import monotonic

from rig import PATIENCE, Client, ask, message, request, wait_for

FIRMWARE = message(srv="11.1", size=16_000_000)
FOUR_MB = 4 * 1024 * 1024


def peak_of(work) -> int:
    """Octets that the work needed at most, as Python counts them, both sides of the gateway included."""
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def taking_in(line) -> None:
    """Reads bodies without keeping them, and answers with how much it was and its digest."""
    while heard := line.head():
        left, digest = int(heard.all("Content-Length")[0]), hashlib.sha256()
        size = left
        while left:
            piece = line._exactly(min(left, 65_536))
            digest.update(piece)
            left -= len(piece)
        line.answer(f"{size} {digest.hexdigest()}".encode())


def test_a_firmware_message_crosses_in_bounded_memory(gateway, upstream) -> None:
    upstream.script = taking_in
    running = gateway()
    octets = request(FIRMWARE)
    held = []

    def send() -> None:
        with Client(running.port) as client:
            view = memoryview(octets)
            for at in range(0, len(octets), 1_000_000):
                client.sock.sendall(view[at : at + 1_000_000])
                held.append(running.gateway.buffered)
            assert client.answer().body.decode() == f"{len(FIRMWARE)} {hashlib.sha256(FIRMWARE).hexdigest()}"

    assert peak_of(send) < FOUR_MB
    assert max(held) <= 600_000
    running.settled()


def test_an_upstream_that_reads_slowly_holds_the_sender_back(gateway, upstream) -> None:
    def script(line) -> None:
        heard = line.head()
        line.upstream.released.wait()
        line.body(heard)
        line.upstream.requests.append(heard)
        line.answer()

    upstream.script = script
    running = gateway(gateway={"max_body_bytes": 80_000_000}, gateway__timeouts={"body": 1.5})
    large = FIRMWARE + b" " * 60_000_000  # more than the system's own buffers take in
    octets = memoryview(request(large))
    with Client(running.port) as client:
        client.sock.settimeout(1.0)
        sent = 0
        try:
            while sent < len(octets):
                sent += client.sock.send(octets[sent : sent + 65_536])
        except TimeoutError:
            pass
        assert sent < len(octets), "it is held back, however much it would like to send"
        transport = running.gateway._reception.connections.copy().pop().exchange.upstream.transport
        assert transport.get_write_buffer_size() < 1_000_000
        assert client.silent(2.0), "it is not the sender that is slow: no 408"
        client.sock.settimeout(PATIENCE)
        upstream.released.set()
        client.sock.sendall(octets[sent:])
        assert client.answer().status == 200
    assert upstream.requests[0].body == large


def test_an_upstream_that_reads_nothing_is_504(gateway, upstream) -> None:
    upstream.script = lambda line: line.head() and line.upstream.released.wait()
    running = gateway(gateway__timeouts={"body": 0.3, "upstream_total": 0.8})
    with Client(running.port) as client:
        with contextlib.suppress(ConnectionError):  # for as long as it takes: a sender that pauses is slow itself
            client.sock.sendall(request(FIRMWARE))
        assert client.answer().kind == "upstream-too-slow"
    running.settled()


def test_a_sender_that_reads_slowly_holds_the_upstream_back(gateway, upstream) -> None:
    size, piece = 50_000_000, b"x" * 100_000
    sent = []

    def script(line) -> None:
        while line.request():
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(0, size, len(piece)):
                line.send(piece)
                sent.append(len(piece))

    upstream.script = script
    running = gateway(gateway__timeouts={"upstream_response": 1.5})

    def read() -> None:
        with Client(running.port, receive_buffer=65_536) as client:
            client.send(request())
            wait_for(lambda: sent)
            assert client.answer(head_only=True).status == 200
            before = -1
            while before != len(sent):  # until it stands still
                before = len(sent)
                upstream.released.wait(1.0)
            assert sum(sent) < size / 2, "the upstream is held back"
            left, zeros = size - len(client._buffer), memoryview(bytearray(1 << 20))
            client._buffer = b""
            while left:
                got = client.sock.recv_into(zeros, min(left, len(zeros)))
                assert got, f"{left} octets are missing"
                left -= got
            client.sock.settimeout(PATIENCE)
            assert client.send(request()).answer(head_only=True).status == 200

    assert peak_of(read) < FOUR_MB * 2
    upstream.released.set()


def test_an_abandoned_answer_is_thrown_away_and_not_gathered(gateway, upstream) -> None:
    done = []

    def script(line) -> None:
        line.request()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\nx")
        line.upstream.released.wait()
        piece = b"x" * 100_000
        for _ in range(499):
            line.send(piece)
        line.send(piece[:-1])
        done.append(True)
        while line.request():
            line.answer()

    upstream.script = script
    running = gateway()
    with Client(running.port) as client:
        client.send(request())
        assert client.answer(head_only=True).status == 200
        client.reset()
    wait_for(lambda: running.gateway.totals.abandoned == 1)

    def take_in() -> None:
        upstream.released.set()
        wait_for(lambda: done)
        running.settled()

    assert peak_of(take_in) < FOUR_MB
    assert ask(running.port).status == 200


def test_a_sender_that_leaves_while_it_reads_slowly_leaves_no_place_taken(gateway, upstream) -> None:
    def script(line) -> None:
        while line.request():
            line.answer(b"x" * 20_000_000)

    upstream.script = script
    running = gateway()
    with Client(running.port, receive_buffer=4096) as client:
        client.send(request())
        assert client.answer(head_only=True).status == 200
        connection = running.gateway._reception.connections.copy().pop()
        wait_for(lambda: connection.exchange.upstream.held)
        client.reset()
    running.settled()


def test_a_slow_reader_that_asked_for_close_gets_all_of_its_answer(gateway, upstream) -> None:
    def script(line) -> None:
        while line.request():
            line.answer(b"x" * 8_000_000)

    upstream.script = script
    running = gateway()
    with Client(running.port, receive_buffer=4096) as client:
        client.send(request(None, "Connection: close"))
        connection = wait_for(lambda: [c for c in running.gateway._reception.connections.copy() if c._full])[0]
        assert client.answer(head_only=True).status == 200
        left = 8_000_000 - len(client._buffer)
        while not connection._closing:  # until all that is left is in the gateway's hands
            left -= len(client.sock.recv(100_000))
        assert connection.deadline - monotonic() > 10, "a slow reader is given time to take the rest"
        while left:
            got = len(client.sock.recv(100_000))
            assert got
            left -= got
