"""Notices and channels in the description of the site's API."""

from __future__ import annotations

from typing import Any, Final

from sluicegate.operations.notices.notice import STATES
from sluicegate.operations.site.openapi import Paths, operation
from sluicegate.operations.site.principal import EVERYBODY, OPERATOR, USER

NOTICES: Final = "/api/v1/notices"
CHANNELS: Final = "/api/v1/channels"
MOST: Final = 1000
USUAL: Final = 100
LONGEST_NAME: Final = 1000

_NAME: Final[dict[str, Any]] = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
_TIME: Final[dict[str, Any]] = {"type": "string", "format": "date-time"}
_TIME_OR_NONE: Final[dict[str, Any]] = {"type": ["string", "null"], "format": "date-time"}
_TEXT_OR_NONE: Final[dict[str, Any]] = {"type": ["string", "null"]}
_NOTICE: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "made_at", "user", "channel", "kind", "title", "text", "data", "state", "attempts", "why"],
    "properties": {
        "id": {"type": "string"},
        "made_at": _TIME,
        "user": _TEXT_OR_NONE | {"description": "Null: everybody."},
        "channel": _TEXT_OR_NONE | {"description": "Null: it is only shown."},
        "kind": {"type": "string"},
        "title": {"type": "string"},
        "text": {"type": "string"},
        "data": {"type": "object"},
        "state": {"enum": list(STATES)},
        "attempts": {"type": "integer", "minimum": 0},
        "ended_at": _TIME_OR_NONE,
        "due_at": _TIME_OR_NONE | {"description": "Of the next attempt."},
        "why": _TEXT_OR_NONE | {"description": "The last failure."},
    },
}
_CHANNEL: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["user", "channel", "way", "address", "notices", "state", "why", "failing_since", "sent_at", "waiting"],
    "properties": {
        "user": {"type": "string"},
        "channel": {"type": "string"},
        "way": {"enum": ["webhook", "email", "apprise"]},
        "address": _TEXT_OR_NONE | {"description": "As much of it as is no secret."},
        "notices": {"type": "array", "items": {"type": "string"}, "description": "The kinds it gets; empty: all."},
        "state": {"enum": ["working", "failing", "unused"]},
        "why": _TEXT_OR_NONE,
        "failing_since": _TIME_OR_NONE,
        "sent_at": _TIME_OR_NONE | {"description": "When something last arrived."},
        "waiting": {"type": "integer", "minimum": 0},
        "sent": {"type": "integer", "minimum": 0},
        "failed": {"type": "integer", "minimum": 0},
        "given_up": {"type": "integer", "minimum": 0},
    },
}
_COUNT: Final[dict[str, Any]] = {"type": "integer", "minimum": 0}
_CHANNELS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["channels", "count", "failing", "users_without"],
    "properties": {
        "channels": {"type": "array", "items": _CHANNEL},
        "count": _COUNT,
        "failing": _COUNT,
        "users_without": _COUNT | {"description": "Users that have no channel."},
    },
}
_ASKED: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "user": _NAME | {"description": "Whose; a `user` may leave it out, and names no other."},
        "channel": _NAME | {"description": "Without it, all of the User."},
    },
    "additionalProperties": False,
}
_ONE: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["channel", "delivered", "why", "seconds"],
    "properties": {
        "channel": {"type": "string"},
        "delivered": {"type": "boolean"},
        "why": _TEXT_OR_NONE,
        "seconds": {"type": "number", "minimum": 0},
    },
}
_TESTED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["user", "tested"],
    "properties": {"user": {"type": "string"}, "tested": {"type": "array", "items": _ONE}},
}
_OF_USER: Final = {"name": "user", "in": "query", "schema": _NAME, "description": "Only what concerns this User."}
_LIMIT: Final = {
    "name": "limit", "in": "query", "description": "So many.",
    "schema": {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
}  # fmt: skip
_REFUSED: Final = {404: "No such User", 422: "This cannot be asked"}

PATHS: Final[Paths] = {
    NOTICES: {
        "get": operation(
            "What was told, over which channel, and what became of it: the newest first", EVERYBODY,
            {200: ("They; a `user` gets its own, and what everybody is told", {
                "type": "object", "required": ["notices"],
                "properties": {"notices": {"type": "array", "items": _NOTICE, "maxItems": MOST}},
            })},
            refusals=_REFUSED, parameters=[_OF_USER, _LIMIT],
        ),
    },
    CHANNELS: {
        "get": operation(
            "Where Users are told, and whether it works, as this gateway sees it: what fails first", EVERYBODY,
            {200: ("They; a `user` gets its own", _CHANNELS)}, refusals=_REFUSED, parameters=[_OF_USER, _LIMIT],
        ),
    },
    f"{CHANNELS}/test": {
        "post": operation(
            "The test button: one attempt, now; each channel once in 10 s", (OPERATOR, USER),
            {200: ("What became of it", _TESTED)},
            refusals={404: "No such User, or no such channel", 413: "Too large", 422: "This cannot be asked"},
            body={"application/json": _ASKED},
        ),
    },
}  # fmt: skip
