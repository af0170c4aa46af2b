"""From the settings to the parts of a dispatcher."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from sluicegate.allocation import NO_PROFILE, Book, Profile
from sluicegate.dispatch.backlog import Backlog
from sluicegate.dispatch.circuit import Circuit
from sluicegate.dispatch.courier import Courier
from sluicegate.dispatch.depot import Depot
from sluicegate.dispatch.fair import FairQueue
from sluicegate.dispatch.intake import Intake
from sluicegate.dispatch.judge import Verdict, judge, judge_user
from sluicegate.dispatch.pace import Pace
from sluicegate.dispatch.parcel import CSP, USER
from sluicegate.dispatch.window import Window
from sluicegate.http.call import Answer
from sluicegate.http.post import MOST_BODY, Caller
from sluicegate.http.strategy import RetryStrategy
from sluicegate.http.tls import client_context
from sluicegate.routing import Routes
from sluicegate.settings import Settings, Upstream
from sluicegate.settings.dispatching import Csp, DeliveryTls, Dispatch, Retry, UserDelivery

IDLE = 15.0  # seconds after which a connection is not used again: most servers keep one for longer
PER_QUEUE = 400  # parcels of one queue in memory: a good part of a second of the fastest CSP
UNHURRIED = 1e6  # SR/s: no limit (a User's endpoint has places, and no rate)
USERS_BODY = 65_536  # octets of the answer of a User's endpoint: nobody reads it
SLOW_START = 10.0  # seconds, of a User's endpoint


@dataclass(frozen=True, slots=True)
class Waits:
    """What a pool of connections waits for, in seconds."""

    upstream_connect: float
    upstream_idle: float = IDLE


def window_of(settings: Settings, dispatch: Dispatch) -> Window:
    """What may be in memory."""
    per_queue = min(PER_QUEUE, max(1, dispatch.window // 4))
    return Window(dispatch.window, dispatch.window_octets, per_queue, destinations=2 * max(1, len(settings.csps)))


def backlogs(settings: Settings) -> dict[str, Backlog]:
    """The ceiling of each CSP, shared by allocation."""
    allocations = {user.name: user.allocation for user in settings.users}
    return {CSP + csp.name: Backlog(csp.backlog, csp.backlog_age, allocations) for csp in settings.csps}


def intake_of(settings: Settings, routes: Routes) -> Intake:
    """From octets to parcels, by these settings."""
    dispatch = settings.dispatch
    assert dispatch is not None  # noqa: S101 - a dispatcher has it
    profiles = {user.name: Profile.of_user(user) or NO_PROFILE for user in settings.users}
    originators = {
        eui64: (holder.name, profiles[holder.name])
        for eui64, (holder, _role) in Book.from_settings(settings).by_id.items()
    }
    return Intake(
        routes,
        originators,
        lru_cache(maxsize=1024)(dispatch.deadline_for),
        malformed=dispatch.codes.malformed,
        reused=dispatch.codes.reused,
        give_up_seconds=dispatch.users.give_up_days * 86_400,
    )


def couriers(settings: Settings, depot: Depot) -> dict[str, Courier]:
    """One for each CSP, and for each User with an endpoint. Raises OSError where a TLS file cannot be used."""
    dispatch = settings.dispatch
    assert dispatch is not None  # noqa: S101 - a dispatcher has it
    weights = {user.name: user.allocation for user in settings.users}
    made = {CSP + csp.name: _to_csp(csp, weights, depot) for csp in settings.csps}
    for user in settings.users:
        if user.endpoint is not None:
            made[USER + user.name] = to_endpoint(USER + user.name, user.name, user.endpoint, dispatch.users, depot)
    return made


def _to_csp(csp: Csp, weights: Mapping[str, float], depot: Depot) -> Courier:
    circuit = csp.circuit
    return Courier(
        CSP + csp.name,
        _caller(csp.url, csp.connect_timeout, csp.tls),
        FairQueue(weights),
        Circuit(circuit.failures, circuit.pause, circuit.longest_pause, circuit.probes),
        Pace(csp.concurrency, csp.rate, csp.slow_start_seconds),
        _strategy(csp.retry),
        _judge_csp,
        depot,
        csp.timeout,
    )


def to_endpoint(destination: str, whose: str, endpoint: Upstream, how: UserDelivery, depot: Depot) -> Courier:
    """Who delivers to an endpoint of a User's own. Raises OSError where a TLS file cannot be used.

    Args:
        destination: the name under which its parcels are kept.
        whose: the User of its parcels.
        endpoint: where to, with its path.
        how: at which pace, how often, with which certificates.
        depot: who keeps the parcels.
    """
    return Courier(
        destination,
        _caller(replace(endpoint, prefix=""), how.timeout, how.tls, USERS_BODY),
        FairQueue({whose: 1.0}),
        Circuit(),
        Pace(how.concurrency, UNHURRIED, SLOW_START),
        _strategy(how.retry),
        _judge_user,
        depot,
        how.timeout,
        base=endpoint.prefix or "/",
    )


def _judge_csp(answer: Answer, at: float) -> Verdict:
    return judge(answer.status, answer.fields, answer.body, at)


def _judge_user(answer: Answer, at: float) -> Verdict:
    return judge_user(answer.status, answer.fields, at)


def _strategy(retry: Retry) -> RetryStrategy:
    return RetryStrategy(retry.first, retry.factor, retry.jitter, retry.ceiling, retry.attempts)


def _caller(url: Upstream, connect: float, tls: DeliveryTls | None, most_body: int = MOST_BODY) -> Caller:
    context: ssl.SSLContext | None = None
    if url.scheme == "https":
        files = (tls.ca, tls.certificate, tls.key) if tls is not None else (None, None, None)
        context = client_context(*files)
    return Caller(asyncio.get_running_loop(), url, Waits(connect), context, most_body=most_body)
