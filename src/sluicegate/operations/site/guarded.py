"""Every endpoint stands behind its roles, and turns what goes wrong into a problem document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, Protocol, cast
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sluicegate.log import logger
from sluicegate.operations.site.principal import ROLES, Principal
from sluicegate.operations.site.refusal import FAILED, HEADERS, NO_TOKEN, NOT_YOURS, UNAVAILABLE, Refusal
from sluicegate.operations.store.worker import InDoubt, Unavailable

SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
"""Methods that change nothing."""
SIGN_IN: Final = "/sign-in"
"""Where a person signs in."""

Handler = Callable[[Request, Principal], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


class Gate(Protocol):
    """Knows who asks. An application of guarded endpoints has one as `app.state.gate`."""

    async def principal(self, request: Request) -> Principal:
        """Who asks. Raises Refusal where nobody has signed in, or a change does not come from a page of ours.

        Raises Unavailable where that cannot be looked up now.
        """

    async def still(self, request: Request) -> bool:
        """Whether who has asked this may still ask it. Raises Unavailable."""


def guarded(handler: Handler, roles: Collection[str]) -> Endpoint:
    """An endpoint for these roles only. What the handler raises as Refusal or Unavailable becomes its answer.

    Raises:
        ValueError: a role that there is not.
    """
    unknown = set(roles) - set(ROLES)
    if unknown or not roles:
        raise ValueError(f"no roles: {sorted(unknown)}" if unknown else "an endpoint that nobody may ask")
    allowed = frozenset(roles)

    async def ask(request: Request) -> Response:
        try:
            principal = await cast("Gate", request.app.state.gate).principal(request)
        except Refusal as refusal:
            if refusal.problem is NO_TOKEN and _a_page_is_wanted(request):
                return RedirectResponse(f"{SIGN_IN}?next={quote(_here(request), safe='')}", 303, HEADERS)
            raise
        if principal.role not in allowed:
            raise Refusal(NOT_YOURS, f"this is for {', '.join(sorted(allowed))}, and you are {principal.role}")
        return await handler(request, principal)

    return answering(ask)


async def still_in(request: Request) -> bool:
    """Whether who was let in with this request would be now: for an answer that lasts. Who cannot be looked up, is."""
    try:
        return await cast("Gate", request.app.state.gate).still(request)
    except Unavailable:
        return True


def routed(path: str, endpoints: Mapping[str, Endpoint]) -> Route:
    """A route whose methods have each their own endpoint, and so their own roles. HEAD is as GET."""

    async def endpoint(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, endpoint, methods=list(endpoints))


def answering(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose failures are answers. It asks nobody who he is: for signing in, and for `guarded`."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refusal as refusal:
            return refusal.answer()
        except Unavailable as error:
            return _unavailable(error, in_doubt=isinstance(error, InDoubt) and request.method not in SAFE)
        except ClientDisconnect:
            return Response(status_code=400)  # to nobody
        except Exception:
            logger().exception("the site failed", path=request.url.path)
            return Refusal(FAILED, "the log of the gateway says why").answer()

    return answer


def _a_page_is_wanted(request: Request) -> bool:
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _unavailable(error: Unavailable, in_doubt: bool) -> Response:
    logger().debug("the site has no answer", why=str(error))
    what = "whether this was done is not known: look, and try again" if in_doubt else "nothing was done: try again"
    return Refusal(UNAVAILABLE, what, retry_after=5).answer()
