"""A desk with a real store, and everything around it in the test's hand: the clock, the pace, the gateway."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any, TypeVar

import uvloop

from sluicegate.database.errors import StoreError, StoreFull
from sluicegate.dispatch.parcel import Kind, State
from sluicegate.dispatch.store.opening import open_store
from sluicegate.dispatch.writer import Writer
from sluicegate.duis import compose_request, compose_response, read_header, request_key
from sluicegate.http.call import Answer, CallFailed
from sluicegate.relay.callback import post_office
from sluicegate.relay.classes import Classes
from sluicegate.relay.clock import Clock
from sluicegate.relay.desk import Ask, Desk
from sluicegate.relay.errand import Errand
from sluicegate.relay.outbox import Outbox
from sluicegate.relay.sending import Sending
from sluicegate.relay.tally import Tally
from sluicegate.relay.waiting import WaitingLine
from sluicegate.settings import Relay, parse_relay

PATIENCE, WHOLE = 60.0, 120.0
"""Seconds for what a test waits for, and for a whole test."""
USER = "90-B3-D5-1F-30-01-00-00"
DSP = "90-B3-D5-1F-30-00-00-02"
TOP_UP, READ, OTHER = "2.2", "4.1.1", "6.15.1"
BEGAN = 1_790_000_000.0
T = TypeVar("T")

CLASSES = """
[[relay.class]]
name = "top-ups"
srvs = ["2.2"]
deadline = 60
[[relay.class]]
name = "bulk reads"
srvs = ["4.*"]
bulk = true
deadline = 3600
"""


def in_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test in an event loop of its own. Whatever the loop had to report fails it."""

    @functools.wraps(test)
    def run(**given: Any) -> None:
        unhandled: list[str] = []

        async def whole() -> None:
            asyncio.get_running_loop().set_exception_handler(
                lambda _loop, said: unhandled.append(f"{said.get('message')}: {said.get('exception')!r}")
            )
            try:
                async with asyncio.timeout(WHOLE):
                    await test(**given)
            finally:
                for one in given.values():
                    if hasattr(one, "close_all"):
                        await one.close_all()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(whole())
        assert unhandled == []

    return run


async def until(condition: Callable[[], T | Awaitable[T]], what: str = "") -> T:
    """The condition's value, once it is true."""
    end = monotonic() + PATIENCE
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        assert monotonic() < end, what or condition
        await asyncio.sleep(0.002)


async def turns(count: int = 20) -> None:
    """Let the event loop do what it has at hand."""
    for _ in range(count):
        await asyncio.sleep(0.001)


def device(number: int) -> str:
    """The EUI-64 of a device."""
    return f"00-DB-12-00-00-00-{number.to_bytes(2, 'big').hex('-').upper()}"


def request_id(target: str, counter: int) -> str:
    """The RequestID of `sr`."""
    return f"{USER}:{target}:{counter}"


def sr(target: str, counter: int, srv: str = TOP_UP, **how: Any) -> bytes:
    """A Service Request."""
    return compose_request(USER, target, counter, srv, **how)


def response(body: bytes, code: str = "I99") -> Answer:
    """What the gateway passes on from the DSP, to a message."""
    from datetime import UTC, datetime

    header = read_header(body, complete=True)
    assert header is not None
    text = compose_response(code, header.request_id, srv=header.srv, at=datetime(2026, 11, 24, tzinfo=UTC))
    return Answer(200, {b"content-type": b"application/xml"}, text)


def throttled(seconds: int | None = 1, status: int = 503, kind: str = "throttled") -> Answer:
    """The gateway's own refusal."""
    fields = {b"content-type": b"application/problem+json"}
    if seconds is not None:
        fields[b"retry-after"] = str(seconds).encode()
    return Answer(status, fields, json.dumps({"type": f"urn:sluicegate:problem:{kind}", "status": status}).encode())


def failing(status: int = 502) -> Answer:
    return throttled(None, status, "upstream-unreachable")


def kind_of(answer: Answer) -> tuple[int, str]:
    """The status, and the kind of a problem (empty for another answer)."""
    if answer.fields.get(b"content-type") == b"application/problem+json":
        return answer.status, json.loads(answer.body)["type"].rsplit(":", 1)[1]
    return answer.status, ""


class FakePace:
    """As many as the test allows."""

    def __init__(self) -> None:
        self.allowed = 10**9
        self.most_rank = 10**9
        self.answers: list[tuple[int, int]] = []
        self.learnt = SimpleNamespace(allocation=None, rate=100.0, remaining=None)

    def may(self, now: float, rank: int) -> bool:
        return self.allowed > 0 and rank <= self.most_rank

    def wait(self, now: float, rank: int) -> float:
        return 0.0 if self.may(now, rank) else 60.0

    def sent(self, now: float, rank: int) -> None:
        self.allowed -= 1

    def answered(self, now: float, rank: int, status: int, fields: Mapping[bytes, bytes]) -> None:
        self.answers.append((rank, status))

    def state(self, now: float) -> str:
        return "open"


@dataclass
class Post:
    """What came to the gateway, and waits for its answer."""

    path: str
    body: bytes
    fields: Mapping[str, str]
    answer: asyncio.Future[Answer]

    @property
    def request_id(self) -> str:
        header = read_header(self.body, complete=True)
        assert header is not None
        return header.request_id

    @property
    def counter(self) -> int:
        return int(self.request_id.rsplit(":", 1)[1])

    @property
    def marked(self) -> bool:
        return self.fields.get("Sluicegate-Repeat") == "yes"

    def acknowledge(self, code: str = "I99") -> None:
        self.give(response(self.body, code))

    def give(self, answer: Answer) -> None:
        self.answer.set_result(answer)

    def fail(self, sent: bool = True) -> None:
        self.answer.set_exception(CallFailed("gateway: it broke off", sent))


