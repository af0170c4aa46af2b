"""What a Python user would write: FastAPI, `limits` in memory, a client session to the upstream.

The allocation of each User and the total are fixed windows of a second. Throttled requests get 429 or 503 by version.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from fastapi import FastAPI, Request, Response
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from rule import HEADER

SETTINGS = json.loads(os.environ["BENCH_RULE"])
UPSTREAM = os.environ["BENCH_UPSTREAM"]
PASSED_ON = {"content-type"}

limiter = FixedWindowRateLimiter(MemoryStorage())


def per_second(rate: float) -> RateLimitItemPerSecond:
    """A limit of `rate` a second; below one, of one request in so many seconds."""
    return RateLimitItemPerSecond(int(rate)) if rate >= 1 else RateLimitItemPerSecond(1, round(1 / rate))


allocations = {name: per_second(rate) for name, rate in SETTINGS["allocations"].items()}
total = per_second(SETTINGS["threshold"])


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client session for the life of the server."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100)) as session:
        app.state.session = session
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/{path:path}")
async def forward(path: str, request: Request) -> Response:
    """Decide, then forward and hand the answer back."""
    body = await request.body()
    found = HEADER.search(body)
    if found is None:
        return Response("No Request header found", 400)
    originator = found[2].decode().upper()
    allocation = allocations.get(originator)
    if allocation is None:
        return Response("Unknown User", 403)
    if await limiter.hit(allocation, originator):
        await limiter.hit(total, "total")
    elif not await limiter.hit(total, "total"):
        return Response("Throttled", 429 if float(found[1]) >= 4.1 else 503, {"Retry-After": "1"})
    headers = {"Content-Type": request.headers.get("content-type", "application/xml")}
    async with request.app.state.session.post(f"{UPSTREAM}/{path}", data=body, headers=headers) as answer:
        kept = {name: value for name, value in answer.headers.items() if name.lower() in PASSED_ON}
        return Response(await answer.read(), answer.status, kept)
