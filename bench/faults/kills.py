"""kill -9 of dispatchers under load: at random moments, and at those where it would hurt most."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from bench.faults.campaign import Campaign, Order, Outcome, freeze, thaw
from bench.faults.site import LEASE

LONGEST_UP = 0.5  # seconds from the first acknowledgement to a kill
KINDS = ("random", "after an ack", "in recovery", "twice in recovery", "in drain")
WEIGHTS = (50, 25, 10, 5, 10)


async def one_dispatcher(folder: Path, order: Order, store: Path | None, **more: object) -> Outcome:
    """`kill-sqlite`, `kill-postgres`: one dispatcher, killed `rounds` times."""
    async with Campaign(folder, order, store, **more) as campaign:  # type: ignore[arg-type]
        await kill_again_and_again(campaign)
        return await campaign.finish()


async def kill_again_and_again(campaign: Campaign) -> None:
    """As often as it is ordered; then it is started."""
    kills = 0
    while kills < campaign.order.rounds:
        kind = campaign.chance.choices(KINDS, WEIGHTS)[0]
        campaign.faults[f"killed {kind}"] += 1
        kills += await _round(campaign, kind)
        campaign.done(min(kills, campaign.order.rounds))
    await campaign.started()


async def _round(campaign: Campaign, kind: str) -> int:
    """One life of the dispatcher, or two. How often it was killed."""
    if kind.endswith("in recovery"):
        for _ in range(times := 2 if kind.startswith("twice") else 1):
            await killed_in_recovery(campaign)
        return times
    await campaign.started()
    await killed(campaign, kind)
    return 1


async def killed_in_recovery(campaign: Campaign, number: int = 0) -> None:
    """Started, and killed before, or just after, it is ready."""
    book = campaign.senders.book
    usual = sorted(book.pauses)[len(book.pauses) // 2] if book.pauses else 0.3
    campaign.start(number)
    await asyncio.sleep(campaign.chance.uniform(0.1, 1.1) * usual)
    campaign.kill(number)


async def killed(campaign: Campaign, kind: str, number: int = 0) -> None:
    """Killed while it runs."""
    chance = campaign.chance
    if kind == "after an ack":
        await at_an_ack(campaign, chance.randint(1, 60), number)
    elif kind == "in drain":
        await asyncio.sleep(chance.uniform(0, LONGEST_UP))
        campaign.dispatchers[number].signal(signal.SIGTERM)
        await asyncio.sleep(chance.uniform(0, 0.1))
        campaign.senders.down(number)
        campaign.dispatchers[number].kill()  # it may have ended well by then
    else:
        await asyncio.sleep(chance.uniform(0, LONGEST_UP))
        campaign.kill(number)


async def at_an_ack(campaign: Campaign, count: int, number: int = 0) -> None:
    """Killed at the very moment in which a User reads its acknowledgement."""
    left = count

    def kill() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            campaign.dispatchers[number].signal(signal.SIGKILL)

    campaign.senders.on_ack = kill
    try:
        await campaign.acknowledges("before a kill", count)
    finally:
        campaign.senders.on_ack = None
    campaign.senders.down(number)
    campaign.dispatchers[number].kill()


async def two_dispatchers(folder: Path, order: Order, **more: object) -> Outcome:
    """`two-dispatchers`: one of two is killed, or frozen for longer than its lease and thawed again."""
    habits = {"patience": 1.5}
    async with Campaign(folder, order, None, dispatchers=2, habits=habits, **more) as campaign:  # type: ignore[arg-type]
        campaign.overlaps = True
        await campaign.started(0)
        await campaign.started(1)
        for done in range(1, order.rounds + 1):
            number, chance = campaign.chance.randrange(2), campaign.chance
            if chance.random() < 0.2:
                await _frozen(campaign, number)
            else:
                await asyncio.sleep(chance.uniform(0, LONGEST_UP))
                campaign.kill(number)
                campaign.faults["killed"] += 1
                if chance.random() < 0.5:  # its claims outlast it, or its successor is there before
                    await asyncio.sleep(chance.uniform(0, LEASE * 1.2))
                await campaign.started(number)
            campaign.done(done)
        return await campaign.finish()


async def _frozen(campaign: Campaign, number: int) -> None:
    chance = campaign.chance
    await asyncio.sleep(chance.uniform(0, LONGEST_UP))
    freeze(campaign, number)
    campaign.faults["frozen"] += 1
    await asyncio.sleep(LEASE * chance.uniform(1.1, 1.8))
    await campaign.acknowledges("beside a frozen dispatcher")
    thaw(campaign, number)
    await asyncio.sleep(chance.uniform(0.2, 0.8))
