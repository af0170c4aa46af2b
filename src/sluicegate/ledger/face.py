"""What the gateway, its status and its screens ask of a ledger, wherever its banks live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from sluicegate.allocation import Book, Profile
from sluicegate.settings import Capacity
from sluicegate.throttle import State

ASK: Final = 3
"""As an outcome of `decide`: nothing was decided or charged. Call `waiting`, which tells the outcome later."""


class Banked(Protocol):
    """One User's bank, to look at: `throttle.Account`, or what a worker of a fleet knows of it. SR, SR/s, seconds."""

    @property
    def name(self) -> str:
        """The User."""

    @property
    def allocation(self) -> float:
        """At which it fills."""

    @property
    def depth(self) -> float:
        """What it holds at most."""

    @property
    def level(self) -> float:
        """What it held after the last request."""

    def level_at(self, now: float) -> float:
        """What it holds at `now`."""


class Explains(Protocol):
    """What decides, to ask why."""

    @property
    def now(self) -> float:
        """Its own time, in seconds."""

    def at_a_refusal(self, user: Any) -> tuple[float, float, float, float | None]:
        """As `Throttle.at_a_refusal`."""


class Told(NamedTuple):
    """What a worker of a fleet knows of itself, to look at.

    Attributes:
        worker: its name in the fleet.
        answered: whether the ledger ever has.
        alone: for how many seconds it has decided by its share; None: the ledger answers.
        closed: whether it admits nothing, because its lease has ended (`after_lease = "closed"`).
        share: of the whole, the part that it falls back to.
        workers: how many there are, as the ledger told it.
        draws, lost_draws: sent since the start; of these, not answered in time.
        waits: requests that waited for a draw.
        trouble: why the last draw failed that did; empty where none has.
    """

    worker: str
    answered: bool
    alone: float | None
    closed: bool
    share: float
    workers: int
    draws: int
    lost_draws: int
    waits: int
    trouble: str


class Ledger(Protocol):
    """`LocalLedger` and `fleet.FleetLedger`. Accounts are its own: they come from `account` and go back as they are."""

    factor: float

    @property
    def decide(self) -> Callable[..., int]:
        """As `Throttle.decide`; of a fleet also `ASK`."""

    @property
    def decide_team(self) -> Callable[..., int]:
        """As `Throttle.decide_team`; of a fleet also `ASK`."""

    @property
    def give_back(self) -> Callable[..., None]:
        """As `Throttle.give_back`."""

    @property
    def retry_after(self) -> Callable[..., int]:
        """As `Throttle.retry_after`."""

    @property
    def waiting(self) -> Callable[..., object]:
        """After `ASK`: `waiting(told, account, weight, now, reserve)`; `told` is called with the outcome."""

    @property
    def throttle(self) -> Explains:
        """What decides."""

    def account(self, name: str) -> Any:
        """The account of a User, to decide by. Raises KeyError where there is none."""

    def shown(self, name: str) -> Banked:
        """The bank of a User, to be told and shown. Raises KeyError where there is none."""

    def state(self, now: float | None = None) -> State:
        """Whether traffic management is active, and since when."""

    def told(self, now: float) -> Told | None:
        """Of a fleet, how this worker stands with the ledger; None: the banks are in this process."""

    def set_profile(self, name: str, profile: Profile | None, now: float | None = None) -> None:
        """Another profile for one User. Raises KeyError, ValueError."""

    def reconfigure(self, capacity: Capacity, book: Book, now: float | None = None) -> None:
        """Take another capacity and book. Raises ValueError."""
