"""The desk: takes SRs in, says who goes straight on, keeps what must wait, and sees each to its end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from math import ceil, inf, isfinite
from typing import Any, NamedTuple, Protocol

from sluicegate.database.errors import StoreError
from sluicegate.dispatch.parcel import Incoming, Parcel, Receipt
from sluicegate.duis import LISTS_DEVICES, Header, header_key, request_key, web_service
from sluicegate.http.post import Answer
from sluicegate.log import logger
from sluicegate.relay import problems
from sluicegate.relay.classes import Classes, Place, shown
from sluicegate.relay.clock import Clock
from sluicegate.relay.errand import End, Errand, Stage, Told
from sluicegate.relay.judging import Ruling, Verdict
from sluicegate.relay.outbox import Outbox, digest, in_memory
from sluicegate.relay.problems import problem
from sluicegate.relay.remembered import Remembered
from sluicegate.relay.sending import Sending
from sluicegate.relay.tally import Tally
from sluicegate.settings.relaying import Relay

LEAST_DEADLINE = 0.1  # seconds
MOST_WISH = 100  # characters of a field that are read
LAST_TRY = 0.9  # of the time left: when an SR is tried again that was told to come after its deadline
COME_AGAIN = 5  # seconds, to whom the store or the drain turns away
LONGEST_AGAIN = 300


class Ask(NamedTuple):
    """A whole message, as the door has it."""

    header: Header
    path: str
    fields: Mapping[str, str]
    """HTTP fields that go on to the gateway: those for this hop, Host and Content-Length are not among them."""
    body: bytes
    deadline: str | None = None
    """Sluicegate-Deadline: the seconds that its sender gives it."""
    class_name: str | None = None
    """Sluicegate-Class: the class that its sender puts it in."""


class Letters(Protocol):
    """Who delivers to the callback: `dispatch.depot.Depot`."""

    def room_for(self, parcel: Incoming) -> Incoming:
        """Whether it is to be held in memory at once."""

    def not_kept(self, parcel: Incoming) -> None:
        """It was not stored."""

    def arrived(self, incoming: Sequence[Incoming], receipts: Sequence[Receipt]) -> None:
        """They were stored."""


class _WishError(ValueError):
    """What the sender asked for cannot be understood."""


class Desk:
    """See the module. All methods are for the event loop.

    Args:
        relay: the settings.
        classes: the User's own.
        outbox: where what must wait is safe.
        tally: what is counted.
        letters: delivers to the callback; None: there is none.
    """

    sending: Sending
    """Given once it is made, for each needs the other."""

    def __init__(
        self, relay: Relay, classes: Classes, outbox: Outbox, tally: Tally, letters: Letters | None, clock: Clock
    ) -> None:
        self._relay = relay
        self.classes = classes
        self._outbox = outbox
        self.tally = tally
        self._letters = letters
        self._clock = clock
        self.remembered = Remembered()
        self.draining = False
        self._loop = asyncio.get_running_loop()
        self._open: dict[bytes, list[Errand]] = {}
        self.count = 0
        """Errands that have not come to their end."""
        self._parcels: set[int] = set()
        self._storing_lanes: Counter[int] = Counter()
        self._storing_keys: Counter[bytes] = Counter()
        self.octets = 0
        """Of bodies of stored errands, in memory."""
        self._tasks: set[asyncio.Future[Any]] = set()
        """What is being stored, and ends that are being written."""

    # --- in

    def take(self, ask: Ask, told: Told) -> Errand | None:
        """A message has come. `told` is called with its answer, once, unless it has `left` before; perhaps at once.

        Returns the errand for `left`; None: it is answered already.
        """
        key = header_key(ask.header)
        if key in self._open:
            met = self._meet(self._open[key], ask, told)
            if met is not None:
                return met
        if key in self.remembered:
            answer = self.remembered.get(key, digest(ask.body), self._clock.now())
            if answer is not None:
                told(answer)
                return None
        refused = self._turned_away()
        if refused is not None:
            told(refused)
            return None
        try:
            errand = self._errand(ask, key)
        except _WishError as wrong:
            self.tally.wishes += 1
            told(problem(problems.WISH, str(wrong)))
            return None
        self._register(errand)
        self.tally.came(errand)
        if errand.callback:
            errand.told_after_commit.append(told)
        else:
            errand.waiters.append(told)
            if self._lane_is_free(errand) and self.sending.straight(errand):
                return errand
        self._store(errand)
        return errand

    def left(self, errand: Errand, told: Told) -> None:
        """Whoever was to be told has hung up."""
        for waiting in (errand.waiters, errand.told_after_commit):
            if told in waiting:
                waiting.remove(told)
        self.tally.classes[errand.rank].left += 1
        if self._is_dropped(errand) and self.sending.withdraw(errand):
            self._drop(errand)

    def _turned_away(self) -> Answer | None:
        if self.draining:
            self.tally.draining += 1
            return problem(problems.DRAINING, "send it again, to another relay or in a while", COME_AGAIN)
        if self.count >= self._relay.waiting:
            self.tally.full += 1
            text = f"{self.count:,} SRs wait for the gateway, and no more may (relay.waiting)"
            return problem(problems.FULL, text, self.room_in())
        return None

    def oldest(self) -> dict[int, float]:
        """Of each rank that has any: when the oldest one came that is not ended, in seconds of the monotonic clock."""
        found: dict[int, float] = {}
        for errands in self._open.values():
            for errand in errands:
                if errand.came < found.get(errand.rank, inf):
                    found[errand.rank] = errand.came
        return found

    def stages(self, key: bytes) -> list[str]:
        """Where the errands with a RequestID are that are not ended."""
        return [errand.stage.name.lower() for errand in self._open.get(key, ())]

    def room_in(self) -> int:
        """Seconds until a part of what waits will have gone, as it looks now."""
        rate = self.sending.pace.learnt.rate
        return max(1, min(LONGEST_AGAIN, ceil(self.count / 20 / rate)))

    def _meet(self, there: list[Errand], ask: Ask, told: Told) -> Errand | None:
        """The same message waits already: this sender gets the same answer."""
        same = None
        for errand in there:
            if errand.body is not None and not errand.digest:
                alike = errand.body == ask.body
            else:
                alike = errand.digest == digest(ask.body)
            if alike:
                same = errand
        if same is None:
            return None
        self.tally.classes[same.rank].joined += 1
        if not same.callback:
            same.waiters.append(told)
        elif same.stored:
            told(problems.accepted(same))
        else:
            same.told_after_commit.append(told)
        return same

    def _errand(self, ask: Ask, key: bytes) -> Errand:
        header, (at, now) = ask.header, self._clock.both()
        place = self._place(ask)
        seconds = place.deadline if ask.deadline is None else _seconds(ask.deadline, self.classes.longest)
        has_device = header.srv not in LISTS_DEVICES and web_service(header.command_variant) != "D"
        preceding = request_key(header.preceding) if header.preceding is not None else None
        return Errand(
            seq=self._outbox.number(),
            key=key,
            rank=place.rank,
            deadline=now + seconds,
            lane=int.from_bytes(key[8:16], "big", signed=True) if has_device else None,
            preceding=preceding if preceding != key else None,  # nobody waits for itself
            class_name=place.name,
            srv=header.srv,
            path=ask.path,
            fields=ask.fields,
            body=ask.body,
            octets=len(ask.body),
            came_at=at,
            came=now,
            due_at=at + seconds,
            callback=self._relay.mode == "callback",
            bulk=place.bulk,
        )

    def _place(self, ask: Ask) -> Place:
        if ask.class_name is not None:
            place = self.classes.named(ask.class_name)
            if place is None:
                names = ", ".join(repr(place.name) for place in self.classes.places if place.name is not None)
                asked = ask.class_name[:MOST_WISH]
                raise _WishError(f"Sluicegate-Class: there is no class {asked!a}; there are {names}")
            return place
        return self.classes.of(ask.header.srv, ask.header.command_variant, ask.header.target)

    def _lane_is_free(self, errand: Errand) -> bool:
        """Whether nothing that it must follow is being stored. (What is stored is in the line, which knows.)"""
        return (errand.lane is None or errand.lane not in self._storing_lanes) and (
            errand.preceding is None or errand.preceding not in self._storing_keys
        )

    # --- what must wait

    def _store(self, errand: Errand) -> None:
        self._storing_keys[errand.key] += 1
        if errand.lane is not None:
            self._storing_lanes[errand.lane] += 1
        self._spawn(self._keep(errand))

    async def _keep(self, errand: Errand) -> None:
        """Make it safe; then it waits. The commits end in the order in which they were asked for."""
        try:
            await self._outbox.keep(errand)
        except StoreError:
            self.tally.unsafe += 1
            self._unregister(errand)
            self._tell(errand, problem(problems.STORE, "nothing of it was taken: send it again", COME_AGAIN))
            return
        finally:
            _less(self._storing_keys, errand.key)
            if errand.lane is not None:
                _less(self._storing_lanes, errand.lane)
        self._is_safe(errand)
        self.sending.add(errand)
        if self._is_dropped(errand) and self.sending.withdraw(errand):
            self._drop(errand)

    async def _keep_after_all(self, errand: Errand, answer: Answer | None, wait: float | None) -> None:
        """It went straight on, and must wait now. Without a safe place it is as if nobody stood between."""
        errand.stage = Stage.STORING
        try:
            await self._outbox.keep(errand)
        except StoreError:
            self.tally.classes[errand.rank].given_back += 1
            self.sending.ended(errand)
            self._unregister(errand)
            told = problem(problems.STORE, "there was no answer, and no safe place to wait: send it again", COME_AGAIN)
            self._tell(errand, answer or told)
            return
        self._is_safe(errand)
        if self._is_dropped(errand):
            self.sending.ended(errand)
            self._drop(errand)
        else:
            self._wait(errand, wait)

    def _is_safe(self, errand: Errand) -> None:
        self._parcels.add(errand.parcel)
        self._keep_body(errand)
        self.tally.stored(errand)
        accepted, errand.told_after_commit = errand.told_after_commit, []
        for told in accepted:
            told(problems.accepted(errand))

    def _keep_body(self, errand: Errand) -> None:
        """In memory, where there is room."""
        if errand.body is None:
            return
        if in_memory(errand.octets) and self.octets + errand.octets <= self._relay.waiting_octets:
            self.octets += errand.octets
        else:
            errand.body = None

    def _wait(self, errand: Errand, wait: float | None) -> None:
        if wait is None:
            self.sending.failed(errand)
        else:
            self.sending.again(errand, wait)

    # --- what attempts lead to

    def concluded(self, errand: Errand, verdict: Verdict, answer: Answer | None) -> None:
        """An attempt has ended."""
        ruling, of = verdict.ruling, self.tally.classes[errand.rank]
        if ruling is Ruling.ACKNOWLEDGED or ruling is Ruling.REFUSED:
            end = End.ACKNOWLEDGED if ruling is Ruling.ACKNOWLEDGED else End.REFUSED
            self._end(errand, end, verdict.code, answer or problem(problems.EXPIRED, verdict.code))
            return
        wait: float | None = 0.0
        if ruling is Ruling.THROTTLED:
            of.throttled += 1
            wait = self._in_time(errand, verdict.seconds)
        elif ruling is Ruling.BEHIND:
            of.behind += 1
            wait = self._in_time(errand, verdict.seconds)
        else:
            of.failed += 1
            errand.attempts += 1
            wait = None
        if errand.deadline <= self._clock.now():
            self._expire(errand)
        elif errand.stored:
            self._wait(errand, wait)
        else:
            self._spawn(self._keep_after_all(errand, answer, wait))

    def _in_time(self, errand: Errand, seconds: float) -> float:
        """How long it waits that was told to: as long as that; or it is tried once more before its deadline."""
        left = errand.deadline - self._clock.now()
        return seconds if seconds < left else LAST_TRY * max(0.0, left)

    def expired(self, errand: Errand) -> None:
        """Its deadline has passed while it waited: it is out of the line."""
        self._expire(errand, in_line=False)

    def _expire(self, errand: Errand, in_line: bool = True) -> None:
        seconds = round(errand.due_at - errand.came_at, 1)
        why = f"the gateway did not take it within {seconds:g} s"
        self._end(errand, End.EXPIRED, "deadline", problems.expired(errand, why), in_line)

    def _is_dropped(self, errand: Errand) -> bool:
        """Whether nobody wants it any more."""
        return (
            self._relay.on_hang_up == "drop"
            and not errand.callback
            and not errand.waiters
            and not errand.attempts
            and not errand.repeated
        )

    def _drop(self, errand: Errand) -> None:
        answer = problems.expired(errand, "its sender left before it was sent")
        self._end(errand, End.EXPIRED, "dropped", answer, in_line=False)

    # --- the end

    def _end(self, errand: Errand, end: End, code: str, answer: Answer, in_line: bool = True) -> None:
        """An errand has come to its end. What waits for it may go once that is written: else a crash in between would
        send it again behind them."""
        errand.stage = Stage.ENDED
        if not errand.stored:
            if in_line:
                self.sending.ended(errand)
            self._finish(errand, end, code, answer)
            return
        letter = None
        if errand.callback and self._letters is not None:
            letter = self._letters.room_for(self._outbox.letter(errand, answer))
        written = self._outbox.end(errand, end, code, letter)

        self._tasks.add(written)

        def settled(_: asyncio.Future[list[Receipt]]) -> None:
            self._tasks.discard(written)
            if in_line:
                self.sending.ended(errand)
            failed = written.cancelled() or written.exception() is not None
            receipts = [] if failed else written.result()
            if letter is not None and self._letters is not None:
                if receipts:
                    self._letters.arrived([letter], receipts)
                else:
                    self._letters.not_kept(letter)
            if failed:  # we are about to end: the next life sends it again
                self._unregister(errand)
                self._tell(errand, problem(problems.STORE, "what became of it could not be written", COME_AGAIN))
            else:
                self._finish(errand, end, code, answer)

        written.add_done_callback(settled)

    def _finish(self, errand: Errand, end: End, code: str, answer: Answer) -> None:
        """It is written what became of it: tell who waits."""
        self._unregister(errand)
        self.tally.ended(errand, end, self._clock.now(), dropped=code == "dropped")
        if end is End.EXPIRED:
            logger().warning("an SR has expired", why=code, srv=errand.srv, of=shown(errand.class_name))
        if errand.callback:
            return
        if errand.waiters:
            self._tell(errand, answer)
        elif end is not End.EXPIRED:
            self.remembered.put(errand.key, errand.digest or digest(errand.body or b""), answer, self._clock.now())

    def _tell(self, errand: Errand, answer: Answer) -> None:
        waiters = errand.waiters + errand.told_after_commit
        errand.waiters, errand.told_after_commit = [], []
        for told in waiters:
            told(answer)

    def _register(self, errand: Errand) -> None:
        self._open.setdefault(errand.key, []).append(errand)
        self.count += 1

    def _unregister(self, errand: Errand) -> None:
        there = self._open[errand.key]
        there.remove(errand)
        if not there:
            del self._open[errand.key]
        self.count -= 1
        if errand.stored:
            self._parcels.discard(errand.parcel)
            if errand.body is not None:
                self.octets -= errand.octets

    # --- the whole

    async def recover(self) -> int:
        """Take up what an earlier life left, or what a commit in doubt has stored. Raises StoreError."""
        return self.adopt(await self._outbox.recover())

    def adopt(self, parcels: Iterable[Parcel]) -> int:
        """Take up parcels that were claimed and that nobody here knows: how many there were."""
        found = [errand for errand in self._outbox.errands(parcels) if errand.parcel not in self._parcels]
        for errand in found:
            place = self.classes.named(errand.class_name) or self.classes.named(None)
            assert place is not None  # noqa: S101 - there is always one for everything else
            errand.rank, errand.class_name, errand.bulk = place.rank, place.name, place.bulk
            self._register(errand)
            self._parcels.add(errand.parcel)
            self._keep_body(errand)
            self.tally.recovered(errand)
            self.sending.add(errand)
            if self._is_dropped(errand) and self.sending.withdraw(errand):
                self._drop(errand)
        return len(found)

    def send_away(self) -> None:
        """At a stop: who still waits is told so. What waits stays in the store, and goes on at the next start."""
        for errands in list(self._open.values()):
            for errand in list(errands):
                if errand.stage is Stage.ENDED or not (errand.waiters or errand.told_after_commit):
                    continue
                text = "the relay stops; it is kept, and goes on at the next start: send it again for its answer"
                if not errand.stored:
                    text = "the relay stops: send it again"
                self._tell(errand, problem(problems.DRAINING, text, COME_AGAIN))
                if self._is_dropped(errand) and self.sending.withdraw(errand):
                    self._drop(errand)

    async def quiet(self) -> None:
        """Wait until all that is to be stored is written."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _seconds(wish: str, longest: float) -> float:
    """Sluicegate-Deadline, within bounds."""
    try:
        seconds = float(wish) if len(wish) <= MOST_WISH and wish.isascii() else float("nan")
    except ValueError:
        seconds = float("nan")
    if not isfinite(seconds) or seconds <= 0:
        raise _WishError(f"Sluicegate-Deadline: {wish[:MOST_WISH]!a} is not a number of seconds")
    return min(max(seconds, LEAST_DEADLINE), longest)


def _less(counter: Counter[int] | Counter[bytes], key: int | bytes) -> None:
    """One less; what is none is not kept."""
    counts: Counter[int | bytes] = counter  # type: ignore[assignment]
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
