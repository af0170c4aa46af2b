"""`[ask]`: proxies that keep their own front door and ask whether a request may pass."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PlainValidator

from sluicegate.settings import fields
from sluicegate.settings.table import Address, File, Name, Table


class AskTls(Table):
    """`[ask.tls]`: the certificate that is shown to proxies, and the authorities of theirs."""

    certificate: File = Field(examples=["tls/ask.pem"])
    key: File = Field(examples=["tls/ask.key"])
    client_ca: File = Field(examples=["tls/proxy-ca.pem"])


class Ask(Table):
    """`[ask]`: who may ask, and how. Left out, nobody can."""

    listen: Address | None = None
    grpc: Address | None = None
    domain: Name = "sluicegate"
    certificate_field: Annotated[str, PlainValidator(fields.field_name)] = "client-cert"
    pass_unknown: bool = False
    max_body_bytes: Annotated[int, Field(ge=1024, le=16_777_216)] = 65_536
    connections: Annotated[int, Field(ge=1, le=10_000)] = 100
    tls: AskTls | None = None
