"""What both stand-ins have in common: doors, pages, a schedule, and the ways in which a message can fare badly."""

import asyncio
import contextlib
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

from sluicegate.simulate.answering import Request
from sluicegate.simulate.standin_csp.behaviour import Behaviour
from sluicegate.simulate.standin_csp.chance import NOTHING, Chance, Draws
from sluicegate.simulate.standin_csp.door import Door
from sluicegate.simulate.standin_csp.pages import FOLDER, Pages
from sluicegate.simulate.standin_csp.schedule import Schedule, State

MAX_BODY_OCTETS = 16 * 1024 * 1024
REOPEN_PAUSE = 0.5
MOST_REMEMBERED = 5_000_000

_STATES = {"up": State.UP, "down": State.DOWN, "hang": State.HANG, "schedule": None}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to stand in for. Port 0: any free one. ``control``: a second address, only for the pages."""

    name: str = "any"
    host: str = "127.0.0.1"
    port: int = 0
    control: tuple[str, int] | None = None
    behaviour: Behaviour = field(default_factory=Behaviour)
    schedule: Schedule = field(default_factory=Schedule)
    seed: int = 1
    remember: int = 1_000_000
    """So many messages; then the oldest quarter is forgotten."""

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be, or would do nothing."""
        if not self.name or len(self.name) > 100 or not self.name.isprintable():
            raise ValueError("a name has 1 to 100 printable characters")
        if not 4 <= self.remember <= MOST_REMEMBERED:
            raise ValueError(f"4 to {MOST_REMEMBERED} messages can be remembered, not {self.remember}")
        if self.schedule.slows and not self.behaviour.latency:
            raise ValueError("slow=FACTOR multiplies the latency, which is 0: give a latency, or say latency=SECONDS")


