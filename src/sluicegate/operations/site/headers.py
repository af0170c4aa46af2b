"""Fields of every answer that tell a browser what a page of this site must never do."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "font-src 'self'",
    "connect-src 'self'", "manifest-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
))  # fmt: skip
"""Nothing from elsewhere, nothing written into the page itself, in nobody's frame."""

FIELDS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with `no-referrer` a browser sends `Origin: null` with our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
TLS_ONLY: Final = "max-age=31536000"
"""For a year a browser asks this host over TLS alone."""


class Fields:
    """Puts them on every answer, and counts the answers.

    Args:
        app: what answers. secure: whether the site is reached over TLS.

    Attributes:
        answers: how many there were, by status.
    """

    def __init__(self, app: ASGIApp, secure: bool) -> None:
        self._app = app
        self._fields = FIELDS | ({"Strict-Transport-Security": TLS_ONLY} if secure else {})
        self.answers: dict[int, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                self.answers[status] = self.answers.get(status, 0) + 1
                fields = MutableHeaders(scope=message)
                for name, value in self._fields.items():
                    fields.setdefault(name, value)
                fields.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, sent if scope["type"] == "http" else send)
