"""The description of the API (OpenAPI 3.1): each part describes its own routes beside them, here they become one.

A test holds that no route is missing, and that nothing is described that is not there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sluicegate import __version__
from sluicegate.operations.site.guarded import guarded, routed
from sluicegate.operations.site.principal import EVERYBODY, Principal
from sluicegate.operations.site.refusal import HEADERS

WHERE: Final = "/api/v1/openapi.json"

Operation = dict[str, Any]
Paths = Mapping[str, Mapping[str, Operation]]
"""By path, then by method in lower case."""

PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "retry_after": {"type": "integer", "minimum": 1},
    },
}
_ALWAYS: Final = {
    401: "Nobody has signed in",
    403: "Not for this role, or not from a page of this site",
    429: "Too many requests",
    500: "This did not work",
    503: "The database of accounts cannot be asked now",
}


def operation(
    summary: str,
    roles: Collection[str],
    answers: Mapping[int, tuple[str, Mapping[str, Any] | None]],
    *,
    refusals: Mapping[int, str] | None = None,
    parameters: Iterable[Mapping[str, Any]] = (),
    body: Mapping[str, Mapping[str, Any]] | None = None,
) -> Operation:
    """One method of one path.

    Args:
        summary: what it does, in one line.
        roles: who may ask.
        answers: by status: what it means, and the schema of its JSON; None: it has no body.
        refusals: by status: what is refused beyond what every endpoint refuses.
        parameters: of path, query and head.
        body: by media type, the schema of what is sent.
    """
    told: Operation = {
        "summary": summary,
        "description": f"For: {', '.join(sorted(roles))}.",
        "responses": {str(status): _answer(text, schema) for status, (text, schema) in answers.items()},
    }
    for status, text in sorted((_ALWAYS | dict(refusals or {})).items()):
        told["responses"][str(status)] = {
            "description": text,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    if parameters:
        told["parameters"] = list(parameters)
    if body is not None:
        told["requestBody"] = {"required": True, "content": {kind: {"schema": one} for kind, one in body.items()}}
    return told


def _answer(text: str, schema: Mapping[str, Any] | None) -> dict[str, Any]:
    told: dict[str, Any] = {"description": text}
    if schema is not None:
        told["content"] = {"application/json": {"schema": schema}}
    return told


def document(parts: Iterable[Paths]) -> dict[str, Any]:
    """The whole description. Raises ValueError where two parts describe the same path."""
    paths: dict[str, Any] = {}
    for part in (*parts, PATHS):
        if twice := paths.keys() & part.keys():
            raise ValueError(f"described twice: {sorted(twice)}")
        paths |= part
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sluicegate",
            "version": __version__,
            "description": "What operators and Users may ask of a gateway. A program sends a token; a page has the "
            "cookie of a session, and shows X-CSRF-Token with every change.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": PROBLEM},
        },
    }


def routes(parts: Iterable[Paths]) -> list[Route]:
    """Where it is served."""
    text = json.dumps(document(parts), indent=1)

    async def told(_request: Request, _principal: Principal) -> Response:
        return Response(text, media_type="application/json", headers=HEADERS)

    return [routed(WHERE, {"GET": guarded(told, EVERYBODY)})]


PATHS: Final[Paths] = {
    WHERE: {"get": operation("This description", EVERYBODY, {200: ("It", {"type": "object"})})},
    "/api/v1/session": {
        "get": operation(
            "Who am I?",
            EVERYBODY,
            {
                200: (
                    "Who has signed in",
                    {
                        "type": "object",
                        "required": ["who", "role", "user", "by", "csrf"],
                        "properties": {
                            "who": {"type": "string"},
                            "role": {"enum": sorted(EVERYBODY)},
                            "user": {"type": ["string", "null"], "description": "The User, for the role user"},
                            "by": {"type": "string"},
                            "csrf": {"type": ["string", "null"], "description": "For X-CSRF-Token; null for a token"},
                        },
                        "additionalProperties": False,
                    },
                )
            },
        ),
        "delete": operation("Sign out", EVERYBODY, {204: ("The session has ended", None)}),
    },
}
