"""Workers that tell each other what they count, over a place in memory, with a test's time and without sockets."""

from __future__ import annotations

from types import SimpleNamespace

from sluicegate.ledger import Told
from sluicegate.ledger.fleet.messages import Look, Seen
from sluicegate.ledger.fleet.shard import AwayError
from sluicegate.operations.fleet.colleagues import Colleagues
from sluicegate.operations.tally import Tally, Totals


class Place:
    """What is kept beside the ledger. `away`: names of workers that cannot reach it."""

    def __init__(self):
        self.now = 0.0
        self.held = {}
        self.away = set()
        self.workers = {}

    def of(self, name):
        return Way(self, name)


class Way:
    """One worker's way to it."""

    def __init__(self, place, name):
        self.place, self.name = place, name

    def _reach(self):
        if self.name in self.place.away:
            raise AwayError("nobody answers")

    async def keep(self, name, text, seconds):
        self._reach()
        self.place.held[name] = text, self.place.now + seconds

    async def kept(self, names):
        self._reach()
        found = (self.place.held.get(name, (None, 0.0)) for name in names)
        return [text if self.place.now < until else None for text, until in found]

    async def hold(self, name, who, seconds):
        (holder,) = await self.kept([name])
        if holder not in (None, who):
            return False
        await self.keep(name, who, seconds)
        return seconds > 0.0

    async def look(self):
        self._reach()
        workers = tuple(
            Seen(name, self.place.now - at, 0.5, 600.0, 1.0, 0.0) for name, at in self.place.workers.items()
        )
        return Look("e", False, 1.0, 10.0, 20.0, 5.0, 2.0, 1.0, workers)


class Worker:
    """One worker of a fleet."""

    def __init__(self, place, name, users=("A", "B"), looks=True, writes=True):
        self.place, self.name = place, name
        self.own_tallies = {user: Tally() for user in users}
        self.own_in_flight = {user: SimpleNamespace(taken=0) for user in users}
        self.own_totals = Totals()
        self.draws = 0
        self.own_places = 100
        self.ledger = self
        place.workers[name] = place.now
        self.fleet = Colleagues(
            place.of(name), name, self, f"{name}:443", looks=looks, writes=writes,
            clock=lambda: place.now, wall=lambda: place.now,
        )  # fmt: skip

    def told(self, now):
        return Told(self.name, True, None, False, 0.5, 2, self.draws, 0, 0, "")

    def did(self, user="A", within=0, excess=0, throttled=0, srv="4.8.1"):
        tally = self.own_tallies[user]
        tally.within += within
        tally.excess += excess
        tally.throttled += throttled
        for outcome, count in enumerate((within, excess, throttled)):
            if count:
                (tally.srvs.get(srv) or tally.saw_srv(srv))[outcome] += count

    async def tell(self):
        self.place.workers[self.name] = self.place.now
        await self.fleet._guarded(self.fleet.tell())

    async def look(self):
        await self.fleet._guarded(self.fleet.bid())
        await self.fleet._guarded(self.fleet.count())
        await self.fleet._guarded(self.fleet.read())
        self.fleet.counted_at = self.place.now

    def counted(self, user="A"):
        return self.fleet.tallies[user].outcomes()[:3]


async def second(place, *workers):
    """All tell, then all who show the fleet read."""
    place.now += 1.0
    for one in workers:
        await one.tell()
    for one in workers:
        if one.fleet.looks:
            await one.look()
