"""The Users: they send, repeat what was not acknowledged, and remember what they were told.

Each lane is a User with devices of its own. It sends some SRs to one device, one after the other, so that their order
is known, then some to another. What was not acknowledged is sent again, the same octets, as a real User does; now and
then it is given up instead.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from time import monotonic, time

from bench.faults.site import NOWHERE, SENDERS, Site
from sluicegate.duis import MalformedMessage, compose_request, read_response, request_key
from sluicegate.http.call import Answer, CallFailed
from sluicegate.http.post import Caller
from sluicegate.settings.fields import Upstream

SRVS = ("2.2", "4.1.1", "6.15.1", "7.4")
LARGE = 100_000  # octets: not kept in the dispatcher's memory
CONNECT, IDLE = 2.0, 10.0
LONGEST_WAIT = 0.25  # seconds: what Retry-After says is looked at, and not waited for
FIELDS = {"Content-Type": "application/xml"}


class Waits:
    """Of the Users' connections, in seconds."""

    upstream_connect = CONNECT
    upstream_idle = IDLE


@dataclass(slots=True, eq=False)
class Sent:
    """One SR. Times are seconds since 1970."""

    key: bytes
    request_id: str
    device: str
    digest: bytes
    sent_at: float = 0.0
    acked_at: float | None = None
    refused: str = ""
    """The code, or the status, with which it was refused for good."""
    must_be_refused: str = ""
    preceding: Sent | None = None
    tries: int = 0


@dataclass(slots=True)
class Book:
    """Everything that was sent, and what the Users were told."""

    sent: list[Sent] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Answers that must never be given."""
    acks: int = 0
    pauses: list[float] = field(default_factory=list)
    """Seconds from each start of a dispatcher to the first acknowledgement after it."""

    def complain(self, what: str) -> None:
        """Remember what was wrong."""
        self.counts["wrong answers"] += 1
        if len(self.wrong) < 50:
            self.wrong.append(what)


@dataclass(frozen=True)
class Habits:
    """How the Users send."""

    rate: float
    """SR/s of all together."""
    seed: int
    lanes: int = 48
    devices: int = 40
    """Of each lane."""
    in_a_row: int = 8
    """SRs to one device, at most."""
    patience: float = 10.0
    """Seconds for an answer."""
    give_up: float = 0.05
    """Of those whose acknowledgement was lost: not sent again."""
    again: float = 0.03
    """Of the acknowledged: sent again on purpose."""
    changed: float = 0.01
    """... and with another body under the same RequestID."""
    wrong: float = 0.01
    """SRs that must be refused."""
    chained: float = 0.05
    """SRs that name the one before them, to another device."""
    large: float = 0.002


class Target:
    """One dispatcher as the Users see it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.caller = Caller(asyncio.get_running_loop(), Upstream("http", "127.0.0.1", port), Waits(), None)
        self.up = False
        self.knocking: asyncio.Task[None] | None = None
        self.began = 0.0
        self.waited = False


