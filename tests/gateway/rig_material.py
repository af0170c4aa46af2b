"""Configurations and messages for the gateway's tests, and how they wait."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sluicegate.duis import compose_request

PATIENCE = 60.0  # seconds after which a test that waits has failed: the machine may be busy
LARGE, SMALL, TINY = "90-B3-D5-1F-30-01-00-00", "90-B3-D5-1F-30-02-00-00", "90-B3-D5-1F-30-03-00-00"
STRANGER = "90-B3-D5-1F-30-99-00-00"
DEVICE = "00-DB-12-34-56-78-90-A0"

USERS: tuple[Mapping[str, Any], ...] = (
    {"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 300},
    {"name": "Small", "ids": [SMALL], "role": "ES", "allocation": 50},
)


def configuration(upstream: str, *, users: tuple[Mapping[str, Any], ...] = USERS, **tables: Mapping[str, Any]) -> str:
    """TOML for a gateway on port 0. A keyword is a table, `__` in it a dot: `gateway__limits={"connections": 3}`."""
    merged: dict[str, dict[str, Any]] = {
        "capacity": {"maximum": 1000, "operating_threshold": 800, "burst_seconds": 0.5, "calm_seconds": 1},
        "gateway": {"listen": "127.0.0.1:0", "upstream": upstream, "identity": "originator"},
        "gateway.timeouts": {"drain": 3, "upstream_connect": 2},
    }
    for name, table in tables.items():
        merged.setdefault(name.replace("__", "."), {}).update(table)
    lines = []
    for name, table in merged.items():
        lines.append(f"[{name}]")
        lines += [f"{_key(key)} = {_toml(value)}" for key, value in table.items() if value is not None]
    for user in users:
        lines.append("[[user]]")
        lines += [f"{key} = {_toml(value)}" for key, value in user.items()]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return json.dumps(key) if "." in key else key


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(str(value) if isinstance(value, Path) else value)


def message(originator: str = LARGE, version: str = "5.4", srv: str = "2.2", counter: int = 1, **more: Any) -> bytes:
    """A Service Request."""
    return compose_request(originator, DEVICE, counter, srv, version=version, **more)


def request(
    body: bytes | None = None, *fields: str, path: str = "/api/v1/serviceS", method: str = "POST", old: bool = False
) -> bytes:
    """The octets of a request, with Host and Content-Length."""
    body = message() if body is None else body
    head = [f"{method} {path} HTTP/1.{0 if old else 1}", "Host: dsp.example", "Content-Type: application/xml"]
    return "\r\n".join([*head, *fields, f"Content-Length: {len(body)}", "", ""]).encode() + body


def head_of(*fields: str, path: str = "/api/v1/serviceS", method: str = "POST", version: str = "1.1") -> bytes:
    """The octets of a head as given, ended by an empty line."""
    return "\r\n".join([f"{method} {path} HTTP/{version}", *fields, "", ""]).encode("latin-1")


def duis_messages() -> Iterator[Path]:
    """The real messages beside the checkout; none where they are not there."""
    folder = Path(__file__).resolve().parents[2] / "../shared/duis/messages"
    return iter(sorted(folder.glob("*"))) if folder.is_dir() else iter(())


def wait_for(condition: Callable[[], Any], what: str = "", patience: float = PATIENCE) -> Any:
    """The condition's value, once it is true."""
    until = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"waited {patience} s in vain{': ' + what if what else ''}")
        time.sleep(0.005)
