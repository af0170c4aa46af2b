"""Relays of one User, and other Users, before the real throttle in virtual time: who is sent when, what came of it."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

from sluicegate.gateway.answers import RateLimitFields
from sluicegate.relay.pace import Pace
from sluicegate.relay.waiting import WaitingLine
from sluicegate.throttle import THROTTLED, Limits, Throttle

DELAY = 0.02  # seconds there, and back


@dataclass(eq=False)
class Sr:
    seq: int
    rank: int
    deadline: float
    born: float
    lane: int | None = None
    preceding: bytes | None = None

    @property
    def key(self):
        return b"%d" % self.seq


@dataclass
class Relay:
    pace: Pace
    line: WaitingLine = field(default_factory=WaitingLine)
    offered: int = 0
    admitted: list = field(default_factory=list)  # (when, rank, age)
    asked: list = field(default_factory=list)
    wake: float = float("inf")


@dataclass
class World:
    """`demand`: of each relay (rank, SR/s) pairs; `others`: SR/s of another User whose allocation is `others_have`.

    `others_on`: it asks for so many seconds, then is silent for so many. `lost`: the part of the answers that do not
    come, which is told after `lost_after` seconds. `from_second`: of each relay, when it begins. `burst`: (when, rank,
    how many at once). `aside`: what was throttled is not sent again before its Retry-After, as in the relay.
    `down`: from when until when the gateway fails, in each `down_every` seconds.
    """

    relays: list
    demand: list
    allocation: float = 100.0
    others: float = 3000.0
    others_have: float = 400.0
    threshold: float = 800.0
    reserve: float = 0.0
    told: bool = True
    down: tuple = (1e9, 1e9)
    down_every: float = float("inf")
    quiet_until: float = 0.0
    delay: float = DELAY
    lost: float = 0.0
    lost_after: float = 0.0
    others_on: tuple = (1.0, 0.0)
    from_second: tuple = ()
    burst: tuple = ()
    aside: bool = False
    seed: int = 1
    in_flight: int = 64

    def run(self, seconds):
        rng = random.Random(self.seed)
        limits = Limits(1000.0, self.threshold)
        reserves = {"own": self.reserve} if self.reserve else {}
        throttle = Throttle(limits, {"own": self.allocation, "others": self.others_have}, 0.0, reserves)
        own, others = throttle.account("own"), throttle.account("others")
        told = RateLimitFields(self.allocation, own.depth)
        events = []
        number = 0

        def at(when, what, *of):
            nonlocal number
            number += 1
            heapq.heappush(events, (when, number, what, of))

        for place, demand in enumerate(self.demand):
            begins = self.from_second[place] if self.from_second else 0.0
            for rank, rate in demand:
                if rate:
                    at(begins + rng.expovariate(rate), "born", place, rank, rate)
        for when, rank, count in self.burst:
            for _ in range(count):
                at(when, "born", 0, rank, 0.0)
        self.others_got = self.others_throttled = 0
        if self.others:
            at(self.quiet_until, "other")
        flying = [0] * len(self.relays)

        def pump(place, now):
            relay = self.relays[place]
            relay.wake = float("inf")
            while flying[place] < self.in_flight:
                found = None
                for rank in relay.line.ranks():
                    wait = relay.pace.wait(now, rank)
                    if wait > 0:
                        if wait < float("inf") and now + wait < relay.wake:
                            relay.wake = now + max(wait, 1e-4)
                            at(relay.wake, "wake", place)
                        return
                    found = relay.line.pop(now, rank)
                    if found is not None:
                        break
                if found is None:
                    return
                relay.pace.sent(now, found.rank)
                relay.offered += 1
                relay.asked.append(now)
                flying[place] += 1
                at(now + self.delay, "arrive", place, found)

        while events and events[0][0] <= seconds:
            now, _, what, of = heapq.heappop(events)
            if what == "other":
                on, off = self.others_on
                if (now - self.quiet_until) % (on + off) < on:
                    if throttle.decide(others, 1.0, now) == THROTTLED:
                        self.others_throttled += 1
                    else:
                        self.others_got += 1
                at(now + rng.expovariate(self.others), "other")
            elif what == "born":
                place, rank, rate = of
                number += 1
                self.relays[place].line.add(Sr(number, rank, now + (30.0 if rank == 0 else 1e6), now))
                if rate:
                    at(now + rng.expovariate(rate), "born", place, rank, rate)
                pump(place, now)
            elif what == "arrive":
                place, sr = of
                if self.down[0] <= now % self.down_every < self.down[1]:
                    at(now + self.delay, "answer", place, sr, 502, {})
                    continue
                reserve = self.reserve if sr.rank else 0.0
                outcome = throttle.decide(own, 1.0, now, reserve)
                if self.lost and rng.random() < self.lost:
                    at(now + self.delay + self.lost_after, "answer", place, sr, 0, {})
                    continue
                fields = {}
                if self.told:
                    lines = told.render(own.level_at(now), reserve).split(b"\r\n")[:2]
                    fields = {line.split(b": ")[0].lower(): line.split(b": ")[1] for line in lines}
                if outcome == THROTTLED:
                    fields[b"retry-after"] = b"%d" % throttle.retry_after(own, 1.0, now, sr.rank, reserve)
                at(now + self.delay, "answer", place, sr, 503 if outcome == THROTTLED else 200, fields)
            elif what == "answer":
                place, sr, status, fields = of
                relay = self.relays[place]
                flying[place] -= 1
                relay.pace.answered(now, sr.rank, status, fields)
                if status == 503 and self.aside:
                    at(now + float(fields[b"retry-after"]), "back", place, sr)
                elif status == 200:
                    relay.admitted.append((now, sr.rank, now - sr.born))
                    relay.line.ended(sr)
                else:
                    relay.line.give_back(sr)
                pump(place, now)
            elif what == "back":
                self.relays[of[0]].line.give_back(of[1])
                pump(of[0], now)
            elif of[0] is not None and self.relays[of[0]].wake <= now:
                pump(of[0], now)
        return self


def relays(count=1, bulk=()):
    """So many, each with a chance of its own."""
    return [Relay(Pace(bulk, random.Random(number).random)) for number in range(count)]


def rate(relay, since, until, rank=None):
    """What was admitted, in SR/s."""
    return sum(since <= at < until and rank in (None, of) for at, of, _ in relay.admitted) / (until - since)
