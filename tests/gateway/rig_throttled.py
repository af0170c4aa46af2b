"""Users so small, and a capacity so narrow, that a request or two is all there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rig import LARGE, SMALL, Answer, Client, message, request

ONE_EACH: tuple[Mapping[str, Any], ...] = (
    {"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 1},
    {"name": "Small", "ids": [SMALL], "role": "ES", "allocation": 0.5},
)
RARE = tuple({**one, "allocation": 0.01} for one in ONE_EACH)
"""The same who gain nothing while a test runs, however slowly: whoever is throttled stays so."""
NARROW = {"maximum": 2, "operating_threshold": 0.1, "burst_seconds": 0.01}  # a request or two, and then no more


def throttled(port: int, originator: str = LARGE, version: str = "5.4") -> tuple[Answer, int]:
    """The first throttled answer to a burst of a User; how many were admitted before."""
    with Client(port) as client:
        for admitted in range(20):
            answer = client.send(request(message(originator, version, counter=admitted))).answer()
            if answer.kind == "throttled":
                return answer, admitted
    raise AssertionError("nothing was throttled")
