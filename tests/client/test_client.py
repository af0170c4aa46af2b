"""The client: the most urgent first, each device in order, and one tree of errors."""

import asyncio
import threading

import httpx
import pytest
from client_rig import (
    CLASSES,
    LATER,
    at_its_deadline,
    client_of,
    lost,
    message,
    never,
    passes,
    problem,
    response,
    run,
    until,
)

from sluicegate.client import AsyncClient, Client, Expired, Refused, SluicegateError, Throttled, Unreachable


def test_an_acknowledgement_is_the_answer_as_it_came():
    async def go():
        client, seen = client_of(lambda request, _: response(request))
        async with client:
            found = await client.post(message(7), priority="top-ups")
        assert (found.code, found.status, found.attempts) == ("I99", 200, 1)
        assert found.request_id.endswith(":7")
        assert b"I99" in found.body
        assert seen[0].url.path == "/api/v1/serviceS"
        assert seen[0].content == message(7)

    run(go())


def test_what_waits_goes_by_class_then_by_deadline():
    async def go():
        gate = asyncio.Event()

        async def slow(request):
            await gate.wait()
            return response(request)

        client, seen = client_of(
            lambda request, count: slow(request) if count == 1 else response(request), connections=1
        )
        async with client:
            posts = [asyncio.create_task(client.post(message(0, device=0)))]
            await until(lambda: seen)
            for counter, (priority, deadline) in enumerate(
                [(None, 90), ("reads", 90), ("top-ups", 90), ("top-ups", 50)], start=1
            ):
                posts.append(
                    asyncio.create_task(
                        client.post(message(counter, device=counter), priority=priority, deadline=deadline)
                    )
                )
            await until(lambda: client.waiting == 4)
            gate.set()
            await asyncio.gather(*posts)
        assert [request.content for request in seen] == [message(n, device=n) for n in (0, 4, 3, 2, 1)]

    run(go())


def test_messages_to_one_device_are_never_out_at_once_and_keep_their_order():
    async def go():
        out, most = 0, 0

        async def slow(request):
            nonlocal out, most
            out += 1
            most = max(most, out)
            await asyncio.sleep(0.005)
            out -= 1
            return response(request)

        client, seen = client_of(lambda request, _: slow(request))
        async with client:
            priorities = ["reads", None, "top-ups", "reads"]
            await asyncio.gather(*(client.post(message(n), priority=of) for n, of in enumerate(priorities)))
        assert most == 1
        assert [request.content for request in seen] == [message(n) for n in range(4)]

    run(go())


def test_throttled_messages_come_again_until_they_pass():
    async def go():
        client, seen = client_of(
            lambda request, count: problem(429, "throttled", **{"Retry-After": "1"}) if count < 3 else response(request)
        )
        async with client:
            found = await client.post(message(1), deadline=20)
        assert found.attempts == 3
        assert all(request.content == message(1) for request in seen)

    run(go())


def test_at_its_deadline_a_throttled_message_says_so():
    async def go():
        client, seen = client_of(lambda *_: problem(503, "throttled", **{"Retry-After": "7"}))
        async with client:
            error = await at_its_deadline(client.post(message(1), deadline=LATER), seen, 1, lambda: client.waiting == 1)
        assert isinstance(error, Throttled)
        assert error.retry_after == 7
        assert isinstance(error, SluicegateError)

    run(go())


@pytest.mark.parametrize(
    ("answer", "code"),
    [(lambda r, _: response(r, "E11"), "E11"), (lambda *_: problem(403, "unknown-user"), "unknown-user")],
)
def test_what_is_not_wanted_is_refused_at_once(answer, code):
    async def go():
        client, seen = client_of(answer)
        async with client:
            with pytest.raises(Refused) as error:
                await client.post(message(1))
        assert (error.value.code, len(seen)) == (code, 1)
        assert error.value.body

    run(go())


