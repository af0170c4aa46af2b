"""The ledger in a real Valkey, with its own clock and run: alone, promoted, in a Cluster, behind Sentinel, gone."""

import asyncio
import socket
import ssl
import time
from contextlib import ExitStack, suppress

import pytest
import trustme
import valkey
from bench.processes import free_port
from fleet_of_one import GATEWAY, TERMS, user_table
from real_valkey import running, started

from sluicegate.allocation import Book
from sluicegate.ledger.fleet.joining import Joined
from sluicegate.ledger.fleet.library import Library, library
from sluicegate.ledger.fleet.messages import Ask, Want
from sluicegate.ledger.fleet.shard import AwayError, GoneError, StaleError
from sluicegate.ledger.fleet.valkey import ValkeyShard, client
from sluicegate.settings import parse

USER = Want("u", 8.0, 4.0)
PARTED = """
[ledger]
url = "valkey://127.0.0.1:{port}"
cluster = true
parts = 3
lease = 1
"""


def ask(number: int, name: str = "w1") -> Ask:
    return Ask(name, "1", "", number, time.monotonic(), TERMS, wants=(USER,))


def at_port(stack: ExitStack, *arguments: str) -> int:
    """A server at a port of this machine."""
    port = free_port()
    stack.enter_context(running("--port", str(port), "--bind", "127.0.0.1", *arguments))
    return port


def cluster_at_port(stack: ExitStack) -> int:
    """A cluster of one node, which has all slots, at a port of this machine."""
    port = at_port(stack, "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with valkey.Valkey(port=port) as server:
        server.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        while server.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            time.sleep(0.02)
    return port


async def eventually(answered, seconds: float = 20.0):
    """What is answered at last, by a server that is coming up or being promoted."""
    end = time.monotonic() + seconds
    while True:
        try:
            return await answered()
        except AwayError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.05)


def drawn(url: str, name: str, *asks: Ask):
    """The answers to some asks, of a shard at that address."""

    async def draw():
        shard = ValkeyShard(url, name, timeout=5.0)
        try:
            return [await shard.draw(each) for each in asks]
        finally:
            await shard.close()

    return asyncio.run(draw())


def test_a_server_that_has_no_functions_yet_is_given_them(valkey_url):
    with valkey.Valkey.from_url(valkey_url) as server:
        server.function_flush("SYNC")
        (answer,) = drawn(valkey_url, "fresh", ask(1))
        assert answer.number == 1
        assert [each[1].decode() for each in server.function_list()] == [library().name]


def test_two_versions_side_by_side_share_the_books(valkey_url):
    made = library()
    later = Library(f"{made.name}_later", made.text.replace(made.name, f"{made.name}_later"))

    async def both():
        old, new = (ValkeyShard(valkey_url, "versions", timeout=5.0) for _ in range(2))
        new._functions = later
        answers = [await old.draw(ask(1)), await new.draw(ask(1, "w2")), await old.draw(ask(2))]
        await old.close()
        await new.close()
        return answers

    answers = asyncio.run(both())
    assert len({each.epoch for each in answers}) == 1
    assert answers[-1].workers == 2


def test_ledgers_of_two_names_have_nothing_to_do_with_each_other(valkey_url):
    (one,) = drawn(valkey_url, "one", ask(1))
    (other,) = drawn(valkey_url, "other", ask(1, "w2"))
    assert (one.workers, other.workers) == (1, 1)


def test_a_draw_that_came_twice_is_carried_out_once(valkey_url):
    with pytest.raises(StaleError):
        drawn(valkey_url, "twice", ask(1), ask(1))


def test_a_server_that_is_not_there_is_away_and_back_when_it_is(tmp_path):
    async def both():
        with ExitStack() as stack:
            port = free_port()
            shard = ValkeyShard(f"valkey://127.0.0.1:{port}", "gone", timeout=2.0)
            with pytest.raises(GoneError):
                await shard.draw(ask(1))
            inner = stack.enter_context(ExitStack())
            inner.enter_context(running("--port", str(port), "--bind", "127.0.0.1"))
            first = await eventually(lambda: shard.draw(ask(2)))
            inner.close()
            with pytest.raises(AwayError):  # the connection broke, which says little
                await shard.draw(ask(3))
            with pytest.raises(GoneError):
                await shard.draw(ask(3))
            stack.enter_context(running("--port", str(port), "--bind", "127.0.0.1"))
            again = await eventually(lambda: shard.draw(ask(4)))
            await shard.close()
            return first, again

    first, again = asyncio.run(both())
    assert again.epoch != first.epoch


def test_a_server_that_does_not_answer_is_away_but_perhaps_not_gone():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        shard = ValkeyShard(f"valkey://127.0.0.1:{deaf.getsockname()[1]}", "deaf", timeout=0.05)
        with pytest.raises(AwayError) as told:
            asyncio.run(shard.draw(ask(1)))
    assert told.type is AwayError


