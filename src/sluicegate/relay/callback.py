"""Answers on their way to the User's callback: parcels, delivered as the dispatcher delivers to a User's endpoint."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, replace

from sluicegate.dispatch.circuit import Circuit
from sluicegate.dispatch.courier import Courier
from sluicegate.dispatch.depot import Depot
from sluicegate.dispatch.fair import FairQueue
from sluicegate.dispatch.judge import Verdict, judge_user
from sluicegate.dispatch.pace import Pace
from sluicegate.dispatch.parcel import Incoming, Parcel
from sluicegate.dispatch.strategy import RetryStrategy
from sluicegate.dispatch.window import Window
from sluicegate.http.post import Answer, Caller
from sluicegate.http.tls import client_context
from sluicegate.relay.outbox import CALLBACK, OURS
from sluicegate.settings.relaying import Callback

IN_MEMORY, OCTETS = 2_000, 16_777_216  # letters, and octets of them; the others lie in the store
UNHURRIED = 1e6  # letters/s: no limit; the callback has places, and no rate
SLOW_START = 10.0  # seconds
MOST_BODY = 65_536  # octets of the callback's answer: nobody reads it
IDLE = 15.0  # seconds after which a connection is not used again


@dataclass(frozen=True, slots=True)
class _Waits:
    upstream_connect: float
    upstream_idle: float = IDLE


class NoClerk:
    """Nothing is written here: letters come from the desk."""

    def answered(self, parcel: Parcel, body: bytes, at: float) -> Incoming | None:  # noqa: ARG002 - the contract's
        """No SRs are delivered here."""
        return None

    def returned(
        self, parcel: Parcel, body: bytes, code: str, at: float, attempts: int, try_again_after: int
    ) -> Incoming:
        """Nor returned."""
        raise NotImplementedError


def post_office() -> Depot:
    """Where letters are held. Its courier is put in when there is a writer."""
    return Depot(Window(IN_MEMORY, OCTETS, IN_MEMORY // 2, destinations=1), {}, NoClerk())


def courier_of(callback: Callback, depot: Depot) -> Courier:
    """Who delivers them. Raises OSError where a TLS file cannot be used."""
    retry, url, tls = callback.retry, callback.url, callback.tls
    context: ssl.SSLContext | None = None
    if url.scheme == "https":
        context = client_context(*((tls.ca, tls.certificate, tls.key) if tls is not None else (None, None, None)))
    way = Caller(
        asyncio.get_running_loop(), replace(url, prefix=""), _Waits(callback.timeout), context, most_body=MOST_BODY
    )
    return Courier(
        CALLBACK,
        way,
        FairQueue({OURS: 1.0}),
        Circuit(),
        Pace(callback.concurrency, UNHURRIED, SLOW_START),
        RetryStrategy(retry.first, retry.factor, retry.jitter, retry.ceiling, retry.attempts),
        _judge,
        depot,
        callback.timeout,
        base=url.prefix or "/",
    )


def _judge(answer: Answer, at: float) -> Verdict:
    return judge_user(answer.status, answer.fields, at)
