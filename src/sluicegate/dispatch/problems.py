"""What the dispatcher answers where a DUIS Response does not fit: problem details (RFC 9457)."""

from __future__ import annotations

import json
from typing import NamedTuple

TYPE_PREFIX = "urn:sluicegate:problem:"
MEDIA_TYPE = b"application/problem+json"


class Problem(NamedTuple):
    """A kind of refusal. `name` ends the problem type and names the counter."""

    name: str
    status: int
    title: str


MALFORMED = Problem("malformed", 400, "Not a message that can be taken")
UNKNOWN_USER = Problem("unknown-user", 403, "Unknown User")
NOT_FOUND = Problem("not-found", 404, "There is no such web service")
NOT_POST = Problem("not-post", 405, "Messages are POSTed")
SLOW_SENDER = Problem("slow-sender", 408, "The message did not arrive in time")
TOO_LARGE = Problem("too-large", 413, "The message is too large")
ENCODED = Problem("encoded", 415, "The message is compressed")
CSP_BACKLOG_429 = Problem("csp-backlog", 429, "The backlog of the CSP is full for this User")
CSP_BACKLOG = Problem("csp-backlog", 503, "The backlog of the CSP is full for this User")
STORE = Problem("store", 503, "The message cannot be made safe now")
NO_MEMORY = Problem("memory", 503, "The dispatcher holds as much as it can")
DRAINING = Problem("draining", 503, "The dispatcher is about to stop")
INTERNAL = Problem("internal", 500, "The dispatcher failed")


def rendered(problem: Problem, detail: str, **more: object) -> bytes:
    """The body of the answer; `more` are further members, those that are None left out."""
    told = {"type": TYPE_PREFIX + problem.name, "title": problem.title, "status": problem.status, "detail": detail}
    return json.dumps(told | {name: value for name, value in more.items() if value is not None}).encode()
