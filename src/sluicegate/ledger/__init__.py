"""Where the banks live. Today in this process; a fleet shares them."""

from sluicegate.ledger.bounds import Bounds, ShutOut, bounds, deeper, fitting_reserve, shut_out
from sluicegate.ledger.local import LocalLedger

__all__ = ["Bounds", "LocalLedger", "ShutOut", "bounds", "deeper", "fitting_reserve", "shut_out"]
