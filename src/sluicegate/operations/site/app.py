"""The site as one application: paths, methods, and what is said where there is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from sluicegate.operations.site.guarded import Endpoint, Gate
from sluicegate.operations.site.refusal import NOT_ALLOWED, NOT_FOUND, Refusal

Paths = Mapping[str, Mapping[str, Endpoint]]
"""By path and method: what answers. A GET answers a HEAD too."""

API: Final = "/api/v1/"


class Site:
    """The application of one gateway.

    Attributes:
        answers: how many there were, by status.
    """

    def __init__(self, gate: Gate, paths: Paths) -> None:
        self.answers: dict[int, int] = {}
        routes = [Route(path, _by_method(endpoints), methods=list(endpoints)) for path, endpoints in paths.items()]
        self._app = Starlette(routes=routes, exception_handlers={HTTPException: _nothing})
        self._app.state.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                self.answers[status] = self.answers.get(status, 0) + 1
            await send(message)

        await self._app(scope, receive, counted)


def _by_method(endpoints: Mapping[str, Endpoint]) -> Endpoint:
    async def answer(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return answer


async def _nothing(_request: Request, error: Exception) -> Response:
    """A path or a method that there is not: said before anybody is asked who he is."""
    allowed = (error.headers or {}).get("Allow", "") if isinstance(error, HTTPException) else ""
    if allowed:
        return Refusal(NOT_ALLOWED, f"here: {allowed}", fields={"Allow": allowed}).answer()
    return Refusal(NOT_FOUND, f"the API is below {API}").answer()
