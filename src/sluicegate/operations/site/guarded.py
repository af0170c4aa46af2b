"""Every endpoint stands behind its roles, and turns what goes wrong into a problem document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Final, Protocol, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from sluicegate.log import logger
from sluicegate.operations.site.principal import ROLES, Principal
from sluicegate.operations.site.refusal import FAILED, NOT_YOURS, UNAVAILABLE, Refusal
from sluicegate.operations.store.worker import InDoubt, Unavailable

SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
"""Methods that change nothing."""

Handler = Callable[[Request, Principal], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


class Gate(Protocol):
    """Knows who asks. An application of guarded endpoints has one as `app.state.gate`."""

    async def principal(self, request: Request) -> Principal:
        """Who asks. Raises Refusal where nobody has signed in, or a change does not come from a page of ours.

        Raises Unavailable where that cannot be looked up now.
        """


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
        principal = await cast("Gate", request.app.state.gate).principal(request)
        if principal.role not in allowed:
            raise Refusal(NOT_YOURS, f"this is for {', '.join(sorted(allowed))}, and you are {principal.role}")
        return await handler(request, principal)

    return answering(ask)


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


def _unavailable(error: Unavailable, in_doubt: bool) -> Response:
    logger().debug("the site has no answer", why=str(error))
    what = "whether this was done is not known: look, and try again" if in_doubt else "nothing was done: try again"
    return Refusal(UNAVAILABLE, what, retry_after=5).answer()
