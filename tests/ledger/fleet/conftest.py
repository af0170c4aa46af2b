"""Where the fleet's tests find the throttle's model and the simulated fleet."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "throttle"), str(ROOT / "tests" / "ledger"), str(ROOT)]
