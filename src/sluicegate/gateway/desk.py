"""The desk: what one set of settings makes of a request. A reload builds the parts anew and swaps them whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from email.utils import formatdate
from time import monotonic
from typing import TYPE_CHECKING, Any

from sluicegate.allocation import NOTHING, Book, Holder, Overlay, Profile, overlaid
from sluicegate.allocation.places import Places, Seats
from sluicegate.front.identity import Identities
from sluicegate.front.offences import Offences
from sluicegate.gateway.answers import TOO_MANY, UNAVAILABLE, RateLimitFields, ThrottledAnswer
from sluicegate.http.breaker import Breaker
from sluicegate.ledger import Banked, Ledger, LocalLedger
from sluicegate.ledger.fleet.joining import Joined
from sluicegate.operations.record import Recorder
from sluicegate.operations.screens.throttled import Throttled
from sluicegate.operations.tally import Tally, Totals
from sluicegate.settings import Settings

if TYPE_CHECKING:
    from sluicegate.gateway.backpressure import Refusals
    from sluicegate.gateway.note import Noting


class Served:
    """One User as the gateway serves it: its account, its counters and its answers, all within reach of the path."""

    __slots__ = (
        "account",
        "always_429",
        "answer_429",
        "answer_503",
        "drill",
        "enforce",
        "fields",
        "ids",
        "name",
        "profile",
        "seats",
        "shown",
        "tally",
    )

    def __init__(
        self, holder: Holder, account: Any, shown: Banked, tally: Tally, seats: Seats, settings: Settings
    ) -> None:
        self.name = holder.name
        self.drill: Drill | None = None
        self.ids = tuple(eui64 for eui64, _role in holder.ids)
        self.account = account
        self.shown = shown
        self.tally = tally
        self.seats = seats
        self.enforce = holder.enforce and settings.capacity.enforce
        self.always_429 = holder.name in settings.responses.too_many_requests_users
        self.take_profile(holder.profile)
        self.answer_429 = ThrottledAnswer(TOO_MANY, holder.name, shown.allocation)
        self.answer_503 = ThrottledAnswer(UNAVAILABLE, holder.name, shown.allocation)

    def take_profile(self, profile: Profile | None) -> None:
        """Its own priorities from now on; None: it has none. The depth of its account follows before."""
        self.profile = profile
        self.tally.has_classes([one.name for one in profile.classes] if profile is not None else None)
        self.fields = RateLimitFields(self.shown.allocation, self.shown.depth)


class Drill:
    """Throttles a part of a User's requests for practice, evenly: with 0.25 every fourth."""

    __slots__ = ("_due", "_part")

    def __init__(self, part: float) -> None:
        self._part = part
        self._due = 0.0

    def takes(self) -> bool:
        """Whether the request that has come now is one of them."""
        self._due += self._part
        if self._due < 1.0 - 1e-9:
            return False
        self._due -= 1.0
        return True


