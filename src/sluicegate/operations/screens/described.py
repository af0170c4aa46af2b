"""What the screens ask, in the description of the site's API."""

from __future__ import annotations

from typing import Any, Final

from sluicegate.operations.site.openapi import Paths, operation
from sluicegate.operations.site.principal import EVERYBODY, STAFF

_SOME: Final[dict[str, Any]] = {"type": "object"}
_TOLD: Final[dict[str, Any]] = {"type": "object", "required": ["kept", "decisions"]}
_LIVE: Final = operation("A picture once a second, as server-sent events (text/event-stream)", EVERYBODY, {})
_LIVE["responses"]["200"] = {"description": "The stream", "content": {"text/event-stream": {}}}
_REQUEST: Final = {
    "name": "request_id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1},
}  # fmt: skip

PATHS: Final[Paths] = {
    "/api/v1/live": {"get": _LIVE},
    "/api/v1/screens/series": {
        "get": operation("The last ten minutes, and the last day", STAFF, {200: ("Both", _SOME)}),
    },
    "/api/v1/screens/events": {"get": operation("The timeline", STAFF, {200: ("The newest first", _SOME)})},
    "/api/v1/throttled": {
        "get": operation("The newest throttled requests", EVERYBODY, {200: ("They, each with its reason", _TOLD)}),
    },
    "/api/v1/throttled/{request_id}": {
        "get": operation(
            "Why was this request throttled?", EVERYBODY, {200: ("Each time that it was", _TOLD)},
            refusals={404: "Not among the last throttled requests"}, parameters=[_REQUEST],
        ),
    },
    "/api/v1/versions": {
        "get": operation("The DUIS versions of each User, or of one's own", EVERYBODY, {200: ("By User", _SOME)}),
    },
}  # fmt: skip