class FakeWay:
    """The gateway. What it has no script for waits for the test."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.script: Callable[[Post], Answer | None] = lambda _: None

    def begin(self, path: str, body: bytes, fields: Mapping[str, str], timeout: float, told: Callable) -> None:
        post = Post(path, body, fields, asyncio.get_running_loop().create_future())
        post.answer.add_done_callback(
            lambda done: None if done.cancelled() else told(done.exception() or done.result())
        )
        self.posts.append(post)
        answer = self.script(post)
        if answer is not None:
            post.give(answer)

    def cut(self) -> None:
        pass

    @property
    def counters(self) -> list[int]:
        return [post.counter for post in self.posts]

    def last(self, counter: int) -> Post:
        return next(post for post in reversed(self.posts) if post.counter == counter)


@dataclass
class Sender:
    """Who sent a message, and what it was told."""

    body: bytes
    answers: list[Answer] = field(default_factory=list)
    errand: Errand | None = None

    def told(self, answer: Answer) -> None:
        self.answers.append(answer)

    @property
    def answer(self) -> Answer:
        assert len(self.answers) == 1, self.answers
        return self.answers[0]

    @property
    def kind(self) -> tuple[int, str]:
        return kind_of(self.answer)


class Hands:
    """A desk. `at` and `now` are moved by the test."""

    def __init__(self, relay: Relay, at: float) -> None:
        self.relay = relay
        self.time = 0.0
        self.clock = Clock(lambda: 1000.0 + self.time, lambda: at + self.time)
        self.pace, self.way = FakePace(), FakeWay()
        self.store = open_store(str(relay.store))
        self.store.take_over(at)
        self.letters = post_office()
        self.letters.writer = self.writer = Writer(self.store, self.letters, 15.0)
        self.classes = Classes(relay)
        self.outbox = Outbox(self.writer, self.clock.both, 86_400.0)
        self.tally = Tally(len(self.classes.places))
        letters = self.letters if relay.callback is not None else None
        self.desk = Desk(relay, self.classes, self.outbox, self.tally, letters, self.clock)
        self.line: WaitingLine[Errand] = WaitingLine()
        self.sending = Sending(
            self.line, self.pace, self.way, self.tally, connections=relay.connections, timeout=5.0,  # type: ignore[arg-type]
            body=self.outbox.body, clock=self.clock,
            concluded=self.desk.course.concluded, expired=self.desk.course.expired,
        )  # fmt: skip
        self.desk.send_by(self.sending)
        self.writer.start()
        self.closed = False

    def send(self, body: bytes, **how: Any) -> Sender:
        """A sender's message has come."""
        header = read_header(body, complete=True)
        assert header is not None
        sender = Sender(body)
        fields = {"Content-Type": "application/xml"}
        sender.errand = self.desk.take(Ask(header, "/api/v1/serviceS", fields, body, **how), sender.told)
        return sender

    def leaves(self, sender: Sender) -> None:
        """A sender hangs up."""
        assert sender.errand is not None
        self.desk.left(sender.errand, sender.told)

    def passes(self, seconds: float) -> None:
        """Time."""
        self.time += seconds
        self.sending.tick()

    def stop_pace(self) -> None:
        """Nothing may be sent from now on."""
        self.pace.allowed = 0

    def go(self, count: int = 10**9) -> None:
        """So many may be sent."""
        self.pace.allowed = count
        self.sending.pump()

    async def waits(self, body: bytes, **how: Any) -> Sender:
        """The same as `send` for one that must wait: it is stored."""
        sender = self.send(body, **how)
        errand = sender.errand
        assert errand is not None
        await until(lambda: errand.stored)
        return sender

    async def stored(self, identity: str) -> list[tuple[Kind, State, str]]:
        """What the store has of a RequestID."""
        found = await self.writer.do(lambda store: store.find(request_key(identity)))
        return [(parcel.kind, state, code) for parcel, state, code in found]

    async def end_of(self, identity: str) -> str:
        """What an SR ended as, as the store has it; empty while it is open, or not there."""
        found = [code for kind, state, code in await self.stored(identity) if kind is Kind.REQUEST and state > 4]
        assert len(found) <= 1, found
        return found[0] if found else ""

    async def close(self) -> None:
        """As kill -9: nothing is drained. What the thread has begun to write, it writes."""
        if not self.closed:
            self.closed = True
            self.sending._ending = True
            self.sending.attempts.under_way.clear()
            self.store.close = self.store._disconnect  # type: ignore[method-assign]
            await self.writer.close()
            self.store._database.close()
            await turns(2)


class Bench:
    """Makes desks over one store, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hands: list[Hands] = []
        self.elapsed = 0.0

    def settings(self, text: str = "", classes: str = CLASSES) -> Relay:
        whole = f'[relay]\nuser = "A"\ngateway = "http://127.0.0.1:9"\n{text}\n{classes}'
        return parse_relay(whole, base=self.folder)

    async def desk(self, text: str = "", classes: str = CLASSES) -> Hands:
        """A new one, the one before having died if there was one."""
        for one in self.hands:
            await one.close()
        made = Hands(self.settings(text, classes), BEGAN + self.elapsed)
        self.hands.append(made)
        await made.desk.recover()
        return made

    async def close_all(self) -> None:
        for one in self.hands:
            await one.close()


def break_store(hands: Hands, error: StoreError | None = None) -> Callable[[], None]:
    """Commits fail from now on, until what is returned is called."""
    right = hands.store.transaction

    def transaction() -> Any:
        raise error or StoreFull("the disk is full")

    hands.store.transaction = transaction  # type: ignore[method-assign]

    def mend() -> None:
        hands.store.transaction = right  # type: ignore[method-assign]

    return mend
