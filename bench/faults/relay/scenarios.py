"""The relay's scenarios: it is killed at every moment, its disk is full, its gateway fails."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from bench.faults.campaign import Order, Outcome
from bench.faults.disk import Filler, fill_and_empty, small_disk
from bench.faults.kills import kill_again_and_again
from bench.faults.outages import MISFORTUNES, WELL
from bench.faults.relay.campaign import RelayCampaign
from bench.faults.scenarios import Scenario

OFTEN = ("well", "well", "busy", "down", "hangs", "slow", "answers lost", "cut, lost and failing")
"""What befalls the gateway; `well` is likelier."""


async def killed(folder: Path, order: Order, *, mode: str, **more: Any) -> Outcome:
    """kill -9 of the relay, while its gateway has its own troubles."""
    async with RelayCampaign(folder, order, folder / "relay.db", mode=mode, **more) as campaign:
        await kill_again_and_again(campaign)
        return await campaign.finish()


async def disk_full(folder: Path, order: Order, *, mode: str, **more: Any) -> Outcome:
    """The store's disk is filled under load, and emptied."""
    with small_disk(folder / "disk") as disk:
        async with RelayCampaign(folder, order, disk / "relay.db", mode=mode, **more) as campaign:
            await campaign.started()
            await fill_and_empty(campaign, Filler(disk))
            return await campaign.finish()


async def gateway_fails(folder: Path, order: Order, *, mode: str, **more: Any) -> Outcome:
    """The gateway is busy, down, hangs, loses answers; now and then the relay is killed, too."""
    async with RelayCampaign(folder, order, folder / "relay.db", mode=mode, **more) as campaign:
        await campaign.started()
        chance = campaign.chance
        for done in range(1, order.rounds + 1):
            what = chance.choice(OFTEN)
            await asyncio.to_thread(campaign.gateway.behave, **{**WELL, **MISFORTUNES[what]})
            campaign.faults[f"gateway: {what}"] += 1
            await asyncio.sleep(chance.uniform(0.2, 1.5))
            if chance.random() < 0.2:
                campaign.kill()
                campaign.faults["relay killed"] += 1
                await asyncio.sleep(chance.uniform(0.0, 0.3))
                campaign.start()
            campaign.done(done)
        await asyncio.to_thread(campaign.gateway.behave, **WELL)
        return await campaign.finish()


def _of(scenario: Any, mode: str, **how: Any) -> Any:
    def run(folder: Path, order: Order, **more: Any) -> Coroutine[Any, Any, Outcome]:
        return scenario(folder, order, mode=mode, **{**how, **more})

    return run


SCENARIOS = {
    "relay-kill-hold": Scenario(300, 200, _of(killed, "hold"), "kill -9 of the relay, hold mode"),
    "relay-kill-drop": Scenario(
        100, 200, _of(killed, "hold", on_hang_up="drop"), "kill -9 of the relay, what nobody waits for is dropped"
    ),
    "relay-kill-callback": Scenario(300, 200, _of(killed, "callback"), "kill -9 of the relay, callback mode"),
    "relay-gateway-hold": Scenario(60, 100, _of(gateway_fails, "hold"), "the gateway is busy, down, hangs; hold mode"),
    "relay-gateway-callback": Scenario(60, 100, _of(gateway_fails, "callback"), "the same, callback mode"),
    "relay-disk-full-hold": Scenario(10, 200, _of(disk_full, "hold"), "the disk is full, hold mode"),
    "relay-disk-full-callback": Scenario(10, 200, _of(disk_full, "callback"), "the disk is full, callback mode"),
}
