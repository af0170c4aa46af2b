"""`[telemetry]`: metrics, and traces of a part of the requests, to a collector of OpenTelemetry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, PlainValidator

from sluicegate.settings.dispatching import DeliveryTls
from sluicegate.settings.noticing import Secret
from sluicegate.settings.problems import shown
from sluicegate.settings.table import Name, Number, Seconds, Table, Url

MOST_HEADERS = 20

_FIELD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)
_OURS = frozenset(
    ("host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "expect", "te",
     "trailer", "upgrade", "keep-alive")
)  # fmt: skip


def field_name(value: Any) -> str:
    """The name of an HTTP field that is nobody else's to write."""
    if not isinstance(value, str) or not _FIELD.fullmatch(value):
        raise ValueError(f'{shown(value)} is not the name of a header such as "Authorization"')
    if value.lower() in _OURS:
        raise ValueError(f"{value} is written by the gateway itself: take it out")
    return value


Headers = Annotated[
    Mapping[Annotated[str, PlainValidator(field_name)], Secret],
    Field(max_length=MOST_HEADERS),
]


class Telemetry(Table):
    """`[telemetry]`: left out, nothing is sent, and nothing of it is loaded."""

    endpoint: Url = Field(examples=["http://127.0.0.1:4318"])
    service_name: Name = "sluicegate"
    interval: Annotated[Number, Field(ge=1, le=3600)] = 60.0
    timeout: Seconds = 10.0
    sample: Annotated[Number, Field(ge=0, le=1)] = 0.0
    asked_per_second: Annotated[Number, Field(ge=0, le=10_000)] = 0.0
    waiting: Annotated[int, Field(ge=1, le=1_000_000)] = 4096
    headers: Headers = Field(default_factory=dict)
    tls: DeliveryTls | None = None

    @property
    def traces(self) -> bool:
        """Whether any request is traced."""
        return self.sample > 0 or self.asked_per_second > 0
