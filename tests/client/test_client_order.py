"""What must follow another follows it, through lost answers and throttling; bulk goes last."""

import asyncio

from client_rig import USER, client_of, lost, message, response, run, throttled, until

DEVICE = "00-DB-12-34-56-78-90-01"


def test_a_message_to_a_device_does_not_pass_one_whose_answer_was_lost_or_that_was_throttled():
    async def go():
        hurt = {1: lost, 2: lambda: throttled(1)}
        client, seen = client_of(lambda request, count: hurt[count]() if count in hurt else response(request))
        async with client:
            await asyncio.gather(*(client.post(message(n), deadline=30) for n in range(3)))
        assert [request.content for request in seen] == [message(n) for n in (0, 0, 0, 1, 2)]

    run(go())


def test_a_chain_over_devices_goes_link_by_link_however_urgent_the_last_is():
    async def go():
        def link(n):
            before = f"{USER}:00-DB-12-34-56-78-90-{n - 1:02X}:{n - 1}" if n else None
            return message(n, device=n, preceding=before)

        client, seen = client_of(lambda request, count: lost() if count == 1 else response(request))
        async with client:
            await asyncio.gather(
                client.post(link(0), priority="reads", deadline=30),
                client.post(link(1), deadline=30),
                client.post(link(2), priority="top-ups", deadline=30),
            )
        assert [request.content for request in seen] == [link(n) for n in (0, 0, 1, 2)]

    run(go())


def test_bulk_goes_behind_what_is_in_no_class():
    async def go():
        gate = asyncio.Event()

        async def slow(request):
            await gate.wait()
            return response(request)

        client, seen = client_of(
            lambda request, count: slow(request) if count == 1 else response(request), connections=1, bulk=("top-ups",)
        )
        async with client:
            posts = [asyncio.create_task(client.post(message(0, device=0)))]
            await until(lambda: seen)
            for n, priority in enumerate(("top-ups", None, "reads"), start=1):
                posts.append(asyncio.create_task(client.post(message(n, device=n), priority=priority)))
            await until(lambda: client.waiting == 3)
            gate.set()
            await asyncio.gather(*posts)
        assert [request.content for request in seen] == [message(n, device=n) for n in (0, 3, 2, 1)]

    run(go())
