"""The desk: takes SRs in, and says who goes straight on and who must wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, isfinite
from typing import NamedTuple

from sluicegate.dispatch.parcel import Parcel
from sluicegate.duis import LISTS_DEVICES, Header, header_key, request_key, web_service
from sluicegate.http.call import Answer
from sluicegate.relay import problems
from sluicegate.relay.classes import Classes, Place
from sluicegate.relay.clock import Clock
from sluicegate.relay.course import Course
from sluicegate.relay.ends import COME_AGAIN, Ends, Letters
from sluicegate.relay.errand import Errand, Stage, Told
from sluicegate.relay.outbox import Outbox, digest
from sluicegate.relay.pending import Pending
from sluicegate.relay.problems import problem
from sluicegate.relay.sending import Sending
from sluicegate.relay.tally import Tally
from sluicegate.settings.relaying import Relay

LEAST_DEADLINE = 0.1  # seconds
MOST_WISH = 100  # characters of a field that are read
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

    def __init__(
        self, relay: Relay, classes: Classes, outbox: Outbox, tally: Tally, letters: Letters | None, clock: Clock
    ) -> None:
        self._relay = relay
        self.classes = classes
        self._outbox = outbox
        self.tally = tally
        self._clock = clock
        self.draining = False
        self.pending = Pending(relay.waiting_octets)
        self.ends = Ends(self.pending, outbox, tally, letters, clock, drop=relay.on_hang_up == "drop")
        self.course = Course(self.pending, self.ends, outbox, tally, clock)
        self._callback = relay.mode == "callback"

    def send_by(self, sending: Sending) -> None:
        """The way to the gateway, which needs `course` to be made."""
        self.sending = self.course.sending = sending
        self.ends.lane_goes_on = sending.ended

    # --- in

    def take(self, ask: Ask, told: Told) -> Errand | None:
        """A message has come. `told` is called with its answer, once, unless it has `left` before; perhaps at once.

        Returns the errand for `left`; None: it is answered already.
        """
        key = header_key(ask.header)
        there = self.pending.of(key)
        if there:
            met = self._meet(there, ask, told)
            if met is not None:
                return met
        if key in self.ends.remembered:
            answer = self.ends.remembered.get(key, digest(ask.body), self._clock.now())
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
        self.pending.add(errand)
        self.tally.came(errand)
        if errand.callback:
            errand.told_after_commit.append(told)
        else:
            errand.waiters.append(told)
            if self.course.is_free(errand) and self.sending.straight(errand):
                return errand
        self.course.store(errand)
        return errand

    def left(self, errand: Errand, told: Told) -> None:
        """Whoever was to be told has hung up."""
        for waiting in (errand.waiters, errand.told_after_commit):
            if told in waiting:
                waiting.remove(told)
        self.tally.classes[errand.rank].left += 1
        self.course.drop_unwanted(errand)

    def _turned_away(self) -> Answer | None:
        if self.draining:
            self.tally.draining += 1
            return problem(problems.DRAINING, "send it again, to another relay or in a while", COME_AGAIN)
        if self.pending.count >= self._relay.waiting:
            self.tally.full += 1
            text = f"{self.pending.count:,} SRs wait for the gateway, and no more may (relay.waiting)"
            return problem(problems.FULL, text, self.room_in())
        return None

    def stages(self, key: bytes) -> list[str]:
        """Where the errands with a RequestID are that are not ended."""
        return [errand.stage.name.lower() for errand in self.pending.of(key)]

    def room_in(self) -> int:
        """Seconds until a part of what waits will have gone, as it looks now."""
        rate = self.sending.pace.learnt.rate
        return max(1, min(LONGEST_AGAIN, ceil(self.pending.count / 20 / rate)))

    def _meet(self, there: Sequence[Errand], ask: Ask, told: Told) -> Errand | None:
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
            callback=self._callback,
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

    # --- the whole

    async def recover(self) -> int:
        """Take up what an earlier life left, or what a commit in doubt has stored. Raises StoreError."""
        return self.adopt(await self._outbox.recover())

    def adopt(self, parcels: Iterable[Parcel]) -> int:
        """Take up parcels that were claimed and that nobody here knows: how many there were."""
        found = [errand for errand in self._outbox.errands(parcels) if not self.pending.has_parcel(errand.parcel)]
        for errand in found:
            place = self.classes.named(errand.class_name) or self.classes.named(None)
            assert place is not None  # noqa: S101 - there is always one for everything else
            errand.rank, errand.class_name, errand.bulk = place.rank, place.name, place.bulk
            self.pending.add(errand)
            self.pending.stored(errand)
            self.tally.recovered(errand)
            self.course.waits(errand)
        return len(found)

    def send_away(self) -> None:
        """At a stop: who still waits is told so. What waits stays in the store, and goes on at the next start."""
        for errand in self.pending:
            if errand.stage is Stage.ENDED or not (errand.waiters or errand.told_after_commit):
                continue
            text = "the relay stops; it is kept, and goes on at the next start: send it again for its answer"
            if not errand.stored:
                text = "the relay stops: send it again"
            self.ends.tell(errand, problem(problems.DRAINING, text, COME_AGAIN))
            self.course.drop_unwanted(errand)


def _seconds(wish: str, longest: float) -> float:
    """Sluicegate-Deadline, within bounds."""
    try:
        seconds = float(wish) if len(wish) <= MOST_WISH and wish.isascii() else float("nan")
    except ValueError:
        seconds = float("nan")
    if not isfinite(seconds) or seconds <= 0:
        raise _WishError(f"Sluicegate-Deadline: {wish[:MOST_WISH]!a} is not a number of seconds")
    return min(max(seconds, LEAST_DEADLINE), longest)
