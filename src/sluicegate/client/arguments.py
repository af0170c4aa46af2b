"""What a program says, checked; and what a relay says of an expired message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

import httpx

Service = Literal["S", "T", "D"]


def ranks_of(classes: Sequence[str], bulk: Sequence[str]) -> dict[str | None, int]:
    """As the relay orders them: what is in no class comes behind all that are not bulk; bulk comes last of all."""
    if len(set(classes)) != len(classes):
        raise ValueError("two classes have the same name")
    unknown = set(bulk) - set(classes)
    if unknown:
        raise ValueError(f"bulk names what is no class: {', '.join(sorted(unknown))}")
    usual = [name for name in classes if name not in bulk]
    last = [name for name in classes if name in bulk]
    return {name: rank for rank, name in enumerate((*usual, None, *last))}


def url_of(gateway: str) -> httpx.URL:
    try:
        url = httpx.URL(gateway)
    except httpx.InvalidURL as error:
        raise ValueError(f"{gateway[:200]!r} is no URL: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{gateway[:200]!r} is no URL of a gateway: http://HOST:PORT or https://HOST:PORT")
    return url


def may_have_been_sent(body: bytes) -> bool:
    """What a relay says of a message that has expired there. True where it says nothing that can be read."""
    try:
        told = json.loads(body)
    except ValueError:
        return True
    return not isinstance(told, dict) or told.get("may_have_been_sent") is not False
