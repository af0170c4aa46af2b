"""Answers on their way to the User's callback: parcels, delivered as the dispatcher delivers to a User's endpoint."""

from __future__ import annotations

from sluicegate.dispatch.courier import Courier
from sluicegate.dispatch.depot import Depot
from sluicegate.dispatch.fitting import to_endpoint
from sluicegate.dispatch.parcel import Incoming, Parcel
from sluicegate.dispatch.window import Window
from sluicegate.relay.outbox import CALLBACK, OURS
from sluicegate.settings.relaying import Callback

IN_MEMORY, OCTETS = 2_000, 16_777_216  # letters, and octets of them; the others lie in the store


class NoClerk:
    """Nothing is written here: letters come from the desk."""

    def answered(self, parcel: Parcel, body: bytes, at: float) -> Incoming | None:  # noqa: ARG002 - the contract's
        """No SRs are delivered here."""
        return None

    def returned(
        self, parcel: Parcel, body: bytes, code: str, at: float, attempts: int, try_again_after: int
    ) -> Incoming:
        """Nor returned."""
        raise NotImplementedError


def post_office() -> Depot:
    """Where letters are held. Its courier is put in when there is a writer."""
    return Depot(Window(IN_MEMORY, OCTETS, IN_MEMORY // 2, destinations=1), {}, NoClerk())


def courier_of(callback: Callback, depot: Depot) -> Courier:
    """Who delivers them. Raises OSError where a TLS file cannot be used."""
    return to_endpoint(CALLBACK, OURS, callback.url, callback, depot)
