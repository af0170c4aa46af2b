"""What a front must know of the house that it belongs to: its bounds, its time, and who may come in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sluicegate.settings import Limits, Timeouts

if TYPE_CHECKING:
    from sluicegate.front.identity import Sender
    from sluicegate.front.offences import Offences


class Counters(Protocol):
    """What is counted at the front."""

    connections: int
    handshake_failures: int

    def refuse(self, problem: str) -> None:
        """Count one refusal of ours."""


class Known(Protocol):
    """Who is it: `front.identity.Identities`, or a stand-in where all who come send for others."""

    mode: str

    def of_connection(self, address: str, certificate: bytes | None, /) -> Sender | None:
        """The sender of all requests of a connection; None where each says on whose behalf it comes."""

    def of_field(self, field: bytes, address: str, /) -> Sender:
        """The sender that a request names."""

    def forwards(self, address: str, /) -> bool:
        """Whether an address forwards for others."""


class House(Protocol):
    """The rules in force. A reload may change all of it.

    Attributes:
        generation: counts the reloads; who remembers a sender compares it.
        head_seconds, idle_seconds: of `timeouts`, within reach.
        max_body: octets of a message. buffered: of messages that are held now; most_buffered: at the most.
        draining: whether it is stopping.
        half_is_gone: whether a sender that closes its half of the connection counts as gone. Where answers come at once
            it may wait for one; where they take minutes, one that has hung up looks the same, and hardly anybody else.
    """

    max_body: int
    buffered: int
    most_buffered: int

    @property
    def generation(self) -> int:
        """See above."""

    @property
    def head_seconds(self) -> float:
        """See above."""

    @property
    def idle_seconds(self) -> float:
        """See above."""

    @property
    def draining(self) -> bool:
        """See above."""

    @property
    def half_is_gone(self) -> bool:
        """See above."""

    @property
    def timeouts(self) -> Timeouts:
        """Seconds that each step may take."""

    @property
    def limits(self) -> Limits:
        """How many connections, and octets."""

    @property
    def identities(self) -> Known:
        """Who is it."""

    @property
    def offences(self) -> Offences:
        """Who keeps sending what is refused."""

    @property
    def totals(self) -> Counters:
        """What is counted."""

    def tell_time(self) -> None:
        """Called a few times a second."""
