"""The book in the description of the site's API."""

from __future__ import annotations

from typing import Any, Final

from sluicegate.operations.site.openapi import Paths, operation
from sluicegate.operations.site.principal import APPROVER, OPERATOR, STAFF

PREFIX: Final = "/api/v1/book"
MOST_OCTETS: Final = 8_388_608
MOST_VERSIONS: Final = 200

_ONE: Final[dict[str, Any]] = {"type": "object", "required": ["version", "state", "made_at", "by"]}
_ASKED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["allocations"],
    "properties": {
        "allocations": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "number", "minimum": 0}},
        "note": {"type": "string", "maxLength": 500},
    },
    "additionalProperties": False,
}
_NUMBER: Final = {
    "name": "version", "in": "path", "required": True,
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
}  # fmt: skip
_NONE: Final = {404: "There is no such version"}
_NOT: Final = {409: "This is not done: the detail says why"}
_TWO: Final = (OPERATOR, APPROVER)

PATHS: Final[Paths] = {
    PREFIX: {
        "get": operation(
            "The newest versions", STAFF,
            {200: ("The newest first", {"type": "object", "required": ["in_force", "versions"]})},
        ),
        "post": operation(
            "Put a book, which waits for a second account", (OPERATOR,), {201: ("It waits", _ONE)},
            refusals=_NOT | {413: "Too large", 422: "This book cannot be"}, body={"application/json": _ASKED},
        ),
    },
    f"{PREFIX}/{{version}}": {
        "get": operation("One version, with its figures", STAFF, {200: ("It", _ONE)}, refusals=_NONE,
                         parameters=[_NUMBER]),
    },
    f"{PREFIX}/{{version}}/approve": {
        "post": operation("Approve it, as a second account", _TWO, {200: ("It comes into force", _ONE)},
                          refusals=_NONE | _NOT, parameters=[_NUMBER]),
    },
    f"{PREFIX}/{{version}}/withdraw": {
        "post": operation("It will not come into force", _TWO, {200: ("It is withdrawn", _ONE)},
                          refusals=_NONE | _NOT, parameters=[_NUMBER]),
    },
    f"{PREFIX}/rollback": {
        "post": operation("What was in force before is in force again, at once", (OPERATOR,),
                          {201: ("It is", _ONE)}, refusals=_NOT),
    },
}  # fmt: skip
