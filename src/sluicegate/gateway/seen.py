"""A gateway as operations look at it: nothing here changes anything."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING

from sluicegate.allocation.places import Seats
from sluicegate.operations.account.service import Accounts
from sluicegate.operations.record import Recorder
from sluicegate.operations.site.service import Site
from sluicegate.operations.tally import Tally, Totals
from sluicegate.settings import Settings

if TYPE_CHECKING:
    from sluicegate.allocation import Book
    from sluicegate.gateway.desk import Desk
    from sluicegate.http.pool import Pool
    from sluicegate.ledger import Ledger
    from sluicegate.operations.controls.governor import Governor
    from sluicegate.operations.fleet.colleagues import Colleagues
    from sluicegate.operations.history.history import History
    from sluicegate.operations.notices.service import Notices
    from sluicegate.operations.running import Operations
    from sluicegate.operations.telemetry.service import Telemetry
    from sluicegate.operations.watch import InFlight


class Seen:
    """What `operations.watch.Watched` asks for, of a gateway that has a desk."""

    desk: Desk
    operations: Operations | None
    telemetry: Telemetry | None
    colleagues: Colleagues | None
    _pool: Pool

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.desk.settings

    @property
    def file(self) -> Settings:
        """Those of the configuration file, with nothing over it."""
        return self.desk.file

    @property
    def book(self) -> Book:
        """The allocation book in force."""
        return self.desk.book

    @property
    def ledger(self) -> Ledger:
        """Where the banks live."""
        return self.desk.ledger

    @property
    def totals(self) -> Totals:
        """The counters of the gateway; of a fleet that is shown here, of all its workers."""
        fleet = self._fleet
        return self.desk.totals if fleet is None else fleet.sums.totals

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """The counters of each User; of a fleet that is shown here, of all its workers."""
        fleet = self._fleet
        return self.own_tallies if fleet is None else fleet.tallies

    @property
    def in_flight(self) -> Mapping[str, InFlight]:
        """Each User's requests at the upstream; of a fleet that is shown here, of all its workers."""
        fleet = self._fleet
        return self.own_in_flight if fleet is None else fleet.in_flight

    @property
    def counted_at(self) -> float:
        """As of when the counters are, in seconds of the monotonic clock."""
        fleet = self._fleet
        return monotonic() if fleet is None else fleet.counted_at

    @property
    def own_totals(self) -> Totals:
        """The counters of this worker."""
        return self.desk.totals

    @property
    def own_tallies(self) -> Mapping[str, Tally]:
        """The counters of each User at this worker."""
        return {name: user.tally for name, user in self.desk.users.items()}

    @property
    def own_in_flight(self) -> Mapping[str, Seats]:
        """Each User's requests at the upstream, of this worker."""
        return {name: user.seats for name, user in self.desk.users.items()}

    @property
    def own_places(self) -> int:
        """Requests that this worker lets be at the upstream at once."""
        return self.settings.capacity.max_in_flight

    @property
    def _fleet(self) -> Colleagues | None:
        return self.colleagues if self.colleagues is not None and self.colleagues.looks else None

    @property
    def breaker_state(self) -> str:
        """The upstream's breaker."""
        return self.desk.breaker.state

    @property
    def upstream_connections(self) -> int:
        """Connections to the upstream."""
        return len(self._pool)

    @property
    def buffered(self) -> int:
        """Octets of messages that are held."""
        return self.desk.buffered

    @property
    def draining(self) -> bool:
        """Whether it is stopping."""
        return self.desk.draining

    @property
    def recorder(self) -> Recorder | None:
        """Who keeps the traffic record, if one is kept."""
        return self.desk.recorder

    @property
    def accounts(self) -> Accounts | None:
        """The accounts of Users; None where there is no database for them."""
        return self.operations.accounts if self.operations is not None else None

    @property
    def site(self) -> Site | None:
        """What is answered to those who sign in; None where there is no database for it."""
        return self.operations.site if self.operations is not None else None

    @property
    def history(self) -> History | None:
        """The history of usage; None where none is kept."""
        return self.operations.history if self.operations is not None else None

    @property
    def notices(self) -> Notices | None:
        """Who tells Users; None where there is no database for it."""
        return self.operations.notices if self.operations is not None else None

    @property
    def governed(self) -> Governor | None:
        """What lies over the configuration file; None where there is no database for it."""
        return self.operations.governor if self.operations is not None else None
