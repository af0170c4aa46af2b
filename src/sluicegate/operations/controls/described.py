"""The controls in the description of the site's API."""

from __future__ import annotations

from typing import Any, Final

from sluicegate.operations.controls import kinds
from sluicegate.operations.site.openapi import Paths, operation
from sluicegate.operations.site.principal import OPERATOR, STAFF

PREFIX: Final = "/api/v1/controls"

_REASON: Final = {"type": "string", "minLength": 1, "maxLength": kinds.MOST_REASON}
_ASKED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["do"],
    "properties": {
        "do": {"enum": list(kinds.KINDS)},
        "user": {"type": ["string", "null"], "maxLength": 1000},
        "value": {"type": ["number", "null"], "minimum": 0},
        "seconds": {"type": ["number", "null"], "minimum": 1},
        "reason": {"type": "string", "maxLength": kinds.MOST_REASON},
        "confirmed": {"type": "boolean", "description": "Without it, it is only said what the control would do."},
    },
    "additionalProperties": False,
}
_ENDED: Final[dict[str, Any]] = {
    "type": "object", "required": ["reason"], "properties": {"reason": _REASON}, "additionalProperties": False,
}  # fmt: skip
_CONTROL: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["control", "do", "user", "value", "made_at", "until", "by", "reason"],
}
_PUT: Final[dict[str, Any]] = {"type": "object", "required": ["meaning", "confirmed"]}
_REFUSED: Final = {413: "Too large", 422: "This control cannot be"}
_NUMBER: Final = {
    "name": "control", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1},
}  # fmt: skip

PATHS: Final[Paths] = {
    PREFIX: {
        "get": operation(
            "What counts now, and the last ones", STAFF,
            {200: ("The controls", {"type": "object", "required": ["in_force", "last"]})},
        ),
        "post": operation(
            "Put one; unconfirmed, say what it would do", (OPERATOR,),
            {200: ("What it would do", _PUT), 201: ("It counts", _PUT)},
            refusals=_REFUSED, body={"application/json": _ASKED},
        ),
    },
    f"{PREFIX}/{{control}}/end": {
        "post": operation(
            "End one", (OPERATOR,),
            {200: ("It has ended", {"type": "object", "required": ["control"], "properties": {"control": _CONTROL}})},
            refusals=_REFUSED | {404: "No such control counts"}, parameters=[_NUMBER],
            body={"application/json": _ENDED},
        ),
    },
}  # fmt: skip
