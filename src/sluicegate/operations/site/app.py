"""The site: routes behind one gate, with the fields of every answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sluicegate.operations.site.guarded import Gate
from sluicegate.operations.site.headers import Fields
from sluicegate.operations.site.openapi import Paths
from sluicegate.operations.site.refusal import NOT_ALLOWED, NOT_FOUND, Refusal


class Part(NamedTuple):
    """What one part gives to the site: its routes, and their description (see `openapi`)."""

    routes: Sequence[Route]
    paths: Paths


def site(gate: Gate, routes: Sequence[BaseRoute], *, secure: bool) -> Fields:
    """As ASGI.

    Args:
        gate: knows who asks.
        routes: of all parts; their endpoints are `guarded`, or `answering` where anybody may ask.
        secure: whether it is reached over TLS.
    """
    app = Starlette(routes=list(routes), exception_handlers={HTTPException: _unknown})
    app.router.redirect_slashes = False
    app.state.gate = gate
    return Fields(app, secure)


async def _unknown(_request: Request, error: Exception) -> Response:
    """A path or a method that there is not: Starlette says so, before anybody is asked who he is."""
    allowed = (error.headers or {}).get("Allow", "") if isinstance(error, HTTPException) else ""
    if allowed:
        return Refusal(NOT_ALLOWED, f"here: {allowed}", fields={"Allow": allowed}).answer()
    return Refusal(NOT_FOUND, "docs/accounts.md lists what there is, and so does /api/v1/openapi.json").answer()
