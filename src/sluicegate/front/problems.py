"""What a front door itself refuses: problem details (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final, NamedTuple

TYPE_PREFIX = "urn:sluicegate:problem:"
MEDIA_TYPE = b"application/problem+json"


class Problem(NamedTuple):
    """A kind of refusal. `name` ends the problem type and names the counter."""

    name: str
    status: int
    title: str


MALFORMED = Problem("malformed", 400, "Not a Service Request")
BAD_HTTP = Problem("bad-http", 400, "Not an HTTP request that this gateway takes")
NO_CERTIFICATE = Problem("no-certificate", 403, "No known certificate")
FOREIGN_ORIGINATOR = Problem("foreign-originator", 403, "The certificate does not speak for this originator")
UNKNOWN_USER = Problem("unknown-user", 403, "Unknown User")
NOT_POST = Problem("not-post", 405, "Service Requests are POSTed")
SLOW_SENDER = Problem("slow-sender", 408, "The request did not arrive in time")
TOO_LARGE = Problem("too-large", 413, "The message is too large")
ENCODED = Problem("encoded", 415, "The message is compressed")
HEAD_TOO_LARGE = Problem("head-too-large", 431, "The head of the request is too large")
UNREACHABLE = Problem("upstream-unreachable", 502, "The system behind the gateway cannot be reached")
BROKEN = Problem("upstream-broken", 502, "The system behind the gateway broke off")
TOO_SLOW = Problem("upstream-too-slow", 504, "The system behind the gateway did not answer in time")
NO_PLACE = Problem("in-flight", 503, "Too many requests wait for the system behind the gateway")
NO_MEMORY = Problem("memory", 503, "The gateway holds as much as it can")
NO_CONNECTION = Problem("connections", 503, "The gateway has as many connections as it can have")
CUT_OFF = Problem("cut-off", 403, "Too many refused requests")

SENDERS_FAULT: Final = frozenset(
    problem.name for problem in (MALFORMED, BAD_HTTP, NO_CERTIFICATE, FOREIGN_ORIGINATOR, UNKNOWN_USER, TOO_LARGE)
)
"""What counts against a sender that keeps doing it."""


def rendered(problem: Problem, detail: str, **more: object) -> bytes:
    """The body of the answer; `more` are further members, those that are None left out."""
    told = {"type": TYPE_PREFIX + problem.name, "title": problem.title, "status": problem.status, "detail": detail}
    return json.dumps(told | {name: value for name, value in more.items() if value is not None}).encode()


def problem_answer(
    problem: Problem,
    detail: str,
    fields: bytes = b"",
    retry_after: int | None = None,
    close: bool = False,
    keep_alive_1_0: bool = False,
) -> bytes:
    """The whole answer: status line, fields, problem details as JSON."""
    if retry_after is not None:
        fields += b"Retry-After: %d\r\n" % retry_after
    if problem is NOT_POST:
        fields += b"Allow: POST\r\n"
    if close:
        fields += b"Connection: close\r\n"
    elif keep_alive_1_0:
        fields += b"Connection: keep-alive\r\n"
    body = rendered(problem, detail, retry_after=retry_after)
    return b"HTTP/1.1 %d %b\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n%b\r\n%b" % (
        problem.status,
        HTTPStatus(problem.status).phrase.encode(),
        len(body),
        fields,
        body,
    )
