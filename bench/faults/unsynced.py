"""Power cuts: what a dispatcher had written and not synced is gone, or half gone. See unsynced.c."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bench.faults.campaign import Campaign, Order, Outcome
from bench.faults.evidence import rows_of_sqlite
from bench.faults.kills import KINDS, WEIGHTS, killed, killed_in_recovery
from bench.processes import BenchError

SECTOR = 512  # octets that a disk writes as a whole
PIECE = 1 << 20
LEFT_OUT = ("-shm", ".lock")
"""What no crash keeps: SQLite makes its shared memory anew."""


class NoCompilerError(BenchError):
    """There is none here."""


def compiled(folder: Path) -> Path:
    """The library. Raises NoCompilerError, or BenchError with what the compiler says."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise NoCompilerError("the shim for unsynced writes needs a C compiler")
    library = folder / "unsynced.so"
    source = Path(__file__).with_name("unsynced.c")
    command = [compiler, "-std=gnu11", "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"unsynced.c: {done.stderr.strip()[-800:]}")
    return library


def environment(library: Path, live: Path, shadow: Path) -> dict[str, str]:
    """For a process whose files in `live` are to be followed."""
    return {"LD_PRELOAD": str(library), "UNSYNCED_FOLDER": str(live), "UNSYNCED_SHADOW": str(shadow)}


def cut(live: Path, shadow: Path, chance: random.Random, part: float) -> int:
    """Put into both folders what is on the disk after the power has gone. How many sectors were lost.

    Args:
        live: the files as the process left them.
        shadow: the same as of their last sync.
        part: of the sectors that were written and not synced, so many reached the disk, whichever (0: none).
    """
    lost = 0
    for path in _files(live):
        behind = shadow / path.name
        if not behind.exists():
            if part == 0:
                lost += (path.stat().st_size + SECTOR - 1) // SECTOR
                path.unlink()
                continue
            behind.touch()
        lost += _cut_file(path, behind, chance, part)
    for path in live.iterdir():
        if path.name.endswith(LEFT_OUT):
            path.unlink()
    return lost


def _files(folder: Path) -> Iterable[Path]:
    return [path for path in sorted(folder.iterdir()) if not path.name.endswith(LEFT_OUT)]


def _cut_file(written: Path, synced: Path, chance: random.Random, part: float) -> int:
    lost = 0
    sizes = synced.stat().st_size, written.stat().st_size
    if sizes[1] < sizes[0] and (part == 0 or chance.random() < 0.5):
        # A truncation is one step in the file system's journal: it has happened, or it has not, and then nothing has
        # that came after it. (A file that is half truncated is no disk's: SQLite's log would be read as half a log.)
        shutil.copyfile(synced, written)
        return (sizes[0] + SECTOR - 1) // SECTOR
    if part == 0:
        size = sizes[0]
    elif sizes[1] < sizes[0]:
        size = sizes[1]
    else:
        size = chance.choice([*sizes, chance.randint(*sizes)])
    lost += max(0, sizes[1] - size + SECTOR - 1) // SECTOR
    with written.open("r+b") as new, synced.open("r+b") as old:
        old.truncate(size)
        new.truncate(size)
        for at in range(0, size, PIECE):
            new.seek(at)
            old.seek(at)
            one, other = new.read(PIECE), old.read(PIECE)
            if one != other:
                mixed, gone = _mixed(one, other, chance, part)
                lost += gone
                for file in (new, old):
                    file.seek(at)
                    file.write(mixed)
    return lost


def _mixed(written: bytes, synced: bytes, chance: random.Random, part: float) -> tuple[bytes, int]:
    """Sector by sector: the one or the other."""
    found, lost = bytearray(written), 0
    for at in range(0, len(written), SECTOR):
        old = synced[at : at + SECTOR]
        if written[at : at + SECTOR] != old and chance.random() >= part:
            found[at : at + SECTOR] = old
            lost += 1
    return bytes(found), lost


async def unsynced(folder: Path, order: Order, **more: object) -> Outcome:
    """`unsynced`: killed, and what was not synced is gone, or half gone."""
    live, shadow = _folders(folder)
    said = environment(compiled(folder), live, shadow)
    async with Campaign(folder, order, live / "dispatch.db", environment=said, **more) as campaign:  # type: ignore[arg-type]
        for done in range(1, order.rounds + 1):
            kind = campaign.chance.choices(KINDS, WEIGHTS)[0]
            if kind.endswith("in recovery"):
                await killed_in_recovery(campaign)
            else:
                await campaign.started()
                await killed(campaign, kind)
            part = campaign.chance.choice((0.0, 0.1, 0.5, 0.9))
            campaign.faults["power cuts"] += 1
            campaign.faults["sectors lost"] += cut(live, shadow, campaign.chance, part)
            campaign.done(done)
        await campaign.started()
        return await campaign.finish()


WEAKER = {
    "synchronous=OFF": {"UNSAFE": "off"},
    "synchronous=NORMAL": {"UNSAFE": "normal"},
    "a disk that lies": {"UNSYNCED_LIES": "1"},
    "as it is": {},
}
ACKS = 300


async def proof(folder: Path, order: Order, weaker: str, **more: object) -> Outcome:
    """`unsynced-proof`: one power cut with a dispatcher, or a disk, that keeps its word less well.

    All but "as it is" must lose what was acknowledged, or the campaign above proves nothing.
    """
    live, shadow = _folders(folder)
    said = {**environment(compiled(folder), live, shadow), **WEAKER[weaker]}
    store = live / "dispatch.db"
    async with Campaign(folder, order, store, environment=said, **more) as campaign:  # type: ignore[arg-type]
        await campaign.started()
        await campaign.acknowledges("before the power cut", ACKS)
        campaign.kill()
        campaign.faults[weaker] += 1
        campaign.faults["sectors lost"] += cut(live, shadow, campaign.chance, 0.0)
        acknowledged = [sent for sent in campaign.senders.book.sent if sent.acked_at is not None]
        kept = _keys(store)
        lost = sum(sent.key not in kept for sent in acknowledged)
    outcome = Outcome(order.scenario, "SQLite", 1, order.seed, order.rate, faults=dict(campaign.faults))
    outcome.counts = {"acknowledged": len(acknowledged), "lost": lost}
    outcome.must_lose = bool(WEAKER[weaker])
    if lost:
        outcome.violations = {"what was acknowledged is stored": lost}
    return outcome


def _folders(folder: Path) -> tuple[Path, Path]:
    live, shadow = folder / "live", folder / "shadow"
    live.mkdir()
    shadow.mkdir()
    return live, shadow


def _keys(store: Path) -> set[bytes]:
    """What is in the file; nothing where there is no file, or no table in it."""
    if not store.exists():
        return set()
    try:
        return {row.key for row in rows_of_sqlite(store)[0]}
    except sqlite3.DatabaseError:
        return set()
