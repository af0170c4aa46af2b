"""Where the banks live: in this process, or, of a fleet, in a Valkey that all its workers share."""

from sluicegate.ledger.bounds import Bounds, ShutOut, bounds, deeper, fitting_reserve, shut_out
from sluicegate.ledger.face import ASK, Banked, Explains, Ledger, Told
from sluicegate.ledger.local import LocalLedger

__all__ = [
    "ASK",
    "Banked",
    "Bounds",
    "Explains",
    "Ledger",
    "LocalLedger",
    "ShutOut",
    "Told",
    "bounds",
    "deeper",
    "fitting_reserve",
    "shut_out",
]
