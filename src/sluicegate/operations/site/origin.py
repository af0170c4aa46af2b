"""Does a change come from a page of this site? What a session may do, a page of somebody else must not make it do."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from sluicegate.operations.site.refusal import FOREIGN, Refusal

FIELD: Final = "X-CSRF-Token"
"""Where a page says what `GET /api/v1/session` told it."""


def csrf_token(cookie: str) -> str:
    """What pages of a session show with each change. It is made from the cookie, which no script can read."""
    return hmac.new(cookie.encode(), b"sluicegate csrf 1", sha256).hexdigest()


def own_page(request: Request, own: str | None) -> None:
    """Raises Refusal where a browser says that the request was made by a page of another site.

    Args:
        own: the origin of this site (`https://gate.example`); None: that of the Host that was asked.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Refusal(FOREIGN, "a page of another site sent this")
    origin = request.headers.get("origin")
    if origin is not None and origin != own and not (own is None and _of_host(origin, request)):
        raise Refusal(FOREIGN, f"a page of {origin[:200]} sent this")


def changing(request: Request, cookie: str, own: str | None, shown: str | None = None) -> None:
    """Raises Refusal where a change by a session does not show its token.

    Args:
        cookie: of the session. own: see `own_page`.
        shown: the token of a form; None: it is in the field of the head.
    """
    own_page(request, own)
    token = request.headers.get(FIELD, "") if shown is None else shown
    if not hmac.compare_digest(token.encode(), csrf_token(cookie).encode()):
        raise Refusal(FOREIGN, f"a change by a session needs {FIELD}: GET /api/v1/session tells it")


def _of_host(origin: str, request: Request) -> bool:
    try:
        netloc = urlsplit(origin).netloc
    except ValueError:
        return False
    return netloc != "" and netloc.lower() == request.headers.get("host", "").lower()
