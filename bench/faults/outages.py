"""What the dispatcher needs fails: PostgreSQL, and the CSPs. The dispatcher itself runs on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from bench.faults.campaign import Campaign, Order, Outcome

LONGEST_UP, LONGEST_DOWN = 0.8, 0.4  # seconds

WELL: dict[str, Any] = {
    "state": "up", "latency": 0.004, "spread": 0.003, "busy": 0.0, "fail": 0.0, "no_answer": 0.0, "drop": 0.0,
    "cut": 0.0,
}  # fmt: skip
MISFORTUNES: dict[str, dict[str, Any]] = {
    "cut off in mid-answer": {"cut": 0.3},
    "answers lost": {"drop": 0.3},
    "cut, lost and failing": {"cut": 0.15, "drop": 0.15, "fail": 0.15},
    "all cut": {"cut": 1.0},
    "busy": {"busy": 0.2, "busy_seconds": 1.0},
    "devices do not answer": {"no_answer": 0.4},
    "slow": {"latency": 1.0, "spread": 0.9},
    "down": {"state": "down"},
    "hangs": {"state": "hang"},
    "well": {},
}


async def postgres_killed(folder: Path, order: Order, **more: object) -> Outcome:
    """`postgres-killed`: kill -9 of PostgreSQL, or of the process that serves the dispatcher, in mid-commit."""
    async with Campaign(folder, order, None, **more) as campaign:  # type: ignore[arg-type]
        await campaign.started()
        server, chance = campaign.postgres, campaign.chance
        assert server is not None
        for done in range(1, order.rounds + 1):
            backends = server.backends() if chance.random() < 0.3 else []
            await asyncio.sleep(chance.uniform(0, LONGEST_UP))
            if backends:
                server.kill_backend(chance.choice(backends))
                campaign.faults["process of a connection killed"] += 1
            else:
                server.kill()
                campaign.faults["PostgreSQL killed"] += 1
                await asyncio.sleep(chance.uniform(0, LONGEST_DOWN))
                server.start()
            await campaign.acknowledges("after PostgreSQL was killed")
            campaign.done(done)
        return await campaign.finish()


async def csp_cut(folder: Path, order: Order, store: Path, **more: object) -> Outcome:
    """`csp-cut`: CSPs and Users' endpoints that lose answers, break them off, fail, hang and go down."""
    deadlines = '"*" = 3600\n"4.*" = 2\n"6.*" = 5'
    async with Campaign(folder, order, store, deadlines=deadlines, **more) as campaign:  # type: ignore[arg-type]
        await campaign.started()
        chance = campaign.chance
        for done in range(1, order.rounds + 1):
            for stand_in in campaign.stand_ins:
                what = chance.choice(sorted(MISFORTUNES))
                changes = {**WELL, **MISFORTUNES[what]}
                await asyncio.to_thread(stand_in.behave, **changes)
                campaign.faults[what] += 1
            await asyncio.sleep(chance.uniform(0.2, 1.2))
            if chance.random() < 0.1:
                campaign.kill()
                campaign.faults["dispatcher killed"] += 1
                await campaign.started()
            campaign.done(done)
        for stand_in in campaign.stand_ins:
            await asyncio.to_thread(stand_in.behave, **WELL)
        return await campaign.finish()
