"""A gateway as the screens see it, without its sockets, and its pages on a real port for a real browser."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sluicegate.allocation import Book
from sluicegate.duis import Header
from sluicegate.http.bounded import BoundedProtocol
from sluicegate.ledger import LocalLedger
from sluicegate.operations.notices.api import NoticesApi
from sluicegate.operations.notices.service import Notices
from sluicegate.operations.screens.api import ALL, OPERATORS, routes
from sluicegate.operations.screens.pulse import Pulse
from sluicegate.operations.screens.throttled import Throttled
from sluicegate.operations.site.refusal import FOREIGN, Refusal
from sluicegate.operations.status import Rates
from sluicegate.operations.store.worker import Worker
from sluicegate.operations.tally import Tally, Totals
from sluicegate.settings import parse
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN

CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"  # noqa: E501
PATIENCE = 60.0  # seconds after which a test that waits has failed
DEVICE = "00-DB-12-34-56-78-90-A0"
KINDS = ("Supplier", "Networks", "Energy", "Power", "Gas")
PLACES = ("Alder", "Birch", "Cedar", "Dover", "Elm", "Firth", "Glen", "Heath", "Isle", "Juniper")


def names(count: int) -> list[str]:
    """So many Users, as they might be called."""
    return [f"{PLACES[n % 10]} {KINDS[n // 10 % 5]}{f' {n // 50 + 1}' if n >= 50 else ''}" for n in range(count)]


def configuration(
    users: list[tuple[str, float]], maximum: float, threshold: float, duis: str = "4.1",
    channels: Mapping[str, Sequence[str]] | None = None,
) -> str:  # fmt: skip
    """`channels`: by User, the lines of each."""
    text = f"""
[capacity]
maximum = {maximum}
operating_threshold = {threshold}
[responses]
too_many_requests_from_duis = "{duis}"
[gateway]
upstream = "http://127.0.0.1:1"
identity = "originator"
"""
    if channels:
        text += '[operations]\ndatabase = "operations.db"\n'
    for n, (name, allocation) in enumerate(users):
        role = ("IS", "GS", "ED", "GT", "ES")[n % 5]
        text += (
            f'[[user]]\nname = "{name}"\nids = ["90-B3-D5-1F-30-{n:06X}"]\nrole = "{role}"\nallocation = {allocation}\n'
        ).replace(f"{n:06X}", f"{n >> 16:02X}-{n >> 8 & 255:02X}-{n & 255:02X}")
        text += "".join(f"[[user.channel]]\n{lines}\n" for lines in (channels or {}).get(name, ()))
    return text


class Seats:
    taken = 3


class Clock:
    """Time that stands until it is told to go on."""

    def __init__(self, now: float = 1000.0, wall: float = 1_800_000_000.0) -> None:
        self.now = now
        self.wall = wall

    def go(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds


class Standing:
    """What operations look at. `send` decides with the real throttle, and counts as the gateway does."""

    recorder = accounts = site = backpressure = last_reload_error = governed = history = notices = telemetry = None
    colleagues = None
    breaker_state = "closed"
    upstream_connections = 12
    buffered = 0
    draining = False

    def __init__(self, text: str, now: float = 1000.0, kept: int = 1000) -> None:
        self.settings = self.file = parse(text)
        self.book = Book.from_settings(self.settings)
        self.ledger = LocalLedger(self.settings.capacity, self.book, now)
        self.totals = Totals()
        self.tallies = {holder.name: Tally() for holder in self.book.holders}
        self.in_flight = {holder.name: Seats() for holder in self.book.holders}
        self.rates = Rates(now)
        self.throttled = Throttled(kept)
        self.counter = 0

    def send(self, user: str, now: float, times: int = 1, version: str = "5.4", drill: bool = False) -> str:
        """So many requests of one User at a time; the last one's RequestID."""
        account, tally = self.ledger.account(user), self.tallies[user]
        originator = next(one.ids[0][0] for one in self.book.holders if one.name == user)
        for _ in range(times):
            self.counter += 1
            header = Header(
                Decimal(version), f"{originator}:{DEVICE}:{self.counter}", originator, DEVICE, self.counter, 1,
                "2.2", "2.2", None, None,
            )  # fmt: skip
            tally.saw_version(header.version)
            outcome = THROTTLED if drill else self.ledger.decide(account, 1.0, now)
            if outcome == WITHIN:
                tally.within += 1
            elif outcome == EXCESS:
                tally.excess += 1
            else:
                tally.throttled += 1
                least = self.settings.responses.too_many_requests_from_duis
                status = 429 if least is not None and header.version >= least else 503
                tally.answered_429 += status == 429
                tally.answered_503 += status == 503
                advice = self.ledger.retry_after(account, 1.0, now)
                self.throttled.take(self.ledger.throttle, account, header, now, 1.0, 0.0, status, advice, drill)
        return header.request_id

    def look(self, now: float) -> None:
        self.rates.look(self.tallies, now)


class Principal(NamedTuple):
    who: str
    role: str
    user: str | None = None

    @property
    def told(self) -> str:
        return self.who


