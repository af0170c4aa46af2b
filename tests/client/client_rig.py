"""A client, and a gateway that answers as it is told."""

import asyncio
from datetime import UTC, datetime

import httpx

from sluicegate.client import AsyncClient
from sluicegate.duis import compose_request, compose_response

NOW = datetime(2026, 11, 26, tzinfo=UTC)
USER = "90-B3-D5-1F-30-01-00-00"
CLASSES = ("top-ups", "reads")
PATIENCE, LATER = 60.0, 1000.0
"""Seconds for what a test waits for, and a deadline that comes when the test says so: see `passes`."""


def message(counter, srv="2.2", device=1, **more):
    return compose_request(USER, f"00-DB-12-34-56-78-90-{device:02X}", counter, srv, **more)


def response(request, code="I99"):
    text = request.content.decode()
    request_id = text.split("RequestID>")[1].split("<")[0]
    srv = text.split("ServiceReferenceVariant>")[1].split("<")[0]
    return httpx.Response(
        200, content=compose_response(code, request_id, srv=srv, at=NOW), headers={"Content-Type": "application/xml"}
    )


def problem(status, kind, **fields):
    body = {"type": f"urn:sluicegate:problem:{kind}", "title": kind, "status": status}
    return httpx.Response(status, json=body, headers={"Content-Type": "application/problem+json", **fields})


def client_of(answer, **how):
    """A client whose gateway answers as it is told: a function of the request, or of it and how many came before."""
    seen = []

    async def handle(request):
        await request.aread()
        seen.append(request)
        told = answer(request, len(seen))
        return await told if asyncio.iscoroutine(told) else told

    return AsyncClient("http://gateway.test", classes=CLASSES, transport=httpx.MockTransport(handle), **how), seen


def run(work):
    return asyncio.run(work)


async def until(condition):
    """Wait until it is true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.002)


def passes(seconds):
    """Time, at once, for all that waits in this loop: however slow the machine is, nothing else ends meanwhile."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds


async def at_its_deadline(post, seen, attempts, waits=False):
    """What is raised by a message that has been out so often, and is out still, or waits, when its deadline comes."""
    posting = asyncio.create_task(post)
    await until(lambda: len(seen) == attempts and (not waits or waits()))
    passes(LATER)
    (ended,) = await asyncio.gather(posting, return_exceptions=True)
    return ended


def lost(*_):
    """No answer came."""
    raise httpx.ReadTimeout("no octet for 30 s")


async def never(*_):
    """No answer comes."""
    await asyncio.sleep(600)


def throttled(seconds=1):
    return problem(429, "throttled", **{"Retry-After": str(seconds)})