def test_what_is_no_service_request_is_not_sent():
    async def go():
        client, seen = client_of(lambda *_: None)
        async with client:
            with pytest.raises(Refused, match="not a Service Request"):
                await client.post(b"<x/>")
        assert seen == []

    run(go())


def lost_once(request, count):
    return lost() if count == 1 else response(request)


def test_a_message_whose_answer_was_lost_goes_again_and_says_so():
    async def go():
        client, seen = client_of(lost_once)
        async with client:
            assert (await client.post(message(1), deadline=20)).attempts == 2
        assert "Sluicegate-Repeat" not in seen[0].headers
        assert seen[1].headers["Sluicegate-Repeat"] == "yes"

    run(go())


def test_without_resend_it_is_told_at_once_that_it_may_have_been_taken():
    async def go():
        client, seen = client_of(lost_once, resend=False)
        async with client:
            with pytest.raises(Unreachable) as error:
                await client.post(message(1))
        assert (error.value.sent, len(seen)) == (True, 1)

    run(go())


def test_a_gateway_that_is_not_there_is_unreachable_at_the_deadline():
    async def go():
        async with AsyncClient("http://127.0.0.1:9") as client:
            posting = asyncio.create_task(client.post(message(1), deadline=LATER))
            await until(lambda: [one for one in client._posts.values() if one.last])
            passes(LATER)
            with pytest.raises(Unreachable) as error:
                await posting
        assert error.value.sent is False

    run(go())


def test_its_deadline_ends_one_whose_turn_did_not_come_and_closing_ends_all():
    async def go():
        client, seen = client_of(never, connections=1)
        first = asyncio.create_task(client.post(message(1, device=1), deadline=LATER))
        await until(lambda: seen)
        with pytest.raises(Expired, match="before its turn"):
            await client.post(message(2, device=2), deadline=0.05)
        waiting = asyncio.create_task(client.post(message(3, device=3), deadline=LATER))
        await until(lambda: client.waiting == 1)
        await client.close()
        with pytest.raises(Expired, match="closed"):
            await waiting
        with pytest.raises(Expired, match="closed"):
            await client.post(message(4))
        with pytest.raises(Expired, match="closed") as error:
            await first
        assert (error.value.sent, len(seen)) == (True, 1)

    run(go())


def test_the_allocation_is_learnt():
    async def go():
        def answer(request, _):
            told = response(request)
            told.headers["RateLimit-Policy"] = '"allocation";q=90;w=1'
            return told

        client, _ = client_of(answer)
        async with client:
            assert client.allocation is None
            await client.post(message(1))
            assert client.allocation == 90.0

    run(go())


@pytest.mark.parametrize("how", [{"classes": ("a", "a")}, {"classes": ("a",), "bulk": ("b",)}])
def test_classes_that_cannot_be_are_refused(how):
    with pytest.raises(ValueError, match=r"class"):
        AsyncClient("http://gateway.test", **how)


def test_a_priority_that_is_no_class_and_a_deadline_that_cannot_be_are_refused():
    async def go():
        client, _ = client_of(lambda request, _: response(request))
        async with client:
            with pytest.raises(ValueError, match="no class"):
                await client.post(message(1), priority="topups")
            for deadline in (0, -1, float("nan"), 1e9):
                with pytest.raises(ValueError, match="deadline"):
                    await client.post(message(1), deadline=deadline)

    run(go())


def test_the_blocking_client_may_be_used_from_many_threads():
    def handle(request):
        return response(request)

    found = []
    with Client("http://gateway.test", classes=CLASSES, transport=httpx.MockTransport(handle)) as client:
        threads = [
            threading.Thread(target=lambda n=n: found.append(client.post(message(n, device=n % 5)).request_id))
            for n in range(40)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(found)) == 40
    client.close()
    with pytest.raises(Expired, match="closed"):
        client.post(message(1))


def test_a_blocking_client_that_cannot_be_leaves_no_thread():
    before = threading.active_count()
    with pytest.raises(ValueError, match="same name"):
        Client("http://gateway.test", classes=("a", "a"))
    assert threading.active_count() == before
