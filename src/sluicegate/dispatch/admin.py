"""The dispatcher's admin listener: status, metrics, back-pressure, and an operator's hand. On loopback: it asks nobody
who he is."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sluicegate.database.errors import StoreError
from sluicegate.dispatch.metrics import registry
from sluicegate.dispatch.operator import NotOfUsers, UnknownDestination
from sluicegate.dispatch.parcel import State
from sluicegate.dispatch.status import backpressure, status
from sluicegate.duis import request_key

if TYPE_CHECKING:
    from starlette.requests import Request

    from sluicegate.dispatch.service import Dispatcher
    from sluicegate.log import BoundedQueue

MOST_BODY = 65_536  # octets of an operator's request
MOST_SEQS = 5_000  # parcels that one request may name
RETURNABLE = {"parked": State.PARKED, "delayed": State.DELAYED, "ready": State.READY, "blocked": State.BLOCKED}


class BadRequest(ValueError):  # noqa: N818 - named after the answer
    """What was asked cannot be done. `str()` says why."""


class FromAPage(ValueError):  # noqa: N818 - named after what it is
    """A browser sends it for a page that it shows: no operator does."""


def _by_hand(request: Request) -> None:
    """An operator's request comes from a program, and names this machine: a web page in the operator's browser can send
    one too, and must not move anything (it cannot leave its Origin out, nor choose another Host than its own)."""
    host = request.url.hostname or ""
    try:
        here = host == "localhost" or ip_address(host).version in (4, 6)
    except ValueError:
        here = False
    if "origin" in request.headers or not here:
        raise FromAPage("this is for programs on this machine: send no Origin, and address it by its IP address")


def admin_app(dispatcher: Dispatcher, log: BoundedQueue | None = None) -> Starlette:
    """The admin API of a dispatcher; docs/dispatch.md lists it."""
    metrics_registry = registry(dispatcher, log)
    operator = dispatcher.operator

    async def get_status(_request: Request) -> Response:
        return _json(await status(dispatcher))

    async def get_backpressure(_request: Request) -> Response:
        return _json(backpressure(dispatcher))

    async def get_metrics(_request: Request) -> Response:
        return Response(generate_latest(metrics_registry), media_type=CONTENT_TYPE_LATEST)

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        if dispatcher.draining:
            return PlainTextResponse("draining\n", status_code=503)
        if not dispatcher.writer.alive:
            return PlainTextResponse("the writer has ended: restart the dispatcher\n", status_code=503)
        if dispatcher.writer.failing:
            return PlainTextResponse("the store fails\n", status_code=503)
        return PlainTextResponse("ready\n")

    async def pause(request: Request) -> Response:
        await operator.pause(_name(request), True)
        return _json({"destination": _name(request), "paused": True})

    async def resume(request: Request) -> Response:
        await operator.pause(_name(request), False)
        return _json({"destination": _name(request), "paused": False})

    async def drain(request: Request) -> Response:
        await operator.drain(_name(request), True)
        return _json({"destination": _name(request), "draining": True})

    async def undrain(request: Request) -> Response:
        await operator.drain(_name(request), False)
        return _json({"destination": _name(request), "draining": False})

    async def parked(request: Request) -> Response:
        return _json({"parked": await operator.parked(_name(request))})

    async def requeue(request: Request) -> Response:
        asked = await _asked(request)
        return _json({"requeued": await operator.requeue(_name(request), _seqs(asked))})

    async def send_back(request: Request) -> Response:
        asked = await _asked(request)
        return _json({"returned": await operator.send_back(_name(request), _states(asked))})

    async def find(request: Request) -> Response:
        try:
            key = request_key(request.path_params["request_id"])
        except ValueError as error:
            raise BadRequest(f"not a RequestID: {error}") from None
        found = await operator.find(key)
        return _json({"found": found}, 200 if found else 404)

    handlers: dict[tuple[str, str], Callable[[Request], Awaitable[Response]]] = {
        ("GET", "/api/v1/status"): get_status,
        ("GET", "/api/v1/backpressure"): get_backpressure,
        ("GET", "/metrics"): get_metrics,
        ("GET", "/healthz"): healthz,
        ("GET", "/readyz"): readyz,
        ("POST", "/api/v1/destinations/{name:path}/pause"): pause,
        ("POST", "/api/v1/destinations/{name:path}/resume"): resume,
        ("POST", "/api/v1/destinations/{name:path}/drain"): drain,
        ("POST", "/api/v1/destinations/{name:path}/undrain"): undrain,
        ("GET", "/api/v1/destinations/{name:path}/parked"): parked,
        ("POST", "/api/v1/destinations/{name:path}/requeue"): requeue,
        ("POST", "/api/v1/destinations/{name:path}/return"): send_back,
        ("GET", "/api/v1/requests/{request_id}"): find,
    }

    def checked(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            if request.method == "POST":
                _by_hand(request)
            return await handler(request)

        return handle

    return Starlette(
        routes=[Route(path, checked(handler), methods=[method]) for (method, path), handler in handlers.items()],
        exception_handlers={
            UnknownDestination: _refusal(404),
            BadRequest: _refusal(400),
            FromAPage: _refusal(403),
            NotOfUsers: _refusal(400),
            StoreError: _refusal(503),
        },
    )


def _json(told: object, status: int = 200) -> Response:
    return JSONResponse(told, status_code=status, headers={"Cache-Control": "no-store"})


def _refusal(status: int) -> Callable[[Request, Exception], Response]:
    return lambda _request, error: _json({"error": str(error)}, status)


def _name(request: Request) -> str:
    return str(request.path_params["name"])


async def _asked(request: Request) -> dict[str, Any]:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY:
            raise BadRequest(f"more than {MOST_BODY} octets")
    if not body:
        return {}
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"not JSON: {error}") from None
    if not isinstance(asked, dict):
        raise BadRequest('must be an object, such as {"seqs": [1, 2]}')
    return asked


def _seqs(asked: dict[str, Any]) -> list[int] | None:
    seqs = asked.get("seqs")
    if seqs is None:
        return None
    if not isinstance(seqs, list) or len(seqs) > MOST_SEQS or not all(type(seq) is int for seq in seqs):
        raise BadRequest(f"`seqs` must be a list of at most {MOST_SEQS} whole numbers")
    return [seq for seq in seqs if 0 < seq < 2**63]


def _states(asked: dict[str, Any]) -> list[State]:
    names = asked.get("states", ["parked"])
    if (
        not isinstance(names, list)
        or not names
        or not all(isinstance(name, str) and name in RETURNABLE for name in names)
    ):
        raise BadRequest(f"`states` must be a list of some of {', '.join(RETURNABLE)}")
    return [RETURNABLE[name] for name in names]
