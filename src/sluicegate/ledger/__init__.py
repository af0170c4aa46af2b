"""Where the banks live. Today in this process; a fleet shares them."""

from sluicegate.ledger.bounds import Bounds, bounds, deeper
from sluicegate.ledger.local import LocalLedger

__all__ = ["Bounds", "LocalLedger", "bounds", "deeper"]
