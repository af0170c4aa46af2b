"""However a message ends, its poster hears of it, in time and truly: deadlines, close, Ctrl-C, many threads."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from client_rig import (
    LATER,
    PATIENCE,
    at_its_deadline,
    client_of,
    lost,
    message,
    never,
    problem,
    response,
    run,
    throttled,
    until,
)

from sluicegate.client import AsyncClient, Client, Expired, Refused, Throttled, Unreachable


def test_a_message_that_was_out_at_its_deadline_may_have_been_taken():
    async def go():
        client, seen = client_of(never)
        async with client:
            error = await at_its_deadline(client.post(message(1), deadline=LATER), seen, 1)
        assert isinstance(error, Unreachable)
        assert (error.sent, len(seen)) == (True, 1)

    run(go())


def test_one_that_was_throttled_and_is_out_again_at_its_deadline_is_not_said_to_be_unprocessed():
    async def go():
        client, seen = client_of(lambda request, count: throttled(1) if count == 1 else never())
        async with client:
            error = await at_its_deadline(client.post(message(1), deadline=LATER), seen, 2)
        assert isinstance(error, Unreachable)
        assert (error.sent, len(seen)) == (True, 2)

    run(go())


def test_one_that_was_lost_and_then_throttled_may_have_been_taken():
    async def go():
        client, seen = client_of(lambda request, count: lost() if count == 1 else throttled(60))
        async with client:
            error = await at_its_deadline(client.post(message(1), deadline=LATER), seen, 2, lambda: client.waiting == 1)
        assert isinstance(error, Throttled)
        assert error.sent is True
        assert len(seen) == 2

    run(go())


def test_one_that_was_lost_and_then_refused_may_have_been_taken():
    async def go():
        client, _ = client_of(lambda request, count: lost() if count == 1 else response(request, "E11"))
        async with client:
            with pytest.raises(Refused) as error:
                await client.post(message(1), deadline=10)
        assert error.value.sent is True

    run(go())


def test_a_throttled_message_does_not_come_again_before_its_retry_after():
    async def go():
        times = []

        def answer(request, count):
            times.append(time.monotonic())
            return throttled(3) if count == 1 else response(request)

        client, _ = client_of(answer)
        async with client:
            await client.post(message(1), deadline=20)
        assert times[1] - times[0] >= 2.9

    run(go())


def test_without_resend_what_found_no_connection_is_tried_again():
    async def go():
        def answer(request, count):
            if count == 1:
                raise httpx.ConnectError("refused")
            return response(request)

        client, seen = client_of(answer, resend=False)
        async with client:
            assert (await client.post(message(1), deadline=10)).attempts == 2
        assert "Sluicegate-Repeat" not in seen[1].headers

    run(go())


@pytest.mark.parametrize("sent", [True, False])
def test_what_expired_at_a_relay_has_expired(sent):
    async def go():
        def answer(*_):
            told = problem(504, "expired")
            body = {"type": "urn:sluicegate:problem:expired", "may_have_been_sent": sent}
            return httpx.Response(504, json=body, headers={"Content-Type": told.headers["Content-Type"]})

        client, seen = client_of(answer)
        async with client:
            with pytest.raises(Expired, match="relay") as error:
                await client.post(message(1), deadline=10)
        assert (error.value.sent, len(seen)) == (sent, 1)

    run(go())


def test_posts_that_the_program_itself_breaks_off_do_not_make_the_gateway_a_failing_one():
    async def go():
        client, seen = client_of(lambda request, count: never() if count <= 5 else response(request))
        async with client:
            for counter in range(5):
                post = asyncio.create_task(client.post(message(counter, device=counter)))
                await until(lambda: len(seen) == counter + 1)  # noqa: B023
                post.cancel()
                await asyncio.gather(post, return_exceptions=True)
            assert client._pace.state(asyncio.get_running_loop().time()) != "closed"
            assert (await client.post(message(9, device=9))).attempts == 1

    run(go())


def test_a_post_that_is_broken_off_as_its_turn_comes_gives_its_connection_back():
    async def go():
        client, _ = client_of(lambda request, _: response(request), connections=1)
        async with client:
            for counter in range(20):
                for steps in range(4):
                    post = asyncio.create_task(client.post(message(counter)))
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    post.cancel()
                    await asyncio.gather(post, return_exceptions=True)
            assert client.waiting == 0
            await client.post(message(99), deadline=PATIENCE)

    run(go())


@pytest.mark.parametrize("answer", [never, lambda *_: lost(), lambda *_: throttled(60)])
def test_close_ends_every_post_at_once(answer):
    async def go():
        client, _ = client_of(answer)
        posts = [asyncio.create_task(client.post(message(n, device=n), deadline=600)) for n in range(3)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(30):  # only a close that waits for a deadline takes as long
            await client.close()
            ended = await asyncio.gather(*posts, return_exceptions=True)
        assert [type(one) for one in ended] == [Expired] * 3
        await client.close()

    run(go())


@pytest.mark.parametrize("answer", [never, lambda *_: lost(), lambda *_: throttled(60)])
def test_closing_a_blocking_client_leaves_nobody_waiting(answer):
    async def handle(request):
        told = answer(request)
        return await told if asyncio.iscoroutine(told) else told

    client = Client("http://gateway.test", transport=httpx.MockTransport(handle))
    ended = []

    def post(counter):
        try:
            client.post(message(counter, device=counter), deadline=600)
        except Expired as error:
            ended.append(error)

    threads = [threading.Thread(target=post, args=(n,), daemon=True) for n in range(4)]
    closers = [threading.Thread(target=client.close, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    for thread in closers:
        thread.start()
    for thread in (*threads, *closers):
        thread.join(60)
        assert not thread.is_alive()
    assert len(ended) == 4


def test_threads_that_post_while_another_closes_all_come_to_an_end():
    for _ in range(20):
        client = Client("http://gateway.test", transport=httpx.MockTransport(lambda request: response(request)))

        def post(client=client):
            try:
                for counter in range(50):
                    client.post(message(counter, device=counter))
            except Expired:
                pass

        threads = [threading.Thread(target=post, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.01)
        client.close()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()


PROGRAM = """
import asyncio, os, sys, threading
sys.path.insert(0, {tests!r})
import httpx
from client_rig import message
from sluicegate.client import Client, Expired

