"""The catalogue of Service Requests: what each Service Reference Variant is, as data (`variants.csv`).

The gateway needs none of it to admit a request: a variant that is not listed passes like any other.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Literal

WebService = Literal["S", "T", "D"]

_WEB_SERVICE: dict[int, WebService] = {1: "S", 2: "D", 3: "S", 4: "T", 5: "S", 6: "D", 7: "S", 8: "D"}
_WAYS = frozenset(["critical", "on-demand", "future-device", "future-dsp", "scheduled", "non-device"])


@dataclass(frozen=True, slots=True)
class ServiceRequestVariant:
    """One Service Reference Variant."""

    srv: str
    service_reference: str
    name: str
    critical: bool
    """Can affect supply or security: the User signs the command itself, after a Transform."""
    on_demand: bool
    future_dated_at_device: bool
    """The command is sent at once, and the device waits for its time."""
    future_dated_at_dsp: bool
    """The DSP holds it, and fires it at its time: load that no gateway sees."""
    dcc_scheduled: bool
    """The DSP fires it by a schedule: load that no gateway sees."""
    non_device: bool
    """Answered by the DSP; no device is reached."""
    roles: tuple[str, ...]
    """User Roles that may send it. Empty where the catalogue names none."""


def web_service(command_variant: int) -> WebService:
    """The web service that takes a Command Variant: S (Send Command), T (Transform) or D (Non-Device).

    1, 3, 5 and 7 are sent; 4 is transformed; 2, 6 and 8 end at the DSP (DUIS, Command Variants).

    Raises ValueError for anything but 1 to 8.
    """
    try:
        return _WEB_SERVICE[command_variant]
    except KeyError:
        raise ValueError(f"{command_variant!r} is not a Command Variant, 1 to 8") from None


def _variant(row: dict[str, str]) -> ServiceRequestVariant:
    srv, ways = row["srv"], frozenset(row["ways"].split())
    if not ways <= _WAYS:
        raise ValueError(f"variants.csv, {srv}: {sorted(ways - _WAYS)} unknown")
    return ServiceRequestVariant(
        srv=srv,
        # A variant's reference is its first two numbers: 6.20.1 is of 6.20.
        service_reference=".".join(srv.split(".")[:2]),
        name=row["name"],
        critical="critical" in ways,
        on_demand="on-demand" in ways,
        future_dated_at_device="future-device" in ways,
        future_dated_at_dsp="future-dsp" in ways,
        dcc_scheduled="scheduled" in ways,
        non_device="non-device" in ways,
        roles=tuple(row["roles"].split()),
    )


def _load() -> Mapping[str, ServiceRequestVariant]:
    text = resources.files(__package__).joinpath("variants.csv").read_text(encoding="utf-8")
    variants = map(_variant, csv.DictReader(text.splitlines(), delimiter=";"))
    return MappingProxyType({variant.srv: variant for variant in variants})


CATALOGUE: Mapping[str, ServiceRequestVariant] = _load()
"""All variants by SRV, in the order of their numbers."""
