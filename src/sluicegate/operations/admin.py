"""The operator's listener: status, metrics, health. It asks nobody who he is, so it stays on loopback.

Status and metrics are at the site of `[account]` too, for operators, approvers and viewers who have signed in.

Answers are made in a thread, for with hundreds of Users that takes milliseconds which no request should wait. The
counters are read while the event loop writes them: each figure is whole, and two figures may be an instant apart.
"""

from __future__ import annotations

import contextlib
from time import monotonic
from typing import TYPE_CHECKING, Final

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sluicegate.operations import listeners
from sluicegate.operations.beside import beside
from sluicegate.operations.fleet import showing
from sluicegate.operations.metrics import registry
from sluicegate.operations.site.app import Part
from sluicegate.operations.site.guarded import guarded, routed
from sluicegate.operations.site.openapi import operation
from sluicegate.operations.site.principal import STAFF, Principal
from sluicegate.operations.status import Rates, status

if TYPE_CHECKING:
    from starlette.requests import Request

    from sluicegate.log import BoundedQueue
    from sluicegate.operations.watch import Watched

STATUS: Final = "/api/v1/status"
METRICS: Final = "/metrics"
_STATUS: Final = {
    "type": "object",
    "required": [
        "state",
        "since",
        "maximum",
        "operating_threshold",
        "rates",
        "totals",
        "in_flight",
        "max_in_flight",
        "listeners",
        "users",
    ],
    "properties": {
        "state": {"enum": ["normal", "active"]},
        "in_flight": {"type": "integer", "minimum": 0},
        "max_in_flight": {"type": "integer", "minimum": 1},
        "listeners": listeners.SCHEMA,
        "users": {"type": "array", "items": {"type": "object"}},
    },
}


def admin_app(watched: Watched, rates: Rates, log: BoundedQueue | None = None) -> Starlette:
    """The admin API of a gateway."""
    tells = _Tells(watched, rates, log)

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        if watched.draining:
            return PlainTextResponse("draining\n", status_code=503)
        if watched.breaker_state != "closed":
            return PlainTextResponse("the upstream cannot be reached\n", status_code=503)
        ready, words = showing.readiness(watched.ledger.told(monotonic()))
        return PlainTextResponse(f"{words}\n", status_code=200 if ready else 503)

    return Starlette(
        routes=[
            Route(STATUS, tells.status),
            Route(METRICS, tells.metrics),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ]
    )


def admin_server(watched: Watched, rates: Rates, log: BoundedQueue | None = None) -> uvicorn.Server:
    """What serves it, in the event loop of the gateway, and leaves signals to that."""
    config = uvicorn.Config(
        admin_app(watched, rates, log),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=30,
        limit_concurrency=200,
        server_header=False,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    return server


def watching(watched: Watched, rates: Rates, log: BoundedQueue | None = None) -> Part:
    """Status and metrics for the site."""
    tells = _Tells(watched, rates, log)

    async def get_status(request: Request, _principal: Principal) -> Response:
        return await tells.status(request)

    async def get_metrics(request: Request, _principal: Principal) -> Response:
        return await tells.metrics(request)

    routes = [
        routed(STATUS, {"GET": guarded(get_status, STAFF)}),
        routed(METRICS, {"GET": guarded(get_metrics, STAFF)}),
    ]
    told = operation("State, rates and totals, in all and of each User", STAFF, {200: ("As it is now", _STATUS)})
    return Part(routes, {STATUS: {"get": told}})


class _Tells:
    """What a gateway tells of itself."""

    def __init__(self, watched: Watched, rates: Rates, log: BoundedQueue | None) -> None:
        self._watched = watched
        self._rates = rates
        self._registry = registry(watched, log)

    async def status(self, _request: Request) -> Response:
        told = await beside(status, self._watched, self._rates)
        return JSONResponse(told, headers={"Cache-Control": "no-store"})

    async def metrics(self, _request: Request) -> Response:
        text = await beside(generate_latest, self._registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})
