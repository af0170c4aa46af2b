"""What is sent to the site: as much of it as is allowed, and of a form that is known."""

from __future__ import annotations

from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from sluicegate.front.problems import Problem
from sluicegate.operations.site.refusal import Refusal

M = TypeVar("M", bound=BaseModel)
MOST_TOLD: Final = 20  # mistakes of one body


async def body_of(request: Request, most: int, too_large: Problem) -> bytes:
    """The body, of `most` octets. Raises Refusal where it is larger."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise Refusal(too_large, f"more than {most:,} octets", fields={"Connection": "close"})
    return bytes(body)


async def model_of(
    request: Request, model: type[M], most: int, too_large: Problem, unfit: Problem, empty: bytes = b""
) -> M:
    """The body, as JSON of a model. `empty`: what nothing stands for. Raises Refusal, with every mistake and where."""
    body = await body_of(request, most, too_large) or empty
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        found = error.errors()[:MOST_TOLD]
        told = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}"[:200] for one in found]
        raise Refusal(unfit, told[0], problems=told) from None