class Desk:
    """Everything that a request meets between its header and the upstream.

    Attributes:
        ledger: where the banks live. joined: what draws for it, where a fleet shares them.
        settings, book: in force: those of the file with the overlay.
        file: the settings of the file.
        overlay: what lies over the file.
        users: the Users served, by name, in the book's order.
        recorder: who keeps the traffic record; None where none is kept.
        noting: makes notes of requests, for the record and for traces; None where there is neither.
        refusals: what is refused because a CSP is full; None while none is.
        throttled: keeps the last throttled decisions; None where nobody can ask for them.
        generation: counts the reloads; who remembers a sender compares it.
    """

    def __init__(self, settings: Settings, called: str | None = None) -> None:
        self.totals = Totals()
        self.offences = Offences()
        self.breaker = Breaker()
        self.places = Places(settings.capacity.max_in_flight)
        self.recorder: Recorder | None = None
        self.noting: Noting | None = None
        self.refusals: Refusals | None = None
        self.throttled: Throttled | None = None
        self.buffered = 0
        self.draining = False
        self.half_is_gone = False
        self.date = b""
        self.tell_time()
        self.generation = 0
        self._tallies: dict[str, Tally] = {}
        self._seats: dict[str, Seats] = {}
        self._own: dict[str, Profile] = {}
        self.file = settings
        self.overlay = NOTHING
        self.book: Book
        book = Book.from_settings(settings)
        self.joined: Joined | None = None
        self.ledger: Ledger
        if settings.ledger.url is None:
            self.ledger = LocalLedger(settings.capacity, book)
        else:
            self.joined = Joined(settings.ledger, settings.capacity, book, called)
            self.ledger = self.joined.ledger
        self.decide: Callable[..., int] = self.ledger.decide
        self._take(settings, book)

    def tell_time(self) -> None:
        """Write down the Date of our own answers (RFC 9110, 6.6.1). Called a few times a second."""
        self.date = b"Date: %b\r\n" % formatdate(usegmt=True).encode()

    def reload(self, settings: Settings) -> None:
        """Take other settings. Banks keep their levels, counters go on, requests in flight are not touched.

        Raises:
            ValueError: the settings cannot be; nothing has changed.
        """
        self._put_in_force(settings, self.overlay)

    def set_overlay(self, overlay: Overlay) -> None:
        """Something else lies over the file. As `reload`, without another file.

        Raises:
            ValueError: it cannot be; nothing has changed.
        """
        self._put_in_force(self.file, overlay)

    def _put_in_force(self, file: Settings, overlay: Overlay) -> None:
        settings = overlaid(file, overlay)
        book = Book.from_settings(settings).with_profiles(self._own)
        self.ledger.reconfigure(settings.capacity, book, monotonic())
        self.file, self.overlay = file, overlay
        self._take(settings, book)

    def set_profiles(self, own: Mapping[str, Profile | None]) -> None:
        """Users have set their own priorities: they count at once, before those of the file. None: those count again.

        Names of no User are remembered for when there is one.

        Raises:
            ValueError: one of them cannot be; it and those after it have not changed.
        """
        kept = {name: profile for name, profile in {**self._own, **own}.items() if profile is not None}
        book = Book.from_settings(self.settings).with_profiles(kept)
        for holder in book.holders:
            if holder.name in own:
                self.ledger.set_profile(holder.name, holder.profile)
                self.users[holder.name].take_profile(holder.profile)
        self._own, self.book = kept, book

    def _take(self, settings: Settings, book: Book) -> None:
        names = {holder.name for holder in book.holders}
        for name in self._seats.keys() - names:
            self._seats[name].kept = 0  # its requests in flight give back no place that is kept
        self._tallies = {name: self._tallies.get(name) or Tally() for name in names}
        self._seats = {name: self._seats.get(name) or Seats() for name in names}
        self.users: Mapping[str, Served] = {
            holder.name: Served(
                holder,
                self.ledger.account(holder.name),
                self.ledger.shown(holder.name),
                self._tallies[holder.name],
                self._seats[holder.name],
                settings,
            )
            for holder in book.holders
        }
        for name, part in self.overlay.drills.items():
            if name in self.users:
                self.users[name].drill = Drill(part)
        self.places.share_out(
            settings.capacity.max_in_flight,
            self._seats,
            {holder.name: holder.allocation for holder in book.holders},
        )
        by_id = {eui64: self.users[holder.name] for eui64, (holder, _role) in book.by_id.items()}
        by_certificate = {
            certificate: tuple(self.users[holder.name] for holder in holders)
            for certificate, holders in book.by_certificate.items()
        }
        self.identities = Identities(settings.gateway, by_certificate, by_id)
        self.settings = settings
        self.timeouts = settings.gateway.timeouts
        self.limits = settings.gateway.limits
        self.book = book
        self.weights: dict[str, float] = dict(settings.capacity.weights)
        self.from_version: Decimal | None = settings.responses.too_many_requests_from_duis
        self.max_body = settings.gateway.max_body_bytes
        self.most_buffered = settings.gateway.limits.buffered_octets
        self.idle_seconds = settings.gateway.timeouts.idle
        self.head_seconds = settings.gateway.timeouts.head
        self.generation += 1
