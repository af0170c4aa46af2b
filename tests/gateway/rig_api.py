"""The API of a running gateway, asked by a token that is made for it."""

from __future__ import annotations

import http.client
import json
from typing import Any

from sluicegate.operations.store import tokens, trail


def answer_to(running: Any, store: Any, role: str, name: str, method: str, path: str, body: Any) -> tuple[int, Any]:
    """Status and document of one request, as somebody in a role."""
    with store.changing() as connection:
        shown, _, _ = tokens.create(connection, role=role, name=name, days=1, note="", who="op", at=trail.now())
    made = http.client.HTTPConnection("127.0.0.1", running.gateway.site.port)
    octets = None if body is None else json.dumps(body)
    made.request(method, path, octets, {"Authorization": f"Bearer {shown}"})
    answer = made.getresponse()
    told = json.loads(answer.read())
    made.close()
    return answer.status, told
