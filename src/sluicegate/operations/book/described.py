"""The book in the description of the site's API."""

from __future__ import annotations

from typing import Any, Final

from sluicegate.operations.site.openapi import Paths, operation
from sluicegate.operations.site.principal import APPROVER, OPERATOR, STAFF

PREFIX: Final = "/api/v1/book"
MOST_OCTETS: Final = 8_388_608
MOST_REASON_OCTETS: Final = 8192
MOST_VERSIONS: Final = 200

_ONE: Final[dict[str, Any]] = {"type": "object", "required": ["version", "state", "made_at", "by"]}
_ASKED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["allocations"],
    "properties": {
        "allocations": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "number", "minimum": 0}},
        "note": {"type": "string", "maxLength": 500},
        "forecasts": {
            "type": ["object", "null"],
            "description": "What it was proposed from: SRs a month by User and SRV",
            "additionalProperties": {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}},
        },
    },
    "additionalProperties": False,
}
_REASON: Final = {"type": "string", "maxLength": 500, "description": "For the audit trail"}
_STEP: Final[dict[str, Any]] = {"type": "object", "properties": {"reason": _REASON}, "additionalProperties": False}
_BACK: Final[dict[str, Any]] = {
    **_STEP,
    "properties": {
        "reason": _REASON,
        "to": {
            "type": ["integer", "null"],
            "minimum": 0,
            "maximum": 999_999_999,
            "description": "The version that is to be in force again; 0: the configuration file",
        },
    },
}
_NUMBER: Final = {
    "name": "version", "in": "path", "required": True,
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
}  # fmt: skip
_NONE: Final = {404: "There is no such version"}
_NOT: Final = {409: "This is not done: the detail says why"}
_UNFIT: Final = {413: "Too large", 422: "This cannot be"}


def _version_asked(name: str) -> dict[str, Any]:
    told = "A version, 0 for the configuration file; without it the one in force"
    return {"name": name, "in": "query", "description": told,
            "schema": {"type": "integer", "minimum": 0, "maximum": 999_999_999}}  # fmt: skip


_MONTH: Final = {
    "name": "month", "in": "query", "description": "YYYY-MM, in London; without it the last whole one",
    "schema": {"type": "string", "pattern": "^(19[789]|20[0-9])[0-9]-(0[1-9]|1[0-2])$"},
}  # fmt: skip


def _with_body(told: dict[str, Any]) -> dict[str, Any]:
    """A step whose body may be left out."""
    told["requestBody"]["required"] = False
    return told


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
        "post": _with_body(operation(
            "Approve it, as a second account", _TWO, {200: ("It comes into force", _ONE)},
            refusals=_NONE | _NOT | _UNFIT, parameters=[_NUMBER], body={"application/json": _STEP},
        )),
    },
    f"{PREFIX}/{{version}}/withdraw": {
        "post": _with_body(operation(
            "It will not come into force", _TWO, {200: ("It is withdrawn", _ONE)},
            refusals=_NONE | _NOT | _UNFIT, parameters=[_NUMBER], body={"application/json": _STEP},
        )),
    },
    f"{PREFIX}/rollback": {
        "post": _with_body(operation(
            "What was in force before is in force again, at once", (OPERATOR,), {201: ("It is", _ONE)},
            refusals=_NONE | _NOT | _UNFIT, body={"application/json": _BACK},
        )),
    },
    f"{PREFIX}/diff": {
        "get": operation(
            "What changes from one version to another, the largest change first", STAFF,
            {200: ("The changes", {"type": "object", "required": ["from", "to", "maximum", "sum", "users"]})},
            refusals=_NONE | {422: "No number of a version"}, parameters=[_version_asked("from"), _version_asked("to")],
        ),
    },
    f"{PREFIX}/forecast": {
        "get": operation(
            "A month's forecasts against what came", STAFF,
            {200: ("The month", {"type": "object", "required": ["month", "covered", "users", "version"]})},
            refusals={404: "No forecasts are kept for it", 422: "No month"}, parameters=[_MONTH],
        ),
    },
}  # fmt: skip
