"""Campaigns in the description of the site's API."""

from __future__ import annotations

from typing import Any, Final

from sluicegate.operations.book.campaigns import MOST_NOTE, MOST_VOLUME
from sluicegate.operations.site.openapi import Paths, operation
from sluicegate.operations.site.principal import EVERYBODY, OPERATOR, USER

PREFIX: Final = "/api/v1/campaigns"
MOST_OCTETS: Final = 8192
DAYS: Final = 14
MOST_DAYS: Final = 92

_TIME: Final = {"type": "string", "maxLength": 40, "description": "ISO 8601; without an offset, London's"}
_ASKED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["srv", "volume", "starts_at", "ends_at"],
    "properties": {
        "user": {"type": ["string", "null"], "maxLength": 1000, "description": "For operators; a User is itself"},
        "srv": {"type": "string", "maxLength": 40},
        "volume": {"type": "integer", "minimum": 1, "maximum": MOST_VOLUME},
        "starts_at": _TIME,
        "ends_at": _TIME,
        "note": {"type": "string", "maxLength": MOST_NOTE},
        "confirmed": {"type": "boolean", "description": "Without it, it is only said how it would lie."},
    },
    "additionalProperties": False,
}
_ONE: Final[dict[str, Any]] = {"type": "object", "required": ["campaign", "basis", "run"]}
_ALL: Final[dict[str, Any]] = {
    "type": "object", "required": ["basis", "lines", "hours", "to_come", "campaigns", "over"],
}  # fmt: skip
_NUMBER: Final = {
    "name": "campaign", "in": "path", "required": True,
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
}  # fmt: skip
_DAYS: Final = {
    "name": "days", "in": "query", "description": "So many from now are laid out hour by hour",
    "schema": {"type": "integer", "minimum": 1, "maximum": MOST_DAYS, "default": DAYS},
}  # fmt: skip
_NONE: Final = {404: "There is no such campaign, or it is another User's"}
_TWO: Final = (OPERATOR, USER)

PATHS: Final[Paths] = {
    PREFIX: {
        "get": operation(
            "Announced campaigns over what is expected; a User sees its own", EVERYBODY, {200: ("They", _ALL)},
            refusals={422: "There cannot be so many days"}, parameters=[_DAYS],
        ),
        "post": operation(
            "Announce one; unconfirmed, say how it lies and which times are quieter", _TWO,
            {200: ("How it would lie", _ONE), 201: ("It is announced", _ONE)},
            refusals={409: "Too many are to come", 413: "Too large", 422: "This announcement cannot be"},
            body={"application/json": _ASKED},
        ),
    },
    f"{PREFIX}/{{campaign}}": {
        "get": operation("One, and what it came to", EVERYBODY, {200: ("It", _ONE)}, refusals=_NONE,
                         parameters=[_NUMBER]),
        "delete": operation(
            "It will not take place", _TWO,
            {200: ("It is withdrawn", {"type": "object", "required": ["campaign"]})},
            refusals=_NONE | {409: "It is over, or withdrawn already"}, parameters=[_NUMBER],
        ),
    },
}  # fmt: skip
