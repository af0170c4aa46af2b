"""What the dispatcher answers where a DUIS Response does not fit: problem details (RFC 9457)."""

from __future__ import annotations

from sluicegate.front.problems import MEDIA_TYPE, TYPE_PREFIX, Problem, rendered

__all__ = ["MEDIA_TYPE", "TYPE_PREFIX", "Problem", "rendered"]

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