class StandInServer(ABC):
    """A stand-in that listens. Its address is ``host`` and ``port``."""

    title = "stand-in"
    listing = ""
    """The name of the page that tells what has arrived."""

    def __init__(self, settings: Settings) -> None:
        """Use `start`."""
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._stated: State | None = None  # by the control page; it stands above the schedule
        self._chance = Chance(settings.seed)
        self._pages = Pages(self.title, self.status, (self.listing, self.page), self.control)
        self._door = Door(self, MAX_BODY_OCTETS)
        self._control_door = Door(self._pages, MAX_BODY_OCTETS) if settings.control else None
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._common = settings
        self.name = settings.name
        self.behaviour = settings.behaviour
        self.condition = settings.schedule.at(0.0)
        self.answered: Counter[str] = Counter()
        self.malformed = self.broken_while_down = self.in_progress = 0

    @classmethod
    async def start(cls, settings: Settings | None = None) -> Self:
        """Listen. Raises OSError, with what it was about as its file name; ValueError for settings that cannot be."""
        made = cls(settings if settings is not None else Settings())
        try:
            await made._build()
        except BaseException:
            await made.stop()
            raise
        return made

    async def _build(self) -> None:
        await self._door.build(self._common.host, self._common.port)
        if self._control_door is not None and self._common.control is not None:
            await self._control_door.build(*self._common.control)
        self._began = self._loop.time()
        self._apply()
        self._keeper = self._loop.create_task(self._keep())

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._door.stop()
        if self._control_door is not None:
            await self._control_door.stop()

    @property
    def host(self) -> str:
        """Where it listens."""
        return self._door.host

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._door.port

    @property
    def control_port(self) -> int | None:
        """Where it listens for the pages only."""
        return self._control_door.port if self._control_door is not None else None

    def heading(self) -> str:
        """What it is, and where it listens."""
        control = self._control_door
        more = f", control on http://{control.host}:{control.port}" if control is not None else ""
        return f"{self.title} {self.name} listens on http://{self.host}:{self.port}{more}"

    # What the subclasses say

    @abstractmethod
    def take(self, request: Request) -> None:
        """A message has come."""

    @abstractmethod
    def status(self) -> dict[str, object]:
        """What GET /stand-in/status tells."""

    @abstractmethod
    def summary(self) -> str:
        """What has happened so far, in a line."""

    @abstractmethod
    def page(self, since: int, limit: int) -> Mapping[str, object]:
        """Rows of what has arrived."""

    # Up, down, and what holds

    def asked(self, request: Request) -> None:
        """Here is a whole request."""
        if request.method != b"POST" or request.target.startswith(FOLDER):
            self._pages.asked(request)
        elif self.condition.state is State.DOWN:  # the door stays open for the pages
            self.broken_while_down += 1
            request.break_off()
        else:
            self.take(request)

    def control(self, changes: Mapping[str, object]) -> dict[str, object]:
        """Behave differently from now on. ``state`` is up, down, hang, or schedule; the rest as in `Behaviour`.

        Raises ValueError for what is unknown or cannot be; then nothing is changed.
        """
        rest = dict(changes)
        state = rest.pop("state", None)
        if state is not None and (not isinstance(state, str) or state not in _STATES):
            raise ValueError(f"state is one of {', '.join(_STATES)}, not {state!r:.60}")
        self._behave(self.behaviour.changed(rest))
        if isinstance(state, str):
            self._stated = _STATES[state]
        self._apply()
        self._changed.set()
        return {"state": self.condition.state.name.lower(), "behaviour": asdict(self.behaviour)}

    def _behave(self, behaviour: Behaviour) -> None:
        """Behave so from now on. Raise ValueError for what this one cannot do."""
        self.behaviour = behaviour

    def _apply(self) -> None:
        condition = self._common.schedule.at(self._loop.time() - self._began)
        self.condition = condition if self._stated is None else condition._replace(state=self._stated)
        if self._shuts():
            if self._door.is_open:
                self._door.shut()
        elif self.condition.state is State.DOWN:
            self._loop.call_soon(self._door.break_what_waits)  # after the answer to who asked for it

    def _shuts(self) -> bool:
        """Down by schedule it comes up by itself; down by control somebody must be able to reach the control."""
        return self.condition.state is State.DOWN and (self._stated is None or self._control_door is not None)

    async def _keep(self) -> None:
        """Follow the schedule, and open the door again."""
        while True:
            self._changed.clear()
            self._apply()
            pause = math.inf
            if not self._shuts() and not self._door.is_open:
                try:
                    await self._door.open()
                except OSError:
                    pause = REOPEN_PAUSE
                else:
                    continue  # it may be another time
            elapsed = self._loop.time() - self._began
            pause = min(pause, self._common.schedule.next_change(elapsed) - elapsed)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause if pause < math.inf else None):
                    await self._changed.wait()

    # How a message fares

    def draws(self, key: bytes, arrival: int) -> Draws:
        """Chance's numbers for the n-th arrival of a message."""
        if self.behaviour.by_chance or self.condition.fail:
            return self._chance.draws(key, arrival)
        return NOTHING

    def refusal(self, draws: Draws) -> str:
        """`busy`, `failed`, or "" where the message is taken."""
        if draws.busy < self.behaviour.busy:
            return "busy"
        return "failed" if draws.fail < max(self.behaviour.fail, self.condition.fail) else ""

    def ending(self, kind: str, draws: Draws) -> str:
        """What becomes of an answer: `dropped`, `cut`, or its own kind."""
        if draws.drop < self.behaviour.drop:
            return "dropped"
        return "cut" if draws.cut < self.behaviour.cut else kind

    def delay(self, draws: Draws) -> float:
        """Seconds before the answer."""
        behaviour, condition = self.behaviour, self.condition
        own = behaviour.latency + behaviour.spread * (2 * draws.latency - 1)
        return own * condition.slow + condition.latency

    def refuse(self, request: Request, kind: str, retry_after: float) -> None:
        """Answer a refusal."""
        if kind == "failed":
            request.answer(500, "text/plain", f"{self.title}: it failed\n".encode())
        else:
            why = f"{self.title}: {'busy' if kind == 'busy' else 'no room'}\n".encode()
            request.answer(503, "text/plain", why, f"retry-after: {math.ceil(retry_after)}\r\n")

    def common_status(self) -> dict[str, object]:
        """What is told of both kinds."""
        return {
            "name": self.name,
            "state": self.condition.state.name.lower(),
            "seconds": round(self._loop.time() - self._began, 3),
            "in_progress": self.in_progress,
            "answered": dict(self.answered),
            "malformed": self.malformed,
            "broken_while_down": self.broken_while_down,
            "behaviour": asdict(self.behaviour),
        }
