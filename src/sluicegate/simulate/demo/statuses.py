"""What the gateway and the stand-in say of themselves, read with suspicion: a missing figure is 0."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_KINDS = ("offered", "within", "excess", "throttled", "rejected")


@dataclass(frozen=True)
class Figures:
    """Of the gateway as a whole or of one User: SR/s as rates, SRs as totals."""

    offered: float = 0.0
    within: float = 0.0
    excess: float = 0.0
    throttled: float = 0.0
    rejected: float = 0.0

    @classmethod
    def read(cls, document: object) -> "Figures":
        """From a part of the status document."""
        return cls(**{kind: number(document, kind) for kind in _KINDS})


@dataclass(frozen=True)
class GatewayStatus:
    """``GET /api/v1/status`` of the gateway."""

    state: str = "normal"
    rates: Figures = Figures()
    totals: Figures = Figures()
    user_rates: Mapping[str, Figures] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether traffic management is active."""
        return self.state == "active"

    @classmethod
    def read(cls, body: bytes) -> "GatewayStatus":
        """Raises ValueError when ``body`` is not a status document at all."""
        document = json_object(body)
        users = document.get("users")
        by_name = {
            str(user.get("name")): Figures.read(user.get("rates"))
            for user in (users if isinstance(users, list) else [])
            if isinstance(user, dict)
        }
        return cls(
            "active" if document.get("state") == "active" else "normal",
            Figures.read(document.get("rates")),
            Figures.read(document.get("totals")),
            by_name,
        )


@dataclass(frozen=True)
class DspStatus:
    """``GET /stand-in/status`` of the stand-in DSP."""

    down: bool = False
    overloaded: bool = False
    queue: int = 0
    served: int = 0
    outages: int = 0
    down_seconds: float = 0.0

    @classmethod
    def read(cls, body: bytes) -> "DspStatus":
        """Raises ValueError when ``body`` is not a status document at all."""
        document = json_object(body)
        return cls(
            down=document.get("state") == "down",
            overloaded=document.get("overloaded") is True,
            queue=int(number(document, "queue")),
            served=int(number(document, "served")),
            outages=int(number(document, "outages")),
            down_seconds=number(document, "down_seconds"),
        )


def json_object(body: bytes) -> dict[str, Any]:
    """Raises ValueError when ``body`` is no JSON object."""
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("the status is not a JSON object")  # noqa: TRY004 - one kind of error for one fault
    return document


def number(document: object, key: str) -> float:
    """What stands under ``key``, as a number; 0 where there is none."""
    value = document.get(key) if isinstance(document, dict) else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0
