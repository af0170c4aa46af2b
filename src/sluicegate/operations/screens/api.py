"""The routes of the screens. Who may come to which is said here; who comes, the site finds out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Set
from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sluicegate.front.problems import Problem
from sluicegate.operations.screens.explained import explained
from sluicegate.operations.screens.pages import asset, page
from sluicegate.operations.screens.pulse import Full, Pulse
from sluicegate.operations.screens.stream import Stream
from sluicegate.operations.screens.uplift import versions
from sluicegate.operations.site.refusal import HEADERS, Refusal

if TYPE_CHECKING:
    from sluicegate.operations.watch import Watched

LONGEST_ID: Final = 100  # characters of a RequestID that is asked for
TOO_MANY: Final = Problem("too-many-screens", 503, "Too many screens are open")
FORGOTTEN: Final = Problem("not-among-the-last", 404, "Not among the last throttled requests")

OPERATORS: Final = frozenset({"operator", "approver", "viewer"})
ALL: Final = OPERATORS | {"user"}


class Principal(Protocol):
    """Who is signed in."""

    @property
    def who(self) -> str:
        """For the audit trail."""

    @property
    def role(self) -> str:
        """`operator`, `approver`, `viewer` or `user`."""

    @property
    def user(self) -> str | None:
        """The User whose figures it may see; None: everybody's."""


Handler = Callable[[Request, Any], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]
Guarded = Callable[[Handler, Set[str]], Endpoint]
Still = Callable[[Request], Awaitable[bool]]


def routes(watched: Watched, pulse: Pulse, guarded: Guarded, still: Still) -> list[Route]:
    """All of them. `guarded` lets only the named roles come to a handler, and tells it who comes; `still` says whether
    who came with a request would be let in now."""
    screens = _Screens(watched, pulse, still)

    def get(path: str, handler: Handler, roles: Set[str]) -> Route:
        return Route(path, guarded(handler, roles), methods=["GET"])

    return [
        Route("/static/{name}", asset, methods=["GET"]),
        get("/", screens.front, ALL),
        get("/why", partial(_page, "why"), ALL),
        get("/versions", partial(_page, "versions"), ALL),
        get("/controls", partial(_page, "controls"), OPERATORS),
        get("/notices", partial(_page, "told"), OPERATORS),
        get("/campaigns", partial(_page, "campaigns"), ALL),
        get("/book", partial(_page, "book"), OPERATORS),
        get("/api/v1/live", screens.live, ALL),
        get("/api/v1/screens/series", screens.series, OPERATORS),
        get("/api/v1/screens/events", screens.events, OPERATORS),
        get("/api/v1/throttled", screens.latest, ALL),
        get("/api/v1/throttled/{request_id}", screens.why, ALL),
        get("/api/v1/versions", screens.versions, ALL),
    ]


async def _page(name: str, _request: Request, principal: Principal) -> Response:
    return page(name, principal.who, principal.role)


class _Screens:
    def __init__(self, watched: Watched, pulse: Pulse, still: Still) -> None:
        self._watched = watched
        self._still = still
        self._pulse = pulse

    async def front(self, _request: Request, principal: Principal) -> Response:
        """The first page: the operator's, or the User's own."""
        return page("operator" if principal.role in OPERATORS else "user", principal.who, principal.role)

    async def live(self, request: Request, principal: Principal) -> Response:
        """A picture once a second."""
        try:
            listener = self._pulse.join(principal.who, _own(principal))
        except Full:
            return Refusal(TOO_MANY, "close another screen, or wait", retry_after=10).answer()
        return Stream(self._pulse, listener, lambda: self._still(request))

    async def series(self, _request: Request, _principal: Principal) -> Response:
        """The last ten minutes, and the last day."""
        series = self._pulse.series
        told = await asyncio.to_thread(lambda: {"minutes": series.minutes(), "day": series.day()})
        return JSONResponse(told, headers=HEADERS)

    async def events(self, _request: Request, _principal: Principal) -> Response:
        """The timeline."""
        return JSONResponse({"events": self._pulse.timeline.told()}, headers=HEADERS)

    async def latest(self, _request: Request, principal: Principal) -> Response:
        """The newest throttled requests."""
        return await self._told(principal, None)

    async def why(self, request: Request, principal: Principal) -> Response:
        """One request, each time that it was throttled. Another User's is as unknown as one that never was."""
        return await self._told(principal, str(request.path_params["request_id"])[:LONGEST_ID])

    async def _told(self, principal: Principal, request_id: str | None) -> Response:
        ring, user = self._pulse.throttled, _own(principal)
        look = partial(ring.latest, user) if request_id is None else partial(ring.of, request_id, user)
        found = await asyncio.to_thread(look)
        if request_id is not None and not found:
            detail = (
                f"it is not among the last {ring.most:,} throttled requests: not throttled, or longer ago"
                if ring.most
                else "none are kept: [screens] throttled_kept is 0"
            )
            return Refusal(FORGOTTEN, detail).answer()
        now, wall, settings = monotonic(), time(), self._watched.settings
        told = {"kept": ring.most, "decisions": [explained(one, settings, now, wall) for one in found]}
        return JSONResponse(told, headers=HEADERS)

    async def versions(self, _request: Request, principal: Principal) -> Response:
        """The DUIS versions of each User, or of one's own."""
        told = await asyncio.to_thread(versions, self._watched, _own(principal))
        return JSONResponse(told, headers=HEADERS)


def _own(principal: Principal) -> str | None:
    """Whose figures it may see; None: everybody's. A `user` without a User sees nobody's."""
    return None if principal.role in OPERATORS else principal.user or ""
