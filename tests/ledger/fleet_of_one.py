"""A worker as a test drives it: it tells what it is told to, and keeps its place with the ledger."""

from collections.abc import Callable
from typing import Protocol

from sluicegate.ledger.fleet.messages import Answer, Ask, Look, Terms, Want

GATEWAY = """
[capacity]
maximum = 200
operating_threshold = 150
[gateway]
upstream = "http://127.0.0.1:1"
identity = "originator"
"""
"""The settings of a gateway, but for its Users."""


def user_table(name: str, number: int, allocation: float) -> str:
    """A User in the settings; no other one has its number, below 10."""
    return f"""
[[user]]
name = "{name}"
ids = ["90-B3-D5-1F-30-00-00-0{number}"]
role = "IS"
allocation = {allocation}
"""


TERMS = Terms(100.0, 80.0, 0.5, 30.0, 1.0, "fair", 60.0, settle=0.0)


class Drawing(Protocol):
    """A shard without waiting: see `LuaShard`, and `RealShard`."""

    def drawn(self, ask: Ask) -> Answer: ...
    def left(self, ask: Ask) -> None: ...
    def looked(self) -> Look: ...


class Clock:
    """The time of a test, in whole microseconds: the server's, and the true one by which workers' clocks go."""

    def __init__(self) -> None:
        self.true = 0
        self.jump = 0

    def server(self) -> float:
        return 1_000 + (self.true + self.jump) / 1e6

    def sleep(self, seconds: float) -> None:
        self.true += round(seconds * 1e6)


class Worker:
    """It keeps its epoch, number and share, and tells that it holds what it was given until it says otherwise."""

    def __init__(
        self, shard: Drawing, clock: Clock, name: str = "w1", terms: Terms = TERMS, life: str = "1", boot: float = 7.0
    ) -> None:
        self.shard, self.clock, self.name, self.terms, self.life, self.boot = shard, clock, name, terms, life, boot
        self.epoch, self.number, self.share = "", 0, 0.0

    def ask(self, *wants: Want, **told: float | bool) -> Ask:
        self.number += 1
        at = self.boot + self.clock.true / 1e6
        return Ask(self.name, self.life, self.epoch, self.number, at, self.terms, self.share, **told, wants=wants)  # type: ignore[arg-type]

    def draw(self, *wants: Want, lost: bool = False, **told: float | bool) -> Answer:
        """`lost`: the answer does not arrive."""
        answer = self.shard.drawn(self.ask(*wants, **told))
        if not lost:
            self.epoch, self.share = answer.epoch, answer.share
        return answer

    def idle(self, seconds: float, each: float = 0.5) -> Answer:
        """Draws nothing for so long, but for the heartbeat."""
        for _ in range(max(1, round(seconds / each))):
            self.clock.sleep(each)
            answer = self.draw()
        return answer


Made = Callable[[Clock], Drawing]
