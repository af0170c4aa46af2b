"""The scenarios by name: how many rounds make one run of them, and how each is run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.faults.campaign import NoProgressError, Order, Outcome
from bench.faults.disk import NotPermittedError, disk_full
from bench.faults.kills import one_dispatcher, two_dispatchers
from bench.faults.outages import csp_cut, postgres_killed
from bench.faults.unsynced import WEAKER, NoCompilerError, proof, unsynced

Run = Callable[..., Coroutine[Any, Any, Outcome]]


@dataclass(frozen=True)
class Scenario:
    """One of them."""

    rounds: int
    rate: float
    """SR/s."""
    run: Run
    says: str


def _kill_sqlite(folder: Path, order: Order, **more: Any) -> Coroutine[Any, Any, Outcome]:
    return one_dispatcher(folder, order, folder / "dispatch.db", **more)


def _kill_postgres(folder: Path, order: Order, **more: Any) -> Coroutine[Any, Any, Outcome]:
    return one_dispatcher(folder, order, None, **more)


def _full_sqlite(folder: Path, order: Order, **more: Any) -> Coroutine[Any, Any, Outcome]:
    return disk_full(folder, order, "sqlite", **more)


def _full_postgres(folder: Path, order: Order, **more: Any) -> Coroutine[Any, Any, Outcome]:
    return disk_full(folder, order, "postgres", **more)


def _csp_cut(folder: Path, order: Order, **more: Any) -> Coroutine[Any, Any, Outcome]:
    return csp_cut(folder, order, folder / "dispatch.db", **more)


def _proof(weaker: str) -> Run:
    def run(folder: Path, order: Order, **more: Any) -> Coroutine[Any, Any, Outcome]:
        return proof(folder, order, weaker, **more)

    return run


SCENARIOS = {
    "kill-sqlite": Scenario(500, 300, _kill_sqlite, "kill -9 of the dispatcher, on SQLite"),
    "kill-postgres": Scenario(500, 300, _kill_postgres, "kill -9 of the dispatcher, on PostgreSQL"),
    "two-dispatchers": Scenario(60, 200, two_dispatchers, "one of two killed, or frozen beyond its lease"),
    "postgres-killed": Scenario(60, 200, postgres_killed, "kill -9 of PostgreSQL"),
    "disk-full-sqlite": Scenario(20, 300, _full_sqlite, "the disk is full, with SQLite on it"),
    "disk-full-postgres": Scenario(20, 300, _full_postgres, "the disk is full, with PostgreSQL on it"),
    "unsynced": Scenario(300, 200, unsynced, "kill -9, and what was not synced is lost (SQLite)"),
    "csp-cut": Scenario(80, 200, _csp_cut, "CSPs and Users' endpoints lose, cut off, fail, hang, go down"),
    **{
        f"unsynced-proof-{n}": Scenario(1, 300, _proof(weaker), f"one power cut: {weaker}")
        for n, weaker in enumerate(WEAKER, 1)
    },
}


def run(name: str, folder: Path, order: Order, tell: Callable[[int, str], None]) -> Outcome:
    """Run one. What cannot be had here, and what stood still, is said in the outcome. Raises BenchError."""
    try:
        return asyncio.run(SCENARIOS[name].run(folder, order, tell=tell))
    except (NotPermittedError, NoCompilerError) as error:
        return Outcome(name, "", order.rounds, order.seed, order.rate, not_run=str(error))
    except NoProgressError as error:
        rule = "it goes on by itself"
        return Outcome(
            name, "", order.rounds, order.seed, order.rate, violations={rule: 1}, examples={rule: [str(error)]}
        )