def test_a_socket_that_nobody_listens_to_is_that_of_a_server_that_is_gone(tmp_path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/left.sock")
    for name, kind in (("left", GoneError), ("another", AwayError)):
        with pytest.raises(AwayError) as told:
            drawn(f"unix://{tmp_path}/{name}.sock", "test", ask(1))
        assert told.type is kind


def test_a_replica_refuses_and_once_promoted_begins_an_epoch():
    with ExitStack() as stack:
        primary = at_port(stack)
        replica = at_port(stack, "--replicaof", "127.0.0.1", str(primary))
        (before,) = drawn(f"valkey://127.0.0.1:{primary}", "test", ask(1))
        with valkey.Valkey(port=replica) as server:
            while not server.exists("sluicegate:{test}:system"):
                time.sleep(0.02)
            with pytest.raises(AwayError):
                drawn(f"valkey://127.0.0.1:{replica}", "test", ask(2))
            server.replicaof("NO", "ONE")
        (after,) = drawn(f"valkey://127.0.0.1:{replica}", "test", ask(2))
    assert after.epoch != before.epoch
    assert (after.level, after.given[0].level) == (0.0, 0.0)


def test_a_cluster_is_drawn_from_at_the_node_that_has_the_ledger():
    with ExitStack() as stack:
        port = cluster_at_port(stack)

        async def draw():
            shard = ValkeyShard(f"valkey+cluster://127.0.0.1:{port}", "test", timeout=5.0)
            answers = [await eventually(lambda number=number: shard.draw(ask(number))) for number in (1, 2)]
            look = await shard.look()
            stack.close()
            with pytest.raises(AwayError):
                await shard.draw(ask(3))
            await shard.close()
            return answers, look

        answers, look = asyncio.run(draw())
    assert [each.number for each in answers] == [1, 2]
    assert look.workers[0].worker == "w1"


def test_sentinel_is_asked_which_server_is_the_primary(tmp_path):
    with ExitStack() as stack:
        primary = at_port(stack)
        settings = tmp_path / "sentinel.conf"
        settings.write_text(f"sentinel monitor ledger 127.0.0.1 {primary} 1\n")
        port = free_port()
        stack.enter_context(started(f"valkey://127.0.0.1:{port}", str(settings), "--sentinel", "--port", str(port)))
        url = f"valkey+sentinel://127.0.0.1:{port}/ledger"
        (answer,) = drawn(url, "test", ask(1))
        with pytest.raises(AwayError):
            drawn(f"valkey+sentinel://127.0.0.1:{port}/another", "test", ask(1))
    assert answer.number == 1


@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
def test_where_nobody_says_which_server_has_the_ledger_it_is_not_known_to_be_gone(kind):
    with pytest.raises(AwayError) as told:
        drawn(f"valkey+{kind}://127.0.0.1:{free_port()}/{'ledger' if kind == 'sentinel' else ''}", "test", ask(1))
    assert told.type is AwayError


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "h:1",
        "",
        "valkey+sentinel://h:1",
        "valkey+cluster://h,,g",
        "valkey+raft://h",
        "valkey+cluster://h:x",
    ],
)
def test_an_address_that_cannot_be_is_refused_at_once(url):
    with pytest.raises(ValueError):
        ValkeyShard(url, "test")


def test_user_password_and_tls_are_taken_from_the_address():
    made = client("valkeys://me:p%40ss@h:7/3", {})
    given = made.connection_pool.connection_kwargs
    assert (given["host"], given["port"], given["db"], given["username"], given["password"]) == (
        "h",
        7,
        3,
        "me",
        "p@ss",
    )
    assert made.connection_pool.connection_class.__name__ == "SSLConnection"
    made = client("valkeys+cluster://me:p%40ss@h:7,g", {})
    assert (made.connection_kwargs["username"], made.connection_kwargs["password"]) == ("me", "p@ss")
    made = client("valkeys+sentinel://me:p%40ss@h:7,g/s", {"socket_timeout": 1.0})
    given = made.connection_pool.connection_kwargs
    assert (given["username"], given["password"]) == ("me", "p@ss")
    assert made.connection_pool.connection_class.__name__ == "SentinelManagedSSLConnection"


def test_over_tls_it_is_drawn_from_if_the_certificate_is_good_for_the_host(tmp_path, valkey_url):
    """The server of the wheel knows no TLS: what stands before it does."""
    authority = trustme.CA()
    known = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(known)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)

    async def through(reader, writer):
        inner, outer = await asyncio.open_unix_connection(valkey_url.removeprefix("unix://"))
        await asyncio.gather(copied(reader, outer), copied(inner, writer))

    async def draw():
        async with await asyncio.start_server(through, "127.0.0.1", 0, ssl=context) as front:
            port = front.sockets[0].getsockname()[1]
            shard = ValkeyShard(f"valkeys://localhost:{port}?ssl_ca_certs={known}", "tls", timeout=5.0)
            answer = await shard.draw(ask(1))
            await shard.close()
            for url in (f"valkeys://localhost:{port}", f"valkeys://127.0.0.1:{port}?ssl_ca_certs={known}"):
                other = ValkeyShard(url, "tls", timeout=5.0)
                with pytest.raises(AwayError):
                    await other.draw(ask(2))
                await other.close()
            return answer

    assert asyncio.run(draw()).number == 1