class CookieGate:
    """As `guarded_by`, for routes that the site's own `guarded` stands before."""

    async def principal(self, request: Request) -> Any:
        if request.method != "GET" and request.headers.get("x-csrf-token") != "a-token":
            raise Refusal(FOREIGN, "a page of another site sent this")
        role, _, user = (request.cookies.get("as", "") or "operator").partition(":")
        return Principal(user or role, role, user.replace("_", " ") or None)


def guarded_by(default: Principal) -> Callable[..., Any]:
    """As the site does it, but the cookie `as` says who asks: `role` or `user:NAME`. The policy is the site's."""

    def guarded(handler: Any, roles: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            said = request.cookies.get("as", "")
            role, _, user = said.partition(":")
            role, _, name = role.partition("/")
            principal = Principal(user or name or role, role, user.replace("_", " ") or None) if said else default
            if principal.role not in roles:
                return JSONResponse({"title": "Not for you"}, 403)
            answer = await handler(request, principal)
            answer.headers["Content-Security-Policy"] = CSP
            return answer

        return endpoint

    return guarded


class Controls:
    """What the controls answer (`operations/controls/api.py`), and what was asked of them."""

    def __init__(self) -> None:
        self.in_force: list[dict[str, Any]] = []
        self.last: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []

    async def show(self, _request: Request, _principal: Any) -> Response:
        return JSONResponse({"in_force": self.in_force, "last": self.last})

    async def session(self, _request: Request, principal: Any) -> Response:
        return JSONResponse({"who": principal.who, "role": principal.role, "csrf": "a-token"})

    async def put(self, request: Request, principal: Any) -> Response:
        if request.headers.get("x-csrf-token") != "a-token":
            return JSONResponse({"title": "a page of another site sent this"}, 403)
        body = await request.json()
        self.asked.append(body)
        if body.get("value") == 666:
            return JSONResponse({"title": "This control cannot be", "detail": "666 is too much"}, 422)
        meaning = f"{body.get('user') or 'Everybody'} gets another life: {body.get('value')}."
        if not body["confirmed"]:
            return JSONResponse({"meaning": meaning, "confirmed": False})
        made = {
            "control": len(self.asked), "do": body["do"], "user": body.get("user"), "value": body.get("value"),
            "made_at": "2026-11-26T12:00:00Z", "until": "2026-11-26T18:00:00Z" if body.get("seconds") else None,
            "by": principal.who, "reason": body["reason"],
        }  # fmt: skip
        self.in_force.append(made)
        self.last.insert(0, made | {"ended_at": None})
        return JSONResponse({"meaning": meaning, "confirmed": True, "control": made}, 201)

    async def end(self, request: Request, _principal: Any) -> Response:
        self.asked.append(await request.json())
        number = int(request.path_params["control"])
        self.in_force = [one for one in self.in_force if one["control"] != number]
        return JSONResponse({"control": {}})


class Served:
    """The pages of a gateway on a port of loopback, in a thread. `store`: where its notices are; None: it has none."""

    def __init__(
        self,
        watched: Standing,
        pulse_of: Callable[[Standing], Pulse] | None = None,
        store: str | None = None,
        kept: Any = None,
    ) -> None:
        self.watched = watched
        self.kept = kept  # what stands on a database: see `rig_book`
        self.store = store
        self.notices: Notices | None = None
        self.controls = Controls()
        self.signed_in = True
        self._make = pulse_of or (lambda w: Pulse(w, w.rates, w.throttled))
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _still(self, _request: Request) -> bool:
        return self.signed_in

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.pulse = self._make(self.watched)
        await self.pulse.start()
        guarded = guarded_by(Principal("Olga Perator", "operator"))
        told: list[Route] = []
        if self.store is not None:
            worker = Worker(self.store)
            self.notices = Notices(self.watched.settings, worker)
            await self.notices.start()
            told = NoticesApi(self.watched, worker, self.notices).routes()
        app = Starlette(
            routes=[
                *told,
                *routes(self.watched, self.pulse, guarded, self._still),
                Route("/api/v1/session", guarded(self.controls.session, ALL), methods=["GET"]),
                Route("/api/v1/controls", guarded(self.controls.show, OPERATORS), methods=["GET"]),
                Route("/api/v1/controls", guarded(self.controls.put, {"operator"}), methods=["POST"]),
                Route("/api/v1/controls/{control}/end", guarded(self.controls.end, {"operator"}), methods=["POST"]),
            ]
        )
        app.state.gate = CookieGate()
        if self.kept is not None:
            app.router.routes.extend(self.kept.routes(self.watched))
            app.state.gate = self.kept
        config = uvicorn.Config(
            app, http=BoundedProtocol, log_config=None, lifespan="off", port=0, timeout_graceful_shutdown=1
        )
        self.server = uvicorn.Server(config)
        self.server.install_signal_handlers = lambda: None
        serving = asyncio.create_task(self.server.serve())
        while not self.server.started:
            await asyncio.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self._ready.set()
        await serving
        await self.pulse.stop()
        if self.notices is not None:
            await self.notices.stop()
            worker.close()

    def stop(self) -> None:
        """As a gateway that is gone: its connections end, and there are no new ones."""
        self.server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
