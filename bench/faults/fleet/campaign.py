"""One scenario: everything is started, its fault comes again and again under load, and what was seen is kept."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

from bench.faults.fleet.judge import LONGEST_BACK, SETTLED, Round, Seen
from bench.faults.fleet.lag import Lag
from bench.faults.fleet.scenarios import SCENARIOS
from bench.faults.fleet.stage import Stage

STEADY = 0.5  # seconds of ordinary running before each fault, beside the time to settle


async def run(name: str, folder: Path, rounds: int, seed: int, hold: float, tell: Callable[[int], None]) -> Seen:
    """Raises BenchError: something could not be started."""
    scenario, chance = SCENARIOS[name], random.Random(f"{seed} {name}")
    seen = Seen(name)
    async with Stage(folder, seed, hold, replica=name == "fail-over") as stage:
        assert stage.around is not None
        stage.around.say(arrivals=True)
        stage.load.sent.clear()
        lag, start = Lag(), time.monotonic()
        for done in range(1, rounds + 1):
            await asyncio.sleep(STEADY * chance.uniform(0.5, 1.5))
            began = time.monotonic()
            await scenario.fault(stage, chance, seen.excused)
            over = time.monotonic()
            seen.rounds.append(Round(began, over, await stage.back(LONGEST_BACK)))
            await asyncio.sleep(SETTLED)
            tell(done)
        seen.seconds = time.monotonic() - start
        told = stage.around.say(arrivals=True)
        seen.arrivals = [(at, user) for at, user in told["arrivals"]]
        seen.lags = [(at, seconds) for at, seconds in told["lags"]] + lag.taken()
    seen.sent = stage.load.sent
    return seen
