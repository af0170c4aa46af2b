"""The admin listener asks nobody who he is: what a web page in an operator's browser sends must not move anything."""

import asyncio
from types import SimpleNamespace

import httpx
import pytest

from sluicegate.dispatch.admin import admin_app


class Operator:
    def __init__(self) -> None:
        self.did: list[tuple[str, str, bool]] = []

    async def drain(self, name: str, drained: bool) -> None:
        self.did.append(("drain", name, drained))


def drained(operator: Operator, base: str, fields: dict[str, str]) -> int:
    """The status of the answer to a request to drain north."""

    async def ask() -> int:
        transport = httpx.ASGITransport(admin_app(SimpleNamespace(operator=operator)))
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return (await client.post("/api/v1/destinations/north/drain", headers=fields)).status_code

    return asyncio.run(ask())


@pytest.mark.parametrize("base", ["http://127.0.0.1:8101", "http://[::1]:8101", "http://localhost:8101"])
def test_a_program_on_this_machine_is_heard(base: str) -> None:
    operator = Operator()
    assert drained(operator, base, {}) == 200
    assert operator.did == [("drain", "north", True)]


@pytest.mark.parametrize(
    ("base", "fields"),
    [
        ("http://127.0.0.1:8101", {"Origin": "https://evil.example"}),
        ("http://127.0.0.1:8101", {"Origin": "null"}),
        ("http://evil.example:8101", {}),  # a name that leads here: DNS rebinding
    ],
)
def test_a_page_is_not(base: str, fields: dict[str, str]) -> None:
    operator = Operator()
    assert drained(operator, base, fields) == 403
    assert operator.did == []
