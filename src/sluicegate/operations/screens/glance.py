"""One second of the gateway as the pages take it: small, for it goes out once a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sluicegate.duis import CATALOGUE

MOST_SRVS: Final = 12
MOST_WORKERS: Final = 40
Mix = Mapping[str, Sequence[float]]
"""By SRV: within, excess and throttled, in SR/s."""
COLUMNS: Final = (
    "name", "role", "allocation", "enforce", "within", "excess", "throttled", "rejected", "backlog", "in_flight",
    "answered_429", "answered_503",
)  # fmt: skip
"""What a row of `users` holds: rates in SR/s, the last two counts since the start."""


def glance(told: Mapping[str, Any], at: float, event: int, throttled_seen: int, mix: Mix | None) -> dict[str, Any]:
    """Of the whole status (`status.status`).

    `at`: seconds since 1970; `event`: number of the newest one; `mix`: None where nobody counts SRVs.
    """
    return {
        "at": round(at, 3),
        "event": event,
        "throttled_seen": throttled_seen,
        **{
            name: told[name]
            for name in (
                "state", "since", "maximum", "operating_threshold", "sharing", "enforce", "allocations_scaled_by",
                "rates", "in_flight", "max_in_flight", "upstream", "backpressure", "record", "operations",
                "draining", "last_reload_error",
            )
        },
        "ledger": _ledger(told["ledger"]),
        "controls": told.get("controls"),
        "mix": None if mix is None else _most_asked(mix),
        "refused_by_csp": _by_csp(told["users"]),
        "columns": COLUMNS,
        "users": [_row(user) for user in told["users"]],
    }  # fmt: skip


def own(told: Mapping[str, Any], name: str, at: float) -> dict[str, Any] | None:
    """What the User `name` may see: its own figures, and whether traffic management is active. None: no such User."""
    for user in told["users"]:
        if user["name"] == name:
            return {
                "at": round(at, 3),
                "state": told["state"],
                "since": told["since"],
                "allocations_scaled_by": told["allocations_scaled_by"],
                "user": user,
            }
    return None


def _ledger(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Of very many workers some: those that draw nothing first."""
    if told is None or told["fleet"] is None:
        return None
    workers = sorted(told["fleet"]["workers"], key=lambda one: (not one["silent"], not one["this"], one["name"]))
    return {
        "worker": told["worker"],
        "books": told["fleet"].get("banks") is not None,
        "count": len(workers),
        "silent": sum(one["silent"] for one in workers),
        "parts": told["fleet"].get("parts"),
        "parts_away": len(told["fleet"].get("parts_away") or ()),
        "workers": workers[:MOST_WORKERS],
    }


def _row(user: Mapping[str, Any]) -> list[Any]:
    rates, answered = user["rates"], user["answered"]
    return [
        user["name"], user["role"], user["allocation"], user["enforce"],
        *(round(rates[name], 1) for name in ("within", "excess", "throttled", "rejected", "csp-backlog")),
        user["in_flight"], answered["429"], answered["503"],
    ]  # fmt: skip


def _most_asked(mix: Mix) -> list[list[Any]]:
    """SRVs with their names, the most first."""
    most = sorted(mix.items(), key=lambda one: (-sum(one[1]), one[0]))[:MOST_SRVS]
    return [
        [srv, CATALOGUE[srv].name if srv in CATALOGUE else "", *(round(rate, 2) for rate in rates[:3])]
        for srv, rates in most
    ]


def _by_csp(users: list[Mapping[str, Any]]) -> dict[str, int]:
    """Requests refused since the start because a CSP was full, by its name."""
    found: dict[str, int] = {}
    for user in users:
        for csp, count in user["refused_by_csp"].items():
            found[csp] = found.get(csp, 0) + count
    return found
