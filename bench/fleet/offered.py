"""Requests offered at a rate, whatever becomes of those before: so a request that waits counts as one that is refused
at once. All times are from the moment that a request was due (bench/load/load.c); what was never answered waited until
the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.loader import Sent

SOON: Final = 1000.0  # milliseconds: within it 99 of 100 requests are answered, or the answers lag behind
WIDER: Final = 1.5  # the rate from one try to the next, until answers lag
CLOSER: Final = 3  # tries between the last two rates
MOST: Final = 60_000.0  # requests/s: the load itself may not do more


@dataclass(frozen=True)
class Greatest:
    """The greatest rate (requests/s) of those tried at which answers did not lag.

    Attributes:
        offered: that rate; 0 where they lagged at the first.
        at: what became of the requests then.
    """

    offered: float = 0.0
    at: Sent | None = None


def lags(sent: Sent) -> bool:
    """Whether more than one of 100 requests was not answered soon."""
    return sent.latency_ms["p99"] > SOON


def greatest(offer: Callable[[float], Sent], least: float) -> Greatest:
    """Offer more and more from `least` on, until answers lag; then some rates between."""
    found, rate, beyond = Greatest(), least, MOST
    while rate < beyond:
        sent = offer(rate)
        if lags(sent):
            beyond = rate
        else:
            found, rate = Greatest(rate, sent), rate * WIDER
    for _ in range(CLOSER if found.offered and beyond < MOST else 0):
        rate = (found.offered * beyond) ** 0.5
        sent = offer(rate)
        if lags(sent):
            beyond = rate
        else:
            found = Greatest(rate, sent)
    return found
