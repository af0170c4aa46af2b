"""`[ledger]`: where the banks of a fleet live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, PlainSerializer, PlainValidator

from sluicegate.settings import fields, secrets
from sluicegate.settings.problems import shown
from sluicegate.settings.table import File, Name, Number, Seconds, Table

HIGHEST_DATABASE = 1_000_000
DEFAULT_PORT = 6379
MOST_NODES = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where a Valkey is.

    Attributes:
        tls: whether it is reached over TLS.
        nodes: host and port of each that may be asked first; of a Valkey alone, one. Empty for a socket.
        path: the Unix socket; empty where it is reached over TCP.
        database: its number; a cluster has 0 alone.
    """

    tls: bool
    nodes: tuple[tuple[str, int], ...]
    path: str
    database: int

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}"
        hosts = ",".join(str(fields.Address(host, port)) for host, port in self.nodes)
        return f"valkey{'s' if self.tls else ''}://{hosts}/{self.database}"


def place(value: Any) -> Place:
    """`valkey://host:port/database`, `valkeys://` for TLS, several hosts with commas, or `unix:///path`."""
    text = value if isinstance(value, str) else ""
    if "@" in text:  # it may hold a password, so it is not repeated
        raise ValueError("must hold no user or password: write `username` and `password` beside it")
    refused = ValueError(
        f'{shown(value)} is not a URL such as "valkey://127.0.0.1:6379/0", "valkeys://one.example,two.example" '
        'or "unix:///run/valkey.sock"'
    )
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > 2000:
        raise refused
    scheme, separator, rest = text.partition("://")
    if scheme == "unix" and separator and rest.startswith("/") and "?" not in rest:
        return Place(tls=False, nodes=(), path=rest, database=0)
    hosts, _slash, database = rest.partition("/")
    if scheme not in ("valkey", "valkeys") or not hosts or not (database or "0").isdigit():
        raise refused
    nodes = tuple(_node(one, refused) for one in hosts.split(","))
    if len(nodes) > MOST_NODES or int(database or 0) > HIGHEST_DATABASE:
        raise refused
    return Place(tls=scheme == "valkeys", nodes=nodes, path="", database=int(database or 0))


def _node(text: str, refused: ValueError) -> tuple[str, int]:
    try:
        url = urlsplit(f"//{text}")
        port = DEFAULT_PORT if url.port is None else url.port
        found = fields.address(f"[{url.hostname}]:{port}" if ":" in (url.hostname or "") else f"{url.hostname}:{port}")
    except ValueError:
        raise refused from None
    return found.host, found.port


Secret = Annotated[secrets.Secret, PlainValidator(secrets.secret), PlainSerializer(str, return_type=str)]


class Ledger(Table):
    """`[ledger]`: left out, or without a URL, the banks live in this process (or, of several workers, beside them)."""

    url: Annotated[Place, PlainValidator(place), PlainSerializer(str, return_type=str)] | None = None
    username: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    password: Secret | None = None
    ca: File | None = None
    cluster: bool = False
    sentinel: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] | None = None
    name: Name = "sluicegate"
    parts: Annotated[int, Field(ge=1, le=256)] = 1
    wait: Annotated[Number, Field(ge=0.001, le=5)] = 0.05
    hold: Annotated[Number, Field(ge=0.1, le=60)] = 0.5
    draws_per_second: Annotated[Number, Field(ge=1, le=1000)] = 50.0
    lease: Seconds = 600.0
    after_lease: Literal["share", "closed"] = "share"
