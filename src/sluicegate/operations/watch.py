"""What the operator's side may look at: the gateway as seen from below, so that operations need not import it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from sluicegate.allocation import Book
from sluicegate.ledger import Ledger
from sluicegate.operations.record import Recorder
from sluicegate.operations.tally import Tally, Totals
from sluicegate.settings import Settings

if TYPE_CHECKING:
    from sluicegate.operations.controls.governor import Books
    from sluicegate.operations.controls.kinds import Control
    from sluicegate.operations.fleet.colleagues import Colleagues
    from sluicegate.operations.notices.service import Notices
    from sluicegate.operations.telemetry.service import Telemetry


class InFlight(Protocol):
    """Requests of one User at the upstream."""

    @property
    def taken(self) -> int:
        """How many there are."""


class Full(Protocol):
    """A CSP that takes no more from some Users."""

    @property
    def users(self) -> Mapping[str, float]:
        """From which, by name, and for how many seconds."""

    @property
    def others(self) -> float | None:
        """Seconds for all other Users; None: it takes theirs."""


class Told(Protocol):
    """What the dispatcher tells of the CSPs."""

    @property
    def heard_at(self) -> float | None:
        """When it last did, in seconds of the monotonic clock; None: not yet."""

    @property
    def csps(self) -> Mapping[str, Full]:
        """The CSPs that take no more from somebody, by name."""

    @property
    def waiting(self) -> Mapping[str, int]:
        """SRs that the dispatcher has for a CSP, by its name; one without any may be left out."""


class Kept(Protocol):
    """The accounts of Users."""

    @property
    def failing(self) -> str:
        """Why their database cannot be used now; empty where it can."""

    @property
    def age(self) -> float:
        """Seconds since what Users set was last looked for in the database."""

    @property
    def own_profiles(self) -> int:
        """How many Users' own profiles are in force."""


class Answering(Protocol):
    """The site."""

    @property
    def answers(self) -> Mapping[int, int]:
        """Its answers, by status."""

    @property
    def refused_tokens(self) -> int:
        """Requests to it without a token that counts."""


class Governing(Protocol):
    """What lies over the configuration file."""

    @property
    def controls(self) -> Sequence[Control]:
        """Those that count, the oldest first."""

    @property
    def books(self) -> Books:
        """The allocation book in force, and the next one."""

    @property
    def refused(self) -> str:
        """Why what the database says could not be put in force; empty where it is."""


class Remembered(Protocol):
    """The history of usage."""

    @property
    def written(self) -> int:
        """Minutes that are in the database."""

    @property
    def waiting(self) -> int:
        """Minutes that it does not have yet."""

    @property
    def lost_minutes(self) -> int:
        """Minutes that had to go, for the database was lost for too long."""

    @property
    def lost_requests(self) -> int:
        """The requests that they told of."""

    @property
    def seconds_held(self) -> int:
        """Seconds of the last hour that are in memory."""

    @property
    def octets(self) -> int:
        """Memory that these seconds, and the minutes that wait, take."""


class Watched(Protocol):
    """A gateway, as the operator's side sees it. Everything here is read, nothing written."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""

    @property
    def book(self) -> Book:
        """The allocation book in force."""

    @property
    def ledger(self) -> Ledger:
        """Where the banks live."""

    @property
    def colleagues(self) -> Colleagues | None:
        """What the workers of a fleet tell each other; None: the banks are in this process."""

    @property
    def totals(self) -> Totals:
        """The counters of the gateway; of a fleet, of all its workers."""

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """The counters of each User; of a fleet, of all its workers."""

    @property
    def in_flight(self) -> Mapping[str, InFlight]:
        """Each User's requests at the upstream; of a fleet, of all its workers."""

    @property
    def recorder(self) -> Recorder | None:
        """Who keeps the traffic record; None where none is kept."""

    @property
    def accounts(self) -> Kept | None:
        """The accounts of Users; None where there are none."""

    @property
    def site(self) -> Answering | None:
        """What is answered to those who sign in; None where there is no database for it."""

    @property
    def governed(self) -> Governing | None:
        """What lies over the configuration file; None where there is no database for it."""

    @property
    def history(self) -> Remembered | None:
        """The history of usage; None where none is kept."""

    @property
    def notices(self) -> Notices | None:
        """Who tells Users; None where nobody does."""

    @property
    def telemetry(self) -> Telemetry | None:
        """Who sends metrics and traces to a collector; None where nobody does."""

    @property
    def backpressure(self) -> Told | None:
        """What the dispatcher tells of the CSPs; None where it is not asked."""

    @property
    def breaker_state(self) -> str:
        """`closed`, `open` or `half-open`."""

    @property
    def upstream_connections(self) -> int:
        """Connections to the upstream."""

    @property
    def buffered(self) -> int:
        """Octets of messages that are held."""

    @property
    def draining(self) -> bool:
        """Whether it is stopping."""

    @property
    def last_reload_error(self) -> str | None:
        """Why the last reload changed nothing; None where it did, or there was none."""