async def copied(reader, writer):
    with suppress(OSError):
        while octets := await reader.read(65536):
            writer.write(octets)
            await writer.drain()
    writer.close()


def beside(url: str, body):
    """Run `body(shard, other)` with two shards of one ledger."""

    async def whole():
        one, other = (ValkeyShard(url, "beside", timeout=5.0) for _ in range(2))
        try:
            await body(one, other)
        finally:
            await one.close()
            await other.close()

    asyncio.run(whole())


def test_what_is_kept_beside_the_books_is_read_by_all_until_it_expires(valkey_url):
    async def body(one, other):
        assert await other.kept([]) == []
        await one.keep("a", b"\x00octets", 60.0)
        await one.keep("gone", b"x", 0.001)
        with suppress(AssertionError):
            await eventually_none(other, "gone")
        assert await other.kept(["a", "gone", "never"]) == [b"\x00octets", None, None]
        elsewhere = ValkeyShard(valkey_url, "another ledger", timeout=5.0)
        assert await elsewhere.kept(["a"]) == [None]
        await elsewhere.close()

    beside(valkey_url, body)


async def eventually_none(shard, name):
    for _ in range(1000):
        if await shard.kept([name]) == [None]:
            return
    raise AssertionError(f"{name} is still there")


def test_one_holds_it_renews_it_and_only_who_has_it_lets_go(valkey_url):
    async def body(one, other):
        assert await one.hold("writer", "one", 60.0)
        assert not await other.hold("writer", "other", 60.0)
        assert await one.hold("writer", "one", 60.0)
        assert not await other.hold("writer", "other", 0.0)
        assert not await other.hold("writer", "other", 60.0)
        assert not await one.hold("writer", "one", 0.0)
        assert await other.hold("writer", "other", 60.0)

    beside(valkey_url, body)


def test_what_is_kept_by_a_server_that_is_not_there_is_away(tmp_path):
    async def body(one, _other):
        for what in (one.keep("a", b"", 1.0), one.kept(["a"]), one.hold("a", "one", 1.0)):
            with pytest.raises(AwayError):
                await what

    beside(f"unix://{tmp_path}/nobody.sock", body)


def test_beside_the_books_a_cluster_is_asked_at_the_same_node():
    with ExitStack() as stack:
        port = cluster_at_port(stack)

        async def body(one, other):
            async def keeps():
                await one.keep("a", b"x", 60.0)
                return True

            assert await eventually(keeps)
            assert await other.kept(["a", "b"]) == [b"x", None]
            assert await one.hold("writer", "one", 60.0)
            assert not await other.hold("writer", "other", 60.0)

        beside(f"valkey+cluster://127.0.0.1:{port}", body)


def test_the_workers_of_a_ledger_in_parts_find_their_seats_in_a_cluster_and_are_looked_at_together():
    with ExitStack() as stack:
        port = cluster_at_port(stack)
        made = parse(GATEWAY + user_table("a", 0, 50) + PARTED.format(port=port))

        async def whole():
            fleet = [Joined(made.ledger, made.capacity, Book.from_settings(made)) for _ in range(4)]
            for each in fleet:
                each.start()
            assert all([await each.heard(30.0) for each in fleet])
            parts = sorted(each.shard.part for each in fleet)
            look = await fleet[0].shard.look()
            names = sorted(seen.worker for seen in look.workers)
            alone = next(each for each in fleet if each.shard.part == 1)
            await alone.stop()
            for each in fleet:
                if each is not alone:
                    await each._seat.renew()
            moved = sorted(each.shard.part for each in fleet if each is not alone)
            for each in fleet:
                await each.stop()
            left = await fleet[0].shard.look()
            for each in fleet:
                await each.close()
            return parts, look, names == sorted(each.ledger.worker.name for each in fleet), moved, left

        parts, look, all_there, moved, left = asyncio.run(whole())
        with valkey.Valkey(port=port) as server:
            slots = {server.execute_command("CLUSTER KEYSLOT", key) for key in server.keys("sluicegate:*:system")}
    assert parts == [0, 0, 1, 2]
    assert (look.parts, look.away, all_there) == (3, (), True)
    assert moved == [0, 1, 2], "one of the two at the first part goes where nobody is"
    assert left.workers == ()
    assert len(slots) == 3