def say(line):
    os.write(1, line.encode() + b"\\n")  # whole, whoever speaks at the same time: print writes in pieces

async def never(_):
    say("out")
    await asyncio.sleep(600)

def other(client):
    try:
        client.post(message(1, device=1), deadline=600)
    except Expired as error:
        say("other: " + str(error))

try:
    with Client("http://gateway.test", transport=httpx.MockTransport(never)) as client:
        threading.Thread(target=other, args=(client,)).start()
        client.post(message(2, device=2), deadline=600)
except KeyboardInterrupt:
    say("interrupted")
"""


def test_ctrl_c_ends_a_program_that_waits_in_two_threads():
    code = PROGRAM.format(tests=str(Path(__file__).parent))
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["out\n"] * 2
        time.sleep(0.3)  # both messages are out; their threads need a moment more to wait
        process.send_signal(signal.SIGINT)
        try:
            said, complained = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, complained) == (0, "")
    assert sorted(said.splitlines()) == ["interrupted", "other: the client was closed"]


@pytest.mark.parametrize("gateway", ["gateway", "ftp://gateway", "http://", "http://[::1"])
def test_a_url_that_is_none_is_refused_at_once(gateway):
    with pytest.raises(ValueError, match="URL"):
        AsyncClient(gateway)


def test_a_service_that_is_none_is_refused():
    async def go():
        client, seen = client_of(lambda request, _: response(request))
        async with client:
            with pytest.raises(ValueError, match="service"):
                await client.post(message(1), service="../elsewhere")
        assert seen == []

    run(go())
