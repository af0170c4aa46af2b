"""The relay's admin listener: status, metrics, what became of SRs. On loopback: it asks nobody who he is, and changes
nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import isfinite
from typing import TYPE_CHECKING, Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sluicegate.database.errors import StoreError
from sluicegate.dispatch.parcel import KEY_OCTETS, Kind, Parcel, State
from sluicegate.duis import key_text, request_key
from sluicegate.relay.classes import shown
from sluicegate.relay.metrics import registry
from sluicegate.relay.outbox import GATEWAY, class_of
from sluicegate.relay.status import status

if TYPE_CHECKING:
    from starlette.requests import Request

    from sluicegate.log import BoundedQueue
    from sluicegate.relay.service import RelayService

DAY = 86_400.0
LISTED, MOST_LISTED = 100, 10_000


class BadRequest(ValueError):  # noqa: N818 - named after the answer
    """What was asked cannot be understood. `str()` says why."""


def admin_app(service: RelayService, log: BoundedQueue | None = None) -> Starlette:
    """The admin API of a relay; docs/relay.md lists it."""
    metrics_registry = registry(service, log)

    async def get_status(_request: Request) -> Response:
        return _json(await status(service))

    async def get_metrics(_request: Request) -> Response:
        return Response(generate_latest(metrics_registry), media_type=CONTENT_TYPE_LATEST)

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        if service.draining:
            return PlainTextResponse("draining\n", status_code=503)
        if not service.writer.alive:
            return PlainTextResponse("the writer has ended: restart the relay\n", status_code=503)
        if service.writer.failing:
            return PlainTextResponse("the store fails\n", status_code=503)
        return PlainTextResponse("ready\n")

    async def find(request: Request) -> Response:
        try:
            key = request_key(request.path_params["request_id"])
        except ValueError as error:
            raise BadRequest(f"not a RequestID: {error}") from None
        found = await service.writer.do(lambda store: store.find(key))
        told = [_found(parcel, state, code) for parcel, state, code in found]
        return _json({"found": told, "under_way": service.desk.stages(key)}, 200 if told else 404)

    async def report(request: Request) -> Response:
        now = service.clock.at()
        since, until = _number(request, "since", now - DAY), _number(request, "until", now + 1)
        most = min(MOST_LISTED, max(0, int(_number(request, "most", LISTED))))
        ends = await asyncio.to_thread(service.store.read, lambda store: store.ends(GATEWAY, since, until))
        ended = await asyncio.to_thread(
            service.store.read, lambda store: store.ended(GATEWAY, since, until, most, "acknowledged")
        )
        names = {place.rank: shown(place.name) for place in service.classes.places}
        counts = [
            {"class": names.get(rank, f"rank {rank}"), "end": end, "count": count}
            for (rank, end), count in sorted(ends.items())
        ]
        listed = [_found(parcel, state, code) | {"ended_at": at} for parcel, state, code, at in ended]
        return _json({"since": since, "until": until, "ends": counts, "not_acknowledged": listed})

    handlers: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/api/v1/status": get_status,
        "/metrics": get_metrics,
        "/healthz": healthz,
        "/readyz": readyz,
        "/api/v1/requests/{request_id}": find,
        "/api/v1/report": report,
    }
    return Starlette(
        routes=[Route(path, handler, methods=["GET"]) for path, handler in handlers.items()],
        exception_handlers={BadRequest: _refusal(400), StoreError: _refusal(503)},
    )


def _found(parcel: Parcel, state: State, code: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "request": key_text(parcel.key[:KEY_OCTETS]),
        "what": "SR" if parcel.kind is Kind.REQUEST else "answer to the callback",
        "class": shown(class_of(parcel)),
        "srv": parcel.srv,
        "came_at": parcel.accepted_at,
        "deadline": parcel.deadline,
        "attempts": parcel.attempts,
        "octets": parcel.octets,
    }
    if parcel.kind is not Kind.REQUEST:
        del told["class"]
        return told | {"state": state.name.lower(), "code": code}
    if state in (State.DELIVERED, State.RETURNED):
        end, _, why = code.partition(" ")
        return told | {"state": end, "code": why, "may_have_been_sent": bool(parcel.repeated)}
    return told | {"state": "waiting", "code": code}


def _number(request: Request, name: str, usual: float) -> float:
    try:
        number = float(request.query_params.get(name, usual))
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise BadRequest(f"`{name}` must be a number (of seconds since 1970 where it is a time)")
    return number


def _json(told: object, status: int = 200) -> Response:
    return JSONResponse(told, status_code=status, headers={"Cache-Control": "no-store"})


def _refusal(status: int) -> Callable[[Request, Exception], Response]:
    return lambda _request, error: _json({"error": str(error)}, status)
