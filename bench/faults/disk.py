"""A full disk: the store is on a small file system, which is filled under load, and emptied again."""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.faults.campaign import RECOVERY_SECONDS, Campaign, Order, Outcome
from bench.processes import BenchError, _libc

SIZE = "192m"
CLONE_NEWNS = 0x00020000
REFUSALS = 30  # answers 503 until the disk counts as full
FULL_SECONDS = 30.0  # until there must be some: what a database has set aside is used up first


class NotPermittedError(BenchError):
    """This machine lets us mount nothing."""


@contextmanager
def small_disk(at: Path) -> Iterator[Path]:
    """A file system of SIZE at a folder, seen by this process and those that it starts. Raises NotPermittedError."""
    at.mkdir()
    if _libc.unshare(ctypes.c_int(CLONE_NEWNS)) != 0:
        raise NotPermittedError(f"mounting: {os.strerror(ctypes.get_errno())} (run it as root)")
    for command in (
        ("mount", "--make-rprivate", "/"),
        ("mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0755", "tmpfs", str(at)),
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotPermittedError(f"{' '.join(command[:3])}: {done.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(("umount", "--lazy", str(at)), capture_output=True, check=False)


class Filler:
    """A file that takes all the room there is."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "filler"

    def fill(self) -> None:
        """Until nothing more goes in."""
        with self._path.open("ab", buffering=0) as out:
            for size in (1 << 20, 1 << 12, 1):
                with suppress(OSError):
                    while True:
                        if out.write(b"\0" * size) < size:
                            break

    def empty(self) -> None:
        """Make room."""
        with suppress(FileNotFoundError):
            self._path.unlink()


async def disk_full(folder: Path, order: Order, database: str, **more: object) -> Outcome:
    """`disk-full`: filled, seen to refuse, sometimes killed while it is full; emptied, seen to take again."""
    with small_disk(folder / "disk") as disk:
        store = None if database == "postgres" else disk / "dispatch.db"
        async with Campaign(folder, order, store, postgres_folder=disk / "postgres", **more) as campaign:  # type: ignore[arg-type]
            await campaign.started()
            await fill_and_empty(campaign, Filler(disk))
            return await campaign.finish()


async def fill_and_empty(campaign: Campaign, filler: Filler) -> None:
    """As often as it is ordered."""
    for done in range(1, campaign.order.rounds + 1):
        await asyncio.sleep(campaign.chance.uniform(0.05, 0.5))
        filler.fill()
        campaign.faults["disk filled"] += 1
        await _refused(campaign, filler)
        alive = campaign.chance.random() < 0.6 or not await _killed(campaign)
        filler.empty()
        await _again(campaign, alive)
        campaign.done(done)


async def _refused(campaign: Campaign, filler: Filler) -> None:
    """Wait until the Users are told 503."""
    counts = campaign.senders.book.counts
    wanted, loop = counts["503"] + REFUSALS, asyncio.get_running_loop()
    until = loop.time() + FULL_SECONDS
    while counts["503"] < wanted:
        campaign.senders.check()
        if loop.time() > until:
            campaign.complain("a full disk answers 503", f"{counts['503']} after {FULL_SECONDS:g} s of a full disk")
            return
        await asyncio.sleep(0.1)
        filler.fill()  # what the database has given back meanwhile
    await asyncio.sleep(campaign.chance.uniform(0, 0.3))


async def _killed(campaign: Campaign) -> bool:
    """Kill the dispatcher on the full disk, and perhaps start it there. Whether it does not run now."""
    campaign.kill()
    campaign.faults["killed on a full disk"] += 1
    if campaign.chance.random() < 0.5:
        return True
    campaign.start()
    campaign.faults["started on a full disk"] += 1
    await asyncio.sleep(campaign.chance.uniform(0.5, 1.5))
    if campaign.dispatchers[0].runs:
        return False
    campaign.senders.down(0)  # it says what is wrong, and does not run without its store
    campaign.dispatchers[0].kill()
    return True


async def _again(campaign: Campaign, alive: bool) -> None:
    """There is room: it must take SRs again by itself."""
    server = campaign.postgres
    if server is not None and not server.answers():
        await _postgres_again(campaign)
    if not alive:
        await campaign.started()
    else:
        await campaign.acknowledges("after there was room again", 10, RECOVERY_SECONDS)


async def _postgres_again(campaign: Campaign) -> None:
    """PostgreSQL recovers by itself, or has given up and is started again: an operator's part."""
    server = campaign.postgres
    assert server is not None
    for _ in range(50):
        if not server.runs:
            server.kill()
            server.start()
            campaign.faults["PostgreSQL had ended"] += 1
            return
        if server.answers():
            return
        await asyncio.sleep(0.1)
