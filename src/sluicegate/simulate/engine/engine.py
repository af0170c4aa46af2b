"""The engine: takes arrivals in order of time and says what became of each. The picture is in docs/simulation.md.

What will happen to an SR is mostly certain when it arrives: first in, first out, each station knows when it will be
done with it. Then nothing is kept of it. Only what was throttled, refused or lost, or waits at the DSP for a CSP that
is down, becomes a `Case` and is kept, with an event in a heap, until it has ended.
"""

import math
from collections import deque
from heapq import heappop, heappush
from random import Random

from sluicegate.simulate.engine.gate import Gate
from sluicegate.simulate.engine.network import Network
from sluicegate.simulate.engine.server import UP, Server
from sluicegate.simulate.engine.terms import (
    AGAIN,
    COMES_BACK,
    DELIVERED,
    EXPONENTIAL,
    GIVEN_UP,
    HAIR,
    HONOUR,
    LATE,
    PENDING,
    PLACE,
    QUARANTINED,
    RETURNED,
    SOONEST,
    TICK,
    Log,
    Strategy,
)
from sluicegate.simulate.engine.tracks import Case, Party, Track


class Engine:
    """One run of one policy."""

    def __init__(
        self,
        tracks: list[Track],
        gate: Gate,
        server: Server,
        networks: list[Network],
        strategy: Strategy,
        horizon: float,
        seed: int,
        work: list[float],
    ) -> None:
        """`horizon`: when the run ends. `work`: exponential draws of mean 1 for the DSP's service; empty: constant."""
        self.log = Log()
        self._tracks = tracks
        self._gate = gate
        self._server = server
        self._networks = networks
        self._strategy = strategy
        self._horizon = horizon
        self._random = Random(seed)  # noqa: S311 - a simulation
        self._work = work
        self._worked = 0
        self._number = 0
        self._events: list[tuple[float, int, int, Case | None, Party | None]] = []
        self._held: deque[tuple[float, Track, int, float, Case | None]] = deque()
        self._next = 0.0
        self._seconds = 0
        self._in_second = 0.0
        self._most = 0.0
        self._delay = 0.0
        self.arrived: list[float] = []
        self.most: list[float] = []
        self._schedule(1.0, TICK, None, None)

    def feed(self, times: list[float], flows: list[int], end: float) -> None:
        """SRs that are born at `times`, which rise, and then go on to `end`."""
        tracks = self._tracks
        for now, flow in zip(times, flows):  # noqa: B905 - strict would not compile to a loop
            if now >= self._next:
                self._work_off(now)
            track = tracks[flow]
            party = track.party
            tag = flow * 2
            if track.internal:
                self._to_dsp(track, tag, now, now, None)
                continue
            level = party.level + (now - party.filled_at) * party.rate
            party.filled_at = now
            if level > party.depth:
                level = party.depth
            if level >= track.weight - HAIR:
                tag += 1
            level -= track.weight
            party.level = level if level > party.floor else party.floor
            if party.queued and party.queue:
                self._join(self._new(track, tag, now, 0))
                self._serve_queue(party, now)
            elif self._gate.decide(track, now):
                self._to_dsp(track, tag, now, now, None)
            else:
                self._throttle(self._new(track, tag, now), now)
        if end >= self._next:
            self._work_off(end)

    def finish(self) -> None:
        """Go on to the horizon; what has not ended then is pending."""
        self._work_off(self._horizon)
        self._release(self._horizon)
        self._gate.finish(self._horizon)
        for _, track, tag, born, case in self._held:
            self._end(case or self._new(track, tag, born), PENDING, self._horizon)
        self._held.clear()
        for _, _, _, waiting, _ in self._events:
            if waiting is not None:
                self._end(waiting, PENDING, self._horizon)
        for track in self._tracks:
            for _, _, _, queued in track.party.queue:
                self._end(queued, PENDING, self._horizon)
            track.party.queue = []
        self._events = []
        for network in self._networks:
            network.roll(self._horizon)

    # Events

    def _schedule(self, at: float, what: int, case: Case | None, party: Party | None) -> None:
        self._number += 1
        heappush(self._events, (at, self._number, what, case, party))
        if at < self._next:
            self._next = at

    def _work_off(self, until: float) -> None:
        """Everything that happens up to `until`, in order of time."""
        server = self._server
        while True:
            at = self._events[0][0]
            turn = server.turn_at
            if turn < at and turn <= until:
                self._turn(turn)
                continue
            if at > until:
                break
            _, _, what, case, party = heappop(self._events)
            if what == TICK:
                self._tick(at)
            elif case is not None:
                if what == AGAIN:
                    self._again(case, at)
                else:
                    self._attempt(case, at)
            elif party is not None:
                self._serve_queue(party, at)
        self._next = min(self._events[0][0], server.turn_at)

    def _turn(self, at: float) -> None:
        """The DSP would fail, or is up again."""
        server = self._server
        if server.advance(at):
            self._lose()
        else:
            self._release(server.certain_until(at))

    def _lose(self) -> None:
        """The DSP has failed: what it had not finished is lost."""
        failed_at = self._server.failed_at
        self._release(failed_at)
        held = self._held
        self._held = deque()
        for _, track, tag, born, case in held:
            self._fail(case or self._new(track, tag, born), failed_at)

    def _tick(self, now: float) -> None:
        server = self._server
        if server.advance(now):
            self._lose()
        elif self._held:
            self._release(server.certain_until(now))
        self._gate.look(now, max(self._delay, server.free_at - now))
        self._delay = 0.0
        self.arrived.append(self._in_second)
        self.most.append(self._most)
        self._in_second = 0.0
        self._most = server.held(now)
        self._seconds += 1
        if now < self._horizon:
            self._schedule(self._seconds + 1.0, TICK, None, None)
        else:
            self._schedule(math.inf, TICK, None, None)

    # At the gate

    def _new(self, track: Track, tag: int, born: float, attempts: int = 1) -> Case:
        self._number += 1
        case = Case(self._number, track, tag, born)
        case.attempts = attempts
        return case

    def _attempt(self, case: Case, now: float) -> None:
        """A User's system sends an SR once more (or for the first time, where it had to wait in its queue)."""
        case.attempts += 1
        if case.attempts > 1:
            self.log.retried.append(case.tag)
            self.log.retried_at.append(now)
        track = case.track
        if track.internal or self._gate.decide(track, now):
            self._to_dsp(track, case.tag, case.born, now, case)
        else:
            self._throttle(case, now)

    def _throttle(self, case: Case, now: float) -> None:
        case.throttled += 1
        self.log.throttled.append(case.tag)
        self.log.throttled_at.append(now)
        self._come_back(case, now, self._gate.retry_after(case.track, now))

    def _fail(self, case: Case, now: float) -> None:
        """It was refused by the DSP, or lost in an outage."""
        case.failed += 1
        self.log.failed.append(case.tag)
        self.log.failed_at.append(now)
        if case.received or case.track.internal:
            self._try_later(case, now)
        else:
            self._come_back(case, now, 0.0)

    def _come_back(self, case: Case, now: float, advice: float) -> None:
        """What the User's system does: it comes back later, or gives up."""
        party = case.track.party
        habit = party.habit
        if habit == 0 or case.attempts >= party.attempts:
            self._end(case, GIVEN_UP, now)
            return
        pause = party.first
        if habit == HONOUR and advice > 0.0:
            pause = advice
        elif habit >= EXPONENTIAL:
            pause = self._random.random() * min(party.ceiling, party.first * 2.0 ** min(case.attempts - 1, 60))
        at = now + (pause if pause > SOONEST else SOONEST) + self._random.expovariate(1.0 / LATE)
        if party.queued:
            self._join(case)
            self._schedule(at, PLACE, None, party)
        elif at > case.born + case.track.deadline:
            self._end(case, GIVEN_UP, now)
        else:
            self._schedule(at, COMES_BACK, case, None)

    def _join(self, case: Case) -> None:
        party = case.track.party
        heappush(party.queue, (case.track.rank if party.ranked else 0, case.born, case.number, case))

    def _serve_queue(self, party: Party, now: float) -> None:
        """A place in time: the first of the queue that is not too late is sent."""
        while party.queue:
            case = heappop(party.queue)[3]
            if now <= case.born + case.track.deadline:
                self._attempt(case, now)
                return
            self._end(case, GIVEN_UP, now)

    # At the DSP

    def _to_dsp(self, track: Track, tag: int, born: float, now: float, case: Case | None) -> None:
        server = self._server
        if server.state != UP and server.advance(now):
            self._lose()
        weight = track.weight
        if case is not None and case.received:
            weight *= self._strategy.work
        self._in_second += weight
        if self._work:
            self._worked += 1
            weight *= self._work[self._worked & (len(self._work) - 1)]
        done = server.offer(weight, now)
        if done < 0.0:
            self._fail(case or self._new(track, tag, born), now)
            return
        held = (done - now) * server.rate
        if held > self._most:
            self._most = held
        if done - now > self._delay:
            self._delay = done - now
        if server.state != UP or server.outage_after < done - now or self._held:
            self._uncertain(done, track, tag, born, now, case)
        else:
            self._to_csp(track, tag, born, done, case)

    def _uncertain(self, done: float, track: Track, tag: int, born: float, now: float, case: Case | None) -> None:
        """It may fail before it is done."""
        server = self._server
        if server.turn_at < self._next:
            self._next = server.turn_at
        certain = server.certain_until(now)
        self._release(certain)
        if self._held or done > certain:
            self._held.append((done, track, tag, born, case))
        else:
            self._to_csp(track, tag, born, done, case)

    def _release(self, certain: float) -> None:
        """What is done until then will be, whatever happens."""
        held = self._held
        while held and held[0][0] <= certain:
            done, track, tag, born, case = held.popleft()
            self._to_csp(track, tag, born, done, case)

    # At the CSP

    def _to_csp(self, track: Track, tag: int, born: float, now: float, case: Case | None) -> None:
        if now > self._horizon:
            self._end(case or self._new(track, tag, born), PENDING, self._horizon)
            return
        if track.quota is not None and not (case and case.received) and track.quota.exceeded(track.weight, now):
            self._end(case or self._new(track, tag, born), QUARANTINED, now)
            return
        if case is not None:
            case.received = True
        done = now
        if track.csp >= 0:
            network = self._networks[track.csp]
            done = network.attempt(track.weight, now)
            if done < 0.0:
                if case is None:
                    case = self._new(track, tag, born)
                    case.received = True
                self._try_later(case, now)
                return
        if done > self._horizon:
            self._end(case or self._new(track, tag, born), PENDING, self._horizon)
        elif case is None:
            log = self.log
            log.tags.append(tag)
            log.born.append(born)
            log.ended.append(done)
        else:
            self._end(case, DELIVERED, done)

    def _try_later(self, case: Case, now: float) -> None:
        """The DSP's retry strategy; when that is exhausted, the SR is returned."""
        case.sent += 1
        if case.sent >= self._strategy.attempts:
            self._end(case, RETURNED, now)
            return
        if case.track.csp >= 0:
            self._networks[case.track.csp].wait(1)
        self._schedule(now + self._strategy.pause(case.sent), AGAIN, case, None)

    def _again(self, case: Case, now: float) -> None:
        track = case.track
        if track.csp >= 0:
            self._networks[track.csp].wait(-1)
        self._to_dsp(track, case.tag, case.born, now, case)

    def _end(self, case: Case, state: int, now: float) -> None:
        log = self.log
        log.other_cases.append(case)
        log.other_ended.append(now)
        log.other_states.append(state)
