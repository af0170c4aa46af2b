"""Usage in the description of the site's API."""

from __future__ import annotations

from typing import Any, Final

from sluicegate.operations.history import asking
from sluicegate.operations.site.openapi import Paths, operation
from sluicegate.operations.site.principal import EVERYBODY

PATH: Final = "/api/v1/usage"
CSV, JSON = "text/csv", "application/json"

_TIME: Final = {"type": "string", "format": "date-time"}
_TOLD: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["by", "user", "srv", "since", "until", "step_seconds", "told_apart_since", "columns", "rows"],
    "properties": {
        "by": {"enum": list(asking.KINDS)},
        "user": {"type": ["string", "null"]},
        "srv": {"type": ["string", "null"]},
        "since": _TIME,
        "until": _TIME,
        "step_seconds": {"type": ["integer", "null"]},
        "told_apart_since": {
            "anyOf": [_TIME, {"type": "null"}], "description": "Before this time steps as fine are thinned out",
        },
        "columns": {"type": "array", "items": {"type": "string"}},
        "rows": {"type": "array", "items": {"type": "array"}},
    },
    "additionalProperties": False,
}  # fmt: skip


def _query(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}


def _text(name: str) -> dict[str, Any]:
    return {"type": "string", "maxLength": asking.LONGEST_NAMES[name]}


_PARAMETERS: Final = [
    _query("since", "From this time on; else a day before `until`", _TIME),
    _query("until", "Before this time; else now", _TIME),
    _query("step", "Of each point: 1m to 30m, 1h to 12h, days; else by the window",
           {"type": "string", "pattern": f"^{asking.STEP.pattern}$"}),
    _query("by", "What is told apart", {"enum": list(asking.KINDS), "default": asking.TIME}),
    _query("user", "Of this User; a User has its own in any case", _text("user")),
    _query("srv", "Of this SRV; then an hour is the finest step", _text("srv")),
    _query("format", "Else by Accept", {"enum": ["json", "csv"]}),
]  # fmt: skip
_GET: Final = operation(
    "Who sent how much, when, and of what; a User its own", EVERYBODY,
    {200: ("A row for each step, User or SRV", _TOLD)}, refusals={422: "This cannot be told"}, parameters=_PARAMETERS,
)  # fmt: skip
_GET["responses"]["200"]["content"][CSV] = {"schema": {"type": "string"}}

PATHS: Final[Paths] = {PATH: {"get": _GET}}
