"""What the site refuses: problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from starlette.responses import JSONResponse, Response

from sluicegate.front.problems import TYPE_PREFIX, Problem

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

NO_TOKEN = Problem("no-token", 401, "Nobody has signed in")
UNKNOWN_USER = Problem("unknown-user", 403, "Unknown User")
NOT_YOURS = Problem("not-for-this-role", 403, "Not for this role")
FOREIGN = Problem("foreign-page", 403, "This did not come from a page of this site")
NOT_FOUND = Problem("not-found", 404, "There is no such thing")
NOT_ALLOWED = Problem("method-not-allowed", 405, "Not with this method")
TOO_OFTEN = Problem("too-often", 429, "Too many requests")
FAILED = Problem("failed", 500, "This did not work")
UNAVAILABLE = Problem("database", 503, "The database of accounts cannot be asked now")


class Refusal(Exception):  # noqa: N818 - named after what it is
    """An answer that says no.

    Args:
        problem: which. detail: what to do about it.
        retry_after: seconds; None: that would not help.
        fields: more of the answer's head.
        told: more of its body.
    """

    def __init__(
        self,
        problem: Problem,
        detail: str,
        *,
        retry_after: float | None = None,
        fields: Mapping[str, str] | None = None,
        **told: Any,
    ) -> None:
        super().__init__(problem.name)
        self.problem = problem
        self.detail = detail
        self.retry_after = None if retry_after is None else max(1, ceil(retry_after))
        self.fields = dict(fields or {})
        self.told = told

    def answer(self) -> Response:
        """As it goes out."""
        body: dict[str, Any] = {
            "type": TYPE_PREFIX + self.problem.name,
            "title": self.problem.title,
            "status": self.problem.status,
            "detail": self.detail,
            **self.told,
        }
        fields = HEADERS | self.fields
        if self.retry_after is not None:
            body["retry_after"] = self.retry_after
            fields["Retry-After"] = str(self.retry_after)
        return JSONResponse(body, self.problem.status, fields, "application/problem+json")
