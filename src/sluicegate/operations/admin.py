"""The operator's listener: status, metrics, health. It has no sign-in yet, so it stays on loopback.

Answers are made in a thread, for with hundreds of Users that takes milliseconds which no request should wait. The
counters are read while the event loop writes them: each figure is whole, and two figures may be an instant apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sluicegate.operations.metrics import registry
from sluicegate.operations.status import Rates, status

if TYPE_CHECKING:
    from starlette.requests import Request

    from sluicegate.log import BoundedQueue
    from sluicegate.operations.watch import Watched


T = TypeVar("T")


def admin_app(watched: Watched, rates: Rates, log: BoundedQueue | None = None) -> Starlette:
    """The admin API of a gateway."""
    metrics_registry = registry(watched, log)

    async def get_status(_request: Request) -> Response:
        told = await _beside(status, watched, rates)
        return JSONResponse(told, headers={"Cache-Control": "no-store"})

    async def get_metrics(_request: Request) -> Response:
        text = await _beside(generate_latest, metrics_registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        if watched.draining:
            return PlainTextResponse("draining\n", status_code=503)
        if watched.breaker_state != "closed":
            return PlainTextResponse("the upstream cannot be reached\n", status_code=503)
        return PlainTextResponse("ready\n")

    return Starlette(
        routes=[
            Route("/api/v1/status", get_status),
            Route("/metrics", get_metrics),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ]
    )


async def _beside(make: Callable[..., T], *of: object) -> T:
    """Make an answer in a thread; in the event loop where a reload changed the Users under its hands."""
    try:
        return await asyncio.to_thread(make, *of)
    except (KeyError, RuntimeError):
        return make(*of)
