"""The account API in the description of the site's API."""

from __future__ import annotations

from typing import Any, Final

from sluicegate.operations.site.openapi import Paths, operation
from sluicegate.operations.site.principal import USER

PREFIX: Final = "/api/v1/account"

_SRV: Final = r"^(\*|[1-9][0-9]?\.(\*|[1-9][0-9]?(\.(\*|[1-9][0-9]?))?))$"
_EUI64: Final = "^[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){0,7}$"


def _texts(pattern: str) -> dict[str, Any]:
    return {"type": "array", "maxItems": 1000, "items": {"type": "string", "pattern": pattern}}


_ENTRY: Final[dict[str, Any]] = {
    "name": {"type": "string", "minLength": 1, "maxLength": 100},
    "srvs": _texts(_SRV),
    "command_variants": {"type": "array", "maxItems": 8, "items": {"type": "integer", "minimum": 1, "maximum": 8}},
    "targets": _texts(_EUI64),
}


def _entries(more: dict[str, Any], required: list[str]) -> dict[str, Any]:
    entry = {"type": "object", "required": required, "properties": _ENTRY | more, "additionalProperties": False}
    return {"type": "array", "maxItems": 16, "items": entry}


PROFILE: Final = {
    "type": "object",
    "properties": {
        "class": _entries({"reserve": {"type": "number", "minimum": 0, "maximum": 100_000}}, ["name"]),
        "team": _entries({"part": {"type": "number", "minimum": 0.001, "maximum": 1}}, ["name", "part"]),
    },
    "additionalProperties": False,
}
_ABOUT: Final[dict[str, Any]] = {
    "version": {"type": "integer", "minimum": 0},
    "made_at": {"type": "string", "format": "date-time"},
    "by": {"type": "string"},
    "what": {"type": "string"},
    "user": {"type": "string"},
    "profile": {"anyOf": [PROFILE, {"type": "null"}]},
}
_NOW: Final = {
    "type": "object",
    "required": ["user", "version", "profile", "from", "in_force"],
    "properties": _ABOUT
    | {
        "from": {"enum": ["account", "configuration", None]},
        "in_force": {"type": "boolean"},
        "why_not": {"type": ["string", "null"]},
    },
    "additionalProperties": False,
}
_VERSION: Final = {
    "type": "object", "required": ["user", "version", "made_at", "by", "what", "profile"], "properties": _ABOUT,
    "additionalProperties": False,
}  # fmt: skip
_VERSIONS: Final = {
    "type": "object",
    "required": ["user", "versions"],
    "properties": {
        "user": {"type": "string"},
        "versions": {"type": "array", "maxItems": 100, "items": {"type": "object", "properties": _ABOUT}},
    },
}
_TRIED: Final = {
    "type": "object",
    "required": ["user", "since", "until", "classes", "would_have_passed", "would_have_been_throttled", "requests"],
}
_SENT: Final[dict[str, dict[str, Any]]] = {"application/json": PROFILE, "application/toml": {"type": "string"}}
_IF_MATCH: Final = {
    "name": "If-Match", "in": "header", "required": True,
    "description": "The ETag of the profile that is replaced, or *",
    "schema": {"type": "string", "pattern": r'^("[0-9]{1,9}"|\*)$'},
}  # fmt: skip
_NUMBER: Final = {
    "name": "version", "in": "path", "required": True,
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
}  # fmt: skip
_CHANGE: Final = {
    400: "If-Match names no version", 412: "The profile has changed meanwhile", 428: "Say which version you change",
}  # fmt: skip
_BODY: Final = {
    413: "The profile is too large", 415: "Neither JSON nor TOML", 422: "This is no profile that can be used",
}  # fmt: skip
_GONE: Final = {404: "There is no such version"}
_IS_NOW: Final = {200: ("The profile as it is now", _NOW)}
_WHO: Final = {USER}

PATHS: Final[Paths] = {
    f"{PREFIX}/profile": {
        "get": operation("The profile in force, and where it is from", _WHO, _IS_NOW),
        "put": operation(
            "Set it", _WHO, _IS_NOW, refusals=_CHANGE | _BODY, parameters=[_IF_MATCH], body=_SENT
        ),
        "delete": operation(
            "The profile of the configuration counts again", _WHO, _IS_NOW, refusals=_CHANGE, parameters=[_IF_MATCH]
        ),
    },
    f"{PREFIX}/profile/try": {
        "post": operation(
            "A dry run: which of the last hour's throttled requests would have gone the other way", _WHO,
            {200: ("What would have been", _TRIED)}, refusals=_BODY | {501: "No dry run here"}, body=_SENT,
        ),
    },
    f"{PREFIX}/profile/versions": {
        "get": operation("The newest hundred versions", _WHO, {200: ("The newest first", _VERSIONS)}),
    },
    f"{PREFIX}/profile/versions/{{version}}": {
        "get": operation("One version", _WHO, {200: ("It", _VERSION)}, refusals=_GONE, parameters=[_NUMBER]),
    },
    f"{PREFIX}/profile/versions/{{version}}/restore": {
        "post": operation(
            "That version once more, as the next one", _WHO, _IS_NOW, refusals=_CHANGE | _GONE | {422: _BODY[422]},
            parameters=[_NUMBER, _IF_MATCH],
        ),
    },
}  # fmt: skip
