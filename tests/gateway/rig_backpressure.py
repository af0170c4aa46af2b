"""A dispatcher that tells which CSPs are full, and a gateway that asks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rig import DEVICE, LARGE, Line, Running, ScriptedUpstream, configuration, message, request, wait_for

SOUTHERN = "00-DB-77-34-56-78-90-A0"
NOWHERE = "00-DB-99-34-56-78-90-A0"
CSPS = """
[[csp]]
name = "north"
url = "http://127.0.0.1:1"
prefixes = ["00-DB-12"]
[[csp]]
name = "south"
url = "http://127.0.0.1:2"
prefixes = ["00-DB-77"]
"""


def told(**csps: Mapping[str, Any]) -> bytes:
    """The dispatcher's answer."""
    return json.dumps({"version": 1, "csps": csps}).encode()


def waits(in_north: int, **csps: Mapping[str, Any]) -> bytes:
    """The same, with SRs that wait for the CSP north."""
    return json.dumps({"version": 1, "csps": csps, "waiting": {"north": in_north}}).encode()


def full(users: Mapping[str, Any] | None = None, others: Any = None) -> dict[str, Any]:
    """One CSP of it."""
    return {"users": dict(users or {}), "others": others}


NORTH_REFUSES_LARGE = told(north=full({"Large": 12}))

HOSTILE: dict[str, bytes] = {
    "no JSON": (b"<html>"),
    "no text": (b"\xff\xfe\x00\xd8"),
    "nothing": (b""),
    "a list": (b"[]"),
    "no version": (b'{"csps": {}}'),
    "another version": (b'{"version": 2, "csps": {}}'),
    "a version that is true": (b'{"version": true, "csps": {}}'),
    "no CSPs": (b'{"version": 1}'),
    "CSPs that are a list": (b'{"version": 1, "csps": []}'),
    "10,000 CSPs": (told(**{f"csp{n}": {"users": {}, "others": None} for n in range(10_000)})),
    "a CSP that is a number": (told(north=5)),
    "no users": (b'{"version": 1, "csps": {"north": {"others": null}}}'),
    "no others": (b'{"version": 1, "csps": {"north": {"users": {}}}}'),
    "users that are a list": (told(north={"users": ["Large"], "others": None})),
    "a text for seconds": (told(north=full({"Large": "12"}))),
    "true for seconds": (told(north=full({"Large": True}))),
    "null for seconds": (told(north=full({"Large": None}))),
    "seconds below 0": (told(north=full({"Large": -1}))),
    "others below 0": (told(north=full(others=-0.1))),
    "NaN": (b'{"version": 1, "csps": {"north": {"users": {"Large": NaN}, "others": null}}}'),
    "Infinity": (b'{"version": 1, "csps": {"north": {"users": {}, "others": Infinity}}}'),
    "1e999": (b'{"version": 1, "csps": {"north": {"users": {}, "others": 1e999}}}'),
    "a number of 100,000 digits": (b'{"version": 1, "csps": {"a": {"users": {}, "others": 1%b}}}' % (b"0" * 100_000)),
    "a name that is too long": (told(**{"n" * 101: full(others=1)})),
    "a name that is empty": (told(**{"": full(others=1)})),
    "a User's name that is too long": (told(north=full({"n" * 101: 1}))),
    "a name that cannot be printed": (told(**{"\ud800": full(others=1)})),
    "a line in a name": (told(**{"a\nb": full(others=1)})),
    "a backlog that is a list": (b'{"version": 1, "csps": {}, "waiting": [1]}'),
    "a backlog of a half": (b'{"version": 1, "csps": {}, "waiting": {"north": 0.5}}'),
    "a backlog that is true": (b'{"version": 1, "csps": {}, "waiting": {"north": true}}'),
    "a backlog below 0": (b'{"version": 1, "csps": {}, "waiting": {"north": -1}}'),
    "a backlog without end": (b'{"version": 1, "csps": {}, "waiting": {"north": 1%b}}' % (b"0" * 50)),
    "backlogs of 10,000 CSPs": (
        json.dumps({"version": 1, "csps": {}, "waiting": {f"csp{n}": 1 for n in range(10_000)}}).encode()
    ),
    "a backlog of a line": (b'{"version": 1, "csps": {}, "waiting": {"a\\nb": 1}}'),
    "too deep": (b'{"version": 1, "csps": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "too large": (told(north=full({f"User {n}": 1 for n in range(30_000)}))),
}
"""Bodies that are no answer of a dispatcher."""


class ToldDispatcher(ScriptedUpstream):
    """Answers every question with `says`, a body or a whole answer; b"" stands for silence."""

    def __init__(self) -> None:
        self.says = told()
        super().__init__(self._talk)

    def _talk(self, line: Line) -> None:
        while line.request() is not None:
            says = self.says
            if says.startswith(b"HTTP/"):
                line.send(says)
            elif says:
                line.answer(says, "200 OK", "Content-Type: application/json")
            else:
                self.released.wait()
                return

    def asked_again(self, times: int = 2) -> None:
        """Wait until it was asked so many times more."""
        before = len(self.requests)
        wait_for(lambda: len(self.requests) >= before + times)


Asking = Callable[..., Running]


def text_for(
    upstream: ScriptedUpstream, dispatcher: ScriptedUpstream, forget_after: float = 60.0, **tables: Any
) -> str:
    """A configuration of a gateway that asks, twenty times a second."""
    pressure = {"url": dispatcher.url, "every": 0.05, "forget_after": forget_after}
    return configuration(upstream.url, gateway__backpressure=pressure, **tables) + CSPS


def sr(originator: str = LARGE, target: str = DEVICE, **more: Any) -> bytes:
    """The octets of a request with a Service Request to a device."""
    return request(message(originator, **more).replace(DEVICE.encode(), target.encode()))
