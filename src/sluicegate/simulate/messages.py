"""Real-shaped messages: the Service Requests that one User sends, and the answers that they get."""

import itertools
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from sluicegate.duis import TOP_UP_OCTETS, Header, compose_request, compose_response, web_service

DSP_EUI64 = "90-B3-D5-1F-30-00-00-02"
"""Target of requests that end at the DSP itself."""

_DEVICES = 5000
_SOMEWHERE = "00-DB-12-34-56-78"
_SOME_ID = f"{DSP_EUI64}:{DSP_EUI64}:0"


class Letters:
    """What one User writes: its SRVs by turns of chance, to its own devices, with a counter that rises."""

    def __init__(
        self, originator: str, version: str, srvs: Mapping[str, int], seed: str, devices: str = _SOMEWHERE
    ) -> None:
        """``originator`` is a User ID, ``version`` a DUIS version; ``srvs`` gives each SRV's Command Variant.

        ``devices``: the first six octets of the EUI-64 of each of its devices.
        """
        self._originator = originator
        self._version = version
        self._srvs = list(srvs.items())
        self._chance = random.Random(seed)  # noqa: S311 - traffic, not secrets
        self._counters = itertools.count(1)
        self._devices = devices

    def next(self) -> tuple[str, bytes]:
        """The path of the web service to POST to, and the message."""
        srv, command_variant = self._chance.choice(self._srvs)
        service = web_service(command_variant)
        message = compose_request(
            self._originator,
            DSP_EUI64 if service == "D" else _device(self._devices, self._chance.randrange(_DEVICES)),
            next(self._counters),
            srv,
            command_variant=command_variant,
            version=self._version,
            size=TOP_UP_OCTETS,
        )
        return f"/api/v1/service{service}", message


def acknowledgement(header: Header) -> bytes:
    """What a DSP answers at once to a request that it takes: a Response with code I99."""
    return response("I99", header.request_id, header.srv)


def response(code: str, request_id: str, srv: str, response_id: str | None = None) -> bytes:
    """A Response, dated with the present second.

    ``request_id`` and ``response_id`` are put in as they are: take them from a `Header`, which has been read.
    """
    before, between, after = _pieces(code, srv, datetime.now(UTC).replace(microsecond=0), response_id is not None)
    stated = request_id.encode("ascii")
    if response_id is None:
        return b"".join((before, stated, after))
    return b"".join((before, stated, between, response_id.encode("ascii"), after))


@lru_cache(maxsize=1024)
def _pieces(code: str, srv: str, second: datetime, two: bool) -> tuple[bytes, bytes, bytes]:
    """What stands before, between and after the IDs, the same for all that are answered in one second."""
    some = _SOME_ID.encode("ascii")
    whole = compose_response(code, _SOME_ID, srv=srv, at=second, response_id=_SOME_ID if two else None)
    before, _, rest = whole.partition(some)
    between, _, after = rest.partition(some) if two else (b"", b"", rest)
    return before, between, after


def _device(octets: str, number: int) -> str:
    return f"{octets}-{number >> 8:02X}-{number & 0xFF:02X}"
