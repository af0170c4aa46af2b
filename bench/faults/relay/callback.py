"""The User's callback: it takes what it is told, refuses some of it, and remembers all."""

from __future__ import annotations

import asyncio
import random
from typing import NamedTuple

from sluicegate.duis import MalformedMessage, read_response
from sluicegate.simulate.answering import Connection, Request

FAIL, DROP = 0.03, 0.02
"""Parts that are answered 500, and taken without an answer."""


class Word(NamedTuple):
    """One answer that it was told."""

    request_id: str
    status: str
    code: str
    """Of a Response; empty for another answer."""
    taken: bool
    marked: bool


class CallbackStandIn:
    """Runs in the campaign's own event loop."""

    title = "callback"

    def __init__(self, seed: int) -> None:
        self.words: list[Word] = []
        self._chance = random.Random(seed)
        self._open: set[Connection] = set()

    async def start(self, port: int) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self, self._open, 1 << 24), "127.0.0.1", port)

    def asked(self, request: Request) -> None:
        """Here is a whole request."""
        draw = self._chance.random()
        fields = {name: value.decode() for name, value in request.fields.items()}
        try:
            code = read_response(request.body).code
        except MalformedMessage:
            code = ""
        self.words.append(
            Word(
                fields.get(b"sluicegate-request-id", ""),
                fields.get(b"sluicegate-status", ""),
                code,
                draw >= FAIL,
                fields.get(b"sluicegate-repeat") == "yes",
            )
        )
        if draw < FAIL:
            request.answer(500, "text/plain", b"no\n")
        elif draw < FAIL + DROP:
            request.break_off()
        else:
            request.answer(200, "text/plain", b"")

    async def stop(self) -> None:
        """End."""
        self._server.close()
        for connection in list(self._open):
            connection.reset()
