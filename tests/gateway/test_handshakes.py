"""Storms at the door: whoever knocks, and however, those who are connected have their answers."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import resource
import socket
import ssl
import threading
from collections import Counter

import pytest
from pki import LARGE_SUBJECT, Authority, client_context, descriptors, dial, over_tls, own_tls, users
from rig import Client, message, request, wait_for

from sluicegate.front import listener
from sluicegate.front.listener import Door, descriptors_for_senders

ROOM, FROM_ONE = 40, 10  # instead of 1,000 and 250, so that few sockets make a storm
RATE, AT_ONCE = 150, 8
ADDRESSES = [f"127.0.0.{n}" for n in range(2, 8)]
REQUESTS = 100


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def context(authority):
    """What the User Large shows."""
    return client_context(authority, authority.issue(LARGE_SUBJECT))


class Watch:
    """What a door did: when handshakes began, by its own clock, and the most of everything at once."""

    def __init__(self, monkeypatch):
        self.began: list[tuple[float, str]] = []
        self.most: Counter[str] = Counter()
        self._now = 0.0
        clock, enter, receive = listener.monotonic, Door._enter, Door._receive

        def monotonic():
            self._now = clock()
            return self._now

        def watched_enter(door, connection, address, tls):
            self.began.append((self._now, address))
            enter(door, connection, address, tls)
            self._look(door)

        def watched_receive(door, connection, address):
            receive(door, connection, address)
            self._look(door)

        monkeypatch.setattr(listener, "monotonic", monotonic)
        monkeypatch.setattr(Door, "_enter", watched_enter)
        monkeypatch.setattr(Door, "_receive", watched_receive)
        monkeypatch.setattr(listener, "MOST_KNOCKING", ROOM)
        monkeypatch.setattr(listener, "MOST_FROM_ONE", FROM_ONE)

    def _look(self, door):
        counts = {
            "waiting": sum(door._outside.values()),
            "waiting from one": max(door._outside.values(), default=0),
            "shaking": sum(door.shaking.values()),
            "shaking from one": max(door.shaking.values(), default=0),
        }
        assert counts["waiting"] == len(door._silent) + sum(map(len, door._knocking.values()))
        for what, count in counts.items():
            self.most[what] = max(self.most[what], count)

    def check(self):
        """The bounds of the door, at every moment that was looked at."""
        assert self.most["waiting"] <= ROOM
        assert self.most["waiting from one"] <= FROM_ONE
        assert self.most["shaking"] <= AT_ONCE
        assert self.most["shaking from one"] <= AT_ONCE // 4
        burst = max(1.0, RATE / 10)
        for first, (since, _) in enumerate(self.began):
            for last, (until, _) in enumerate(self.began[first:], first):
                assert last - first + 1 <= burst + RATE * (until - since) + 1e-6


@pytest.fixture
def watch(monkeypatch):
    return Watch(monkeypatch)


@pytest.fixture
def front(watch, gateway, authority):
    """A gateway with a small door, and nobody throttled."""
    return gateway(
        users=tuple({**user, "allocation": 100_000} for user in users()),
        capacity={"maximum": 1_000_000, "operating_threshold": 1_000_000},
        gateway__limits={"handshakes_per_second": RATE, "handshakes_at_once": AT_ONCE},
        gateway__timeouts={"handshake": 1.0},  # those who mean it need to end theirs, on a busy machine too
        **own_tls(authority.server(), authority),
    )


def hello(context):
    """A ClientHello."""
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="127.0.0.1").do_handshake()
    return out.read()


class Storm:
    """Threads that open connections, one address each, until told to stop; `open` of them are kept at a time."""

    def __init__(self, port, addresses, say, context=None, kept=30):
        self.made = 0
        self.failed: list[BaseException] = []
        self._port, self._say, self._context, self._kept = port, say, context, kept
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._rage, args=(address,), daemon=True) for address in addresses]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        wait_for(lambda: self.made > 2 * ROOM or self.failed, "the storm does not come up")
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads)
        assert self.failed == []

    def _rage(self, address):
        held: list[socket.socket] = []
        try:
            while not self._over.wait(0.001):
                with contextlib.suppress(OSError):
                    held.append(self._connect(address))
                self.made += 1
                while len(held) > self._kept:
                    held.pop(0).close()
        except BaseException as error:
            self.failed.append(error)
        finally:
            for sock in held:
                sock.close()

    def _connect(self, address):
        sock = dial(self._port, address)
        try:
            if self._context is not None:
                return self._context.wrap_socket(sock, server_hostname="127.0.0.1")
            if self._say:
                sock.sendall(self._say)
        except OSError:
            sock.close()
            raise
        return sock


STORMS = ["say nothing", "leave at once", "speak no TLS", "begin a record", "begin a handshake", "shake hands"]


def storm(kind, port, addresses, authority, context):
    say = {"begin a record": b"\x16", "speak no TLS": b"POST / HTTP/1.1\r\n\r\n", "begin a handshake": hello(context)}
    nobody = client_context(authority, authority.issue("CN=nobody"))
    return Storm(
        port,
        addresses,
        say.get(kind, b""),
        nobody if kind == "shake hands" else None,
        kept=0 if kind in ("leave at once", "shake hands") else 30,
    )


def settled(front):
    """Nothing of any connection is left at the door."""
    door = front.gateway._door
    wait_for(lambda: not (door._outside or door._silent or door._knocking or door.shaking), "somebody still waits")
    wait_for(lambda: not (door._inside or front.gateway._reception.connections), "somebody is still inside")


@pytest.mark.parametrize("addresses", [ADDRESSES[:1], ADDRESSES], ids=["one address", "several addresses"])
@pytest.mark.parametrize("kind", STORMS)
def test_a_storm_of_handshakes_does_not_starve_those_already_connected(
    front, watch, upstream, authority, context, kind, addresses
):
    with over_tls(front.port, context) as client:
        assert client.send(request()).answer().status == 200
    settled(front)
    gc.collect()  # what earlier tests have left is not to go meanwhile
    before = descriptors()  # with one connection to the upstream, which stays
    with over_tls(front.port, context) as client, storm(kind, front.port, addresses, authority, context) as raging:
        so_far = raging.made
        counter = 0
        while counter < REQUESTS or raging.made < so_far + ROOM:
            assert client.send(request(message(counter=counter))).answer().status == 200
            counter += 1
    watch.check()
    settled(front)
    assert len(upstream.lines) == 1
    wait_for(lambda: descriptors() == before, "descriptors leak")
    with over_tls(front.port, context) as client:
        assert client.send(request()).answer().status == 200


def test_the_watch_sees_handshakes_that_begin_too_fast(front, watch, context):
    for _ in range(3):
        over_tls(front.port, context).close()
    watch.check()
    watch.began += [(watch.began[-1][0], "127.0.0.1")] * RATE
    with pytest.raises(AssertionError):
        watch.check()


def test_what_speaks_no_tls_or_leaves_costs_nobody_a_turn(front, watch, context):
    for octets in (b"", b"\x15", b"GET / HTTP/1.1\r\n\r\n", bytes(100)):
        sock = dial(front.port)
        sock.sendall(octets)
        with contextlib.suppress(OSError):  # it may be closed already
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(100) == b""
        sock.close()
    wait_for(lambda: front.desk.totals.handshake_failures == 4)
    assert watch.began == []


@pytest.mark.parametrize("said", [b"", b"\x16"], ids=["nothing", "one octet"])
def test_one_address_does_not_take_the_room_of_others(front, watch, context, said):
    many = [dial(front.port, ADDRESSES[0]) for _ in range(2 * ROOM)]
    for sock in many:
        with contextlib.suppress(OSError):
            sock.sendall(said)
    with over_tls(front.port, context) as client:
        assert client.send(request()).answer().status == 200
    watch.check()
    for sock in many:
        sock.close()


@pytest.mark.parametrize("said", [b"", b"\x16"], ids=["nothing", "one octet"])
def test_a_newcomer_finds_room_though_many_addresses_fill_it(front, watch, context, said):
    many = [dial(front.port, address) for _ in range(FROM_ONE) for address in ADDRESSES]
    for sock in many:
        with contextlib.suppress(OSError):
            sock.sendall(said)
    door = front.gateway._door
    wait_for(lambda: len(door._silent) + len(door.shaking) + len(door._knocking) > 0)
    with over_tls(front.port, context) as client:
        assert client.send(request()).answer().status == 200
    watch.check()
    for sock in many:
        sock.close()


def test_those_who_queue_make_room_for_an_address_that_has_fewer(watch, gateway, authority):
    front = gateway(
        users=users(), gateway__limits={"handshakes_per_second": 1}, **own_tls(authority.server(), authority)
    )
    door = front.gateway._door
    many = [dial(front.port, address) for _ in range(FROM_ONE) for address in ADDRESSES[:4]]
    for sock in many:
        sock.sendall(b"\x16")
    wait_for(lambda: not door._silent)
    address = "127.0.0.99"
    for wanted in range(1, 4):
        many.append(dial(front.port, address))
        many[-1].sendall(b"\x16")
        wait_for(lambda n=wanted: len(door._knocking.get(address, ())) + door.shaking.get(address, 0) == n)
    assert watch.most["waiting"] <= ROOM
    for sock in many:
        sock.close()


def test_a_connection_that_says_nothing_or_stops_in_the_middle_is_ended(front, context):
    for said in (b"", b"\x16\x03", hello(context)[:50]):
        with Client(front.port, dial(front.port)) as client:
            client.send(said).ended()
    settled(front)


def test_garbage_in_a_handshake_breaks_nothing(front, context):
    right = hello(context)
    for number in range(0, len(right), 16):
        damaged = bytearray(right)
        damaged[max(1, number)] ^= 0x55
        with Client(front.port, dial(front.port)) as client, contextlib.suppress(OSError):
            client.send(bytes(damaged)).end_sending().ended()
    settled(front)
    with over_tls(front.port, context) as client:
        assert client.send(request()).answer().status == 200


def test_a_full_house_takes_nobody_more_and_keeps_those_inside(gateway, authority, context):
    front = gateway(users=users(), gateway__limits={"connections": 2}, **own_tls(authority.server(), authority))
    with over_tls(front.port, context) as one:
        assert one.send(request()).answer().status == 200
        two = over_tls(front.port, context)
        assert two.send(request()).answer().status == 200
        with pytest.raises(OSError):
            over_tls(front.port, context)
        for client in (one, two):
            assert client.send(request()).answer().status == 200
        two.close()
    wait_for(lambda: not front.gateway._reception.connections)
    with over_tls(front.port, context) as client:
        assert client.send(request()).answer().status == 200


# --- descriptors


def test_where_there_are_no_more_descriptors_the_door_rests(monkeypatch):
    class Listening:
        def accept(self):
            raise OSError(errno.EMFILE, "Too many open files")

        def fileno(self):
            return 9

    calls = []

    class Loop:
        def add_reader(self, *words):
            calls.append(("add", words[0]))

        def remove_reader(self, descriptor):
            calls.append(("remove", descriptor))

        def call_later(self, seconds, what):
            calls.append(("later", seconds))
            what()

    class Reception:
        loop = Loop()

    Door(Reception(), Listening(), None)._accept()
    assert calls == [("add", 9), ("remove", 9), ("later", listener.REST), ("add", 9)]


@pytest.mark.parametrize(
    ("limits", "expected", "raised"),
    [
        ((20_000, 20_000), 20_000 - 2000 - 200, None),
        ((1024, 1_048_576), 7200 - 2000 - 200, 7200),
        ((1024, -1), 7200 - 2000 - 200, 7200),
        ((-1, -1), float("inf"), None),
        ((1024, 4096), (4096 - 200) * 4000 / 6000, 4096),
        ((100, 100), 75 * 4000 / 6000, None),
    ],
)
def test_some_descriptors_are_for_the_upstream_whatever_the_limit(monkeypatch, limits, expected, raised):
    made = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: made.append(wanted))
    assert descriptors_for_senders(4000, 2000) == pytest.approx(expected)
    assert made == ([] if raised is None else [(raised, limits[1])])


def test_a_door_that_has_met_the_limit_of_descriptors_opens_again(process, upstream):
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    front = process()
    # What it may open is cut while it runs, so that it meets the wall itself.
    used = len(os.listdir(f"/proc/{front.process.pid}/fd"))
    resource.prlimit(front.process.pid, resource.RLIMIT_NOFILE, (used + 30, hard))
    crowd = [dial(front.port) for _ in range(60)]
    for sock in crowd:
        sock.close()
    with Client(front.port) as client:
        assert client.send(request()).answer().status == 200
    assert front.stop() == 0