class Senders:
    """All lanes."""

    def __init__(self, site: Site, habits: Habits) -> None:
        self.site, self.habits, self.book = site, habits, Book()
        self.targets = [Target(listening.port) for listening in site.dispatchers]
        self.on_ack: Callable[[], None] | None = None
        self._any_up = asyncio.Event()
        self._acked = asyncio.Condition()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._running = False
        self._tasks: list[asyncio.Task[None]] = []
        self._counter = 1000

    # --- the campaign's side

    def start(self) -> None:
        """Begin to send."""
        self._running = True
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._lane(number)) for number in range(self.habits.lanes)]

    async def stop(self, seconds: float = 60.0) -> bool:
        """Send nothing new; finish what was begun. False: it was not finished in time."""
        self._running = False
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        return not late

    async def end(self) -> None:
        """Leave nothing behind."""
        for number in range(len(self.targets)):
            self.down(number)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for target in self.targets:
            target.caller.cut()

    def check(self) -> None:
        """Raise what a lane has died of."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def up(self, number: int) -> None:
        """A dispatcher was started: everybody sends to it, once it listens."""
        target = self.targets[number]
        target.began, target.waited = monotonic(), True
        target.knocking = asyncio.get_running_loop().create_task(self._knock(target))

    async def _knock(self, target: Target) -> None:
        """One knocks for all: hundreds who try again and again would take the time that the dispatcher needs."""
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", target.port)
            except OSError:
                await asyncio.sleep(0.004)
                continue
            writer.transport.abort()
            target.up, target.knocking = True, None
            self._any_up.set()
            return

    def down(self, number: int) -> None:
        """It was killed: nobody need try."""
        target = self.targets[number]
        target.up = False
        if target.knocking is not None:
            target.knocking.cancel()
            target.knocking = None
        if not any(target.up for target in self.targets):
            self._any_up.clear()

    async def acks(self, count: int, seconds: float) -> bool:
        """Wait for so many more acknowledgements. False: they did not come in time."""
        self.check()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self.book.acks + count, future))
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            self.check()
            return False
        finally:
            self._waiting = [pair for pair in self._waiting if pair[1] is not future]
        return True

    # --- a lane

    async def _lane(self, number: int) -> None:
        habits, chance = self.habits, random.Random(f"{self.habits.seed} {number}")
        user = SENDERS[number % len(SENDERS)].eui64
        usual = (habits.in_a_row + 1) / 2 * habits.lanes / habits.rate  # seconds for those to one device
        before: Sent | None = None
        while self._running:
            await asyncio.sleep(chance.expovariate(1 / usual))
            region = chance.choice(self.site.regions)
            device = region.device(number * habits.devices + chance.randrange(habits.devices))
            for _ in range(chance.randint(1, habits.in_a_row)):
                await self._any_up.wait()
                if not self._running:
                    return
                if chance.random() < habits.wrong:
                    await self._send_wrong(user, device, chance)
                follows = before if chance.random() < habits.chained else None
                sent, body = self._compose(user, device, chance, follows)
                if await self._deliver(sent, body, chance):
                    before = sent
                    await self._after(sent, body, chance)

    def _compose(self, user: str, device: str, chance: random.Random, follows: Sent | None) -> tuple[Sent, bytes]:
        size = LARGE if chance.random() < self.habits.large else chance.randrange(1200, 2400)
        preceding = follows.request_id if follows is not None else None
        body = compose_request(user, device, self._number(), chance.choice(SRVS), size=size, preceding=preceding)
        return self._note(user, device, body, preceding=follows), body

    def _number(self) -> int:
        self._counter += 1
        return self._counter

    def _note(self, user: str, device: str, body: bytes, **more: object) -> Sent:
        request_id = f"{user}:{device}:{self._counter}"
        digest = blake2b(body, digest_size=16).digest()
        sent = Sent(request_key(request_id), request_id, device, digest, **more)  # type: ignore[arg-type]
        self.book.sent.append(sent)
        return sent

    async def _deliver(self, sent: Sent, body: bytes, chance: random.Random) -> bool:
        """Send until it is acknowledged, refused, or given up. Whether it is acknowledged."""
        sent.sent_at = time()
        while True:
            answer = await self._post(sent, body, "S", chance)
            if answer is None:
                if chance.random() < self.habits.give_up:
                    self.book.counts["given up"] += 1
                    return False
            elif answer.status in (429, 503):
                await self._put_off(sent, answer)
            else:
                return self._told(sent, answer)

    async def _post(self, sent: Sent, body: bytes, service: str, chance: random.Random) -> Answer | None:
        """One try at one dispatcher that is up. None: no answer."""
        await self._any_up.wait()
        target = chance.choice([target for target in self.targets if target.up])
        sent.tries += 1
        self.book.counts["posts"] += 1
        try:
            answer = await target.caller.post(f"/api/v1/service{service}", body, FIELDS, self.habits.patience)
        except CallFailed as error:
            word = "not reached" if not error.sent else "no answer in time" if "within" in str(error) else "no answer"
            self.book.counts[word] += 1
            await asyncio.sleep(0.02 + 0.05 * chance.random())
            return None
        if target.waited:
            target.waited = False
            self.book.pauses.append(monotonic() - target.began)
        return answer

    async def _put_off(self, sent: Sent, answer: Answer) -> None:
        """429, 503: it is not there, and may come again."""
        self.book.counts[str(answer.status)] += 1
        said = answer.fields.get(b"retry-after", b"")
        if not said.isdigit() or int(said) < 1:
            self.book.complain(f"{sent.request_id}: {answer.status} with Retry-After {said!r}")
        await asyncio.sleep(min(LONGEST_WAIT, float(said or 1)))

    def _told(self, sent: Sent, answer: Answer) -> bool:
        code = _code(answer)
        if answer.status == 200 and code == "I99":
            if sent.must_be_refused:
                self.book.complain(f"{sent.request_id}: acknowledged, and must be refused ({sent.must_be_refused})")
            sent.acked_at = time()
            self._acknowledged()
            return True
        sent.refused = code or str(answer.status)
        self.book.counts[f"refused {sent.refused}"] += 1
        if sent.refused != sent.must_be_refused:
            self.book.complain(f"{sent.request_id}: {answer.status} {code}: {answer.body[:200]!r}")
        return False

    def _acknowledged(self) -> None:
        self.book.acks += 1
        if self.on_ack is not None:
            self.on_ack()
        for most, future in self._waiting:
            if self.book.acks >= most and not future.done():
                future.set_result(None)

    async def _after(self, sent: Sent, body: bytes, chance: random.Random) -> None:
        """Sometimes it is sent again, though it was acknowledged; sometimes another one under its name."""
        if chance.random() < self.habits.again:
            answer = await self._post(sent, body, "S", chance)
            self.book.counts["sent again on purpose"] += 1
            if answer is not None and answer.status not in (429, 503) and _code(answer) != "I99":
                self.book.complain(f"{sent.request_id} sent again: {answer.status} {_code(answer)}")
        if chance.random() < self.habits.changed:
            answer = await self._post(sent, body.replace(b"DigestValue>A", b"DigestValue>B"), "S", chance)
            self.book.counts["changed on purpose"] += 1
            if answer is not None and answer.status not in (429, 503, 409):
                self.book.complain(f"{sent.request_id} with another body: {answer.status} {_code(answer)}")

    async def _send_wrong(self, user: str, device: str, chance: random.Random) -> None:
        """What must be refused, and never be delivered: a device of no region, the wrong web service."""
        if chance.random() < 0.5:
            device, variant, code = NOWHERE, 1, "E19"
        else:
            variant, code = 4, "E13"
        body = compose_request(user, device, self._number(), "2.2", command_variant=variant)
        await self._deliver(self._note(user, device, body, must_be_refused=code), body, chance)


def _code(answer: Answer) -> str:
    """The ResponseCode; "" where there is none."""
    try:
        return read_response(answer.body).code
    except MalformedMessage:
        return ""
